"""The fidelity report: its numbers by hand, and that its rows were held out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, r2_score

from fastexplain import FidelityReport, LinearExplainableModel, MimicExplainer, PoorFidelityWarning
from fastexplain.explainers.mimic import distillation as _distillation
from fastexplain.explanation.numbers.fidelity import classifier_fidelity, regression_fidelity

rng = np.random.Generator(np.random.Philox(1))
X = rng.normal(size=(300, 3))


def test_regression_numbers_are_those_of_scikit_learn() -> None:
    teacher, surrogate = rng.normal(size=50), rng.normal(size=50)
    report = regression_fidelity(teacher, surrogate)
    assert report.r2 == pytest.approx(r2_score(teacher, surrogate))
    assert report.rmse == pytest.approx(np.sqrt(np.mean((teacher - surrogate) ** 2)))
    assert report.baseline_rmse == pytest.approx(teacher.std())
    assert report.poor


def test_classifier_numbers_are_those_of_scikit_learn() -> None:
    labels = rng.integers(0, 3, size=60)
    hard = np.eye(3)[labels]
    given = rng.dirichlet(np.ones(3), size=60)
    report = classifier_fidelity(hard, given.argmax(axis=1), given)
    assert report.accuracy == pytest.approx((labels == given.argmax(axis=1)).mean())
    assert report.log_loss == pytest.approx(log_loss(labels, given))
    assert report.baseline_accuracy == pytest.approx(np.bincount(labels).max() / 60)
    assert report.best_log_loss == pytest.approx(0, abs=1e-5)
    assert report.poor


def test_log_loss_of_the_teacher_itself_is_the_best() -> None:
    teacher = rng.dirichlet(np.ones(3), size=40)
    report = classifier_fidelity(teacher, teacher.argmax(axis=1), teacher)
    assert report.log_loss == report.best_log_loss
    assert report.accuracy == 1
    assert not report.poor


def test_a_constant_teacher_that_is_met_is_no_poor_fit() -> None:
    assert regression_fidelity(np.full(9, 2.0), np.full(9, 2.0)).r2 == 1
    assert regression_fidelity(np.full(9, 2.0), np.full(9, 3.0)).poor


def test_nan_is_poor() -> None:
    assert FidelityReport("regression", 10, r2=float("nan")).poor


def test_fidelity_costs_less_than_the_training() -> None:
    # five more surrogates of 800 x 1,000 rows took 180 s after a training of 41
    trained: list[int] = []

    class Spy(LinearExplainableModel):
        def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
            trained.append(dataset.size)
            return super().fit(dataset, labels, **kwargs)

    rows = rng.normal(size=(80, 300))
    with pytest.warns(PoorFidelityWarning, match="predicts its teacher"):  # told to who never looks at it
        explainer = MimicExplainer(lambda X: np.sin(9 * X[:, 0]), rows, Spy)
    assert explainer.fidelity is not None
    assert sum(trained[1:]) <= trained[0]


@pytest.mark.parametrize(("n_rows", "n_held_out", "n_folds"), [(40, 40, 5), (1000, 1000, 5), (10_001, 2000, 1)])
def test_held_out_rows_are_not_trained_on(
    n_rows: int, n_held_out: int, n_folds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rng.normal(size=(n_rows, 2))
    trained: list[set[float]] = []
    asked: list[set[float]] = []

    class Spy(LinearExplainableModel):
        def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
            trained.append(set(dataset[:, 0].tolist()))
            return super().fit(dataset, labels, **kwargs)

        def predict(self, dataset: Any, **kwargs: Any) -> Any:
            asked.append(set(dataset[:, 0].tolist()))
            return super().predict(dataset, **kwargs)

    explainer = MimicExplainer(lambda X: X[:, 0], rows, Spy)
    report = explainer.fidelity
    assert report is not None
    assert (report.n_held_out, report.n_folds) == (n_held_out, n_folds)
    assert len(trained[0]) == n_rows  # the explained surrogate has them all
    assert len(trained) == 1 + n_folds
    for seen, held_out in zip(trained[1:], asked, strict=True):
        assert not seen & held_out
    assert sum(map(len, asked)) == n_held_out


def test_shuffled_copies_of_held_out_rows_are_held_out() -> None:
    rows = rng.normal(size=(10, 60))
    trained: list[int] = []

    class Spy(LinearExplainableModel):
        def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
            trained.append(len(dataset))
            return super().fit(dataset, labels, **kwargs)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoorFidelityWarning)
        explainer = MimicExplainer(lambda X: X[:, 0], rows, Spy)
    assert trained == [60] + [48] * 5
    assert explainer.fidelity is not None
    assert explainer.fidelity.n_held_out == 10


def test_a_poor_fit_warns_once_with_its_numbers() -> None:
    with pytest.warns(PoorFidelityWarning, match=r"LinearExplainableModel predicts .* badly \(R2 -?0\.0") as caught:
        explainer = MimicExplainer(lambda X: X[:, 0] * X[:, 1], X, LinearExplainableModel)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert explainer.fidelity is not None
    assert explainer.fidelity.poor
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer.explain_local(X[:2])


def test_it_can_be_switched_off() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explainer = MimicExplainer(lambda X: X[:, 0] * X[:, 1], X, LinearExplainableModel, fidelity=False)
    assert explainer.fidelity is None
    assert explainer.explain_local(X).fidelity is None


def test_few_rows_have_no_report() -> None:
    explainer = MimicExplainer(lambda X: X[:, 0], X[: _distillation.MIN_ROWS - 1], LinearExplainableModel)
    assert explainer.fidelity is None


def test_explanations_show_it() -> None:
    explainer = MimicExplainer(lambda X: X[:, 0], X, LinearExplainableModel)
    report = explainer.fidelity
    assert report is not None
    assert "R2 1.000" in report.summary()
    assert "300 rows held out in 5 folds" in str(report)
    for explanation in (explainer.explain_local(X), explainer.explain_global(X), explainer.explain_global()):
        assert explanation.fidelity is report
        assert report.summary() in repr(explanation)
    assert explainer.explain_local(X).to_global().fidelity is report


def test_binary_teachers_are_measured_on_both_scales() -> None:
    def probability(rows: Any) -> Any:
        p = 1 / (1 + np.exp(-rows[:, 0]))
        return np.column_stack([1 - p, p])

    report = MimicExplainer(probability, X, LinearExplainableModel).fidelity
    assert report is not None
    assert report.task == "binary"
    assert report.r2 == pytest.approx(1)
    assert report.r2_probability == pytest.approx(1)
    assert report.accuracy == 1
    assert report.log_loss == pytest.approx(report.best_log_loss)
    assert "of the log-odds" in report.summary()


def test_the_report_does_not_touch_the_global_generator() -> None:
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    MimicExplainer(lambda X: X[:, 0], X, LinearExplainableModel)
    assert np.random.random() == expected  # noqa: NPY002


def test_only_the_explained_surrogate_looks_for_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastexplain.explainers.mimic.surrogates import _linear

    calls: list[int] = []
    found = _linear._centre_of
    monkeypatch.setattr(_linear, "_centre_of", lambda rows: calls.append(len(rows)) or found(rows))  # type: ignore[func-returns-value]
    MimicExplainer(lambda X: X[:, 0], X, LinearExplainableModel)
    assert calls == [300]


def test_r2_of_a_surrogate_that_diverged_is_short() -> None:
    report = regression_fidelity(np.arange(5.0), 1e18 * np.arange(5.0))
    assert "R2 -3e+36, " in report.summary()
