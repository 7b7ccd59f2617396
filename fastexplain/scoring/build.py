"""From an explainer to the parts of a scoring explainer: the one module here that knows explainers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexplain.engine.background import Background
from fastexplain.engine.feature_map import FeatureMap
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.deep import DeepExplainer
from fastexplain.explainers.kernel import KernelExplainer
from fastexplain.explainers.linear import LinearExplainer
from fastexplain.explainers.mimic.explainer import MimicExplainer
from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.explainers.tree import TreeExplainer
from fastexplain.models.trees.answers import OF_TWO_CLASSES
from fastexplain.models.trees.check import answers_agree
from fastexplain.models.trees.stored import StoredTreeModel
from fastexplain.rows.encoding import RowEncoding
from fastexplain.rows.tables import count_columns
from fastexplain.scoring.exceptions import InitDatasetMissingException
from fastexplain.scoring.explainer import ScoringParts
from fastexplain.scoring.linear import LinearMethod
from fastexplain.scoring.method import Method
from fastexplain.scoring.schema import Feature, FeatureSchema
from fastexplain.scoring.tree import TreeMethod

if TYPE_CHECKING:
    from fastexplain.scoring.build_kernel import Steps
    from fastexplain.scoring.build_mimic import Encoded
    from fastexplain.scoring.preprocessing.table import Preprocessing

__all__ = ["direct", "parts_of"]

_KNOWN = (TreeExplainer, LinearExplainer, KernelExplainer, DeepExplainer, MimicExplainer)
# Labels of a column that an artifact lists.
_MOST_LABELS = 256
_NOT_SEEN = Feature("float64")


def direct(explainer: Any) -> Any:
    """The explainer that computes: what a `TabularExplainer` chose, else the one given."""
    return explainer.explainer if isinstance(explainer, TabularExplainer) else explainer


def parts_of(
    original: Any,
    feature_maps: list[Any] | None = None,
    raw_features: Sequence[Any] | None = None,
    engineered_features: Sequence[Any] | None = None,
    initialization_examples: Any = None,
) -> ScoringParts:
    """What a scoring explainer keeps of an explainer.

    Parameters
    ----------
    original : explainer
        Tabular, tree, linear, kernel, deep or mimic.
    feature_maps : list of array or sparse matrix, optional
        From raw features to the explained columns, in order: (n_raw, n_1), (n_1, n_2), ...
    raw_features, engineered_features : sequence, optional
        Names; default: those that the explainer knows.
    initialization_examples : array or table, optional
        Rows whose columns' types and ranges are noted; default: the explainer's own.

    Raises
    ------
    ValueError
        `feature_maps` are given for an explainer with transformations, or names do not fit.
    UnsupportedModelError
        The explainer, its model or its transformations cannot be kept as data.
    """
    explainer = _known(original)
    raw = explainer._raw
    examples = _examples(explainer, feature_maps, initialization_examples)
    method, steps = _method(explainer, examples if raw is None else None)
    if raw is not None:
        raw.table(examples)  # follows the transformations, where no rows were seen before
        _check_names("raw_features", raw_features, raw.n_raw)
    names = explainer.features if raw is None else raw.raw_features if raw_features is None else list(raw_features)
    encoded = _encoded(explainer, names)
    n_features = method.encoding.n_features if steps is None and encoded is None else count_columns(examples)
    n_features = n_features if raw is None else raw.n_raw
    schema = _schema(names, n_features, examples, raw is None and method.encoding.library == "LightGBM")
    model_names = method.encoding.names if raw is None and steps is None and encoded is None else None
    schema = replace(schema, others=_other_names(schema, model_names, examples))
    preprocessing = feature_map = None
    if raw is not None:
        preprocessing = _of_transformations(raw._transformer, names, schema)
        feature_map = FeatureMap.of(raw.feature_map) if method.n_raw is None else None
        engineered_features = raw.engineered_features if engineered_features is None else engineered_features
    elif steps is not None:
        method, preprocessing = _of_steps(explainer, method, steps, names, schema)
    elif encoded is not None:
        preprocessing, feature_map = _of_transformations(encoded.transformations, names, schema), encoded.feature_map
    elif feature_maps is not None:
        feature_map = _combined(feature_maps, n_features)
    takes_raw = preprocessing is not None
    if preprocessing is not None:
        _check_names("engineered_features", engineered_features, preprocessing.n_engineered)
    if raw_features is not None and feature_map is not None:
        _check_names("raw_features", raw_features, feature_map.n_raw)
    method.encoding = replace(method.encoding, names=None if takes_raw else schema.names)
    return ScoringParts(
        method,
        schema,
        preprocessing,
        feature_map,
        None if not takes_raw and raw_features is None else _named(raw_features if raw_features is not None else names),
        _named(engineered_features),
        None if explainer._subset is None else np.asarray(explainer._subset, dtype=np.int64),
    )


def _known(original: Any) -> Any:
    """The explainer that computes, if it is one that has a scoring explainer."""
    explainer = direct(original)
    if not isinstance(explainer, _KNOWN):
        raise UnsupportedModelError(
            f"{type(original).__name__} has no scoring explainer; expected a Tabular-, Tree-, Linear-, Kernel-, "
            "Deep- or MimicExplainer, such as TabularExplainer(model, rows)."
        )
    return explainer


def _examples(explainer: Any, feature_maps: list[Any] | None, given: Any) -> Any:
    """Rows that tell the columns' types: those given, else the explainer's own."""
    transforms = explainer._raw is not None
    if transforms and feature_maps is not None:
        raise ValueError("feature_maps are given, and the explainer has transformations, which say it already.")
    examples = explainer.initialization_examples if given is None else given
    if transforms and examples is None:
        raise InitDatasetMissingException(
            "An initialization dataset is required: the explainer has transformations, and has seen no rows. Pass "
            "initialization_examples, some rows as they are before the transformations."
        )
    if feature_maps is not None and isinstance(explainer, MimicExplainer) and explainer._rows.categories:
        raise ValueError("feature_maps are not for a surrogate that encodes categories itself.")
    return examples


def _combined(feature_maps: list[Any], n_features: int) -> FeatureMap:
    """One map of several, to the model's columns."""
    from fastexplain.explanation.numbers.feature_maps import combined_map

    feature_map = FeatureMap.of(combined_map(feature_maps))
    if feature_map.n_engineered != n_features:
        raise ValueError(
            f"feature_maps lead to {feature_map.n_engineered} columns; the model has {n_features}. The last map "
            "has a column for each of them."
        )
    return feature_map


