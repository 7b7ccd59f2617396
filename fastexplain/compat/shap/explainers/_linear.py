"""shap's LinearExplainer, by `fastexplain.linear_shap`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._inputs import as_array, is_frame, is_impute, masked_background, row_values, shaped
from fastexplain.compat.shap.explainers._explainer import Explainer, Stopwatch
from fastexplain.compat.shap.explainers._function import MAX_SAMPLES, refuse_outputs
from fastexplain.compat.shap.maskers import Impute, Independent
from fastexplain.engine.linear.linear_shap import linear_shap
from fastexplain.engine.links import identity, resolve_link

__all__ = ["LinearExplainer"]

_PERTURBATIONS = ("interventional", "correlation_dependent")


class LinearExplainer(Explainer):
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
    coef : array of shape (n_features,) or (n_outputs, n_features)
    intercept : float or array of shape (n_outputs,)
    mean, cov : array
        What hidden features follow; `cov` is None with "interventional".
    M : int
        Number of features.
    """

    _names_features = True

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
            from fastexplain.compat.shap.utils._exceptions import InvalidFeaturePerturbationError

            raise InvalidFeaturePerturbationError(
                f"feature_perturbation must be one of {_PERTURBATIONS}; got {feature_perturbation!r}."
            )
        asked = feature_perturbation == "correlation_dependent" and not _is_independent(masker)
        correlated = is_impute(masker) or asked
        self.feature_perturbation = _PERTURBATIONS[correlated]
        self.masker = _as_masker(masker, correlated)
        self.model, self.nsamples, self.n_threads = model, nsamples, n_threads
        rows: Any = masker if is_frame(masker) else getattr(masker, "data", None)
        if feature_names is None and is_frame(rows):
            feature_names = rows.columns
        self.feature_names = None if feature_names is None else list(feature_names)
        self.mean, self.cov = _moments(masker, correlated)
        self.M = len(self.mean)
        self.coef, self.intercept = _coefficients(model)
        self._vector_out = self.coef.ndim == 2 and len(self.coef) > 1
        base = linear_shap(model, self.mean[None, :], mean=self.mean).base_values
        self.expected_value = base if self._vector_out else float(base[0])

    @staticmethod
    def supports_model_with_masker(model: Any, masker: Any) -> bool:
        """Whether the model has coefficients and the masker rows, or moments, to hide features by."""
        coefficients = isinstance(model, tuple) and len(model) == 2
        return masker is not None and (coefficients or (hasattr(model, "coef_") and hasattr(model, "intercept_")))

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
        X : array, DataFrame or sparse matrix of shape (n_rows, n_features), or one row of shape (n_features,)
        main_effects : bool, default False
            Give `Explanation.main_effects`, which are the values: a linear model has no others.
        outputs : optional
            Must be None; slice the explanation instead.
        max_evals, error_bounds, batch_size, silent
            Have no effect.
        """
        refuse_outputs(outputs)
        watch = Stopwatch()
        rows, single = row_values(X)
        values = self.shap_values(rows)
        axes = ("row", "feature", "output") if self._vector_out else ("row", "feature")
        effects = {"main_effects": values.copy()} if main_effects else {}
        return self._explanation(rows, values, single, watch, axes=axes, **effects)


def _is_independent(masker: Any) -> bool:
    return not is_frame(masker) and hasattr(masker, "max_samples")


def _as_masker(masker: Any, correlated: bool) -> Any:
    """What is given as rows or moments, as the masker that it stands for."""
    if isinstance(masker, tuple):
        masker = {"mean": masker[0], "cov": masker[1]}
    elif not is_frame(masker) and not hasattr(masker, "dtype"):
        return masker
    return Impute(masker) if correlated else Independent(masker)


def _coefficients(model: Any) -> tuple[NDArray[Any], Any]:
    """Coefficients and intercept as shap has them: those of a single output without its axis.

    Raises
    ------
    InvalidModelError
        The model has none.
    """
    if isinstance(model, tuple) and len(model) == 2:
        return np.asarray(model[0]), model[1]
    if not hasattr(model, "coef_") or not hasattr(model, "intercept_"):
        from fastexplain.compat.shap.utils._exceptions import InvalidModelError

        raise InvalidModelError(
            f"{type(model).__qualname__} is not a linear model: expected (coef, intercept), or a fitted model with "
            "coef_ and intercept_. Use KernelExplainer."
        )
    coef, intercept = np.asarray(model.coef_), model.intercept_
    if coef.ndim == 2 and len(coef) == 1:
        return coef[0], intercept[0] if np.ndim(intercept) else intercept
    return coef, intercept


def _moments(masker: Any, correlated: bool) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Mean, and covariance where it is used."""
    given = masker if isinstance(masker, tuple) else (getattr(masker, "mean", None), getattr(masker, "cov", None))
    if isinstance(masker, tuple) or (not is_frame(masker) and not hasattr(masker, "dtype") and given[0] is not None):
        mean = np.asarray(given[0], dtype=np.float64)
        if correlated and given[1] is None:
            raise ValueError("feature_perturbation='correlation_dependent' needs a covariance beside the mean.")
        return mean, np.asarray(given[1], dtype=np.float64) if correlated else None
    if correlated:
        rows = masker.data if is_impute(masker) else masker
        values = np.asarray(as_array(rows), dtype=np.float64)
        if len(values) <= values.shape[1]:
            warnings.warn(
                f"{len(values)} rows give a singular covariance matrix of {values.shape[1]} features: values share "
                "what the rows do not tell apart.",
                stacklevel=3,
            )
        return values.mean(axis=0), np.cov(values, rowvar=False).reshape(values.shape[1], -1)
    background = masked_background(masker, MAX_SAMPLES, hierarchies=True)
    rows = background.data.toarray() if hasattr(background.data, "toarray") else as_array(background.data)
    mean = background.weights @ np.asarray(rows, dtype=np.float64)
    return mean, None
