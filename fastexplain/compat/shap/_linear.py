"""shap's LinearExplainer, by `fastexplain.linear_shap`."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._explanation import Explanation
from fastexplain.compat.shap._inputs import as_array, is_frame, masked_background, row_values, shaped
from fastexplain.compat.shap._model_agnostic import MAX_SAMPLES
from fastexplain.engine.linear.linear_shap import linear_shap
from fastexplain.engine.links import identity, resolve_link

__all__ = ["LinearExplainer"]

_PERTURBATIONS = ("interventional", "correlation_dependent")


class LinearExplainer:
    """``shap.LinearExplainer``: exact values of a linear model's margin.

    Parameters
    ----------
    model : (coef, intercept) or fitted scikit-learn linear model
    masker : array, DataFrame, `maskers.Independent`, `maskers.Impute` or (mean, covariance)
        Rows whose means (and covariance) hidden features follow; of more than 100 plain rows a sample, as in shap.
        `Impute` says ``feature_perturbation="correlation_dependent"``.
    link : link function
        Must be the identity.
    nsamples : int, default 1000
        With "correlation_dependent" and more than 12 features: permutations that are averaged.
    feature_perturbation : {"interventional", "correlation_dependent"}, optional
        Default: as the masker says, else "interventional".
    feature_names : sequence of str, optional
    n_threads : int, optional

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    def __init__(
        self,
        model: Any,
        masker: Any,
        link: Any = links.identity,
        nsamples: int = 1000,
        feature_perturbation: str | None = None,
        *,
        feature_names: Any = None,
        n_threads: int | None = None,
    ) -> None:
        if resolve_link(link) is not identity:
            raise ValueError(f"LinearExplainer takes the identity link only; got {link!r}. Use KernelExplainer.")
        if feature_perturbation not in (None, *_PERTURBATIONS):
            raise ValueError(f"feature_perturbation must be one of {_PERTURBATIONS}; got {feature_perturbation!r}.")
        imputes = hasattr(masker, "method") and hasattr(masker, "data")  # Impute, ours or shap's
        correlated = imputes or (feature_perturbation == "correlation_dependent" and not _is_independent(masker))
        self.feature_perturbation = _PERTURBATIONS[correlated]
        self.model, self.masker, self.nsamples, self.n_threads = model, masker, nsamples, n_threads
        if feature_names is None and is_frame(getattr(masker, "data", masker)):
            feature_names = getattr(masker, "data", masker).columns
        self.feature_names = None if feature_names is None else list(feature_names)
        self.mean, self.cov = _moments(masker, correlated)
        self._vector_out = _coefficients(model).ndim == 2 and len(_coefficients(model)) > 1
        base = linear_shap(model, self.mean[None, :], mean=self.mean).base_values
        self.expected_value: Any = base if self._vector_out else float(base[0])

    def _options(self) -> dict[str, Any]:
        if self.feature_perturbation == "interventional":
            return {"mean": self.mean, "n_threads": self.n_threads}
        return {
            "mean": self.mean,
            "covariance": self.cov,
            "feature_dependence": "correlation",
            "n_samples": self.nsamples,
            "n_threads": self.n_threads,
        }

    def shap_values(self, X: Any) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : array, DataFrame or sparse matrix of shape (n_rows, n_features), or one row of shape (n_features,)

        Returns
        -------
        array of shape (n_rows, n_features), or (n_rows, n_features, n_outputs) with several outputs
            Without the axis of rows for one row.
        """
        rows, single = row_values(X)
        return shaped(linear_shap(self.model, rows, **self._options()).values, self._vector_out, single)

    def __call__(self, X: Any) -> Explanation:
        """Values of each row, with what belongs to them."""
        start = time.perf_counter()
        rows, _ = row_values(X)
        values = self.shap_values(rows)
        return Explanation(
            values,
            np.broadcast_to(self.expected_value, (len(values), *np.shape(self.expected_value))).copy(),
            as_array(rows),
            feature_names=list(rows.columns) if is_frame(rows) else self.feature_names,
            compute_time=time.perf_counter() - start,
        )


def _is_independent(masker: Any) -> bool:
    return hasattr(masker, "max_samples")


def _coefficients(model: Any) -> Any:
    return np.asarray(model[0]) if isinstance(model, tuple) else model.coef_


def _moments(masker: Any, correlated: bool) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Mean, and covariance where it is used."""
    given = masker if isinstance(masker, tuple) else (getattr(masker, "mean", None), getattr(masker, "cov", None))
    if isinstance(masker, tuple) or (not is_frame(masker) and not hasattr(masker, "dtype") and given[0] is not None):
        mean = np.asarray(given[0], dtype=np.float64)
        if correlated and given[1] is None:
            raise ValueError("feature_perturbation='correlation_dependent' needs a covariance beside the mean.")
        return mean, np.asarray(given[1], dtype=np.float64) if correlated else None
    if correlated:
        rows = masker.data if hasattr(masker, "method") else masker
        values = np.asarray(as_array(rows), dtype=np.float64)
        if len(values) <= values.shape[1]:
            warnings.warn(
                f"{len(values)} rows do not determine the covariance of {values.shape[1]} features.", stacklevel=3
            )
        return values.mean(axis=0), np.cov(values, rowvar=False).reshape(values.shape[1], -1)
    background = masked_background(masker, MAX_SAMPLES)
    rows = background.data.toarray() if hasattr(background.data, "toarray") else as_array(background.data)
    mean = background.weights @ np.asarray(rows, dtype=np.float64)
    return mean, None