def _other_names(schema: FeatureSchema, model_names: Sequence[str] | None, examples: Any) -> tuple[str, ...] | None:
    """Names of the model's own columns, where features were given others."""
    columns = model_names if model_names is not None else getattr(examples, "columns", None)
    if schema.names is None or columns is None or isinstance(examples, np.ndarray):
        return None
    found = tuple(map(str, getattr(examples, "column_names", columns)))
    known = list(map(schema.written, found)) == list(map(schema.written, schema.names))
    return None if known or len(set(found)) != schema.n_features else found


def _check_names(what: str, names: Sequence[Any] | None, expected: int) -> None:
    if names is not None and (isinstance(names, str) or len(names) != expected):
        raise ValueError(f"{what} is {names!r}; expected {expected} names.")


def _named(names: Sequence[Any] | None) -> list[Any] | None:
    return None if names is None else list(names)


def _encoded(explainer: Any, names: list[Any] | None) -> Encoded | None:
    """What a surrogate makes of categories, where it does."""
    if not isinstance(explainer, MimicExplainer):
        return None
    from fastexplain.scoring.build_mimic import surrogate_rows

    if explainer._index_names:
        raise UnsupportedModelError(
            "A MimicExplainer with reset_index='reset' has no scoring explainer: it reads the index."
        )
    encoded = surrogate_rows(explainer._rows, list(range(explainer._rows.n_columns)) if names is None else names)
    if encoded is not None and explainer._raw is not None:
        raise UnsupportedModelError(
            "A surrogate that encodes categories after transformations has no scoring explainer; let the "
            "transformations make numbers of them."
        )
    return encoded


def _of_transformations(transformer: Any, names: list[Any] | None, schema: FeatureSchema) -> Preprocessing:
    from fastexplain.scoring.preprocessing.read import preprocessing_of

    columns = range(schema.n_features) if names is None else names
    known = getattr(transformer, "feature_names_in_", None)
    if known is not None and schema.others == tuple(map(str, known)):  # fitted before features= gave others
        columns = list(known)
    return preprocessing_of(transformer, columns, [feature.dtype for feature in schema.features])


def _of_steps(
    explainer: KernelExplainer, method: Method, steps: Steps, names: list[Any] | None, schema: FeatureSchema
) -> tuple[Method, Preprocessing | None]:
    """The steps of a pipeline that is explained as a whole, as data; else the whole of it as a black box."""
    try:
        return method, _checked_steps(steps, names, schema, explainer._background.data)
    except UnsupportedModelError:
        from fastexplain.scoring.build_kernel import black_box_method

        return black_box_method(explainer), None


def _checked_steps(steps: Steps, names: list[Any] | None, schema: FeatureSchema, rows: Any) -> Preprocessing:
    """A table of operations that gives what the pipeline's own steps give for some rows."""
    from fastexplain.scoring.schema import GivenRows

    table = _of_transformations(steps.pipeline, names, schema)
    found = table.transform(GivenRows(rows, len(rows)).columns())
    expected = steps.encode(rows)
    if found.shape != expected.shape or not np.array_equal(found, expected):
        raise UnsupportedModelError("The steps of the pipeline, as data, do not give the numbers that they give.")
    return table


