"""The accuracy benchmark tells the truth: exact answers, fair counting, tables that say what was measured."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS
from numpy.typing import NDArray

sys.path.append(str(TESTS.parent))  # benchmarks are not part of the package

from benchmarks.common import README
from benchmarks.kernel import games, kernel_shap, kernel_shap_report, kernel_shap_timing, shap_rivals

Array = NDArray[np.float64]
# float32 predictions of XGBoost, against double sums over its trees
TOLERANCE_FLOAT32 = 1e-5


def need(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def by_orders(v: games.Predict, n: int) -> Array:
    """Shapley values from their definition by orders of arrival."""
    out, orders = np.zeros(n), list(itertools.permutations(range(n)))
    for order in orders:
        masks = np.zeros((n + 1, n))
        for k, player in enumerate(order):
            masks[k + 1 :, player] = 1.0
        out[list(order)] += np.diff(v(masks))
    return out / len(orders)


def small_game(n: int = 10) -> games.Game:
    rng = np.random.default_rng(3)
    weights, pair = rng.normal(size=n), rng.normal(size=(n, n)) / 5

    def predict(X: Array) -> Array:
        return np.asarray(X @ weights + ((X @ pair) * X).sum(1) + X[:, 0] * X[:, 1] * X[:, 2])

    rows, background = rng.normal(size=(2, n)), rng.normal(size=(3, n))
    truth = games.enumerated_values(predict, rows, background)
    return games.Game("small", "a polynomial", "model", predict, rows, background, truth)


# --- answers ---------------------------------------------------------------------------------------------------------


def test_enumeration_is_the_mean_over_orders_of_arrival() -> None:
    table = np.random.default_rng(0).normal(size=2**5)

    def v(Z: Array) -> Array:
        return table[(Z.astype(int) << np.arange(5)).sum(1)]

    found = games.enumerated_values(v, np.ones((1, 5)), np.zeros((1, 5)))
    np.testing.assert_allclose(found[0], by_orders(v, 5), atol=1e-12)


def test_product_form_equals_enumeration_even_where_factors_vanish() -> None:
    rng = np.random.default_rng(1)
    supports, coefficients = rng.normal(size=(7, 6)), rng.normal(size=7)
    rows, background = rng.normal(size=(2, 6)), rng.normal(size=(3, 6))
    rows[0, 2] = 1e3  # its kernel factor is 0

    def predict(X: Array) -> Array:
        return np.asarray(np.exp(-0.3 * ((X[:, None] - supports) ** 2).sum(2)) @ coefficients)

    found = games.product_form_values(coefficients, supports, 0.3, rows, background)
    np.testing.assert_allclose(found, games.enumerated_values(predict, rows, background), atol=1e-12)


def test_voting_power_equals_enumeration() -> None:
    votes, quota = np.array([1, 2, 2, 3, 5, 7, 8]), 15

    def v(Z: Array) -> Array:
        return np.asarray(Z @ votes >= quota).astype(float)

    expected = games.enumerated_values(v, np.ones((1, 7)), np.zeros((1, 7)))[0]
    np.testing.assert_allclose(games.voting_values(votes, quota), expected, atol=1e-12)


def test_playing_by_differing_columns_equals_enumeration() -> None:
    rng = np.random.default_rng(2)
    rows, background = rng.integers(0, 2, (2, 6)).astype(float), rng.integers(0, 2, (4, 6)).astype(float)

    def predict(X: Array) -> Array:
        return np.sin(X @ np.arange(1.0, 7.0))

    found = games._distinct_rows_values(predict, rows, background)
    np.testing.assert_allclose(found, games.enumerated_values(predict, rows, background), atol=1e-12)


@pytest.mark.parametrize(("name", "library"), [("friedman-xgb", "xgboost"), ("friedman-rf", "sklearn")])
def test_answer_of_a_tree_game_equals_enumeration(name: str, library: str) -> None:
    need(library, "shap")
    game = games.build(name)
    found = games.enumerated_values(game.predict, game.rows, game.background)
    np.testing.assert_allclose(found, game.truth, atol=TOLERANCE_FLOAT32 * np.abs(game.truth).max())


@pytest.mark.parametrize("name", ["digits-svm", "voting", "xor-5", "multilinear-100"])
def test_answer_of_a_large_game_is_what_many_coalitions_say(name: str) -> None:
    game = games.build(name)
    budget = 64 * game.n_features
    found = shap_rivals.ESTIMATORS["fastexplain"].explain(
        games.Counted(game.predict), game.rows, game.background, budget, 0
    )
    assert np.median(((found.values - game.truth) ** 2).sum(1) / (game.truth**2).sum(1)) < 0.2


def test_same_game_every_time_and_unknown_game_is_named() -> None:
    first, second = games.build("noise-12"), games.build("noise-12")
    np.testing.assert_array_equal(first.truth, second.truth)
    with pytest.raises(ValueError, match=r"no game 'noise-13'.*noise-12"):
        games.build("noise-13")


def test_wrong_answer_does_not_become_a_game(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> tuple[games.Predict, Array, Array, Array]:
        return (lambda X: X.sum(1)), np.ones((1, 3)), np.zeros((1, 3)), np.array([[1.0, 1.0, 0.9]])

    monkeypatch.setitem(games.GAMES, "wrong", games._Entry("", "model", make))
    with pytest.raises(ValueError, match=r"misses the model's own prediction by 1\.0e-01"):
        games.build("wrong")


# --- playing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shap_rivals.ESTIMATORS)
def test_estimator_comes_near_and_is_counted(name: str) -> None:
    estimator = shap_rivals.ESTIMATORS[name]
    need(estimator.module.split(".")[0])
    if name == "shapiq-proxy":
        need("xgboost")
    game, budget = small_game(), 400
    counted = games.Counted(game.predict)
    found = estimator.explain(counted, game.rows, game.background, budget, 0)
    assert found.values.shape == game.truth.shape
    assert ((found.values - game.truth) ** 2).sum() / (game.truth**2).sum() < 0.1
    evaluations = counted.rows / len(game.background) / len(game.rows)
    assert 0.5 * budget < evaluations < 1.1 * budget
    assert counted.seconds > 0
    if estimator.own:
        assert found.standard_errors is not None
        assert (found.standard_errors > 0).any()


def test_budgets_end_below_enumeration() -> None:
    found = list(kernel_shap.budgets_of(8, tuple(kernel_shap.BUDGETS)))
    assert found == [("4n", 32), ("8n", 64), ("16n", 128)]
    large = [label for label, _ in kernel_shap.budgets_of(101, tuple(kernel_shap.BUDGETS))]
    assert large == ["4n", "8n", "16n", "2n+2048", "32n", "64n"]


def test_game_is_played_to_cells() -> None:
    played = kernel_shap.play("noise-12", kernel_shap.Session(("fastexplain", "fastexplain-wls"), ("8n", "32n"), 2))
    assert [(c["budget"], c["estimator"]) for c in played["cells"]] == [
        (budget, name) for budget in ("8n", "32n") for name in ("fastexplain", "fastexplain-wls")
    ]
    for cell in played["cells"]:
        assert not cell["failed"]
        assert len(cell["errors"]) == 2 * games.N_EXPLAINED
        assert cell["intervals"] == 12 * len(cell["errors"])
        assert cell["seconds"] > 0


def test_failing_estimator_is_a_footnote(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(shap_rivals.FastExplain):
        def explain(self, *_: Any) -> shap_rivals.Estimate:
            raise RuntimeError("no luck")

    monkeypatch.setitem(shap_rivals.ESTIMATORS, "broken", Broken())
    cell = kernel_shap.measure(small_game(), "broken", "8n", 80, 1)
    assert cell.failed == "RuntimeError: no luck"
    assert not cell.errors


def test_interval_counts_only_where_there_is_an_estimate() -> None:
    truth = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 3.0]])
    values = np.array([[1.1, 2.5, 0.0], [1.0, 2.0, 3.0]])
    errors = np.array([[0.1, 0.1, 0.0], [0.0, 0.0, 0.0]])  # third player does not matter; second row is enumerated
    cell = kernel_shap.Cell("g", "fastexplain", "8n")
    kernel_shap.count(cell, shap_rivals.Estimate(values, errors), truth)
    assert (cell.covered, cell.intervals) == (1, 2)
    certain_but_wrong = kernel_shap.Cell("g", "fastexplain", "8n")
    kernel_shap.count(certain_but_wrong, shap_rivals.Estimate(values[:1], np.zeros((1, 3))), truth[:1])
    assert (certain_but_wrong.covered, certain_but_wrong.intervals) == (0, 2)


# --- timing ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classifier() -> tuple[Any, Array]:
    from sklearn.datasets import load_breast_cancer
    from sklearn.svm import SVC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # probability=True is on its way out of scikit-learn
        X, y = load_breast_cancer(return_X_y=True)
        X = X[:200, :7] / X[:, :7].std(0)
        return SVC(gamma=0.1, C=10.0, probability=True, random_state=0).fit(X, y[:200]), X


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_native_probability_equals_predict_proba(classifier: tuple[Any, Array]) -> None:
    model, X = classifier
    masks = games.all_masks(7)
    assert kernel_shap_timing.check_classifier(model, X[0], X[5:9], masks) < 1e-12


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_reference_of_the_classifier_is_near_enumeration(
    classifier: tuple[Any, Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_shap_timing, "REFERENCE_PAIRS", 2000)
    model, X = classifier
    weights = np.array([0.5, 0.2, 0.3])
    found = kernel_shap_timing._reference(model, X[0], X[5:8], weights, seed=0)
    parts = [
        games.enumerated_values(lambda Z: model.predict_proba(Z)[:, 1], X[:1], X[b : b + 1])[0] for b in range(5, 8)
    ]
    expected = weights @ np.array(parts)
    assert ((found - expected) ** 2).sum() < 1e-4 * (expected**2).sum()


@pytest.mark.parametrize("name", ["fastexplain"])
def test_overhead_is_seconds_per_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_shap_timing, "OVERHEAD_ROWS", 4)
    found = kernel_shap_timing.overhead((name,), quick=True)
    assert [(one["settings"], one["rows"]) for one in found] == [
        ("default", 1), ("default", 4), ("2n+2048", 1), ("2n+2048", 4),
    ]  # fmt: skip
    assert all(one["seconds"] > 0 for one in found)
    assert found[2]["evaluations"] > 2000


# --- tables ----------------------------------------------------------------------------------------------------------


def a_cell(estimator: str, budget: str, evaluations: float, error: float, **more: Any) -> dict[str, Any]:
    cell = kernel_shap.Cell("g", estimator, budget, evaluations, [error, error], seconds=0.01)
    return {**vars(cell), **more}


def some_results() -> dict[str, Any]:
    cells = [
        a_cell("fastexplain", "8n", 80, 1e-2, covered=19, intervals=20),
        a_cell("fastexplain", "2n+2048", 2000, 1e-4, covered=18, intervals=20),
        a_cell("shap-plain", "8n", 80, 1e-1),
        a_cell("shap-plain", "2n+2048", 2000, 1e-3),
        a_cell("shapiq-odd", "2n+2048", 2000, 5e-4),
        a_cell("lightshap", "8n", float("nan"), 1.0, errors=[], failed="TooFew: no"),
    ]
    game = {"game": "cancer-xgb", "summary": "s", "kind": "model", "features": 10, "background": 4, "rows": 2}
    where = {"cpu": "a CPU", "cpus": 2, "vectors": [], "system": "Linux", "python": "3.12.0"}
    return {"machine": where, "versions": {"shap": "0"}, "games": {"cancer-xgb": {**game, "cells": cells}}}


@pytest.mark.parametrize(
    ("target", "expected", "sign"),
    [
        pytest.param(1e-3, 10**2.5, "", id="between"),
        pytest.param(1.0, 100.0, "<", id="before the first"),
        pytest.param(5e-5, 2000.0, ">", id="beyond the last"),
    ],
)
def test_evaluations_are_interpolated_between_logarithms(target: float, expected: float, sign: str) -> None:
    found = kernel_shap_report.evaluations_to_reach(np.array([100.0, 1000.0]), np.array([1e-2, 1e-4]), target)
    assert found[0] == pytest.approx(expected)
    assert found[1] == sign


def test_figures_compare_with_shap_at_its_own_default_budget() -> None:
    figure = kernel_shap_report.figures(some_results())["cancer-xgb"]
    assert figure["needed"] == pytest.approx(400.0)  # halfway between 80 and 2,000 in logarithms
    assert figure["ratio"] == pytest.approx(0.2)
    assert figure["worst"] == pytest.approx(0.1)
    assert figure["overall"] == pytest.approx(0.1)
    assert figure["chance"] == pytest.approx(1.0)  # both errors of a cell are the same


def test_table_names_the_best_other_rival_and_what_could_not_play() -> None:
    text = kernel_shap_report.full(some_results())
    assert "| cancer-xgb | 10 | 1.0e-04 | 1.0e-03 | shapiq OddSHAP, 5.0e-04 | 400 / 2,000 | 0.20 |" in text
    assert "| LightSHAP | - | " in text
    assert "| cancer-xgb | 0.95 | 0.90 |" in text


def test_plot_is_drawn(tmp_path: Path) -> None:
    need("matplotlib")
    kernel_shap_report.plot(some_results(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_write_fills_its_own_part_of_the_readme(tmp_path: Path) -> None:
    need("matplotlib")
    readme = tmp_path / "benchmarks" / "README.md"
    readme.parent.mkdir()
    readme.write_text(f"before\n{kernel_shap_report.BEGIN}\nold\n{kernel_shap_report.END}\nafter\n")
    kernel_shap_report.write(some_results(), tmp_path)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "\nold\n" not in text
    assert (tmp_path / "docs" / "images" / "kernel_shap_accuracy.png").exists()


def test_benchmark_readme_has_the_markers() -> None:
    text = README.read_text()
    assert text.index(kernel_shap_report.BEGIN) < text.index(kernel_shap_report.END)
