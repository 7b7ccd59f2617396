"""Explanations of raw features are what interpret-community 0.32 makes of them, where that is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import EXACT, Difference, check, theirs, unused

FILE = "raw"
# Solvers stop at their own tolerance, and other versions of BLAS round otherwise.
SOLVED = 1e-6
COLUMNS = ["age", "job", "pay", "town"]


def _both(expected_values: list[float]) -> Any:
    return pytest.approx([-expected_values[0], expected_values[0]])


DIFFERENCES = (
    Difference(
        r".*",
        "model_type",
        "raw explanations say whose they are too; theirs do not",
        lambda ours, theirs: ours["model_type"].startswith("<class") and theirs["model_type"] is None,
    ),
    Difference(
        r".*",
        "classes",
        "the classes that were passed survive streaming, and the model's own stand in where none were passed",
        lambda ours, theirs: len(ours["classes"]) == ours["num_classes"] and theirs["classes"] is None,
    ),
    Difference(
        r"raw_(columns|pairs)\..*",
        r"expected_values|data\(.*",
        "one for each class, as for every other method (contract 7.15)",
        lambda ours, theirs: ours["expected_values"] == _both(theirs["expected_values"]),
    ),
    Difference(
        r"raw_columns\.streamed",
        r"is_raw|num_features|.*Explanation\._does_quack",
        "streamed importances of raw columns are raw; theirs are not told to be, and num_features raises",
        lambda ours, theirs: ours["is_raw"] is True and ours["num_features"] == len(COLUMNS),
    ),
    Difference(
        r"raw_(columns|pairs|mimic)\..*",
        "init_data",
        "the raw rows that were passed; theirs are transformed ones beside raw importances",
        lambda ours, theirs: np.shape(ours["init_data"]) == (30, len(COLUMNS)),
    ),
    Difference(
        r"raw_(columns\.local|kernel\.local|mimic\.no_rows|pfi\.accuracy)",
        r"(init|eval)_data|eval_y_predicted(_proba)?|_DatasetsMixin\._does_quack",
        "data and predictions are there; theirs are lost in a local raw explanation, and without rows",
        lambda ours, theirs: theirs["eval_y_predicted"] == {"raises": "AttributeError"},
    ),
    Difference(
        r"raw_(mimic\.no_rows|maps\.streamed|pfi\.accuracy)",
        "num_classes",
        "as many as there are; theirs is None",
        lambda ours, theirs: ours["num_classes"] == 2 and theirs["num_classes"] is None,
    ),
    Difference(
        r"raw_maps\.streamed",
        r".*per_class.*|PerClassMixin\._does_quack",
        "importances of each class survive; theirs are lost",
        lambda ours, theirs: np.shape(ours["per_class_values"]) == (2, 3),
    ),
    Difference(
        r"raw_maps\..*",
        "features",
        "indices stand in where there are no names; theirs is None in a raw explanation, but not in others",
        lambda ours, theirs: ours["features"] == [0, 1, 2] and theirs["features"] is None,
    ),
    Difference(
        r"raw_pfi\.accuracy",
        r"_?global_importance_.*|get_ranked_global_.*|get_feature_importance_dict\(.*",
        "means of five permutations; theirs is one",
        lambda ours, theirs: ours["get_ranked_global_names()"][0] == theirs["get_ranked_global_names()"][0] == "age",
    ),
    Difference(
        r"raw_maps\.sparse",
        "expected_values",
        "one for each class; theirs is that of the first class alone",
        lambda ours, theirs: ours["expected_values"][0] == pytest.approx(theirs["expected_values"][0]),
    ),
)


def tolerance(name: str) -> float:
    return SOLVED if name.startswith("raw_mimic.linear") else EXACT


@pytest.mark.parametrize("name", theirs(FILE))
def test_answers_are_those_of_interpret_community(name: str) -> None:
    check(FILE, name, DIFFERENCES, tolerance(name))


def test_every_listed_difference_occurs() -> None:
    assert not unused(FILE, DIFFERENCES)
