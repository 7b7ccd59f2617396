"""shap's AdditiveExplainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._inputs import masked_background, row_values, shaped
from fastexplain.compat.shap.explainers._explainer import Stopwatch
from fastexplain.compat.shap.explainers._function import (
    MAX_SAMPLES,
    FunctionExplainer,
    refuse_linearized,
    refuse_outputs,
)

__all__ = ["AdditiveExplainer"]

# Part of the output's range that interactions may take before the model is refused.
_ADDITIVE = 1e-6
_BOOSTING_MACHINE = "interpret.glassbox"


class AdditiveExplainer(FunctionExplainer):
    """``shap.AdditiveExplainer``: exact values of a model that is a sum of functions of single features.

    Parameters
    ----------
    model : callable, or interpret's ExplainableBoostingClassifier or ExplainableBoostingRegressor
        Of a boosting machine the classifier's ``decision_function``, the regressor's ``predict`` is explained.
    masker : array, DataFrame or `maskers.Independent`
        Background rows; of more than 100 plain rows a sample, as in shap.
    link : link function, optional
        Must be the identity: of other links the sum is not additive.
    feature_names : sequence of str, optional
    linearize_link : bool
        Has no effect.
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
        link: Any = None,
        feature_names: Any = None,
        linearize_link: bool = True,
        *,
        n_threads: int | None = None,
    ) -> None:
        link = links.identity if link is None else link
        refuse_linearized(link, True)
        if type(model).__module__.startswith(_BOOSTING_MACHINE):
            model = model.decision_function if hasattr(model, "decision_function") else model.predict
        super().__init__(model, masked_background(masker, MAX_SAMPLES), link, feature_names, None, n_threads)
        self.masker = masker

    @staticmethod
    def supports_model_with_masker(model: Any, masker: Any) -> bool:
        """Whether the model is a boosting machine of interpret's without interactions, and there are rows."""
        boosting = type(model).__module__.startswith(_BOOSTING_MACHINE) and hasattr(model, "term_features_")
        return masker is not None and boosting and all(len(term) == 1 for term in model.term_features_)

    def __call__(
        self,
        X: Any,
        *,
        max_evals: int | str = "auto",
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_size: int | str = "auto",
        outputs: Any = None,
        silent: bool = False,
    ) -> Any:
        """Values of each row, with what belongs to them, as an `Explanation`.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        main_effects
            Has no effect: `Explanation.main_effects` always holds the values.
        outputs : optional
            Must be None; slice the explanation instead.
        max_evals, error_bounds, batch_size, silent
            Have no effect.

        Raises
        ------
        InvalidModelError
            The values do not add up: features interact.
        """
        refuse_outputs(outputs)
        watch = Stopwatch()
        rows, single = row_values(X)
        values = self._checked_effects(rows)
        effects = shaped(values, self._has_output_axis(values.shape[-1]), False)
        return self._as_explanation(rows, single, watch, values, main_effects=effects)

    def shap_values(self, X: Any) -> NDArray[Any]:
        """Values alone: (n_rows, n_features), with an axis of outputs if there are several."""
        rows, single = row_values(X)
        values = self._checked_effects(rows)
        return shaped(values, self._has_output_axis(values.shape[-1]), single)

    def _checked_effects(self, rows: Any) -> NDArray[np.float64]:
        """Main effects, which are the values if they add up to the outputs."""
        prepared, _ = self._prepared(rows)
        game = self._game(prepared)
        values = self._main_effects(rows)
        missing = np.abs(values.sum(axis=1) + self.expected_value - game.full)
        scale = max(np.abs(values).sum(axis=1).max(initial=0.0), np.ptp(game.without), np.finfo(float).tiny)
        if missing.max(initial=0.0) > _ADDITIVE * scale:
            from fastexplain.compat.shap.utils._exceptions import InvalidModelError

            raise InvalidModelError(
                f"{self._predict.name} is not additive: effects of single features miss the output by "
                f"{missing.max():.3g}. Use KernelExplainer or ExactExplainer."
            )
        return values
