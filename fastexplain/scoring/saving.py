"""Scoring explainers as artifacts: `save` and `load`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.feature_map import FeatureMap
from fastexplain.exceptions import ArtifactError
from fastexplain.models.trees.structure import MAX_FEATURES
from fastexplain.rows.encoding import UNKNOWN, RowEncoding
from fastexplain.scoring.artifact import LIMITS, Limits, read
from fastexplain.scoring.exceptions import DirectoryExistsException
from fastexplain.scoring.explainer import ScoringExplainer, ScoringParts
from fastexplain.scoring.fields import Fields, labels_as_json
from fastexplain.scoring.kinds import explainer_class, method_class
from fastexplain.scoring.pickles import holds_pickle, read_pickle, write_pickle
from fastexplain.scoring.reasons import ReasonTable
from fastexplain.scoring.schema import Feature, FeatureSchema

__all__ = ["content_schema", "load", "save"]

_FLAGS = ("labels_in_arrays", "integers_as_float32", "allow_nan", "allow_inf", "float32")


def save(
    scoring_explainer: ScoringExplainer,
    directory: str | os.PathLike[str] = ".",
    exist_ok: bool = False,
    *,
    format: str = "artifact",
) -> str:
    """Write a scoring explainer as an artifact: numbers and plain data, which `load` reads without executing anything.

    Parameters
    ----------
    scoring_explainer : ScoringExplainer
    directory : path-like
        A directory to make, or a file that ends in ``.zip``.
    exist_ok : bool, default False
        Whether an artifact that is there already is replaced.
    format : {"artifact", "pickle"}, default "artifact"
        ``"pickle"`` writes ``scoring_explainer.pkl`` into the directory, for scripts that read it with ``joblib.load``,
        as azureml-interpret's users have them. Whoever reads a pickle executes what its writer wants.

    Returns
    -------
    str
        The artifact's id: a hash of everything in it. Of a pickle, the file's path.

    Raises
    ------
    DirectoryExistsException
        The place is taken, and `exist_ok` is False; or what is there is no artifact.
    TypeError
        `scoring_explainer` is none.
    UnsupportedModelError
        Labels of the model are neither text, numbers nor booleans.
    OSError
        It cannot be written. Nothing is left of it then.
    """
    if format not in ("artifact", "pickle"):
        raise ValueError(f"format must be 'artifact' or 'pickle'; got {format!r}.")
    if not isinstance(scoring_explainer, ScoringExplainer):
        raise TypeError(
            f"scoring_explainer is a {type(scoring_explainer).__name__}; expected a scoring explainer: "
            "save(fastexplain.scoring.scoring_explainer(explainer), directory)."
        )
    if format == "pickle":
        return write_pickle(scoring_explainer, directory, exist_ok)
    from fastexplain.scoring.artifact import write

    content, arrays = _to_content(scoring_explainer._parts)
    try:
        identity: str = write(directory, content, arrays, exist_ok=exist_ok)
    except FileExistsError as error:
        raise DirectoryExistsException(str(error)) from error
    return identity


def load(
    directory: str | os.PathLike[str],
    *,
    id: str | None = None,
    predictor: Callable[[Any], Any] | str | None = None,
    allow_pickle: bool = False,
    limits: Limits = LIMITS,
) -> ScoringExplainer:
    """Read a scoring explainer that `save` wrote.

    Nothing in the files is executed, and every number is checked before it is used. Arrays of a directory are mapped,
    so that many processes share one copy: replace an artifact as a whole (``save(..., exist_ok=True)``), never edit its
    files.

    Parameters
    ----------
    directory : path-like
        Directory or zip.
    id : str, optional
        The id that it must have.
    predictor : callable or str, optional
        The model of an artifact that holds none, as that of a function that Kernel SHAP explained: takes rows as the
        model did, float64 arrays (n_rows, n_features), or pandas tables where it was explained on these, and returns
        what it returned. Or a URL where it answers by KServe's protocol V1 or V2; see `RemotePredictor`. A few rows of
        the background are compared.
    allow_pickle : bool, default False
        Whether ``scoring_explainer.pkl`` is read, where the directory holds one: that executes whatever its writer put
        into it, so its writer must be trusted as if they sat at this machine.
    limits : Limits, optional
        How large what is read may be.

    Returns
    -------
    ScoringExplainer

    Raises
    ------
    ArtifactError
        Damaged, forged, of a newer version, or of another id; the message names file and field. Or it holds no model,
        and none is given.
    PredictionError
        `predictor` raises, or predicts otherwise than the model that was explained.
    ValueError
        `predictor` is given for an artifact that holds its model.
    OSError
        There is nothing to read.
    """
    if holds_pickle(directory):
        return read_pickle(directory, id, allow_pickle)
    artifact = read(directory, id=id, limits=limits)
    content = Fields(artifact.content, "content", artifact.arrays)
    try:
        explainer = explainer_class(content.text("kind"))._of(_from_content(content))
    except ArtifactError as error:
        raise ArtifactError(f"{artifact.path}: {error}") from error
    except (ValueError, TypeError) as error:  # what the parts themselves refuse
        raise ArtifactError(f"{artifact.path} is no artifact that fastexplain wrote: {error}") from error
    explainer._id = artifact.id
    method = explainer._parts.method
    if isinstance(predictor, str):
        from fastexplain.scoring.remote import RemotePredictor  # with what HTTP needs

        predictor = RemotePredictor(predictor)
    if predictor is not None:
        method.take_predictor(predictor)
    if method.needs_predictor:
        raise ArtifactError(
            f"{artifact.path} holds no model: it was made of a black box. Give it one, load(path, predictor=function), "
            "a function of rows that returns what the model did, or the URL of a server that does."
        )
    return explainer


def content_schema() -> dict[str, Any]:
    """The JSON Schema of an artifact's content; that of its manifest is `fastexplain.scoring.artifact.schema`."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("content_schema.json").read_text(encoding="utf-8"))
    return found


