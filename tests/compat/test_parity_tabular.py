"""TabularExplainer and the explainers it chooses answer what interpret-community 0.32 does, where that is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import EXACT, Difference, answers, check, difference, ours, stored, theirs, unused, world

FILE = "tabular"
# XGBoost gives interpret-community its values in float32; ours are float64 sums of the same leaves.
FLOAT32 = 1e-6


def _both(expected_values: list[float]) -> Any:
    return pytest.approx([-expected_values[0], expected_values[0]])


DIFFERENCES = (
    Difference(
        r".*",
        "model_type",
        "global explanations say whose they are too, and models are not named by a wrapper around them",
        lambda ours, theirs: ours["model_type"].startswith("<class") and "ml_wrappers" not in ours["model_type"],
    ),
    Difference(
        r"(lgbm|forest|kernel).*",
        "init_data",
        "what the explainer was built on, as lists, whatever method was chosen; theirs is absent with trees, and "
        "an internal wrapper with Kernel SHAP",
        lambda ours, theirs: np.ndim(ours["init_data"]) == 2,
    ),
    Difference(
        r"(?!logistic\.one_row).*",
        "classes",
        "the classes that were passed survive streaming, and the model's own stand in where none were passed",
        lambda ours, theirs: len(ours["classes"]) == ours["num_classes"] and theirs["classes"] is None,
    ),
    Difference(
        r"(lgbm_regression|linear)\.subset",
        r"features|num_features|get_ranked_local_names\(.*",
        "explained features are named, not the first ones of all (contract 7.6)",
        lambda ours, theirs: ours["features"] in ([3, 1], ["noise", "age"]) and ours["num_features"] == 2,
    ),
    Difference(
        r"kernel_regression\.subset",
        r".*local.*|num_examples|expected_values|ExpectedValuesMixin._does_quack",
        "rows x explained features, and a base value (contract 7.3: theirs is flat, and its names raise)",
        lambda ours, theirs: (
            np.ravel(ours["local_importance_values"]) == pytest.approx(theirs["local_importance_values"])
        ),
    ),
    Difference(
        r"logistic\.(global|local|streamed|one_row)",
        "expected_values",
        "one for each class, as for every other method (contract 7.15)",
        lambda ours, theirs: ours["expected_values"] == _both(theirs["expected_values"]),
    ),
    Difference(
        r".*\.one_row",
        "num_examples",
        "one row is one example; theirs counts features",
        lambda ours, theirs: ours["num_examples"] == 1,
    ),
    Difference(
        r"logistic\.one_row",
        r"model_task|classes|num_classes|.*local.*|.*_does_quack",
        "a row of a classifier is classified: classes x features; theirs forgets the classes (contract 7.4)",
        lambda ours, theirs: ours["local_importance_values"][1] == pytest.approx(theirs["local_importance_values"]),
    ),
    Difference(
        r".*",
        r"data\(-1\)",
        "every row has its base value, and the global entry its intercept, as data(i) and data(None) have them",
        lambda ours, theirs: difference(ours["data(-1)"], theirs["data(-1)"], EXACT, extended=True) is None,
    ),
    Difference(
        r"kernel_svc\.function",
        "eval_y_predicted",
        "a function's outputs tell the class that it predicts",
        lambda ours, theirs: len(ours["eval_y_predicted"]) == 3,
    ),
)


def tolerance(name: str) -> float:
    return FLOAT32 if name.startswith("xgboost") else EXACT


@pytest.mark.parametrize("name", theirs(FILE))
def test_answers_are_those_of_interpret_community(name: str) -> None:
    check(FILE, name, DIFFERENCES, tolerance(name))


def test_every_listed_difference_occurs() -> None:
    assert not unused(FILE, DIFFERENCES)


def test_stored_explanations_cover_the_methods() -> None:
    methods = {stored(FILE)[name]["method"] for name in theirs(FILE)}
    assert methods == {"shap_tree", "shap_linear", "shap_kernel"}


# --- where interpret-community raises ---------------------------------------------------------------------------------


def test_one_row_of_a_classifier_of_trees_is_classes_x_features() -> None:
    assert "raises" in stored(FILE)["lgbm_binary.one_row_1d"]
    alone, among = answers(FILE, "lgbm_binary.one_row_1d"), answers(FILE, "lgbm_binary.one_row_2d")
    rows: Any = among["local_importance_values"]
    assert alone["local_importance_values"] == [rows[0][0], rows[1][0]]


def test_pair_of_coefficients_and_intercept_is_explained() -> None:
    assert "raises" in stored(FILE)["linear.pair"]
    pair, model = (answers(FILE, f"linear.{name}")["local_importance_values"] for name in ("pair", "local"))
    assert difference(pair, model, EXACT) is None


# --- the comparison itself --------------------------------------------------------------------------------------------


def test_wrong_value_is_found() -> None:
    assert difference([1.0, [2.0]], [1.0, [2.0 + 1e-6]], EXACT) == "[1]: [0]: 2.0, not 2.000001"
    assert difference([1.0], {"array": [1.0], "shape": [1], "kind": "number"}, EXACT) is not None
    assert difference(1, 1.0, EXACT) is not None
    assert difference([1.0], [1.0, 2.0], EXACT) is not None
    assert difference(float("nan"), float("nan"), EXACT) is None


def test_models_come_back_as_they_were_stored() -> None:
    explanation = ours(FILE, "lgbm_binary.local")
    raw = world().model("lgbm_binary").predict(world().rows, raw_score=True)
    np.testing.assert_allclose(explanation.values.sum(axis=1)[:, 0] + explanation.base_values, raw, rtol=1e-9)
