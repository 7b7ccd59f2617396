"""MimicExplainer answers what interpret-community 0.32 does, where that is right, with each of the four surrogates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import EXACT, Difference, answers, check, difference, stored, theirs, unused

FILE = "mimic"
# Solvers stop at their own tolerance (lbfgs: 1e-4 of the gradient), and other versions of BLAS round otherwise.
SOLVED = 1e-6


def _rows_and_columns(encoded: Any) -> bool:
    return encoded is None or np.ndim(encoded) == 2 or "sparse" in encoded


def _adds_up(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether local values and base value add up to probabilities of both or all classes."""
    values, base = np.array(ours["local_importance_values"]), np.array(ours["expected_values"])
    totals = values.sum(axis=2) + base[:, None]
    return bool(np.all((totals > -EXACT) & (totals < 1 + EXACT)) and np.allclose(totals.sum(axis=0), 1))


DIFFERENCES = (
    Difference(
        r".*",
        "model_type",
        "global explanations say whose they are too, and models are not named by a wrapper around them",
        lambda ours, theirs: ours["model_type"].startswith("<class") and "ml_wrappers" not in ours["model_type"],
    ),
    Difference(
        r".*",
        r"init_data|eval_data",
        "rows as lists, or as the sparse matrix that was passed; theirs are sometimes a wrapper around them",
        lambda ours, theirs: _rows_and_columns(ours["init_data"]) and _rows_and_columns(ours["eval_data"]),
    ),
    Difference(
        r".*",
        "classes",
        "the teacher's own where none were passed",
        lambda ours, theirs: len(ours["classes"]) == ours["num_classes"] and theirs["classes"] is None,
    ),
    Difference(
        r".*\.(streamed|no_rows.*)",
        r"num_features|num_classes",
        "as many as there are; theirs are None where no local values are kept",
        lambda ours, theirs: ours["num_features"] == len(ours["features"]) and theirs["num_features"] is None,
    ),
    Difference(
        r"mimic_lgbm\.no_rows.*",
        r"_?global_importance_values|get_ranked_global_values\(.*|get_feature_importance_dict\(.*|data\(.*",
        "numbers of splits are floats, as all importances; theirs are ints",
        lambda ours, theirs: ours["global_importance_values"] == theirs["global_importance_values"],
    ),
    Difference(
        r"mimic_(sgd|tree)\.(binary|local|one_row)|mimic_outputs\.decisiontree_logistic_.*",
        "expected_values",
        "one number for each class, not a list of one (contract 7.15)",
        lambda ours, theirs: (
            len(ours["expected_values"]) == 2 and all(type(e) is float for e in ours["expected_values"])
        ),
    ),
    Difference(
        r"mimic_outputs\.decisiontree_logistic_((teacher_)?probability|multi_teacher_probability)",
        r".*",
        "shap_values_output is heeded for DecisionTreeExplainableModel too; theirs are values of the default output",
        _adds_up,
    ),
    Difference(
        r"mimic_lgbm_sparse\.streamed",
        r"features|.*global.*|get_feature_importance_dict\(.*",
        "importances are a list of numbers, as without streaming; theirs are a matrix of one row, and ranks raise",
        lambda ours, theirs: (
            difference(ours["global_importance_values"], theirs["global_importance_values"][0], EXACT) is None
        ),
    ),
    Difference(
        r"mimic_lgbm_sparse\.multi",
        r"expected_values|data\(.*",
        "one for each class; theirs is that of the first class alone",
        lambda ours, theirs: (
            len(ours["expected_values"]) == 3
            and ours["expected_values"][0] == pytest.approx(theirs["expected_values"][0])
        ),
    ),
)


def tolerance(name: str) -> float:
    return SOLVED if name.startswith("mimic_linear.") else EXACT


@pytest.mark.parametrize("name", theirs(FILE))
def test_answers_are_those_of_interpret_community(name: str) -> None:
    check(FILE, name, DIFFERENCES, tolerance(name))


def test_every_listed_difference_occurs() -> None:
    assert not unused(FILE, DIFFERENCES)


@pytest.mark.parametrize("surrogate", ["lgbm", "decisiontree"])
@pytest.mark.parametrize("teacher", ["logistic", "logistic_multi"])
def test_teacher_probability_adds_up_to_that_of_the_teacher(surrogate: str, teacher: str) -> None:
    found = answers(FILE, f"mimic_outputs.{surrogate}_{teacher}_teacher_probability")
    totals = np.array(found["local_importance_values"]).sum(axis=2) + np.array(found["expected_values"])[:, None]
    np.testing.assert_allclose(totals.T, found["eval_y_predicted_proba"], rtol=1e-9)


def test_sparse_rows_of_several_classes_are_streamed() -> None:
    # theirs: 'csr_matrix' object has no attribute 'A' (contract 7.10)
    assert "raises" in stored(FILE)["mimic_lgbm_sparse.streamed_multi"]
    streamed, kept = (answers(FILE, f"mimic_lgbm_sparse.{name}") for name in ("streamed_multi", "multi"))
    for member in ("global_importance_values", "per_class_values", "expected_values"):
        assert difference(streamed[member], kept[member], EXACT) is None
