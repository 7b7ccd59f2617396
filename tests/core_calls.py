"""Right calls of every member of ``fastexplain._core``, and ways to spoil them: what test_core_boundary.py runs.

``python -c "import core_calls; core_calls.main('confusion')"`` makes all spoilt calls of one member and prints what
came of each, one JSON line before it (so that a crash has a name) and one after it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from fastexplain import _core

Arguments = dict[str, Any]
# Of a call's address space: a call that asks for more gets MemoryError, and the machine stays usable.
MEMORY_BYTES = 12 << 30
THREADS = 2


def members() -> list[str]:
    """Functions and classes, and methods and properties as ``Class.method``; a class stands for its constructor."""
    found = []
    for name, member in vars(_core).items():
        if name.startswith("_"):
            continue
        found.append(name)
        if isinstance(member, type):
            found += [f"{name}.{each}" for each in vars(member) if not each.startswith("_")]
    return sorted(found)


# -------------------------------------------------------------------------------------------------------- right calls


def forest(categories: bool = True, each_output: bool = False) -> SimpleNamespace:
    """A tree of three leaves and a tree that is one leaf, with the attributes of fastexplain.models.Forest."""
    n_nodes = 6
    kinds = np.array([-1, -1, 0 if categories else -1, -1, -1, -1], dtype=np.int32)
    return SimpleNamespace(
        n_features=3,
        n_outputs=2,
        n_trees=2,
        n_nodes=n_nodes,
        n_leaf_outputs=2 if each_output else 1,
        tree_offsets=np.array([0, 5, 6], dtype=np.int64),
        children_left=np.array([1, -1, 3, -1, -1, -1], dtype=np.int32),
        children_right=np.array([2, -1, 4, -1, -1, -1], dtype=np.int32),
        feature=np.array([0, -1, 1, -1, -1, -1], dtype=np.int32),
        threshold=np.array([0.5, 0, 1.5, 0, 0, 0]),
        default_left=np.zeros(n_nodes, dtype=bool),
        cover=np.array([10.0, 4, 6, 3, 3, 10]),
        values=np.arange(n_nodes * (2 if each_output else 1), dtype=float).reshape(n_nodes, -1),
        tree_output=np.array([0, 1], dtype=np.int32),
        zero_is_missing=np.zeros(n_nodes, dtype=bool) if categories else None,
        category_set=kinds if categories else None,
        category_set_offsets=np.array([0, 2], dtype=np.int64) if categories else None,
        category_set_members=np.array([0, 2], dtype=np.int32) if categories else None,
        float32_input=False,
        missing_value=float("nan"),
    )


def rows(n: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, size=(n, 3)).astype(float)


def tree_shap() -> Any:
    return _core.TreeShap(forest(), float32_lanes=False, n_threads=1)


def interventional_shap() -> Any:
    return _core.InterventionalShap(forest(), rows(4), weights=np.full(4, 0.25), n_threads=1)


def transformed_shap() -> Any:
    return _core.TransformedShap(forest_of_one_output(), rows(4), weights=np.full(4, 0.25), n_threads=1)


def forest_of_one_output() -> SimpleNamespace:
    return SimpleNamespace(**{**vars(forest()), "n_outputs": 1, "tree_output": np.zeros(2, dtype=np.int32)})


def predictor(categories: bool) -> Any:
    trees = forest(categories)
    return _core.ReplacementPredictor(trees, trees.values, 0.25)


def replace_arguments() -> Arguments:
    X = rows()
    return {
        "X": X,
        "feature_player": np.array([0, 1, -1], dtype=np.int32),
        "job_offsets": np.array([0, 2, 3], dtype=np.int64),
        "donors": np.array([[1, 2, 3, 4, 0]] * 3, dtype=np.int32),
        "base": np.zeros((5, 2)),
        "out": np.empty((3, 5, 2)),
        "n_threads": THREADS,
    }


WIDTHS = (3, 9, 2)
UNITS = 16 + 8


def layers() -> Arguments:
    return {"weights": [np.ones((3, 9)), np.ones((9, 2))], "rules": [1, 4]}


def activations(n: int) -> SimpleNamespace:
    names = ("preactivations", "values", "slopes", "thresholds")
    return SimpleNamespace(**{name: np.full((n, UNITS), 0.5) for name in names}, features=np.ones((n, 8)))


def pair_rules() -> Any:
    rules = _core.PairRules()
    for n in (1, 2):
        rules.add(np.full(n, 0.5), np.full(n, 0.5 / n), 0.1 * n)
    return rules


def sine_rules() -> Any:
    rules = _core.SineRules()
    rules.add_fit(1.0, 0.5, np.ones(4), np.ones(4), np.ones((4, 8)), np.ones((8, 8)))
    rules.add_series(40.0, 0.1, np.ones(16))
    return rules


def tables() -> Arguments:
    return {"row": np.ones((3, 64)), "background": np.ones((2, 3, 64)), "masks": np.eye(4, 3, dtype=np.uint8)}


def int32(*shape: int) -> np.ndarray:
    return np.zeros(shape, dtype=np.int32)


def permutations() -> Arguments:
    donors = np.tile(np.arange(5, dtype=np.int32), (2, 3, 1))
    return {"donors": donors, "bands": np.minimum(donors, 2)}


# Five coalitions of three players; the full one is last.
SIGNS = np.array([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1], [1, 1, 1]])

# Arguments that a member writes to.
OUTPUTS = {
    "DeepLift.explain": {"values"},
    "InterventionalShap.explain": {"values"},
    "TransformedShap.explain": {"values"},
    "TreeShap.explain": {"values"},
    "ReplacementPredictor.predict": {"out"},
    "ReplacementPredictor.replace": {"out"},
    "fill_coalitions": {"masks"},
    "fill_masked_rows": {"out"},
    "odd_covariance": {"covariance"},
    "odd_cross_covariance": {"cross"},
    "odd_fit": {"values", "variance", "spread", "residual"},
    "row_losses": {"out"},
    "log_losses": {"out"},
    "argmax": {"out"},
    "confusion": {"out"},
    "roc_auc": {"area", "placements"},
    "latin_permutations": {"donors", "bands"},
    "row_effects": {"drops", "spread", "influence"},
    "product_game": {"values"},
    "sigmoid_game": {"values"},
    "expand": {"out"},
    "couple_probabilities": {"out"},
    "average_neighbors": {"out"},
}

# Makers of (function, arguments) for each member.
CALLS: dict[str, list[Callable[[], tuple[Callable[..., Any], Arguments]]]] = {
    "active_isa": [lambda: (_core.active_isa, {})],
    "available_isas": [lambda: (_core.available_isas, {})],
    "DeepLift": [lambda: (_core.DeepLift, layers())],
    "DeepLift.stride": [lambda: (lambda: _core.DeepLift(**layers()).stride, {})],
    "DeepLift.explain": [
        lambda: (
            _core.DeepLift(**layers()).explain,
            {
                "rows": activations(4),
                "background": activations(3),
                "weights": np.full(3, 1 / 3),
                "values": np.empty((4, 3, 2)),
                "n_threads": THREADS,
            },
        )
    ],
    "InterventionalShap": [
        lambda f=f, kept=kept: (
            _core.InterventionalShap,
            {
                "forest": f,
                "background_rows": rows(4),
                "weights": np.array([0.5, 0, 0.25, 0.25]),
                "float32_lanes": kept == 0,
                "n_threads": THREADS,
                "kept_bytes": kept,
                "table_bytes": kept,
                "max_states": 8,
            },
        )
        for f, kept in ((forest(), 1 << 20), (forest(False, True), 0))
    ],
    "InterventionalShap.memory": [lambda: (lambda: interventional_shap().memory, {})],
    "InterventionalShap.mean_outputs": [lambda: (lambda: interventional_shap().mean_outputs, {})],
    "InterventionalShap.explain": [
        lambda n=n: (
            interventional_shap().explain,
            {"X": rows(n), "values": np.empty((n, 3, 2)), "n_threads": THREADS},
        )
        for n in (1, 5)
    ],
    "TransformedShap": [
        lambda: (
            _core.TransformedShap,
            {
                "forest": forest_of_one_output(),
                "background_rows": rows(4),
                "weights": np.array([0.5, 0, 0.25, 0.25]),
                "n_threads": THREADS,
                "kept_bytes": 1 << 20,
                "table_bytes": 1 << 20,
                "max_states": 8,
            },
        )
    ],
    "TransformedShap.turn": [lambda: (transformed_shap().turn, {"n_rows_of_call": 5})],
    "TransformedShap.memory": [lambda: (lambda: transformed_shap().memory, {})],
    "TransformedShap.background_outputs": [lambda: (lambda: transformed_shap().background_outputs, {})],
    "TransformedShap.background_weights": [lambda: (lambda: transformed_shap().background_weights, {})],
    "TransformedShap.explain": [
        lambda transform=transform: (
            transformed_shap().explain,
            {
                "X": rows(5),
                "transform": transform,
                "slope": 1.5,
                "offset": 0.5,
                "labels": np.ones(5),
                "values": np.empty((5, 3, 1)),
                "n_threads": THREADS,
                "n_rows_of_call": 1 << 20 if transform == "probability" else 5,
            },
        )
        for transform in ("probability", "log_loss", "squared_loss")
    ],
    "TreeShap": [
        lambda: (_core.TreeShap, {"forest": forest(), "float32_lanes": True, "n_threads": THREADS}),
        lambda: (
            _core.TreeShap,
            {
                "forest": forest(False, True),
                "float32_lanes": False,
                "n_threads": THREADS,
                "table_bytes": 10_000,
                "max_states": 8,
            },
        ),
    ],
    "TreeShap.memory": [lambda: (lambda: tree_shap().memory, {})],
    "TreeShap.turn": [lambda: (tree_shap().turn, {"n_rows_of_call": 1000})],
    "TreeShap.explain": [
        lambda n=n: (
            tree_shap().explain,
            {
                "X": rows(n),
                "values": np.empty((n, 3, 2)),
                "max_points": 8,
                "n_threads": THREADS,
                "n_rows_of_call": 1000,
            },
        )
        for n in (1, 5)
    ],
    "ReplacementPredictor": [
        lambda: (_core.ReplacementPredictor, {"forest": forest(), "values": forest().values, "grid": 0.25}),
        lambda: (_core.ReplacementPredictor, {"forest": forest(False), "values": forest().values, "grid": 0.25}),
    ],
    "ReplacementPredictor.predict": [
        lambda c=c: (
            predictor(c).predict,
            {"X": rows(), "base_offset": np.zeros(2), "out": np.empty((5, 2)), "n_threads": THREADS},
        )
        for c in (True, False)
    ],
    "ReplacementPredictor.replace": [lambda c=c: (predictor(c).replace, replace_arguments()) for c in (True, False)],
    "pairs_of_size": [lambda: (_core.pairs_of_size, {"n_players": 6, "size": 2})],
    "fill_coalitions": [
        lambda: (
            _core.fill_coalitions,
            {
                "size": np.array([1, 2, 3], dtype=np.int32),
                "index": np.array([5, 14, 9], dtype=np.int64),
                "seed": 1,
                "masks": np.empty((3, 6), dtype=np.uint8),
                "n_threads": THREADS,
            },
        )
    ],
    "fill_masked_rows": [
        lambda dtype=dtype: (
            _core.fill_masked_rows,
            {
                "X": np.ones((2, 3), dtype=dtype),
                "background": np.ones((4, 3), dtype=dtype),
                "masks": np.eye(5, 3, dtype=np.uint8),
                "row": np.array([0, 1, 1], dtype=np.int32),
                "mask": np.array([0, 4, 1], dtype=np.int32),
                "background_row": np.array([0, 3, 1], dtype=np.int32),
                "out": np.empty((3, 3), dtype=dtype),
                "n_threads": THREADS,
            },
        )
        for dtype in (np.float64, np.int8)
    ],
    "distinct_masked_rows": [
        lambda: (
            _core.distinct_masked_rows,
            {"masks": np.eye(4, 3, dtype=np.uint8), "differs": np.ones((2, 3), dtype=np.uint8)},
        )
    ],
    "odd_covariance": [
        lambda: (
            _core.odd_covariance,
            {
                "first": SIGNS.copy(),
                "second": SIGNS[:2].copy(),
                "rho": np.full(3, 0.1),
                "scale": 2.0,
                "covariance": np.empty((5, 2)),
                "n_threads": THREADS,
            },
        )
    ],
    "odd_tune": [
        lambda: (
            _core.odd_tune,
            {
                "signs": SIGNS.copy(),
                "left": np.arange(10.0).reshape(5, 2),
                "relevance": np.full(3, 0.5),
                "powers": np.array([0.0, 1.0]),
                "strengths": np.array([0.1, 0.2, 0.3]),
                "nuggets": np.array([1e-4, 0.1]),
                "full_noise": 1e-10,
                "most_players": 16.0,
                "start": (1, 2, 0),
            },
        )
    ],
    "odd_fit": [
        lambda: (
            _core.odd_fit,
            {
                "signs": SIGNS.copy(),
                "left": np.arange(10.0).reshape(5, 2),
                "rho": np.full(3, 0.1),
                "scale": 1.0,
                "full_noise": 1e-10,
                "nugget": 0.1,
                "points": np.full(2, 0.5),
                "weights": np.full(2, 0.5),
                "values": np.empty((3, 2)),
                "variance": np.empty(3),
                "spread": np.empty(2),
                "residual": np.empty((4, 2)),
            },
        )
    ],
    "odd_cross_covariance": [
        lambda: (
            _core.odd_cross_covariance,
            {
                "signs": np.ones((3, 4)),
                "rho": np.full(4, 0.1),
                "points": np.full(2, 0.5),
                "weights": np.full(2, 0.5),
                "scale": 1.0,
                "cross": np.empty((3, 4)),
                "n_threads": THREADS,
            },
        )
    ],
    "row_losses": [
        lambda: (
            _core.row_losses,
            {
                "loss": "squared",
                "y": np.ones((5, 2)),
                "predictions": np.ones((3, 5, 2)),
                "out": np.empty((3, 5, 2)),
                "n_threads": THREADS,
            },
        )
    ],
    "log_losses": [
        lambda: (
            _core.log_losses,
            {
                "codes": np.array([0, 1, 2, 0], dtype=np.int32),
                "predictions": np.full((2, 4, 3), 0.3),
                "out": np.empty((2, 4)),
                "n_threads": THREADS,
            },
        )
    ],
    "argmax": [lambda: (_core.argmax, {"predictions": np.ones((2, 4, 3)), "out": int32(2, 4), "n_threads": THREADS})],
    "confusion": [
        lambda: (
            _core.confusion,
            {
                "codes": np.array([0, 1, 2, 0], dtype=np.int32),
                "predicted": int32(2, 4),
                "weights": np.ones(4),
                "out": np.empty((2, 3, 3)),
                "n_threads": THREADS,
            },
        )
    ],
    "roc_auc": [
        lambda n=n: (
            _core.roc_auc,
            {
                "positive": (np.arange(n) % 2).astype(np.uint8),
                "scores": np.random.default_rng(0).normal(size=(2, n)),
                "weights": np.ones(n),
                "area": np.empty(2),
                "placements": np.empty((2, n)),
                "n_threads": THREADS,
            },
        )
        for n in (6, 600)
    ],
    "latin_permutations": [
        lambda: (
            _core.latin_permutations,
            {
                "player": np.array([0, 1], dtype=np.int32),
                "rank": np.tile(np.arange(5, dtype=np.int32), (2, 1)),
                "stratum_rows": np.tile(np.arange(5, dtype=np.int32), (2, 1)),
                "stratum_offsets": np.array([0, 2, 5, 10], dtype=np.int64),
                "player_strata": np.array([0, 2, 3], dtype=np.int64),
                "seed": 1,
                "donors": int32(2, 3, 5),
                "bands": int32(2, 3, 5),
                "n_threads": THREADS,
            },
        )
    ],
    "row_effects": [
        lambda: (
            _core.row_effects,
            {
                "terms": np.ones((2, 3, 5)),
                "scores": np.ones((2, 3)),
                "baseline": np.ones(5),
                "weights": np.ones(5),
                **permutations(),
                "sign": 1.0,
                "drops": np.empty((2, 5)),
                "spread": np.empty(2),
                "influence": np.empty(2),
                "n_threads": THREADS,
            },
        )
    ],
    "PairRules": [lambda: (_core.PairRules, {})],
    "PairRules.add": [
        lambda: (_core.PairRules().add, {"offsets": np.ones(2), "weights": np.ones(2), "reach": 0.5}),
        lambda: (pair_rules().add, {"offsets": np.ones(3), "weights": np.ones(3), "reach": 0.5}),
    ],
    "SineRules": [lambda: (_core.SineRules, {})],
    "SineRules.add_fit": [
        lambda: (
            _core.SineRules().add_fit,
            {
                "reach": 1.0,
                "base": 0.5,
                "sinh": np.ones(4),
                "cosh": np.ones(4),
                "first": np.ones((4, 8)),
                "second": np.ones((8, 8)),
            },
        )
    ],
    "SineRules.add_series": [
        lambda: (_core.SineRules().add_series, {"reach": 1.0, "base": 0.5, "coefficients": np.ones(16)})
    ],
    "product_game": [
        lambda shape=shape: (
            _core.product_game,
            {
                "row_factors": np.full((2, 3, 4, 8), 0.5),
                "background_factors": np.full((3, 2, 4, 8), 0.7),
                "coefficients": np.ones(shape),
                "weights": np.ones(2),
                "rules": pair_rules(),
                "values": np.zeros((2, 4, 2)),
                "n_threads": THREADS,
            },
        )
        for shape in ((3, 2, 8), (2, 3, 2, 8))
    ],
    "sigmoid_game": [
        lambda: (
            _core.sigmoid_game,
            {
                "row_terms": np.ones((2, 4)),
                "background_terms": np.zeros((3, 4)),
                "margins": np.zeros(3),
                "weights": np.ones(3),
                "sines": sine_rules(),
                "rules": pair_rules(),
                "values": np.empty((2, 4)),
                "n_threads": THREADS,
            },
        )
    ],
    "expand": [
        lambda kind=kind: (
            _core.expand,
            {
                "kind": kind,
                "degree": 2,
                **tables(),
                "coefficients": np.ones((2, 64)),
                "out": np.empty((2, 4, 2)),
                "n_threads": THREADS,
            },
        )
        for kind in (0, 2)
    ],
    "couple_probabilities": [
        lambda: (
            _core.couple_probabilities,
            {
                "decisions": np.ones((4, 3)),
                "slope": np.ones(3),
                "shift": np.ones(3),
                "out": np.empty((4, 3)),
                "n_threads": THREADS,
            },
        )
    ],
    "average_neighbors": [
        lambda: (
            _core.average_neighbors,
            {
                **tables(),
                "targets": np.ones((64, 2)),
                "n_neighbors": 3,
                "power": 2.0,
                "by_distance": True,
                "out": np.empty((2, 4, 2)),
                "n_threads": THREADS,
            },
        )
    ],
}

# ------------------------------------------------------------------------------------------------------- spoilt calls

# (what was done, the spoilt value, whether it must be refused by an error that names the argument)
Spoilt = tuple[str, Any, bool]


def spoilt_array(array: np.ndarray, free: set[str]) -> Iterator[Spoilt]:
    """Ways to spoil an array; `free`: those that the argument allows."""
    yield "list", array.tolist(), True
    yield "None", None, True
    yield "text", "array", True
    for dtype in (np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_, np.complex128, object, "U3", ">f8"):
        if np.dtype(dtype) != array.dtype:
            yield f"dtype {np.dtype(dtype)}", array.astype(dtype), "dtype" not in free
    yield "one dimension more", array[None], True
    yield "one dimension fewer", array.reshape(-1)[: len(array)] if array.ndim > 1 else array.sum(), True
    for axis in range(array.ndim):
        for change in ("longer", "shorter", "empty"):
            n = array.shape[axis]
            length = {"longer": n + 1, "shorter": n - 1, "empty": 0}[change]
            other = np.zeros((*array.shape[:axis], length, *array.shape[axis + 1 :]), dtype=array.dtype)
            yield f"axis {axis} {change}", other, False
    if array.ndim > 1:
        yield "empty and huge", np.empty((2**40, *[0] * (array.ndim - 1)), dtype=array.dtype), False
    yield "every second", np.repeat(array, 2, axis=-1)[..., ::2], "strides" not in free and array.size > 1
    yield "reversed", array[..., ::-1], False
    if min(array.shape) > 1 and array.ndim > 1:
        swapped = np.ascontiguousarray(array) if array.flags.f_contiguous else np.asfortranarray(array)
        yield "other order", swapped, "strides" not in free
    yield "broadcast", np.broadcast_to(array.ravel()[:1].reshape((1,) * array.ndim), array.shape), False
    if array.itemsize > 1:
        memory = np.zeros(array.nbytes + 1, dtype=np.uint8)
        misaligned = memory[1:].view(array.dtype).reshape(array.shape)
        misaligned[...] = array
        yield "misaligned", misaligned, True
    yield from spoilt_entries(array)


def spoilt_entries(array: np.ndarray) -> Iterator[Spoilt]:
    kind = array.dtype.kind
    if kind == "f":
        extremes: tuple[Any, ...] = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e308, 5e-324)
    elif kind in "iu":
        limits = np.iinfo(array.dtype)
        extremes = (limits.min, limits.max, limits.max - 1, -1 if kind == "i" else 2, 0, 1, 7, 100)
    else:
        extremes = (True, False)
    for value in extremes:
        for place in (0, array.size // 2, array.size - 1):
            other = array.copy(order="K")
            other.reshape(-1, order="A")[place] = value
            yield f"entry {place} = {value}", other, False
        yield f"every entry = {value}", np.full_like(array, value), False


WHOLE = (-1, 0, 1, 10**9, 2**31, 2**63, -(2**63), 10**30, float("nan"), 1.5, None, "1", [1])
REAL = (float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1e308, 5e-324, None, "x")


def spoilt_value(name: str, value: Any) -> Iterator[Spoilt]:
    """Ways to spoil one argument."""
    free = {"dtype", "strides"} if name in ("X", "background_rows") else set()
    if isinstance(value, np.ndarray):
        yield from spoilt_array(value, free)
        locked = value.copy(order="K")
        locked.flags.writeable = False
        yield "read-only", locked, False
    elif isinstance(value, bool):
        yield from ((repr(each), each, False) for each in (None, 2, "x"))
    elif isinstance(value, int):
        for each in WHOLE:
            bad = isinstance(each, float | str | list) or each is None
            yield repr(each), each, name == "n_threads" and (bad or each < 1)
    elif isinstance(value, float):
        yield from ((repr(each), each, False) for each in REAL)
    elif isinstance(value, str):
        yield from ((repr(each), each, False) for each in ("", "no such", None, 1))
    elif isinstance(value, list):
        yield "empty", [], True
        yield "None", None, False
        yield "one more", [*value, value[-1]], True
        for i, each in enumerate(value):
            for what, spoilt, refused in spoilt_value(name, each):
                yield f"[{i}] {what}", [*value[:i], spoilt, *value[i + 1 :]], refused
    elif isinstance(value, SimpleNamespace):
        yield "None", None, False
        yield "object", object(), False
        for attribute, each in vars(value).items():
            gone = {k: v for k, v in vars(value).items() if k != attribute}
            yield f"without {attribute}", SimpleNamespace(**gone), False
            for what, spoilt, refused in spoilt_value(attribute, each):
                refused &= attribute != "thresholds" and spoilt is not None  # not read, and optional
                yield f".{attribute} {what}", SimpleNamespace(**{**gone, attribute: spoilt}), refused
    else:
        yield "None", None, False
        yield "object", object(), False
        if isinstance(value, _core.PairRules | _core.SineRules):
            yield "no rule", type(value)(), False


def spoilt_calls(member: str) -> Iterator[tuple[str, Callable[..., Any], Arguments, str | None]]:
    """What was done, the function, its arguments, and the argument that an error must name, if one must come."""
    for variant, make in enumerate(CALLS[member]):
        names = list(make()[1])
        for name in names:
            for what, spoilt, refused in spoilt_value(name, make()[1][name]):
                function, arguments = make()
                yield f"{variant}: {name} {what}", function, {**arguments, name: spoilt}, name if refused else None
            function, arguments = make()
            yield f"{variant}: without {name}", function, {k: v for k, v in arguments.items() if k != name}, None


def main(member: str) -> None:
    """All calls of one member."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for what, function, arguments, must_name in spoilt_calls(member):
        print(json.dumps({"call": what}), flush=True)
        began = time.perf_counter()
        error = None
        try:
            function(**arguments)
        except Exception as caught:
            error = caught
        text = None if error is None else f"{type(error).__name__}: {str(error)[:500]}"
        seconds = time.perf_counter() - began
        print(json.dumps({"error": text, "must_name": must_name, "seconds": seconds}), flush=True)
    for make in CALLS[member]:
        function, arguments = make()
        function(**arguments)
    print(json.dumps({"call": "done"}))
    sys.stdout.flush()
