"""A `MimicExplainer` as a dictionary of JSON strings, by the keys that interpret-community uses, and back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastexplain.explainers.mimic.rows import SurrogateRows
from fastexplain.explainers.mimic.surrogates._base import BaseExplainableModel
from fastexplain.explainers.mimic.surrogates.lightgbm import LGBMExplainableModel
from fastexplain.explainers.options import ResetIndex
from fastexplain.explanation.numbers.fidelity import FidelityReport

__all__ = ["MimicState", "from_properties", "to_properties"]

# Key of what interpret-community does not save; it reads it as an attribute that it never looks at.
_OWN = "_fastexplain"
_OPTIONAL = ("features", "classes", "explain_subset", "_allow_all_transformations")


@dataclass(frozen=True)
class MimicState:
    """What a `MimicExplainer` has learnt: all but its teacher, its transformations and its rows.

    Attributes
    ----------
    surrogate : BaseExplainableModel
    rows : SurrogateRows
        How rows become the surrogate's numbers.
    task : {"classification", "regression"}
    n_classes : int or None
    classes, features : list or None
        Names to show.
    is_function : bool
        Whether the teacher is called itself.
    index_names : list
        Levels of the index that are columns.
    explain_subset : list or None
    allow_all_transformations : bool
    reset_index : ResetIndex
    output : str
        `shap_values_output`.
    fidelity : FidelityReport or None
    """

    surrogate: BaseExplainableModel
    rows: SurrogateRows
    task: str
    n_classes: int | None
    classes: list[Any] | None
    features: list[Any] | None
    is_function: bool
    index_names: list[Any]
    explain_subset: list[Any] | None
    allow_all_transformations: bool
    reset_index: ResetIndex
    output: str
    fidelity: FidelityReport | None


def to_properties(state: MimicState) -> dict[str, Any]:
    """The state as JSON strings.

    Raises
    ------
    ValueError
        The surrogate is not LightGBM.
    """
    surrogate = state.surrogate
    if not isinstance(surrogate, LGBMExplainableModel):
        raise ValueError(
            f"_save is for a surrogate of LGBMExplainableModel; this one is {type(surrogate).__name__}. Pickle the "
            "explainer."
        )
    own = {
        "version": 1,
        "n_classes": state.n_classes,
        "is_function": state.is_function,
        "index_names": state.index_names,
        "rows": state.rows.state(),
        "fidelity": None if state.fidelity is None else dataclasses.asdict(state.fidelity),
    }
    values = {
        "reset_index": str(state.reset_index),
        "_datamapper": None,
        "_identity": "MimicExplainer",
        "predict_proba_flag": state.task == "classification",
        "_init_features": state.features or list(range(state.rows.n_columns)),
        "features": state.features,
        "_column_indexer": None,
        "_one_hot_encoder": None,
        "classes": state.classes,
        "explain_subset": state.explain_subset,
        "transformations": None,
        "_shap_values_output": state.output,
        "_method": surrogate._method,
        "_allow_all_transformations": state.allow_all_transformations,
        _OWN: own,
    }
    absent = ("_logger", "model", "function", "_timestamp_featurizer", "initialization_examples")
    return {
        **{key: json.dumps(value, default=_plain) for key, value in values.items()},
        **dict.fromkeys((*absent, "_original_eval_examples")),
        "surrogate_model": surrogate._save(),
    }


def from_properties(properties: dict[str, Any]) -> MimicState:
    """The state that `to_properties`, or interpret-community, has written.

    Raises
    ------
    ValueError
        A key is missing, or is not JSON.
    """
    try:
        surrogate = LGBMExplainableModel._load(properties["surrogate_model"])
        read = {key: json.loads(properties[key]) for key in ("predict_proba_flag", "_shap_values_output")}
        rest = {key: json.loads(properties.get(key) or "null") for key in (*_OPTIONAL, _OWN)}
    except KeyError as error:
        raise ValueError(
            f"The saved explainer has no {error.args[0]!r}: it is damaged, or no MimicExplainer."
        ) from error
    except json.JSONDecodeError as error:
        raise ValueError(f"The saved explainer is damaged: {error.doc[:60]!r} is no JSON ({error.msg}).") from error
    n_columns = int(properties["surrogate_model"]["_n_features"])
    own = rest[_OWN] or _assumed(surrogate, read["predict_proba_flag"], n_columns, rest["features"])
    return MimicState(
        surrogate=surrogate,
        rows=SurrogateRows.from_state(own["rows"]),
        task="classification" if read["predict_proba_flag"] else "regression",
        n_classes=own["n_classes"],
        classes=rest["classes"],
        features=rest["features"],
        is_function=own["is_function"],
        index_names=own["index_names"],
        explain_subset=rest["explain_subset"],
        allow_all_transformations=bool(rest["_allow_all_transformations"]),
        reset_index=ResetIndex.Reset if own["index_names"] else ResetIndex.Ignore,
        output=read["_shap_values_output"],
        fidelity=None if own["fidelity"] is None else FidelityReport(**own["fidelity"]),
    )


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