def _method(explainer: Any, examples: Any) -> tuple[Method, Steps | None]:
    """What computes, and the steps of a pipeline that it plays through."""
    if isinstance(explainer, TreeExplainer):
        return _tree(explainer, examples), None
    if isinstance(explainer, LinearExplainer):
        return _linear(explainer), None
    if isinstance(explainer, MimicExplainer):
        from fastexplain.scoring.build_mimic import mimic_method

        return mimic_method(explainer), None
    if isinstance(explainer, KernelExplainer):
        from fastexplain.scoring.build_kernel import kernel_method

        return kernel_method(explainer)
    from fastexplain.scoring.build_deep import deep_method

    return deep_method(explainer), None


def _tree(explainer: TreeExplainer, examples: Any) -> TreeMethod:
    of = explainer._tree_model
    if of.answers.decision in OF_TWO_CLASSES and of.forest.n_outputs > 1:
        raise UnsupportedModelError(
            f"The {of.library} model predicts {of.forest.n_outputs} labels of each row, of which several may hold; a "
            "scoring explainer predicts one class. Fit one classifier per label."
        )
    if not answers_agree(of):
        raise UnsupportedModelError(
            f"What the {of.library} model predicts is no link of its trees that is known, as with "
            "an objective of one's own; build a KernelScoringExplainer of its predict or predict_proba."
        )
    model = StoredTreeModel.of(of, examples)
    model.classes = explainer.classes
    against = explainer._against
    background = None if against is None else Background(against._background.data, against._background.weights)
    form = "probability" if explainer._by_pair else "rescaled" if explainer._rescales else "raw"
    return TreeMethod(model, background, form)


def _linear(explainer: LinearExplainer) -> LinearMethod:
    from fastexplain.engine.formulas.known import find_model
    from fastexplain.engine.formulas.linear import LinearModel

    model, task = explainer._linear, explainer._explained.task
    solved = explainer._solved
    if isinstance(solved, tuple):
        coef = np.atleast_2d(np.asarray(solved[0], dtype=np.float64))
        offset = np.broadcast_to(np.asarray(solved[1], dtype=np.float64).ravel(), (len(coef),)).copy()
    else:
        found = find_model(solved, "decision_function" if hasattr(solved, "decision_function") else "predict")
        assert isinstance(found, LinearModel)  # linear_shap takes no other
        coef, offset = found.coef, found.offset
    response: str | None = "identity" if task == "regression" else None
    answer = None if isinstance(model, tuple) else find_model(model, "predict" if response else "predict_proba")
    if isinstance(answer, LinearModel):
        response = answer.response_name
    encoding = RowEncoding(explainer._explained.name, coef.shape[1], allow_nan=False, allow_inf=False)
    return LinearMethod(coef, offset, explainer._mean, response, task, explainer.classes, encoding)


def _schema(names: list[Any] | None, n_features: int, examples: Any, blanks: bool) -> FeatureSchema:
    features = [_NOT_SEEN] * n_features if examples is None else _seen(examples, n_features)
    texts = None if names is None else tuple(str(name) for name in names)
    if texts is not None and len(set(texts)) != len(texts):
        twice = next(name for name in texts if texts.count(name) > 1)
        raise ValueError(
            f"Two features are named {twice!r}, and a scoring explainer matches rows by name; pass features= with a "
            "name for each."
        )
    return FeatureSchema(texts, tuple(features), blanks)


def _seen(examples: Any, n_features: int) -> list[Feature]:
    from fastexplain.rows.kinds import is_sparse
    from fastexplain.scoring.schema import GivenRows

    width = count_columns(examples)
    if width != n_features:
        raise ValueError(f"initialization_examples have {width} columns; expected rows of the {n_features} features.")
    if is_sparse(examples):
        examples = examples.toarray()
    if hasattr(examples, "to_pandas"):
        examples = examples.to_pandas()
    columns = GivenRows(examples, len(examples)).columns()
    return [_feature(column) for column in columns]


def _feature(column: Any) -> Feature:
    array = np.asarray(column)
    if array.dtype.kind in "fiub":
        numbers = array[np.isfinite(array)] if array.dtype.kind == "f" else array
        if not len(numbers):
            return Feature(str(array.dtype))
        return Feature(str(array.dtype), float(numbers.min()), float(numbers.max()))
    return Feature("object", categories=_labels_of(column))


def _labels_of(column: Any) -> tuple[Any, ...] | None:
    """Labels that were seen, in order; None of many, as of names of people, or of such as JSON does not hold."""
    found = set()
    for label in np.asarray(column, dtype=object).tolist():
        if label is None or type(label).__name__ in ("NAType", "NaTType"):
            continue
        plain = label.item() if isinstance(label, np.generic) else label
        if isinstance(plain, float) and np.isnan(plain):
            continue
        if not isinstance(plain, (str, bool, int)) and not (isinstance(plain, float) and np.isfinite(plain)):
            return None
        found.add(plain)
        if len(found) > _MOST_LABELS:
            return None
    return tuple(sorted(found, key=lambda label: (type(label).__name__, label)))
