"""shap's explainers of any function: Kernel, Sampling, Permutation and Exact, all by `fastexplain.kernel_shap`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._explanation import Explanation
from fastexplain.compat.shap._inputs import as_array, column_order, is_frame, masked_background, row_values, shaped
from fastexplain.engine.background import Background
from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.engine.kernel.masking import copied
from fastexplain.engine.links import identity, resolve_link
from fastexplain.engine.predict import PredictFunction

# Of more plain rows shap's maskers take a sample.
MAX_SAMPLES = 100

__all__ = ["ExactExplainer", "KernelExplainer", "PermutationExplainer", "SamplingExplainer"]


class _FunctionExplainer:
    """A function, background rows and a link; a call gives an `Explanation`.

    Attributes
    ----------
    model : object
        As given.
    data : Background
        ``data`` and ``weights``.
    expected_value : float or array of shape (n_outputs,)
        Link of the mean output over the background.
    vector_out : bool
        Whether the function returns 2-D outputs; values then have an axis of outputs.
    feature_names : list or None
    """

    # Whether values of 2-D outputs of one column lose that axis, as in shap; expected_value keeps it.
    _squeezes = False

    def __init__(
        self, model: Any, background: Background, link: Any, feature_names: Any, seed: int | None, n_threads: int | None
    ) -> None:
        rows = background.data
        if feature_names is None and is_frame(rows):
            feature_names = rows.columns
        self.model = model
        self.data = background
        self.link = resolve_link(link)
        self.feature_names = None if feature_names is None else list(feature_names)
        self.seed = 0 if seed is None else seed
        self.n_threads = n_threads
        self._predict = PredictFunction(model)
        raw = self._predict.function(copied(rows))
        self.vector_out = np.ndim(raw) == 2
        self._n_features = int(rows.shape[1])
        outputs = self._predict_checked(raw)
        expected = self.link(background.weights @ outputs)
        self.expected_value: Any = expected if self.vector_out else float(expected[0])

    def _predict_checked(self, raw: Any) -> NDArray[np.float64]:
        """Outputs of the background as (n_background, n_outputs); the errors are those of the engine."""
        checked = PredictFunction(lambda rows: raw)
        checked.name = self._predict.name
        return checked(self.data.data, len(self.data.weights))

    def _kernel_shap(self, X: Any, **options: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values and standard errors in shap's shape."""
        rows, single = row_values(X)
        order = column_order(rows, self.data.data)
        if order is not None:
            rows = rows[list(self.data.data.columns)]
        result = kernel_shap(
            self.model,
            rows if is_frame(self.data.data) else as_array(rows),
            self.data.data,
            weights=self.data.weights,
            link=self.link,
            seed=self.seed,
            n_threads=self.n_threads,
            **options,
        )
        values, errors = result.values, result.standard_errors
        if order is not None:
            values, errors = values[:, order], errors[:, order]
        vector_out = self.vector_out and not (self._squeezes and values.shape[2] == 1)
        return shaped(values, vector_out, single), shaped(errors, vector_out, single)

    def _explanation(self, X: Any, **options: Any) -> Explanation:
        start = time.perf_counter()
        rows, _ = row_values(X)
        values, errors = self._kernel_shap(rows, **options)
        base = np.broadcast_to(self.expected_value, (len(values), *np.shape(self.expected_value))).copy()
        return Explanation(
            values,
            base,
            as_array(rows),
            feature_names=list(rows.columns) if is_frame(rows) else self.feature_names,
            error_std=errors,
            compute_time=time.perf_counter() - start,
        )


