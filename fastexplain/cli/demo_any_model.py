"""The demo's last part: a model that is no tree, explained by its formula and from its predictions alone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastexplain.cli.console import say, seconds
from fastexplain.cli.report import INDENT, ranking_lines

if TYPE_CHECKING:
    import pandas as pd

    from fastexplain.explanation import GlobalLocalExplanation, PermutationExplanation

__all__ = ["TITLE", "any_model"]

TITLE = "Any model: a support vector machine on the same tumours"
TOP_K = 5
N_BLACK_BOX_ROWS = 10
N_BACKGROUND = 10
N_REPEATS = 10
# Values of the closed form add up to the margin to rounding.
SUM_TOLERANCE = 1e-9


def any_model(out: Path, *, seed: int, n_threads: int) -> bool:
    """Explain a pipeline and check the answers; whether they hold."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    import fastexplain

    data = load_breast_cancer(as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.2, random_state=seed)
    say(f"{INDENT}training StandardScaler and SVC with an RBF kernel on {len(X_train)} tumours ...")
    model = make_pipeline(StandardScaler(), SVC()).fit(X_train, y_train)
    background = fastexplain.summarize_background(X_train, N_BACKGROUND)
    say(f"{INDENT}held-out accuracy {model.score(X_test, y_test):.1%}")
    say(f"{INDENT}hidden features are drawn from {N_BACKGROUND} weighted background rows")

    begin = time.perf_counter()
    explainer = fastexplain.KernelExplainer(
        model.decision_function, background, n_threads=n_threads, show_progress=False
    )
    explanation: Any = explainer.explain_global(X_test)
    took = time.perf_counter() - begin
    say(f"{INDENT}explained {len(X_test)} held-out rows in {seconds(took)}, by the formula {explainer.path}: exact")
    _show_ranking("What matters: mean |SHAP value| of the margin", explanation)
    holds = _show_black_box(model, X_test, background, explanation, n_threads)
    importance = _show_permutation_importance(model, X_test, y_test, n_threads)
    _draw(explanation, importance, X_test, out / "any_model.png")
    return holds


def _show_ranking(heading: str, explanation: GlobalLocalExplanation) -> None:
    say()
    say(heading)
    names, values = explanation.get_ranked_global_names(), explanation.get_ranked_global_values()
    for line in ranking_lines(names, values, TOP_K):
        say(line)


def _show_black_box(
    model: Any, X: pd.DataFrame, background: Any, exact: GlobalLocalExplanation, n_threads: int
) -> bool:
    """Explain some rows from predictions alone; whether both answers are right."""
    import fastexplain

    say()
    say("Check: the same from the model's predictions alone")
    rows = X[:N_BLACK_BOX_ROWS]
    begin = time.perf_counter()
    sampled = fastexplain.kernel_shap(model.decision_function, rows, background, see_through=False, n_threads=n_threads)
    took = (time.perf_counter() - begin) / len(rows)
    evaluations = sampled.n_evaluations.mean()
    say(f"{INDENT}{len(rows)} rows, {evaluations:,.0f} coalitions each of 2^{X.shape[1]}, {seconds(took)} per row")
    gap = np.abs(sampled.values - exact.values[: len(rows)])
    inside = float((gap <= 1.96 * sampled.standard_errors).mean())
    spread = float(np.ptp(exact.values[: len(rows)]))
    off_by = f"largest difference {gap.max() / spread:.2%} of the range"
    say(f"{INDENT}{off_by}; {inside:.0%} of the 95% intervals hold the truth")
    total = exact.values.sum(axis=1)[:, 0] + exact.base_values[0]
    margin = model.decision_function(X)
    off = float(np.abs(total - margin).max())
    adds_up = off <= SUM_TOLERANCE * float(np.abs(margin).max())
    verdict = "equal, to rounding" if adds_up else "FAILED"
    say(f"{INDENT}base value + SHAP values = the margin: largest difference {off:.1e} ({verdict})")
    return adds_up and inside > 0.5


def _show_permutation_importance(model: Any, X: pd.DataFrame, y: Any, n_threads: int) -> PermutationExplanation:
    import fastexplain

    say()
    say("What the model needs: drop in accuracy when a feature's values are permuted, +- standard error")
    begin = time.perf_counter()
    explainer = fastexplain.PFIExplainer(
        model, metric="accuracy", n_repeats=N_REPEATS, n_threads=n_threads, show_progress=False
    )
    result = explainer.explain_global(X, y)
    took = time.perf_counter() - begin
    names, drops = result.get_ranked_global_names()[:TOP_K], result.get_ranked_global_values()[:TOP_K]
    errors = dict(zip(result.features, np.asarray(result.importance_errors), strict=True))
    for name, drop in zip(names, drops, strict=True):
        say(f"{INDENT}{name:<38} {drop:>10.4f} +- {errors[name]:.4f}")
    say(f"{INDENT}{N_REPEATS} repeats of {X.shape[1]} features in {seconds(took)}")
    return result


def _draw(explanation: GlobalLocalExplanation, importance: PermutationExplanation, X: pd.DataFrame, path: Path) -> None:
    from fastexplain.cli.demo_pictures import draw_any_model

    draw_any_model(explanation, importance, X, TITLE, path)
    say()
    say("Files")
    say(f"{INDENT}{path}  permutation importance and beeswarm")
