"""Two features of one name are refused wherever names are given: importances by name would lose one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

import fastexplain
from fastexplain import load_explanation, save_explanation
from fastexplain.explanation import GlobalExplanation, LocalExplanation, ParquetWriter, write_parquet

ROWS = np.random.default_rng(0).normal(size=(40, 3))
Y = ROWS @ [1.0, 2.0, 3.0]
LINEAR, TREE = LinearRegression().fit(ROWS, Y), DecisionTreeRegressor(max_depth=3).fit(ROWS, Y)
TWICE = ["a", "b", "a"]
STEPS = [([0, 1, 2], StandardScaler().fit(ROWS))]
VALUES = np.ones((2, 3, 1))

GIVEN: dict[str, Callable[[list[str]], Any]] = {
    "tabular": lambda names: fastexplain.TabularExplainer(TREE, ROWS, features=names),
    "tree": lambda names: fastexplain.TreeExplainer(TREE, features=names),
    "linear": lambda names: fastexplain.LinearExplainer(LINEAR, ROWS, features=names),
    "kernel": lambda names: fastexplain.KernelExplainer(LINEAR, ROWS, features=names),
    "transformed": lambda names: fastexplain.KernelExplainer(LINEAR, ROWS, features=names, transformations=STEPS),
    "mimic": lambda names: fastexplain.MimicExplainer(
        LINEAR, ROWS, fastexplain.LinearExplainableModel, features=names, fidelity=False
    ),
    "pfi": lambda names: fastexplain.PFIExplainer(LINEAR, features=names),
    "lime": lambda names: fastexplain.LIMEExplainer(LINEAR, ROWS, features=names),
    "adapter": lambda names: fastexplain.ExplanationAdapter(features=names).create_local(VALUES[..., 0]),
    "local": lambda names: LocalExplanation(VALUES, [0.0], features=names),
    "global": lambda names: GlobalExplanation(np.ones(3), features=names),
    "raw": lambda names: LocalExplanation(VALUES, [0.0]).get_raw_explanation([np.eye(3)], raw_feature_names=names),
}


@pytest.mark.parametrize("where", GIVEN)
def test_a_name_given_twice_is_refused(where: str) -> None:
    if where == "lime":
        pytest.importorskip("lime")
    with pytest.raises(ValueError, match=r"features has names that occur more than once: 'a'\. Give each"):
        GIVEN[where](TWICE)
    GIVEN[where](["a", "b", "c"])


def test_a_name_given_twice_for_a_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match="features has names that occur more than once"):
        write_parquet(LocalExplanation(VALUES, [0.0]), tmp_path / "e.parquet", features=TWICE)
    with pytest.raises(ValueError, match="features has names that occur more than once"):
        ParquetWriter(tmp_path / "e.parquet", TWICE, [0.0])


def test_saved_names_that_occur_twice_are_told_apart(tmp_path: Path) -> None:
    original = LocalExplanation(VALUES * [[[3.0]], [[1.0]]], [0.0], features=["a", "b", "a_2"]).to_global()
    save_explanation(original, tmp_path / "saved")
    (tmp_path / "saved" / "features.json").write_text(json.dumps({"metadata": "list", "data": ["a", "b", "a"]}))
    (tmp_path / "saved" / "fastexplain.json").unlink()
    with pytest.warns(UserWarning, match=r"Two features of a name are told apart now: \['a_2'\] have new names"):
        loaded: Any = load_explanation(tmp_path / "saved")
    assert loaded.get_feature_importance_dict() == original.get_feature_importance_dict()
    assert len(loaded.get_feature_importance_dict()) == 3
