"""What Kernel SHAP costs besides the model: seconds per row on a cheap function, and an example with a slow one."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernel.games import Counted, masked_means, product_form_values
from benchmarks.kernel.shap_rivals import ESTIMATORS

__all__ = ["clock", "overhead", "support_vectors"]

Array = NDArray[np.float64]
# CPU seconds of this process, all of whose libraries run one thread: the same on a busy machine.
clock = time.process_time

OVERHEAD_FEATURES, OVERHEAD_BACKGROUND, OVERHEAD_ROWS = 15, 100, 50
# Rivals work row by row, so that a few rows tell their seconds per row.
OVERHEAD_RIVAL_ROWS = 3
# Coalitions of the reference for the classifier, in pairs; shap's default plays 2,108.
REFERENCE_PAIRS = 2**14
REFERENCE_ROWS = 5


def overhead(estimators: tuple[str, ...], quick: bool) -> list[dict[str, Any]]:
    """CPU seconds per row outside the model at default settings, and when all of 2n + 2048 evaluations are spent.

    Returns
    -------
    list of dict
        estimator, settings ("default" or "2n+2048"), rows per call, seconds per row, evaluations per row.
    """
    rng = np.random.default_rng(0)
    n = OVERHEAD_FEATURES
    rows, background = rng.normal(size=(OVERHEAD_ROWS, n)), rng.normal(size=(OVERHEAD_BACKGROUND, n))
    inner, outer = rng.normal(size=(n, 8)) / np.sqrt(n), rng.normal(size=8)

    def predict(X: Array) -> Array:
        return np.asarray(np.tanh(X @ inner) @ outer)

    found = []
    for name in estimators:
        estimator = ESTIMATORS[name]
        sizes = (1, OVERHEAD_ROWS) if estimator.own else (OVERHEAD_RIVAL_ROWS,)
        for settings, budget in (("default", None), ("2n+2048", 2 * n + 2048)):
            for size in sizes:
                seconds, evaluations = [], 0.0
                for repeat in range(2 if quick else 4):
                    counted, some = Counted(predict), rows[repeat : repeat + 1] if size == 1 else rows[:size]
                    start = clock()
                    estimator.explain(counted, some, background, budget, 0)
                    seconds.append((clock() - start - counted.seconds) / size)
                    evaluations = counted.rows / OVERHEAD_BACKGROUND / size
                found.append(
                    {
                        "estimator": name,
                        "settings": settings,
                        "rows": size,
                        "seconds": float(np.median(seconds[1:])),  # the first call imports and warms up
                        "evaluations": evaluations,
                    }
                )
    return found


# --- the slow classifier ---------------------------------------------------------------------------------------------


def support_vectors(quick: bool) -> dict[str, Any]:
    """Breast cancer, an RBF support vector classifier's probabilities, ten background rows: shap against ours.

    Returns
    -------
    dict
        rows and seconds of shap.KernelExplainer (default and l1_reg=False) and of fastexplain.kernel_shap as users call
        it, and the relative squared errors of all three on a few rows, against `_reference`.
    """
    import shap
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from sklearn.svm import SVC

    import fastexplain

    warnings.simplefilter("ignore")  # scikit-learn plans to drop probability=True; it is what the example uses
    X, y = load_breast_cancer(return_X_y=True)
    X_train, X_test, y_train, _ = train_test_split(X, y, test_size=0.2, random_state=0)
    model = SVC(gamma=0.001, C=100.0, probability=True, random_state=0).fit(X_train, y_train)
    summary = shap.kmeans(X_train, 10)
    background, weights = np.asarray(summary.data), np.asarray(summary.weights) / np.sum(summary.weights)
    n_slow = 12 if quick else len(X_test)
    answers: dict[str, Array] = {}
    out: dict[str, Any] = {"seconds": {}, "rows": {}, "errors": {}}
    fastexplain.kernel_shap(model, X_test[:1], background, weights=weights, n_threads=1)  # imports and warms up
    start = time.perf_counter()  # the model's time is the user's time: by the clock on the wall
    ours = fastexplain.kernel_shap(model, X_test, background, weights=weights, n_threads=1)
    out["seconds"]["fastexplain"], out["rows"]["fastexplain"] = time.perf_counter() - start, len(X_test)
    answers["fastexplain"], out["method"] = ours.values[:, :, 1], ours.method
    for name, options in (("shap", {}), ("shap-plain", {"l1_reg": False})):
        np.random.seed(0)  # noqa: NPY002 - shap draws from NumPy's global state
        start = time.perf_counter()
        values = shap.KernelExplainer(model.predict_proba, summary).shap_values(X_test[:n_slow], silent=True, **options)
        out["seconds"][name], out["rows"][name] = time.perf_counter() - start, n_slow
        answers[name] = np.asarray(values)[:, :, 1]
    kinds: dict[str, list[float]] = {name: [] for name in (*answers, "reference")}
    for i in range(3 if quick else REFERENCE_ROWS):
        first, second = (_reference(model, X_test[i], background, weights, seed) for seed in (1, 2))
        truth = (first + second) / 2
        scale = float((truth**2).sum())
        kinds["reference"].append(float(((first - second) ** 2).sum()) / 4 / scale)
        for name, values in answers.items():
            kinds[name].append(float(((values[i] - truth) ** 2).sum()) / scale)
    out["errors"] = kinds
    return out


def _reference(model: Any, row: Array, background: Array, weights: Array, seed: int) -> Array:
    """Shapley values of the second class's probability, by far more coalitions than anyone plays, and a control.

    The decision function's values are known exactly (product form), and the probability is nearly a function of it:
    only the difference between the probability and its best multiple of the decision function is left to least squares.
    """
    rng = np.random.default_rng(seed)
    n = row.size
    sizes = np.arange(1, n)
    chances = 1.0 / (sizes * (n - sizes))
    drawn = rng.choice(sizes, REFERENCE_PAIRS, p=chances / chances.sum())
    masks = np.argsort(np.argsort(rng.random((REFERENCE_PAIRS, n)), axis=1), axis=1) < drawn[:, None]
    decision = Decision(model, row, background)
    of_masks, of_rest = decision(masks), decision(~masks)
    probability = (_probability(model, of_masks) - _probability(model, of_rest)) @ weights / 2
    margin = (of_masks - of_rest) @ weights / 2
    ends = decision(np.array([np.ones(n, dtype=bool), np.zeros(n, dtype=bool)]))
    total = -np.diff(_probability(model, ends) @ weights)[0]
    slope = float(margin @ probability / (margin @ margin))
    exact = sum(
        w * product_form_values(model.dual_coef_[0], model.support_vectors_, model.gamma, row[None], b[None])[0]
        for w, b in zip(weights, background, strict=True)
    )
    rest = _least_squares(masks, probability - slope * margin, total - slope * float(np.sum(exact)))
    return np.asarray(slope * exact + rest)


def _least_squares(masks: NDArray[np.bool_], y: Array, total: float) -> Array:
    """Values of pairs drawn with Kernel SHAP's weights: sum_i s_i phi_i / 2 = y in the mean, sum phi = total."""
    half = masks - 0.5
    inverse = np.linalg.inv(half.T @ half)
    free = inverse @ (half.T @ y)
    share = inverse.sum(1) / inverse.sum()
    return np.asarray(free + share * (total - free.sum()))


