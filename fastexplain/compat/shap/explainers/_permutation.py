"""shap's PermutationExplainer."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._inputs import masked_background
from fastexplain.compat.shap.explainers._function import (
    MAX_SAMPLES,
    FunctionExplainer,
    evaluations,
    refuse_linearized,
    refuse_outputs,
)

__all__ = ["PermutationExplainer"]


class PermutationExplainer(FunctionExplainer):
    """``shap.PermutationExplainer``: Shapley values by antithetic permutations.

    Parameters
    ----------
    model : callable or fitted model
        A function of rows that returns (n_rows,) or (n_rows, n_outputs); a model as `fastexplain.kernel_shap` takes it.
    masker : array, DataFrame or `maskers.Independent`
        Background rows; of more than 100 plain rows a sample, as in shap.
    link : link function, default `links.identity`
    feature_names : sequence of str, optional
    linearize_link : bool, default True
        Must be False where the link is not the identity: values then add up to link(output) - link(mean output).
    seed, random_state : int, optional
        Two names of the seed.
    max_evals : int or "auto", default 500
        That of calls that do not say otherwise.
    n_threads : int, optional

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    _squeezes = True
    _names_features = True

    def __init__(
        self,
        model: Any,
        masker: Any,
        link: Any = links.identity,
        feature_names: Any = None,
        linearize_link: bool = True,
        seed: int | None = None,
        *,
        random_state: int | None = None,
        max_evals: int | str = 500,
        n_threads: int | None = None,
    ) -> None:
        refuse_linearized(link, linearize_link)
        background = masked_background(masker, MAX_SAMPLES)
        super().__init__(model, background, link, feature_names, random_state if seed is None else seed, n_threads)
        self.masker, self.max_evals = masker, max_evals

    def __call__(
        self,
        X: Any,
        *,
        max_evals: int | str | None = None,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_size: int | str = "auto",
        outputs: Any = None,
        silent: bool = False,
    ) -> Any:
        """Values of each row, with what belongs to them.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        max_evals : int or "auto", optional
            Coalitions evaluated for each row; default: the constructor's. "auto": ten permutations, there and back.
        main_effects : bool, default False
            Give `Explanation.main_effects`: each feature's change of the mean output when it alone is known.
        error_bounds : bool
            Has no effect: `Explanation.error_std` always holds the standard errors.
        batch_size : int or "auto"
            Has no effect: masked rows are built in chunks of bounded memory.
        outputs : optional
            Must be None; slice the explanation instead.
        silent : bool, default False

        Returns
        -------
        Explanation
        """
        refuse_outputs(outputs)
        options = self._options(self.max_evals if max_evals is None else max_evals)
        return self._explained(X, main_effects=main_effects, **options, show_progress=not silent)

    def shap_values(
        self,
        X: Any,
        npermutations: int = 10,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_evals: bool = True,
        silent: bool = False,
    ) -> NDArray[Any]:
        """Values of each row, by `npermutations` permutations there and back; other arguments have no effect.

        Returns
        -------
        array of shape (n_rows, n_features), or (n_rows, n_features, n_outputs) if the function returns 2-D outputs
            Without the axis of rows for one row.
        """
        max_evals = npermutations * (2 * self._n_features + 1)
        return self._values(X, **self._options(max_evals), show_progress=not silent)

    def _options(self, max_evals: int | str) -> dict[str, Any]:
        least = 2 * self._n_features + 1
        if not isinstance(max_evals, str) and max_evals < least:
            raise ValueError(f"max_evals={max_evals} is too low; one permutation, there and back, takes {least}.")
        return {"method": "permutation", **evaluations(10 * least if max_evals == "auto" else max_evals)}
