"""Estimators of Shapley values from a prediction function alone, behind one interface: fastexplain and the others.

A budget is a number of coalitions besides the empty and the full one, as shap counts them. What an estimator really
asked for is counted by `benchmarks.games.Counted`. Everything runs on one thread and draws from the seed it is given.
"""

from __future__ import annotations

import abc
import importlib.metadata
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernel.games import Counted, masked_means

__all__ = ["ESTIMATORS", "Estimate", "Estimator", "TooFew", "versions"]

Array = NDArray[np.float64]


class TooFew(Exception):
    """The estimator needs a larger budget than this one."""


@dataclass(frozen=True)
class Estimate:
    """Shapley values (n_rows, n_features) and, where the estimator has them, standard errors of the same shape."""

    values: Array
    standard_errors: Array | None = None


class Estimator(abc.ABC):
    """One way of estimating Shapley values.

    Attributes
    ----------
    module : str
        What must be importable.
    label : str
        In tables and plots.
    own : bool
        Part of fastexplain, so no rival.
    note : str
        Footnote for the table, empty if none.
    """

    module = ""
    label = ""
    own = False
    note = ""

    @abc.abstractmethod
    def explain(self, predict: Counted, rows: Array, background: Array, budget: int | None, seed: int) -> Estimate:
        """Explain all rows with `budget` evaluations each; None means the library's own default.

        Raises
        ------
        TooFew
        """


class FastExplain(Estimator):
    """`fastexplain.kernel_shap`, playing the game as a black box."""

    module = "fastexplain._core"
    label = "fastexplain"
    own = True
    method = "auto"

    def explain(self, predict: Counted, rows: Array, background: Array, budget: int | None, seed: int) -> Estimate:
        import fastexplain

        # tol=0: spend all of the budget; the default stops where the standard error is small enough
        spend: dict[str, Any] = {} if budget is None else {"n_samples": budget, "tol": 0.0}
        result = fastexplain.kernel_shap(
            predict, rows, background, method=self.method, see_through=False, seed=seed, n_threads=1, **spend
        )
        return Estimate(result.values[:, :, 0], result.standard_errors[:, :, 0])


class FastExplainWls(FastExplain):
    """Paired weighted least squares on the same coalitions."""

    label = "fastexplain wls"
    method = "wls"


class FastExplainPermutation(FastExplain):
    """Antithetic permutations."""

    label = "fastexplain permutation"
    method = "permutation"


class ShapKernel(Estimator):
    """`shap.KernelExplainer` with its default regularisation."""

    module = "shap"
    label = "shap"
    note = "KernelExplainer, default l1_reg: keeps ten features"
    l1_reg: Any = "num_features(10)"

    def explain(self, predict: Counted, rows: Array, background: Array, budget: int | None, seed: int) -> Estimate:
        import shap

        np.random.seed(seed)  # noqa: NPY002 - it draws from NumPy's global state
        explainer = shap.KernelExplainer(predict, background)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of l1_reg's inner regressions
            values = explainer.shap_values(rows, nsamples=budget or "auto", l1_reg=self.l1_reg, silent=True)
        return Estimate(np.asarray(values, dtype=np.float64))


class ShapKernelPlain(ShapKernel):
    """`shap.KernelExplainer` without regularisation: what it was before shap 0.47."""

    label = "shap l1_reg=False"
    note = "KernelExplainer(l1_reg=False)"
    l1_reg = False