class Decision:
    """The decision function on masked rows of one row, one column for each background row.

    Squared distances add up over features, so that they are two matrix products for all coalitions.
    """

    def __init__(self, model: Any, row: Array, background: Array) -> None:
        self.model, self.background = model, background
        self.present = (row - model.support_vectors_) ** 2
        self.row = row

    def __call__(self, masks: NDArray[np.bool_]) -> Array:
        model, out = self.model, np.empty((len(masks), len(self.background)))
        for start in range(0, len(masks), 4096):
            kept = masks[start : start + 4096].astype(float)
            inside = kept @ self.present.T
            for b, other in enumerate(self.background):
                distances = inside + (1 - kept) @ ((other - model.support_vectors_) ** 2).T
                out[start : start + 4096, b] = np.exp(-model.gamma * distances) @ model.dual_coef_[0]
        return np.asarray(out + model.intercept_[0])


def _probability(model: Any, decision: Array) -> Array:
    """`predict_proba` of the second class from the decision function, as libsvm computes it.

    Platt's sigmoid, and then the iteration that couples pairs of classes (Wu, Lin and Weng 2004, algorithm 2), which
    for two classes only needs to stop: it does so within 0.0025 of the sigmoid.
    """
    sigmoid = 1 / (1 + np.exp(model.probA_[0] * decision - model.probB_[0]))
    r = np.stack([np.clip(1 - sigmoid, 1e-7, 1 - 1e-7), np.clip(sigmoid, 1e-7, 1 - 1e-7)])
    q, cross = r[::-1] ** 2, -r[0] * r[1]
    p = np.full(r.shape, 0.5)
    for _ in range(100):
        product = np.stack([q[0] * p[0] + cross * p[1], cross * p[0] + q[1] * p[1]])
        mean = (p * product).sum(0)
        active = np.abs(product - mean).max(0) >= 0.0025
        if not active.any():
            break
        for t in (0, 1):
            step = np.where(active, (mean - product[t]) / q[t], 0.0)
            mean = (mean + step * (step * q[t] + 2 * product[t])) / (1 + step) ** 2
            product[t] += step * q[t]
            product[1 - t] += step * cross
            product /= 1 + step
            p[t] += step
            p /= 1 + step
    return np.asarray(p[1])


def check_classifier(model: Any, row: Array, background: Array, masks: NDArray[np.bool_]) -> float:
    """Largest difference between the native probability and the real predict_proba, in means over the background."""
    ours = _probability(model, Decision(model, row, background)(masks)).mean(1)
    return float(np.abs(ours - masked_means(lambda X: model.predict_proba(X)[:, 1], row, background, masks)).max())
