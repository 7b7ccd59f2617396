"""shap's DeepExplainer, by `fastexplain.deep_lift`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap._inputs import is_frame, row_values, shaped
from fastexplain.compat.shap.explainers._explainer import Explainer, Stopwatch
from fastexplain.engine.background import as_background
from fastexplain.engine.deep.deep_lift import deep_lift

__all__ = ["DeepExplainer"]

# Largest missing amount that check_additivity lets pass: shap's.
ADDITIVITY = 0.01


class DeepExplainer(Explainer):
    """``shap.DeepExplainer``: DeepLIFT attributions averaged over background rows.

    Parameters
    ----------
    model : torch.nn.Module, Keras model or scikit-learn MLP
        Of a table's rows: one input of shape (n_rows, n_features).
    data : tensor, array or DataFrame of shape (n_background, n_features)
        All rows are the background.
    session, learning_phase_flags : optional
        Must be None: those are of TensorFlow 1.
    feature_names : sequence of str, optional
    n_threads : int, optional

    Attributes
    ----------
    expected_value : array of shape (n_outputs,)
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        session: Any = None,
        learning_phase_flags: Any = None,
        *,
        feature_names: Any = None,
        n_threads: int | None = None,
    ) -> None:
        if session is not None or learning_phase_flags is not None:
            raise ValueError("session and learning_phase_flags are of TensorFlow 1, which is not supported.")
        if isinstance(model, tuple):
            raise ValueError(
                "A (model, layer) pair is not supported: inputs are explained, not layers. Pass the layers from there "
                "on as a model of their own."
            )
        if isinstance(data, list | tuple):
            raise ValueError(f"Models of several inputs are not supported; got a {type(data).__name__} of backgrounds.")
        self.model, self.n_threads = model, n_threads
        rows = _rows(data)
        self.data = as_background(rows)
        names = rows.columns if feature_names is None and is_frame(rows) else feature_names
        self.feature_names = None if names is None else list(names)
        self.expected_value = self._deep_lift(self.data.data[:1]).base_values

    def _deep_lift(self, rows: Any) -> Any:
        return deep_lift(self.model, rows, self.data.data, weights=self.data.weights, n_threads=self.n_threads)

    def shap_values(
        self, X: Any, ranked_outputs: Any = None, output_rank_order: str = "max", check_additivity: bool = True
    ) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : tensor, array or DataFrame of shape (n_rows, n_features)
        ranked_outputs : optional
            Must be None; all outputs are explained at once.
        output_rank_order : str
            Has no effect.
        check_additivity : bool, default True
            Raise if values do not add up to the output.

        Returns
        -------
        array of shape (n_rows, n_features, n_outputs)

        Raises
        ------
        ValueError
            Values do not add up (an `ExplainerError`), or `ranked_outputs` is given.
        """
        if ranked_outputs is not None:
            raise ValueError(f"ranked_outputs={ranked_outputs!r} is not supported; rank the returned outputs instead.")
        rows, single = row_values(_rows(X))
        result = self._deep_lift(rows)
        worst = float(np.abs(result.completeness_errors).max(initial=0.0))
        if check_additivity and worst > ADDITIVITY:
            from fastexplain.compat.shap.utils._exceptions import ExplainerError

            raise ExplainerError(
                f"Values do not add up to the model's output: {worst:.3g} is missing. The model has an operation that "
                "DeepLIFT's rules do not describe; use KernelExplainer, or check_additivity=False."
            )
        return shaped(result.values, True, single)

    def __call__(self, X: Any) -> Any:
        """Values of each row, with what belongs to them, as an `Explanation`."""
        watch = Stopwatch()
        rows, single = row_values(_rows(X))
        return self._explanation(rows, self.shap_values(rows), single, watch, axes=("row", "feature", "output"))


def _rows(rows: Any) -> Any:
    """A tensor as an array; anything else as it is."""
    if hasattr(rows, "detach"):
        return rows.detach().cpu().numpy()
    return rows