class ShapPermutation(Estimator):
    """`shap.PermutationExplainer`."""

    module = "shap"
    label = "shap permutation"
    note = "PermutationExplainer; budget rounded to whole passes forth and back"

    def explain(self, predict: Counted, rows: Array, background: Array, budget: int | None, seed: int) -> Estimate:
        import shap

        n = rows.shape[1]
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.PermutationExplainer(predict, masker, seed=seed)
        evaluations = 500 if budget is None else max(1, budget // (2 * n)) * (2 * n + 1)
        return Estimate(np.asarray(explainer(rows, max_evals=evaluations, silent=True).values, dtype=np.float64))


class Shapiq(Estimator):
    """What `shapiq`'s explainers take for approximator="auto"."""

    module = "shapiq"
    label = "shapiq auto"
    note = 'KernelSHAP without pairs, which is approximator="auto"'

    def approximator(self, n: int, seed: int) -> Any:
        from shapiq.approximator import KernelSHAP

        return KernelSHAP(n, random_state=seed)

    def explain(self, predict: Counted, rows: Array, background: Array, budget: int | None, seed: int) -> Estimate:
        n = rows.shape[1]
        budget = 2 * n + 2048 if budget is None else budget
        values = np.empty(rows.shape)
        for i, row in enumerate(rows):

            def game(masks: Any, row: Array = row) -> Array:
                return masked_means(predict, row, background, np.asarray(masks, dtype=bool))

            try:
                found = self.approximator(n, seed + i).approximate(budget + 2, game)
            except ValueError as reason:
                if "budget" in str(reason):
                    raise TooFew(str(reason)) from reason
                raise
            values[i] = [found[(player,)] for player in range(n)]
        return Estimate(values)


class ShapiqPaired(Shapiq):
    label = "shapiq paired"
    note = "KernelSHAP(pairing_trick=True)"

    def approximator(self, n: int, seed: int) -> Any:
        from shapiq.approximator import KernelSHAP

        return KernelSHAP(n, pairing_trick=True, random_state=seed)


class ShapiqLeverage(Shapiq):
    label = "shapiq leverage"
    note = "LeverageSHAP"

    def approximator(self, n: int, seed: int) -> Any:
        from shapiq.approximator import LeverageSHAP

        return LeverageSHAP(n, random_state=seed)


class ShapiqOdd(Shapiq):
    label = "shapiq OddSHAP"
    note = "OddSHAP, LightGBM screening"

    def approximator(self, n: int, seed: int) -> Any:
        from shapiq.approximator import OddSHAP

        return OddSHAP(n, random_state=seed)


class ShapiqProxy(Shapiq):
    label = "shapiq ProxySHAP"
    note = "ProxySHAP with its XGBoost proxy and residual adjustment"

    def approximator(self, n: int, seed: int) -> Any:
        from shapiq.approximator import ProxySHAP

        return ProxySHAP(n, index="SV", max_order=1, adjustment=True, random_state=seed)


class LightShap(Estimator):
    """`lightshap.explain_any`."""

    module = "lightshap"
    label = "LightSHAP"
    note = "explain_any; budget rounded down to whole iterations"

    def explain(self, predict: Counted, rows: Array, background: Array, budget: int | None, seed: int) -> Estimate:
        import lightshap

        spend = {} if budget is None else {"max_iter": self._iterations(rows.shape[1], budget), "tol": 0.0}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rows that did not converge: tol=0 means none can
            found = lightshap.explain_any(predict, rows, background, random_state=seed, verbose=False, **spend)
        return Estimate(np.asarray(found.shap_values).reshape(rows.shape), found.standard_errors.reshape(rows.shape))

    @staticmethod
    def _iterations(n: int, budget: int) -> int:
        """Whole iterations of 2 (n - 1 - 2 degree) coalitions, after all coalitions of up to `degree` players."""
        if n <= 8:
            raise TooFew("it enumerates up to 8 features, whatever it is told")
        degree = 2 if n <= 16 else 1
        fixed = 2 * n + (n * (n - 1) if degree == 2 else 0)
        iterations = (budget - fixed) // (2 * (n - 1 - 2 * degree))
        if iterations < 1:
            raise TooFew(f"one iteration takes {fixed + 2 * (n - 1 - 2 * degree)} coalitions")
        return iterations


# name on the command line -> estimator, in the order of the tables
ESTIMATORS: dict[str, Estimator] = {
    "fastexplain": FastExplain(),
    "fastexplain-wls": FastExplainWls(),
    "fastexplain-permutation": FastExplainPermutation(),
    "shap": ShapKernel(),
    "shap-plain": ShapKernelPlain(),
    "shap-permutation": ShapPermutation(),
    "shapiq": Shapiq(),
    "shapiq-paired": ShapiqPaired(),
    "shapiq-leverage": ShapiqLeverage(),
    "shapiq-odd": ShapiqOdd(),
    "shapiq-proxy": ShapiqProxy(),
    "lightshap": LightShap(),
}


def versions() -> dict[str, str]:
    """Installed versions of everything that takes part, by PyPI name; what is absent is left out."""
    found = {}
    names = ("fastexplain", "lightgbm", "lightshap", "numpy", "scikit-learn", "scipy", "shap", "shapiq", "xgboost")
    for name in (*names, "xgboost-cpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