def _to_content(parts: ScoringParts) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    model, arrays = parts.method.parts()
    arrays = dict(arrays)
    content: dict[str, Any] = {
        "kind": parts.method.kind,
        "task": parts.method.task,
        "classes": labels_as_json(parts.method.classes, "the classes"),
        "model": model,
        "rows": _encoding_content(parts.method.encoding),
        "features": _schema_content(parts.schema),
        "raw_features": _texts(parts.raw_features),
        "engineered_features": _texts(parts.engineered_features),
        "subset": None if parts.subset is None else parts.subset.tolist(),
        "reasons": parts.reasons.as_json(),
        "feature_map": None,
        "preprocessing": None,
    }
    if parts.feature_map is not None:
        content["feature_map"] = {
            "n_raw": int(parts.feature_map.n_raw),
            "n_engineered": int(parts.feature_map.n_engineered),
        }
        for name in ("raw", "engineered", "weights"):
            arrays[f"feature_map.{name}"] = getattr(parts.feature_map, name)
    if parts.preprocessing is not None:
        content["preprocessing"], more = parts.preprocessing.to_parts()
        arrays.update({f"preprocessing.{name}": array for name, array in more.items()})
    return content, arrays


def _from_content(content: Fields) -> ScoringParts:
    encoding = _encoding_of(content.object("rows"))
    method = method_class(content.text("kind")).from_parts(content, encoding)
    schema = _schema_of(content.object("features"))
    n_given = schema.n_features
    feature_map = preprocessing = None
    if content.present("feature_map"):
        feature_map = _map_of(content.object("feature_map"), encoding.n_features)
    if content.present("preprocessing"):
        from fastexplain.scoring.preprocessing.table import Preprocessing

        preprocessing = Preprocessing.from_parts(content.take("preprocessing"), content.arrays_of("preprocessing"))
        if (preprocessing.n_raw, preprocessing.n_engineered) != (n_given, encoding.n_features):
            raise content.error(
                "preprocessing",
                f"makes {preprocessing.n_engineered} columns of {preprocessing.n_raw}; expected {encoding.n_features} "
                f"of {n_given}.",
            )
        n_raw = method.n_raw if feature_map is None else feature_map.n_raw
        if n_raw != n_given or (method.n_raw is not None and feature_map is not None):
            raise content.error("feature_map", f"does not say which of the {n_given} raw features columns came of.")
    elif n_given != encoding.n_features or method.n_raw is not None:
        raise content.error("features", f"lists {n_given} columns; the model takes {encoding.n_features}.")
    n_values = encoding.n_features if preprocessing is None else n_given
    subset = content.integers("subset", 0, n_values - 1) if content.present("subset") else None
    return ScoringParts(
        method,
        schema,
        preprocessing,
        feature_map,
        list(content.texts("raw_features")) if content.present("raw_features") else None,
        list(content.texts("engineered_features")) if content.present("engineered_features") else None,
        None if subset is None else np.asarray(subset, dtype=np.int64),
        ReasonTable.from_json(content.object("reasons")),
    )


