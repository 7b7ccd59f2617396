"""shap's KernelExplainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap._inputs import as_array, is_frame, masked_background
from fastexplain.compat.shap.explainers._function import FunctionExplainer, evaluations
from fastexplain.engine.background import Background
from fastexplain.engine.predict import PredictFunction

__all__ = ["KernelExplainer"]


class KernelExplainer(FunctionExplainer):
    """``shap.KernelExplainer``: Shapley values of any function.

    Parameters
    ----------
    model : callable or fitted model
        A function of rows that returns (n_rows,) or (n_rows, n_outputs); a model as `fastexplain.kernel_shap` takes it.
        A plain function gets arrays even of a DataFrame's rows, as in shap; models and their methods get the DataFrame.
    data : array, DataFrame, sparse matrix, or the result of `kmeans`
        Background rows.
    feature_names : sequence of str, optional
    link : {"identity", "logit"} or a link function of shap's
        Values add up to link(output) - link(mean output of the background).
    keep_index : bool, default False
        Give a plain function DataFrames too. Their index counts from 0.
    keep_index_ordered : bool, default False
        As `keep_index`: masked rows have no order of their own here.
    nsamples : "auto" or int, default "auto"
    l1_reg : False, "num_features(k)", "aic", "bic", "auto" or float, default False
        Those of calls that do not say otherwise.
    random_state, seed : int, optional
        Two names of the seed; default 0.
    n_threads : int, optional

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        feature_names: Any = None,
        link: Any = "identity",
        *,
        keep_index: bool = False,
        keep_index_ordered: bool = False,
        nsamples: int | str = "auto",
        l1_reg: Any = False,
        random_state: int | None = None,
        seed: int | None = None,
        n_threads: int | None = None,
    ) -> None:
        background = masked_background(data, None)
        if is_frame(background.data):
            feature_names = background.data.columns if feature_names is None else feature_names
            if PredictFunction(model).owner is None and not (keep_index or keep_index_ordered):
                background = Background(as_array(background.data), background.weights)
        self.nsamples, self.l1_reg = nsamples, l1_reg
        self.keep_index, self.keep_index_ordered = keep_index, keep_index_ordered
        super().__init__(model, background, link, feature_names, random_state if seed is None else seed, n_threads)
        self.masker = data

    def shap_values(
        self,
        X: Any,
        nsamples: int | str | None = None,
        l1_reg: Any = None,
        silent: bool = False,
        gc_collect: bool = False,
    ) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        nsamples : "auto" or int, optional
            Coalitions evaluated for each row; default: the constructor's. "auto": exact where affordable, else until
            standard errors are within 1% of the row's range of values, at most ``2 * n_features + 2048``.
        l1_reg : False, "num_features(k)", "aic", "bic", "auto" or float, optional
            Keep only features that a lasso chooses; default: the constructor's. shap's own default is
            "num_features(10)".
        silent : bool, default False
            No progress bar; there is none either where stderr is not a terminal.
        gc_collect : bool
            Has no effect.

        Returns
        -------
        array of shape (n_rows, n_features), or (n_rows, n_features, n_outputs) if the function returns 2-D outputs
            Without the axis of rows for one row.
        """
        options = self._options(nsamples) | {"l1_reg": self.l1_reg if l1_reg is None else l1_reg}
        return self._values(X, **options, show_progress=not silent)

    def explain(self, incoming_instance: Any, **kwargs: Any) -> NDArray[Any]:
        """Values of one row, (n_features,) or (n_features, n_outputs); arguments as in `shap_values`.

        Parameters
        ----------
        incoming_instance : array or DataFrame of shape (1, n_features) or (n_features,)
        """
        values = self.shap_values(incoming_instance, **{"silent": True, **kwargs})
        return values if len(np.shape(incoming_instance)) == 1 else values[0]

    def __call__(self, X: Any, l1_reg: Any = None, silent: bool = False) -> Any:
        """Values of each row, with what belongs to them, as an `Explanation`; arguments as in `shap_values`."""
        options = self._options(None) | {"l1_reg": self.l1_reg if l1_reg is None else l1_reg}
        return self._explained(X, **options, show_progress=not silent)

    def _options(self, nsamples: int | str | None) -> dict[str, Any]:
        return evaluations(self.nsamples if nsamples is None else nsamples)
