"""Expected gradients of networks as an array function."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.arguments import seed_number, whole_number
from fastexplain.engine.deep.rows import background_weights, chunks, is_torch_module, rows_of
from fastexplain.engine.philox import words
from fastexplain.engine.progress import progress
from fastexplain.engine.shown import result_repr
from fastexplain.models.networks.network import Network, load_network, try_load_network

__all__ = ["ExpectedGradientsResult", "expected_gradients"]

Array = NDArray[np.float64]
# (points (n_points, n_features)) -> gradients (n_outputs, n_points, n_features)
Gradient = Callable[[Array], Array]

# The stream of random numbers that this function draws from; the index is the row.
STREAM = 0xE6


class ExpectedGradientsResult(NamedTuple):
    """What `expected_gradients` returns.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs)
        Estimated attributions in the units of the network's output.
    base_values : float64 array of shape (n_outputs,)
        Weighted mean output over the background.
    standard_errors : float64 array of shape (n_rows, n_features, n_outputs)
        Of `values`, from the spread of the samples.
    """

    values: Array
    base_values: Array
    standard_errors: Array

    def __repr__(self) -> str:
        return result_repr(self, self._fields)


def expected_gradients(
    model: Any,
    X: Any,
    background: Any,
    *,
    weights: Any = None,
    n_samples: int = 200,
    seed: int = 0,
    n_threads: int | None = None,
    device: Any = None,
    chunk_bytes: int = 64 * 2**20,
    show_progress: bool | None = None,
) -> ExpectedGradientsResult:
    """Expected gradients of every row: integrated gradients averaged over background rows, by sampling.

    Works for every differentiable torch module, whatever operations it uses; where `deep_lift` has rules, it is exact
    and cheaper.

    Parameters
    ----------
    model : network
        As for `deep_lift`: a network of dense layers, read into a `Network`, or any ``torch.nn.Module`` that maps
        (n, n_features) to (n,) or (n, n_outputs).
    X : array-like, DataFrame or tensor of shape (n_rows, n_features)
    background : array-like, DataFrame or tensor of shape (n_background, n_features)
    weights : array-like of shape (n_background,), optional
        Chances of the background rows to be drawn; they are divided by their sum.
    n_samples : int, default 200
        Gradients per row, at least 2.
    seed : int, default 0
        Of the draws. Row i's draws depend on `seed` and i alone, not on chunks, threads or other rows.
    n_threads : int, optional
        Threads of the native path; None for the default. In torch, its own setting counts.
    device : torch device, optional
        Where a torch module runs; None: natively, or where its parameters are.
    chunk_bytes : int, default 64 MiB
        Bound on the working memory of a thread beyond the result.
    show_progress : bool, optional
        A progress bar over the rows where standard error is a terminal, and in notebooks; None shows it once the call
        has taken a second.

    Returns
    -------
    ExpectedGradientsResult
        ``values.sum(axis=1) + base_values`` is the output up to the sampling error, which ``standard_errors`` gives.

    Raises
    ------
    UnsupportedModelError
        The model is no network.
    ValueError
        X, background or weights have the wrong shape, or hold NaN or infinite values; or n_samples is below 2.

    Notes
    -----
    Erion, Janizek, Sturmfels, Lundberg and Lee 2021, "Improving performance of deep learning models with axiomatic
    attribution priors and expected gradients", equation 3: the mean of ``(x - b) * gradient at b + a (x - b)`` over
    background rows b and a uniform on (0, 1).
    """
    whole_number(n_samples, "n_samples", 2)  # one has no standard error
    seed_number(seed)
    whole_number(chunk_bytes, "chunk_bytes")
    network: Network | None
    if is_torch_module(model):
        network = None if device is not None else try_load_network(model)
    elif device is not None:
        raise ValueError(f"device is for torch modules; got device={device!r} with a {type(model).__name__}.")
    else:
        network = load_network(model)
    rows = rows_of(X, "X", network.n_features if network else None)
    others = rows_of(background, "background", network.n_features if network else rows.shape[1])
    others, shares = background_weights(others, weights)
    plan = _Plan(rows, others, np.cumsum(shares), int(n_samples), int(seed), chunk_bytes, show_progress)
    if network is not None:
        base = shares @ network.forward(others)
        # pre-activations, their values, and a gradient for each output
        per_point = 8 * (network.n_features * (3 + network.n_outputs) + network.n_units * (2 + 2 * network.n_outputs))
        values, errors = plan.run(
            lambda points: network_gradients(network, points),
            network.n_outputs,
            per_point,
            resolve_num_threads(n_threads),
        )
    else:
        from fastexplain.engine.deep.torch_deep_lift import module_gradients

        with module_gradients(model, device) as (outputs, gradient, bytes_of):
            base = shares @ outputs(others)
            # not threaded: modules are not promised to be safe from several threads, and torch has its own
            values, errors = plan.run(gradient, len(base), bytes_of(rows), 1)
    return ExpectedGradientsResult(values, base, errors)


class _Plan(NamedTuple):
    """One call: what is drawn, and in what pieces."""

    rows: Array
    background: Array
    cumulative: Array
    n_samples: int
    seed: int
    chunk_bytes: int
    show_progress: bool | None

    def run(self, gradient: Gradient, n_outputs: int, per_point: int, n_threads: int) -> tuple[Array, Array]:
        """Values and standard errors; one row's samples at a time where that is what fits, several rows otherwise."""
        shape = (len(self.rows), self.rows.shape[1], n_outputs)
        values, errors = np.zeros(shape), np.zeros(shape)
        n_points = max(1, self.chunk_bytes // per_point)
        n_rows = max(1, n_points // self.n_samples)

        def work(part: slice) -> None:
            values[part], errors[part] = self._explain(part, gradient, min(n_points, self.n_samples))
            bar(part.stop - part.start)

        parts = chunks(len(self.rows), n_rows)
        with progress(len(self.rows), "expected_gradients", self.show_progress) as bar:
            if n_threads == 1:
                for part in parts:
                    work(part)
            else:
                with ThreadPoolExecutor(n_threads) as pool:
                    list(pool.map(work, parts))
        return values, errors

    def _explain(self, part: slice, gradient: Gradient, n_at_once: int) -> tuple[Array, Array]:
        rows = self.rows[part]
        drawn = words(self.seed, STREAM, np.arange(part.start, part.stop), 2 * self.n_samples)
        uniform = (drawn.astype(np.float64) + 0.5) / 2.0**32
        picked = np.minimum(np.searchsorted(self.cumulative, uniform[:, 0::2]), len(self.background) - 1)
        along = uniform[:, 1::2]
        shift: Array | None = None
        total = squares = np.zeros(0)
        for begin in range(0, self.n_samples, n_at_once):
            some = slice(begin, begin + n_at_once)
            other = self.background[picked[:, some]]
            change = rows[:, None, :] - other
            points = other + along[:, some, None] * change
            slopes = gradient(points.reshape(-1, rows.shape[1])).reshape(-1, *change.shape)
            samples = np.einsum("krsj,rsj->rsjk", slopes, change)
            if shift is None:
                shift = samples[:, :1]  # sums about a sample: the spread of samples far from 0 keeps its digits
                total, squares = np.zeros_like(samples[:, 0]), np.zeros_like(samples[:, 0])
            samples = samples - shift
            total += samples.sum(axis=1)
            squares += (samples**2).sum(axis=1)
        assert shift is not None
        mean = total / self.n_samples
        variance = np.maximum(squares - self.n_samples * mean**2, 0.0) / (self.n_samples - 1)
        return shift[:, 0] + mean, np.sqrt(variance / self.n_samples)


def network_gradients(network: Network, X: Array) -> Array:
    """Gradients of every output at every row, of shape (n_outputs, n_rows, n_features)."""
    before = network.preactivations(X)
    last = network.layers[-1]
    n_outputs = network.n_outputs
    if last.activation.kind == "softmax":
        p = last.activation(before[-1])
        to_logits = np.eye(n_outputs)[:, None, :] * p[None] - p.T[:, :, None] * p[None]  # p_k (delta_kj - p_j)
    else:
        to_logits = np.eye(n_outputs)[:, None, :] * last.activation.slope(before[-1])[None]
    gradients: Array = to_logits @ last.weight.T
    for layer, z in zip(network.layers[-2::-1], before[-2::-1], strict=True):
        gradients = (gradients * layer.activation.slope(z)) @ layer.weight.T
    return gradients