def _texts(names: list[Any] | None) -> list[str] | None:
    return None if names is None else [str(name) for name in names]


def _encoding_content(encoding: RowEncoding) -> dict[str, Any]:
    return {
        "library": encoding.library,
        "n_features": int(encoding.n_features),
        "names": _texts(None if encoding.names is None else list(encoding.names)),
        "categories": [
            {"column": int(column), "labels": labels_as_json(list(labels), encoding.column_name(column))}
            for column, labels in sorted(encoding.categories.items())
        ],
        "unknown": encoding.unknown,
        **{name: bool(getattr(encoding, name)) for name in _FLAGS},
        "checked_categories": [int(column) for column in encoding.checked_categories],
        "largest_category": int(encoding.largest_category),
        "unstored_is_missing": bool(np.isnan(encoding.unstored)),
        "missing_value": _json_number(encoding.missing_value),
    }


def _encoding_of(fields: Fields) -> RowEncoding:
    n_features = fields.integer("n_features", 0, MAX_FEATURES)
    last = n_features - 1
    return RowEncoding(
        fields.text("library"),
        n_features,
        fields.texts("names", n_features) if fields.present("names") else None,
        categories={each.integer("column", 0, last): each.labels("labels") for each in fields.objects("categories")},
        unknown=fields.text("unknown", UNKNOWN),
        checked_categories=fields.integers("checked_categories", 0, last),
        largest_category=fields.integer("largest_category"),
        unstored=float("nan") if fields.flag("unstored_is_missing") else 0.0,
        missing_value=_number_of(fields, "missing_value"),
        **{name: fields.flag(name) for name in _FLAGS},
    )


def _json_number(value: float) -> Any:
    """A number as JSON holds it: infinite ones by name, NaN as null."""
    return None if np.isnan(value) else float(value) if np.isfinite(value) else ("inf" if value > 0 else "-inf")


def _number_of(fields: Fields, name: str) -> float:
    value = fields.take(name)
    if value is None:
        return float("nan")
    return float(value) if value in ("inf", "-inf") else fields.number(name)


def _schema_content(schema: FeatureSchema) -> dict[str, Any]:
    columns = []
    for i, feature in enumerate(schema.features):
        column = asdict(feature)
        column["categories"] = labels_as_json(feature.categories, f"column {i}")
        columns.append(column)
    content = {
        "names": None if schema.names is None else list(schema.names),
        "columns": columns,
        "blanks": schema.blanks,
    }
    return content if schema.others is None else content | {"others": list(schema.others)}


def _schema_of(fields: Fields) -> FeatureSchema:
    features = tuple(
        Feature(
            each.text("dtype"),
            each.number("lowest") if each.present("lowest") else None,
            each.number("highest") if each.present("highest") else None,
            tuple(each.labels("categories")) if each.present("categories") else None,
        )
        for each in fields.objects("columns")
    )
    names = fields.texts("names", len(features)) if fields.present("names") else None
    others = fields.texts("others", len(features)) if names is not None and fields.present("others") else None
    return FeatureSchema(names, features, fields.flag("blanks"), others)


def _map_of(fields: Fields, n_columns: int) -> FeatureMap:
    n_raw, n_engineered = (fields.integer(name, 0, MAX_FEATURES) for name in ("n_raw", "n_engineered"))
    if n_engineered != n_columns:
        raise fields.error("n_engineered", f"is {n_engineered}; the model takes {n_columns} columns.")
    raw = fields.array("feature_map.raw", "int64", (None,))
    engineered = fields.array("feature_map.engineered", "int64", raw.shape)
    weights = fields.array("feature_map.weights", "float64", raw.shape)
    for name, index, size in (("raw", raw, n_raw), ("engineered", engineered, n_engineered)):
        if len(index) and not (index.min() >= 0 and index.max() < size):
            raise ArtifactError(f"The array 'feature_map.{name}' holds indices outside of 0..{size - 1}.")
    return FeatureMap(raw, engineered, weights, n_raw, n_engineered)
