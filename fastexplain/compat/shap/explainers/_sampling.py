"""shap's SamplingExplainer."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fastexplain.compat.shap.explainers._function import evaluations
from fastexplain.compat.shap.explainers._kernel import KernelExplainer
from fastexplain.engine.links import identity, resolve_link

__all__ = ["SamplingExplainer"]


class SamplingExplainer(KernelExplainer):
    """``shap.SamplingExplainer``: Shapley values by antithetic permutations, over all background rows.

    Parameters
    ----------
    model, data, feature_names, link, keep_index, keep_index_ordered, nsamples, random_state, seed, n_threads
        As in `KernelExplainer`; link "identity" only.

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    _squeezes = True

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        feature_names: Any = None,
        link: Any = "identity",
        keep_index: bool = False,
        keep_index_ordered: bool = False,
        nsamples: int | str = "auto",
        random_state: int | None = None,
        seed: int | None = None,
        n_threads: int | None = None,
    ) -> None:
        if resolve_link(link) is not identity:
            raise ValueError(f"SamplingExplainer takes link='identity' only; got {link!r}. Use KernelExplainer.")
        super().__init__(
            model,
            data,
            feature_names,
            link,
            keep_index=keep_index,
            keep_index_ordered=keep_index_ordered,
            nsamples=nsamples,
            random_state=random_state,
            seed=seed,
            n_threads=n_threads,
        )

    def shap_values(  # type: ignore[override]
        self, X: Any, nsamples: int | str | None = None, silent: bool = False
    ) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        nsamples : "auto" or int, optional
            Rows that the function is given for each explained row, spread over all background rows; at least two
            permutations. Default: the constructor's. "auto": until standard errors are within 1% of the row's range of
            values.
        silent : bool, default False
            No progress bar; there is none either where stderr is not a terminal.

        Returns
        -------
        array
            Of shape as in `KernelExplainer.shap_values`; outputs of one column lose their axis.
        """
        return self._values(X, **self._options(nsamples), show_progress=not silent)

    def __call__(  # type: ignore[override]
        self, X: Any, y: Any = None, nsamples: int | str = 2000, silent: bool = False
    ) -> Any:
        """Values of each row, with what belongs to them; arguments as in `shap_values`, `y` has no effect."""
        return self._explained(X, **self._options(nsamples), show_progress=not silent)

    def _options(self, nsamples: int | str | None) -> dict[str, Any]:
        nsamples = self.nsamples if nsamples is None else nsamples
        options = {"method": "permutation", **evaluations(nsamples)}
        if not isinstance(nsamples, str):
            options["n_samples"] = max(4 * self._n_features, nsamples // len(self.data.weights))
        return options
