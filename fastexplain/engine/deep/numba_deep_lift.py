"""DeepLIFT's rescale rule compiled by Numba.

The twin of ``cpp/src/deep/deep_lift.cpp``, where the algebra is written down. Background rows go
through one at a time, otherwise every sum is in the same order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each_part
from fastexplain.models.networks.network import Network

__all__ = ["explain_rows"]

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Arrays = tuple[Array, Array, Array, Array, Array]

# As UnitRule in deep_lift.h.
KINK_AT_ZERO, IDENTITY, SOFTMAX = 1, 3, 4
# Products of one call into compiled code for one row: Ctrl-C is answered between calls.
CALL_CELLS = 2**25


def explain_rows(
    network: Network, rules: Indices, mine: Arrays, others: Arrays, weights: Array, values: Array, n_threads: int
) -> None:
    """Fill `values` (n_rows, n_features, n_outputs) from activations as ``engine/deep/deep_lift.py`` lays them out."""
    flat = np.concatenate([layer.weight.T.ravel() for layer in network.layers])
    n_in = np.array([layer.weight.shape[0] for layer in network.layers])
    n_out = np.array([layer.weight.shape[1] for layer in network.layers])

    n_products = int((n_in * n_out)[:-1].sum()) * int(n_out[-1])
    step = max(1, CALL_CELLS // max(1, n_products))

    def work(part: slice) -> None:
        z, value, slope, threshold, features = (array[part] for array in mine)
        values[part] = 0.0
        for begin in range(0, len(weights), step):
            _explain(
                flat, n_in, n_out, rules, z, value, slope, threshold, features, others[0], others[1], others[2],
                others[4], weights, begin, min(begin + step, len(weights)), values[part],
            )  # fmt: skip

    for_each_part(work, len(values), n_threads)


@compiled
def _log_mean_share(gap: float) -> float:
    """L(u, v) / max(u, v) of the logarithmic mean L, where gap = |log u - log v|."""
    return 1.0 if gap == 0.0 else -math.expm1(-gap) / gap


@compiled
def _multiplier(
    z: float, z_b: float, value: float, value_b: float, slope: float, slope_b: float, threshold: float, kink: bool
) -> float:
    change = z - z_b
    if abs(change) <= threshold and not (kink and (z > 0.0) != (z_b > 0.0)):
        return 0.5 * (slope + slope_b)
    return (value - value_b) / change


@compiled
def _begin_softmax(
    last: Array,
    n_in: int,
    n_out: int,
    z: Array,
    z_b: Array,
    log_p: Array,
    log_p_b: Array,
    now: Array,
    q: Array,
    pooled: Array,
) -> None:
    sum_x, sum_b = z[0] - log_p[0], z_b[0] - log_p_b[0]
    below, top = _log_mean_share(abs(sum_x - sum_b)), max(sum_x, sum_b)
    rest = 1.0
    for j in range(n_out):
        q[j] = math.exp(max(z[j], z_b[j]) - top) * _log_mean_share(abs(z[j] - z_b[j])) / below
        rest -= q[j]
    pooled[:n_in] = 0.0
    for j in range(n_out):
        share = q[j] + rest / n_out
        for i in range(n_in):
            pooled[i] += share * last[j * n_in + i]
    for k in range(n_out):
        r = math.exp(max(log_p[k], log_p_b[k])) * _log_mean_share(abs(log_p[k] - log_p_b[k]))
        for i in range(n_in):
            now[k, i] = r * (last[k * n_in + i] - pooled[i])


@compiled
def _multiply(now: Array, weight: Array, n_inner: int, n_columns: int, following: Array) -> None:
    """Following = now @ weight, weight (n_inner, n_columns) flat."""
    for k in range(len(now)):
        out = following[k, :n_columns]
        out[:] = 0.0
        for inner in range(n_inner):
            factor = now[k, inner]
            row = weight[inner * n_columns : (inner + 1) * n_columns]
            for i in range(n_columns):
                out[i] += factor * row[i]


@compiled
def _explain(
    flat: Array,
    n_in: Indices,
    n_out: Indices,
    rules: Indices,
    z: Array,
    value: Array,
    slope: Array,
    threshold: Array,
    features: Array,
    z_b: Array,
    value_b: Array,
    slope_b: Array,
    features_b: Array,
    weights: Array,
    begin: int,
    end: int,
    values: Array,
) -> None:
    """Adds what background rows begin .. end give."""
    n_layers, n_features, n_outputs = len(n_in), n_in[0], n_out[-1]
    widest = n_in.max()
    now, following = np.zeros((n_outputs, widest)), np.zeros((n_outputs, widest))
    q, pooled = np.empty(n_outputs), np.empty(widest)
    weight_at, unit_at = np.zeros(n_layers + 1, dtype=np.int64), np.zeros(n_layers + 1, dtype=np.int64)
    for layer in range(n_layers):
        weight_at[layer + 1] = weight_at[layer] + n_in[layer] * n_out[layer]
        unit_at[layer + 1] = unit_at[layer] + (n_out[layer] + 7) // 8 * 8
    last, at = flat[weight_at[n_layers - 1] :], unit_at[n_layers - 1]
    for row in range(len(z)):
        for b in range(begin, end):
            if rules[-1] == SOFTMAX:
                _begin_softmax(
                    last,
                    n_in[-1],
                    n_outputs,
                    z[row, at:],
                    z_b[b, at:],
                    value[row, at:],
                    value_b[b, at:],
                    now,
                    q,
                    pooled,
                )
            else:
                for k in range(n_outputs):
                    u, m = at + k, 1.0
                    if rules[-1] != IDENTITY:
                        m = _multiplier(
                            z[row, u], z_b[b, u], value[row, u], value_b[b, u], slope[row, u], slope_b[b, u],
                            threshold[row, u], rules[-1] == KINK_AT_ZERO,
                        )  # fmt: skip
                    for i in range(n_in[-1]):
                        now[k, i] = m * last[k * n_in[-1] + i]
            for layer in range(n_layers - 2, -1, -1):
                if rules[layer] != IDENTITY:
                    for unit in range(n_out[layer]):
                        u = unit_at[layer] + unit
                        m = _multiplier(
                            z[row, u], z_b[b, u], value[row, u], value_b[b, u], slope[row, u], slope_b[b, u],
                            threshold[row, u], rules[layer] == KINK_AT_ZERO,
                        )  # fmt: skip
                        for k in range(n_outputs):
                            now[k, unit] *= m
                _multiply(now, flat[weight_at[layer] : weight_at[layer + 1]], n_out[layer], n_in[layer], following)
                now, following = following, now
            for j in range(n_features):
                change = weights[b] * (features[row, j] - features_b[b, j])
                for k in range(n_outputs):
                    values[row, j, k] += change * now[k, j]
