"""`to_pandas`: the columns of `to_arrow` and of the command line, without pyarrow."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_python
from saved_explanations import FRAME, MAKERS, NAMES, ONE, ROWS, THREE, regression, three_classes

from fastexplain.explanation import LocalExplanation
from fastexplain.explanation.files.arrow_layout import output_names

# A package that is not there, for a fresh interpreter.
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("name", list(MAKERS))
def test_frames_are_what_arrow_makes(name: str, include: bool) -> None:
    pytest.importorskip("pyarrow")
    explanation = MAKERS[name]()
    frame = explanation.to_pandas(include_eval_data=include)
    expected = explanation.to_arrow(include_eval_data=include).to_pandas().set_axis(frame.index)
    assert list(frame.columns) == list(expected.columns)
    if include and name == "mixed_data":  # cells of several types are text in Arrow
        frame, expected = frame.iloc[:, :5], expected.iloc[:, :5]
    same_types = name != "classes_frame"  # Arrow drops the order of categories
    pd.testing.assert_frame_equal(frame, expected, check_dtype=same_types, check_categorical=same_types)


def test_frames_need_no_pyarrow() -> None:
    pytest.importorskip("pyarrow")
    code = f"""{BLOCKED}
import json
from saved_explanations import MAKERS
columns = {{name: list(make().to_pandas(include_eval_data=True).columns) for name, make in MAKERS.items()}}
assert "pyarrow" not in sys.modules
print(json.dumps(columns))
"""
    found = json.loads(run_python(code))
    for name, make in MAKERS.items():
        assert found[name] == make().to_arrow(include_eval_data=True).column_names, name


def test_raw_predictions_are_base_value_plus_values() -> None:
    frame = regression(eval_data=ROWS).to_pandas()
    np.testing.assert_allclose(frame["raw_prediction"], ONE[:, :, 0].sum(axis=1) + 7.0)
    names = ["raw_prediction_a", "raw_prediction_b", "raw_prediction_c"]
    several = three_classes().to_pandas()
    position = list(several.columns).index(names[0])
    assert list(several.columns[position : position + 3]) == names
    np.testing.assert_allclose(several[names], THREE.sum(axis=1) + three_classes().base_values)


def test_what_adds_up_to_no_output_has_no_raw_prediction() -> None:
    for explanation in (MAKERS["without_base_values"](), MAKERS["some_columns"](), MAKERS["global_only"]()):
        assert not [name for name in explanation.to_pandas().columns if name.startswith("raw_prediction")]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_columns_are_those_of_the_command_line(n_classes: int, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    pytest.importorskip("pyarrow")
    import fastexplain
    from fastexplain.cli import main

    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=["a", "b", "c"])
    objective = {"objective": "binary"} if n_classes == 2 else {"objective": "multiclass", "num_class": 3}
    data = lightgbm.Dataset(X, np.arange(60) % n_classes)
    booster = lightgbm.train({**objective, "verbose": -1}, data, num_boost_round=2)
    booster.save_model(tmp_path / "model.txt")
    X.to_parquet(tmp_path / "rows.parquet")
    model, rows, out = (str(tmp_path / name) for name in ("model.txt", "rows.parquet", "out.parquet"))
    assert main(["explain", "--model", model, "--data", rows, "--out", out, "--n-threads", "1"]) == 0
    written = pd.read_parquet(out)
    frame = fastexplain.TreeExplainer(booster).explain_local(X).to_pandas()
    assert list(frame.columns[: written.shape[1]]) == list(written.columns)
    pd.testing.assert_frame_equal(frame[written.columns], written)


def test_names_of_columns_by_output() -> None:
    assert output_names("raw_prediction", 1, ["no", "yes"]) == ["raw_prediction"]
    assert output_names("raw_prediction", 2, None) == ["raw_prediction_0", "raw_prediction_1"]
    assert output_names("", 2, ["no", "yes"]) == ["_no", "_yes"]


def test_rows_of_polars_become_columns() -> None:
    polars = pytest.importorskip("polars")
    rows = polars.DataFrame({"n": [1.5, 2.5], "s": ["x", None], "g": [True, False]})
    explanation = LocalExplanation(ONE[:2], [7.0], features=["n", "s", "g"], eval_data=rows)
    frame = explanation.to_pandas(include_eval_data=True)
    assert frame["n"].tolist() == [1.5, 2.5]
    assert frame["s"].iloc[0] == "x"
    assert frame["s"].isna().tolist() == [False, True]
    assert frame["g"].tolist() == [True, False]


def test_rows_of_a_frame_keep_their_types() -> None:
    frame = regression(eval_data=FRAME).to_pandas(include_eval_data=True)
    pd.testing.assert_frame_equal(frame[NAMES], FRAME[NAMES])
