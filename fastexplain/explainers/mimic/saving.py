"""A `MimicExplainer` as a dictionary of JSON strings, by the keys that interpret-community uses, and back."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexplain.explainers.mimic.rows import SurrogateRows
from fastexplain.explainers.mimic.surrogates.lightgbm import LGBMExplainableModel
from fastexplain.explainers.mimic.teacher import known_teacher
from fastexplain.explainers.options import ResetIndex
from fastexplain.explainers.shared.checks import check_subset
from fastexplain.explanation.numbers.fidelity import FidelityReport

if TYPE_CHECKING:
    from fastexplain.explainers.mimic.explainer import MimicExplainer

__all__ = ["loaded_mimic", "saved_mimic"]

# Key of what interpret-community does not save; it reads it as an attribute that it never looks at.
OWN = "_fastexplain"


def saved_mimic(explainer: MimicExplainer) -> dict[str, Any]:
    """The explainer without teacher and rows.

    Raises
    ------
    ValueError
        The surrogate is not LightGBM, or there are transformations.
    """
    surrogate = explainer.surrogate_model
    if not isinstance(surrogate, LGBMExplainableModel):
        raise ValueError(
            f"_save is for a surrogate of LGBMExplainableModel; this one is {type(surrogate).__name__}. Pickle the "
            "explainer."
        )
    if explainer.transformations is not None:
        raise ValueError("_save cannot write transformations. Pickle the explainer.")
    teacher, rows = explainer._teacher, explainer._rows
    own = {
        "version": 1,
        "n_classes": teacher.n_classes,
        "is_function": explainer.is_function,
        "index_names": explainer._index_names,
        "rows": rows.state(),
        "fidelity": None if explainer.fidelity is None else dataclasses.asdict(explainer.fidelity),
    }
    values = {
        "reset_index": str(explainer.reset_index),
        "_datamapper": None,
        "_identity": "MimicExplainer",
        "predict_proba_flag": teacher.task == "classification",
        "_init_features": explainer.features or list(range(rows.n_columns)),
        "features": explainer.features,
        "_column_indexer": None,
        "_one_hot_encoder": None,
        "classes": explainer.classes,
        "explain_subset": None if explainer.explain_subset is None else list(explainer.explain_subset),
        "transformations": None,
        "_shap_values_output": explainer._shap_values_output,
        "_method": explainer._method,
        "_allow_all_transformations": bool(explainer.allow_all_transformations),
        OWN: own,
    }
    absent = ("_logger", "model", "function", "_timestamp_featurizer", "initialization_examples")
    return {
        **{key: json.dumps(value, default=_plain) for key, value in values.items()},
        **dict.fromkeys((*absent, "_original_eval_examples")),
        "surrogate_model": surrogate._save(),
    }


def loaded_mimic(model: Any, properties: dict[str, Any]) -> dict[str, Any]:
    """Attributes of the explainer that `saved_mimic`, or interpret-community, has written.

    Raises
    ------
    ValueError
        A key is missing, or is not JSON.
    """
    try:
        surrogate = LGBMExplainableModel._load(properties["surrogate_model"])
        read = {key: json.loads(properties[key]) for key in ("predict_proba_flag", "_shap_values_output")}
        rest = {key: json.loads(properties.get(key) or "null") for key in (*_OPTIONAL, OWN)}
    except KeyError as error:
        raise ValueError(
            f"The saved explainer has no {error.args[0]!r}: it is damaged, or no MimicExplainer."
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(f"The saved explainer is damaged: {error.doc[:60]!r} is no JSON ({error.msg}).") from error
    n_columns = int(properties["surrogate_model"]["_n_features"])
    own = rest[OWN] or _assumed(surrogate, read["predict_proba_flag"], n_columns, rest["features"])
    rows = SurrogateRows.from_state(own["rows"])
    task = "classification" if read["predict_proba_flag"] else "regression"
    features = rest["features"]
    return {
        "model": model,
        "is_function": own["is_function"],
        "transformations": None,
        "allow_all_transformations": bool(rest["_allow_all_transformations"]),
        "explain_subset": rest["explain_subset"],
        "reset_index": ResetIndex.Reset if own["index_names"] else ResetIndex.Ignore,
        "_shap_values_output": read["_shap_values_output"],
        "initialization_examples": None,
        "_index_names": own["index_names"],
        "_raw": None,
        "features": features,
        "_columns": features,
        "classes": rest["classes"],
        "_teacher": known_teacher(model, own["is_function"], task, own["n_classes"], rest["classes"]),
        "_subset": check_subset(rest["explain_subset"], features, rows.n_columns),
        "_rows": rows,
        "surrogate_model": surrogate,
        "_method": surrogate._method,
        "fidelity": None if own["fidelity"] is None else FidelityReport(**own["fidelity"]),
    }


_OPTIONAL = ("features", "classes", "explain_subset", "_allow_all_transformations")


def _assumed(surrogate: LGBMExplainableModel, classifier: bool, n_columns: int, features: Any) -> dict[str, Any]:
    """What interpret-community does not save: it can save columns of numbers only."""
    n_classes = int(surrogate.model.n_classes_) if surrogate.multiclass else 2
    names = features or list(range(n_columns))
    return {
        "n_classes": n_classes if classifier else None,
        "is_function": False,
        "index_names": [],
        "rows": {"n_columns": n_columns, "names": names, "earliest": [], "categories": []},
        "fidelity": None,
    }


def _plain(value: Any) -> Any:
    """NumPy's numbers for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be saved as JSON.")