class KernelExplainer(_FunctionExplainer):
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
        Give a plain function DataFrames too.
    seed : int, default 0
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
        seed: int = 0,
        n_threads: int | None = None,
    ) -> None:
        background = masked_background(data, None)
        if is_frame(background.data):
            feature_names = background.data.columns if feature_names is None else feature_names
            if PredictFunction(model).owner is None and not keep_index:
                background = Background(as_array(background.data), background.weights)
        super().__init__(model, background, link, feature_names, seed, n_threads)

    def shap_values(
        self, X: Any, nsamples: int | str = "auto", l1_reg: Any = False, silent: bool = False, gc_collect: bool = False
    ) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        nsamples : "auto" or int, default "auto"
            Coalitions evaluated for each row. "auto": exact where affordable, else until standard errors are within 1%
            of the row's range of values, at most ``2 * n_features + 2048``.
        l1_reg : False, "num_features(k)", "aic", "bic", "auto" or float, default False
            Keep only features that a lasso chooses; shap's own default is "num_features(10)".
        silent : bool, default False
            No progress bar; there is none either where stderr is not a terminal.
        gc_collect : bool
            Has no effect.

        Returns
        -------
        array of shape (n_rows, n_features), or (n_rows, n_features, n_outputs) if the function returns 2-D outputs
            Without the axis of rows for one row.
        """
        return self._kernel_shap(X, l1_reg=l1_reg, **_samples(nsamples), show_progress=not silent)[0]

    def __call__(self, X: Any, l1_reg: Any = False, silent: bool = False) -> Explanation:
        """Values of each row, with what belongs to them; arguments as in `shap_values`."""
        return self._explanation(X, l1_reg=l1_reg, show_progress=not silent)


class SamplingExplainer(KernelExplainer):
    """``shap.SamplingExplainer``: Shapley values by antithetic permutations, over all background rows.

    Parameters
    ----------
    model, data, feature_names, link, keep_index, seed, n_threads
        As in `KernelExplainer`; link "identity" only.

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        feature_names: Any = None,
        link: Any = "identity",
        keep_index: bool = False,
        seed: int = 0,
        n_threads: int | None = None,
    ) -> None:
        if resolve_link(link) is not identity:
            raise ValueError(f"SamplingExplainer takes link='identity' only; got {link!r}. Use KernelExplainer.")
        super().__init__(model, data, feature_names, link, keep_index=keep_index, seed=seed, n_threads=n_threads)

    def shap_values(  # type: ignore[override]
        self, X: Any, nsamples: int | str = "auto", silent: bool = False
    ) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        nsamples : "auto" or int, default "auto"
            Rows that the function is given for each explained row, spread over all background rows; at least two
            permutations. "auto": until standard errors are within 1% of the row's range of values.
        silent : bool, default False
            No progress bar; there is none either where stderr is not a terminal.

        Returns
        -------
        array
            Of shape as in `KernelExplainer.shap_values`.
        """
        return self._kernel_shap(X, **self._options(nsamples), show_progress=not silent)[0]

    def __call__(  # type: ignore[override]
        self, X: Any, y: Any = None, nsamples: int | str = 2000, silent: bool = False
    ) -> Explanation:
        """Values of each row, with what belongs to them; arguments as in `shap_values`, `y` has no effect."""
        return self._explanation(X, **self._options(nsamples), show_progress=not silent)

    def _options(self, nsamples: int | str) -> dict[str, Any]:
        options = {"method": "permutation", **_samples(nsamples)}
        if not isinstance(nsamples, str):
            options["n_samples"] = max(4 * self._n_features, nsamples // len(self.data.weights))
        return options


class PermutationExplainer(_FunctionExplainer):
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
    seed : int, optional
    n_threads : int, optional

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    _squeezes = True

    def __init__(
        self,
        model: Any,
        masker: Any,
        link: Any = links.identity,
        feature_names: Any = None,
        linearize_link: bool = True,
        seed: int | None = None,
        *,
        n_threads: int | None = None,
    ) -> None:
        _refuse_linearized(link, linearize_link)
        super().__init__(model, masked_background(masker, MAX_SAMPLES), link, feature_names, seed, n_threads)

    def __call__(
        self,
        X: Any,
        *,
        max_evals: int | str = 500,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_size: int | str = "auto",
        outputs: Any = None,
        silent: bool = False,
    ) -> Explanation:
        """Values of each row, with what belongs to them.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features)
        max_evals : int or "auto", default 500
            Coalitions evaluated for each row. "auto": ten permutations, there and back.
        main_effects : bool
            Must be False.
        error_bounds : bool
            Has no effect: `Explanation.error_std` always holds the standard errors.
        batch_size : int or "auto"
            Has no effect: masked rows are built in chunks of bounded memory.
        outputs : optional
            Must be None; slice the explanation instead.
        silent : bool, default False
        """
        _refuse_options(main_effects, outputs)
        return self._explanation(X, **self._options(max_evals), show_progress=not silent)

    def shap_values(
        self,
        X: Any,
        npermutations: int = 10,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_evals: bool = True,
        silent: bool = False,
    ) -> NDArray[Any]:
        """Values of each row, by `npermutations` permutations there and back; arguments as in a call.

        Returns
        -------
        array of shape (n_rows, n_features), or (n_rows, n_features, n_outputs) if the function returns 2-D outputs
        """
        _refuse_options(main_effects, None)
        max_evals = npermutations * (2 * self._n_features + 1)
        return self._kernel_shap(X, **self._options(max_evals), show_progress=not silent)[0]

    def _options(self, max_evals: int | str) -> dict[str, Any]:
        least = 2 * self._n_features + 1
        if not isinstance(max_evals, str) and max_evals < least:
            raise ValueError(f"max_evals={max_evals} is too low; one permutation, there and back, takes {least}.")
        return {"method": "permutation", **_samples(10 * least if max_evals == "auto" else max_evals)}


class ExactExplainer(_FunctionExplainer):
    """``shap.ExactExplainer``: Shapley values by enumeration of all coalitions.

    Parameters
    ----------
    model, masker, link, linearize_link, feature_names, n_threads
        As in `PermutationExplainer`.

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    _squeezes = True

    def __init__(
        self,
        model: Any,
        masker: Any,
        link: Any = links.identity,
        linearize_link: bool = True,
        feature_names: Any = None,
        *,
        n_threads: int | None = None,
    ) -> None:
        _refuse_linearized(link, linearize_link)
        super().__init__(model, masked_background(masker, MAX_SAMPLES), link, feature_names, None, n_threads)

    def __call__(
        self,
        X: Any,
        *,
        max_evals: int | str = 100000,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_size: int | str = "auto",
        interactions: bool | int = 1,
        silent: bool = False,
    ) -> Explanation:
        """Values of each row, with what belongs to them.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features)
        max_evals : int or "auto"
            Has no effect: only features that differ from the background count, and where a background row differs in
            few, its own few coalitions are enumerated.
        main_effects : bool
            Must be False.
        error_bounds, batch_size
            Have no effect.
        interactions : bool or int
            Must be 1: no interactions.
        silent : bool, default False

        Raises
        ------
        ValueError
            A row differs from the background in too many features to enumerate: use KernelExplainer or
            PermutationExplainer.
        """
        _refuse_options(main_effects, None)
        if interactions is True or int(interactions) > 1:
            raise ValueError(
                f"interactions={interactions!r} is not supported; use shap.ExactExplainer for interactions."
            )
        return self._explanation(X, method="exact", show_progress=not silent)

    def shap_values(self, X: Any, silent: bool = False) -> NDArray[Any]:
        """Values alone, of shape as in `PermutationExplainer.shap_values`."""
        return self._kernel_shap(X, method="exact", show_progress=not silent)[0]


def _samples(nsamples: int | str) -> dict[str, Any]:
    """Options of `kernel_shap`: who asks for a number of evaluations gets them all."""
    return {"n_samples": nsamples} if isinstance(nsamples, str) else {"n_samples": nsamples, "tol": 0.0}


def _refuse_linearized(link: Any, linearize_link: bool) -> None:
    if linearize_link and resolve_link(link) is not identity:
        raise ValueError(
            f"linearize_link=True is not supported for link {link!r}. Pass linearize_link=False: values then add up to "
            "link(output) - link(mean output), as KernelExplainer's do."
        )


def _refuse_options(main_effects: bool, outputs: Any) -> None:
    if main_effects:
        raise ValueError("main_effects=True is not supported; use shap.PermutationExplainer for main effects.")
    if outputs is not None:
        raise ValueError(f"outputs={outputs!r} is not supported; slice the explanation: explanation[..., output].")
