"""DeepLIFT attributions of networks as an array function."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.arguments import whole_number
from fastexplain.engine.backends import select_backend
from fastexplain.engine.deep.rows import (
    TOLERANCE,
    background_weights,
    chunks,
    completeness_warning,
    is_torch_module,
    rows_of,
)
from fastexplain.engine.progress import progress, steps
from fastexplain.engine.shown import result_repr
from fastexplain.models.networks.network import PIECEWISE, Layer, Network, load_network, log_softmax, try_load_network

__all__ = ["DeepLiftResult", "deep_lift"]

Array = NDArray[np.float64]

# Changes of a pre-activation below this (relative to 1 + its size) take the mean of the two slopes for the quotient. At
# the cube root of the rounding unit both are equally good, to its power 2/3: the quotient loses digits as 1 / change,
# the mean slope as change^2 / 12. What they do to completeness is rounding.
THRESHOLD = float(np.cbrt(np.finfo(np.float64).eps))
# The kernel pads every layer to a multiple of this many units (DeepLift::kPad).
PAD = 8
# Rules of the kernel beyond those of network.py.
RULE_IDENTITY, RULE_SOFTMAX = 3, 4


class DeepLiftResult(NamedTuple):
    """What `deep_lift` returns.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs)
        Attributions in the units of the network's output.
    base_values : float64 array of shape (n_outputs,)
        Weighted mean output over the background.
    completeness_errors : float64 array of shape (n_rows, n_outputs)
        ``output - base_values - values.sum(axis=1)``: rounding, where every operation was seen.
    method : str
        ``"network"`` (dense layers, natively) or ``"torch"`` (the module's own operations).
    """

    values: Array
    base_values: Array
    completeness_errors: Array
    method: str

    def __repr__(self) -> str:
        return result_repr(self, self._fields)


def deep_lift(
    model: Any,
    X: Any,
    background: Any,
    *,
    weights: Any = None,
    n_threads: int | None = None,
    backend: str | None = None,
    device: Any = None,
    chunk_bytes: int = 64 * 2**20,
    show_progress: bool | None = None,
) -> DeepLiftResult:
    """DeepLIFT attributions (rescale rule) of every row, averaged over background rows; what shap calls Deep SHAP.

    Parameters
    ----------
    model : network
        A feed-forward network that `fastexplain.models.load_network` reads (torch Sequential, scikit-learn MLP, Keras
        Sequential), or the `Network` that it returned, runs natively in float64. Any other ``torch.nn.Module`` that
        maps (n, n_features) to (n,) or (n, n_outputs) runs in torch, every operation caught where it is called:
        functional activations, modules used twice, in-place operations, products of activations, softmax, attention,
        layer normalisation, max pooling. Explained in evaluation mode, and left as it was.
    X : array-like, DataFrame or tensor of shape (n_rows, n_features)
    background : array-like, DataFrame or tensor of shape (n_background, n_features)
        Rows to compare with.
    weights : array-like of shape (n_background,), optional
        Weights of the background rows; they are divided by their sum.
    n_threads : int, optional
        Threads of the native path; None for the default. The result has the same bits for any number. In torch, its own
        setting counts.
    backend : {"native", "numba"}, optional
        Of the native path. None: ``FASTEXPLAIN_BACKEND``, else the compiled core where there is one.
    device : torch device, optional
        Where a torch module runs, such as ``"cuda"``: given, the torch path is taken, with copies of the parameters
        where they are elsewhere. None: natively, or where the module's parameters are.
    chunk_bytes : int, default 64 MiB
        Bound on the working memory beyond the result: rows of a chunk and their activations.
    show_progress : bool, optional
        A progress bar over the rows where standard error is a terminal, and in notebooks; None shows it once the call
        has taken a second.

    Returns
    -------
    DeepLiftResult
        For every row and output, ``values.sum(axis=1) + base_values`` is the output, up to ``completeness_errors``.

    Raises
    ------
    UnsupportedModelError
        The model is no network, or uses an operation without a rule; the message names it. `expected_gradients` asks
        only for gradients.
    ModelConversionError
        The network that was read does not reproduce the library's own forward.
    ValueError
        X, background or weights have the wrong shape, or hold NaN or infinite values; or the model's output is not 1-D
        or 2-D.

    Notes
    -----
    Shrikumar, Greenside and Kundaje 2017, "Learning important features through propagating activation differences",
    section 3.5.2; averaged over references as in Lundberg and Lee 2017. Natively, O(n_background x n_outputs x weights)
    per row and one forward of n_rows + n_background rows. Softmax goes by logarithms, ``log p_k = z_k - log sum_j
    e^z_j``, with z less its mean over the classes, each step by the rescale rule: complete to rounding, multipliers
    between -1 and 1, unmoved by a constant added to all z, and equal to the logistic function's for two classes.
    Elementwise rules (shap) do not sum up; the normalisation of Captum does not either.

    These are not Shapley values: `kernel_shap` gives those.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neural_network import MLPRegressor
    >>> import fastexplain
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 4))
    >>> model = MLPRegressor(hidden_layer_sizes=(16,), max_iter=2000, random_state=0).fit(X, X[:, 0] * X[:, 1])
    >>> result = fastexplain.deep_lift(model, X[:5], X[100:])
    >>> np.allclose(result.values.sum(axis=1) + result.base_values, model.predict(X[:5])[:, None])
    True
    """
    whole_number(chunk_bytes, "chunk_bytes")
    network = _network(model, device)
    rows = rows_of(X, "X", network.n_features if network else None)
    others = rows_of(background, "background", network.n_features if network else rows.shape[1])
    others, shares = background_weights(others, weights)
    if network is None:
        from fastexplain.engine.deep.torch_deep_lift import deep_lift_module

        values, outputs, base, tolerance = deep_lift_module(
            model, rows, others, shares, device=device, chunk_bytes=chunk_bytes, show_progress=show_progress
        )
    else:
        threads = resolve_num_threads(n_threads)
        chosen = select_backend(backend)
        values, outputs, base = _native(network, rows, others, shares, chosen, threads, chunk_bytes, show_progress)
        tolerance = TOLERANCE["float64"]
    errors = outputs - base - values.sum(axis=1)
    message = completeness_warning(errors, outputs - base, tolerance)
    if message:
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return DeepLiftResult(values, base, errors, "torch" if network is None else "network")


def _network(model: Any, device: Any) -> Network | None:
    """The model as dense layers; None where it must run in torch."""
    if is_torch_module(model):
        return None if device is not None else try_load_network(model)
    if device is not None:
        raise ValueError(f"device is for torch modules; got device={device!r} with a {type(model).__name__}.")
    return load_network(model)


@dataclass(frozen=True)
class Activations:
    """What the rescale rule needs of some rows: layers side by side, each padded with zeros to a multiple of `PAD`.

    Attributes
    ----------
    preactivations, values, slopes, thresholds : float64 arrays of shape (n_rows, n_padded_units)
        Of a softmax layer: pre-activations less their mean, and logarithms of the probabilities as values.
    features : float64 array of shape (n_rows, n_padded_features)
    outputs : float64 array of shape (n_rows, n_outputs)
    """

    preactivations: Array
    values: Array
    slopes: Array
    thresholds: Array
    features: Array
    outputs: Array

    def rows(self, part: slice) -> Activations:
        """Of some of the rows."""
        return Activations(*(array[part] for array in (*self.arrays(), self.outputs)))

    def arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        """As the Numba kernel takes them."""
        return self.preactivations, self.values, self.slopes, self.thresholds, self.features


def padded(n: int) -> int:
    """`n` rounded up to a multiple of `PAD`."""
    return -(-n // PAD) * PAD


def layer_rule(layer: Layer) -> int:
    """The kernel's number for how a layer's multipliers are found (``UnitRule`` in deep_lift.h)."""
    if layer.activation.kind == "softmax":
        return RULE_SOFTMAX
    return RULE_IDENTITY if layer.activation.kind == "identity" else layer.activation.kink


def activations(network: Network, X: Array) -> Activations:
    """One forward pass over rows, with what the backward pass needs."""
    shape = (len(X), sum(padded(len(layer.bias)) for layer in network.layers))
    found = [np.zeros(shape) for _ in range(4)]
    z_all, value_all, slope_all, threshold_all = found
    at, values = 0, X
    for layer in network.layers:
        z = values @ layer.weight + layer.bias
        units = slice(at, at + z.shape[1])
        at += padded(z.shape[1])
        if layer.activation.kind == "softmax":
            z_all[:, units] = z - z.mean(axis=1, keepdims=True)
            value_all[:, units] = log_softmax(z_all[:, units])
            values = np.exp(value_all[:, units])
            continue
        values = layer.activation(z)
        z_all[:, units], value_all[:, units], slope_all[:, units] = z, values, layer.activation.slope(z)
        if layer.activation.kink != PIECEWISE:
            threshold_all[:, units] = THRESHOLD * (1.0 + np.abs(z))
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(f"The network's output for a row is not finite (row {row} of a chunk: {values[row]}).")
    features = np.zeros((len(X), padded(X.shape[1])))
    features[:, : X.shape[1]] = X
    return Activations(z_all, value_all, slope_all, threshold_all, features, values)


def _native(
    network: Network,
    rows: Array,
    background: Array,
    weights: Array,
    backend: str,
    n_threads: int,
    chunk_bytes: int,
    show_progress: bool | None,
) -> tuple[Array, Array, Array]:
    others = activations(network, background)
    base: Array = weights @ others.outputs
    values = np.empty((len(rows), network.n_features, network.n_outputs))
    outputs = np.empty((len(rows), network.n_outputs))
    explain = _kernel(network, backend)
    # four arrays of activations, and as much again for temporaries
    per_row = 8 * 8 * max(1, others.values.shape[1])
    with progress(len(rows), "deep_lift", show_progress) as bar:
        for part in chunks(len(rows), max(1, chunk_bytes // per_row)):
            mine = activations(network, rows[part])
            for few in steps(len(mine.values), bar, least=n_threads):
                explain(mine.rows(few), others, weights, values[part][few], n_threads)
            outputs[part] = mine.outputs
    return values, outputs, base


def _kernel(network: Network, backend: str) -> Callable[[Activations, Activations, Array, Array, int], None]:
    rules = [layer_rule(layer) for layer in network.layers]
    if backend == "native":
        from fastexplain._core import DeepLift

        compiled = DeepLift([np.ascontiguousarray(layer.weight, dtype=np.float64) for layer in network.layers], rules)

        def explain(mine: Activations, others: Activations, weights: Array, values: Array, n_threads: int) -> None:
            compiled.explain(mine, others, weights, values, n_threads=n_threads)

        return explain
    from fastexplain.engine.deep.numba_deep_lift import explain_rows

    return lambda mine, others, weights, values, n_threads: explain_rows(
        network, np.array(rules), mine.arrays(), others.arrays(), weights, values, n_threads
    )
