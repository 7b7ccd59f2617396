"""Path-dependent Tree SHAP compiled by Numba: the twin of the C++ kernel, for installs without it.

The Shapley value of a tree's features is an integral over t in [0, 1] of "each feature is known with probability t",
a polynomial that Gauss-Legendre points integrate exactly. For node n, let A(t) be the probability of reaching it and
V(t) the mean output below it. With (H, C) the state of n's feature after its earlier splits on the path (H: the row
followed them all; C: the product of the cover shares on that side; both 1 at a feature's first split), h = 1 where the
row goes left at n, and c the cover share of the left child::

    u = H t + C (1 - t)
    r = (H h t + C c (1 - t)) / u                     r = c where H = 0
    A_left = A r,  A_right = A - A_left,  V = V_right + r (V_left - V_right)
    phi[feature] += H (h - c) integral of A C / u^2 (V_left - V_right) dt

so nothing divides per row, and zero covers need no care (t is never 0 or 1). Cost per row: trees x nodes x points.
Each tree becomes a list of steps (`_plan`) that a block of rows runs through in lockstep, rows in the innermost loop,
where LLVM turns them into SIMD lanes. Each row's arithmetic is its own: neither block nor thread changes its bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.numba.tools import compiled, for_each
from fastexplain.engine.tree.numba_forest import Nodes, columns_of, inlined, is_member, make_nodes
from fastexplain.models.trees.forest import ZERO_THRESHOLD, Forest

__all__ = ["tree_shap_path_dependent"]

# Plain Gauss-Legendre with 8 points is exact up to 16 distinct features on a path and good to ~1e-9 beyond.
DEFAULT_MAX_POINTS = 8
# Wide enough that the cost of a step, whatever its rows, does not show; narrower where there are few rows per thread.
BLOCK_ROWS = 256
# Deep trees with many points and outputs take narrower blocks rather than more memory.
SCRATCH_BYTES = 16 * 2**20
# Node visits of one call into compiled code: tens of milliseconds, so that Ctrl-C is answered soon.
TASK_VISITS = 2**20
TASK_VALUES = 2**19  # at most so many values of X (4 MiB) are copied at once per thread

# Steps of a tree's program.
ENTER = 0  # an inner node: route the rows, descend to the left
TURN = 1  # from the left subtree to the right one
LEAF = 2  # push a leaf's value
COMBINE = 3  # both subtrees are known: credit the feature, replace their two values by the node's
LEAF_PAIR = 4  # a node whose children are both leaves, in one step
VISIT = 5  # a node that the walk has yet to see; never in a program


class _Program(NamedTuple):
    """Steps of all trees, and what each inner node needs from its path."""

    tree_offsets: NDArray[np.int64]
    first_output: NDArray[np.int32]  # per tree: where its leaf outputs go
    step_offsets: NDArray[np.int64]  # per tree
    step: NDArray[np.int8]
    step_node: NDArray[np.int32]  # counted within the tree
    left_share: NDArray[np.float64]  # c
    earlier_share: NDArray[np.float64]  # C
    earlier_level: NDArray[np.int32]  # level of the nearest split above on the same feature, -1 at the first
    earlier_right: NDArray[np.bool_]  # the path turns right there


class _Plan(NamedTuple):
    nodes: Nodes
    program: _Program
    used: NDArray[np.int64]  # features that the forest splits on
    n_distinct: NDArray[np.int64]  # per tree: most distinct features on a path
    n_levels: int  # most inner nodes on a path
    n_pending: int  # most values pushed at once


class _Scratch(NamedTuple):
    """Working memory of one block of rows; the last axis is the row."""

    followed: NDArray[np.float64]  # (n_levels, ...): H h of each split on the path, 0.0 or 1.0
    live: NDArray[np.float64]  # (n_levels, ...): H
    ratio: NDArray[np.float64]  # (n_levels, n_points, ...): r
    reach: NDArray[np.float64]  # (n_levels + 1, n_points, ...): A, quadrature weight included
    value: NDArray[np.float64]  # (n_pending, n_leaf_outputs, n_points, ...): V, a stack
    credit: NDArray[np.float64]  # (...): the integral, for one node and output
    phi: NDArray[np.float64]  # (n_used, n_outputs, ...)


def tree_shap_path_dependent(
    forest: Forest,
    X: NDArray[np.floating],
    *,
    n_points: int | None = None,
    n_threads: int,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Path-dependent Shapley values of each row's raw output.

    Parameters
    ----------
    forest : Forest
    X : float32 or float64 array of shape (n_rows, n_features)
        Rows in the model's own numeric encoding; any strides.
    n_points : int, optional
        Most quadrature points per tree. A tree takes ``min(ceil(d / 2), n_points)``, d being the most distinct
        features on one of its paths; ``ceil(d / 2)`` is exact. Default 8: exact to d = 16, ~1e-9 relative beyond.
    n_threads : int
        Threads that share the rows. The result is the same to the bit for any number.

    out : C-contiguous float64 array of shape (n_rows, n_features, n_outputs), optional
        Where to write the result.

    Returns
    -------
    array of shape (n_rows, n_features, n_outputs)
        `out`, or a new array. In raw-output units; `Forest.base_offset` is not part of it.

    Raises
    ------
    ValueError
        X does not have `n_features` columns, `n_points` or `n_threads` is less than 1, or `out` does not fit.

    Notes
    -----
    O(nodes x points) per row and tree. Memory beyond the output: about 60 bytes per node (kept with the forest for the
    next call) and at most 25 MiB per thread. Ctrl-C is answered when the blocks under way are done.
    """
    if X.ndim != 2 or X.shape[1] != forest.n_features:
        raise ValueError(f"X has shape {X.shape}; expected (n_rows, {forest.n_features}), the forest's features.")
    for name, number in (("n_points", n_points), ("n_threads", n_threads)):
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1; got {number}.")
    shape = (len(X), forest.n_features, forest.n_outputs)
    if out is None:
        out = np.zeros(shape)
    elif out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise ValueError(f"out must be C-contiguous float64 of shape {shape}; got {out.dtype} of shape {out.shape}.")
    else:
        out[...] = 0.0  # features that no tree splits on are not written again
    plan = _plan_of(forest)
    if not len(plan.used) or not len(X):
        return out
    quadrature = _quadrature(plan.n_distinct, DEFAULT_MAX_POINTS if n_points is None else n_points)
    max_points = int(np.diff(quadrature[0]).max())
    block_rows = min(_block_rows(forest, plan, max_points), -(-len(X) // n_threads))

    def explain(rows: slice) -> None:
        columns = columns_of(forest, X[rows], plan.used)
        sizes = plan.n_levels, plan.n_pending, max_points, min(block_rows, columns.shape[1])
        _explain_rows(columns, plan.nodes, plan.program, *quadrature, plan.used, *sizes, out[rows])

    for_each(explain, _tasks(len(X), plan, block_rows), n_threads)
    return out


def _plan_of(forest: Forest) -> _Plan:
    plan: _Plan | None = forest._compiled.get("numba_path_dependent")
    if plan is None:
        plan = forest._compiled["numba_path_dependent"] = _make_plan(forest)
    return plan


def _make_plan(forest: Forest) -> _Plan:
    nodes, used = make_nodes(forest)
    vector_leaves = forest.n_leaf_outputs == forest.n_outputs
    program = _Program(
        tree_offsets=forest.tree_offsets,
        first_output=np.zeros_like(forest.tree_output) if vector_leaves else forest.tree_output,
        step_offsets=np.zeros(forest.n_trees + 1, dtype=np.int64),
        # a tree of i inner nodes has i + 1 leaves, and at most 3 i + (i + 1) steps
        step=np.empty(2 * forest.n_nodes, dtype=np.int8),
        step_node=np.empty(2 * forest.n_nodes, dtype=np.int32),
        left_share=np.zeros(forest.n_nodes),
        earlier_share=np.ones(forest.n_nodes),
        earlier_level=np.full(forest.n_nodes, -1, dtype=np.int32),
        earlier_right=np.zeros(forest.n_nodes, dtype=bool),
    )
    n_distinct = np.zeros(forest.n_trees, dtype=np.int64)
    n_levels, n_pending = _write_program(nodes, forest.cover, len(used), program, n_distinct)
    n_steps = program.step_offsets[-1]
    program = program._replace(step=program.step[:n_steps].copy(), step_node=program.step_node[:n_steps].copy())
    return _Plan(nodes, program, used, n_distinct, int(n_levels), int(n_pending))


def _quadrature(
    n_distinct: NDArray[np.int64], max_points: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre on [0, 1]: offsets (n_trees + 1,) into the points and weights of all trees."""
    n_points = np.clip((n_distinct + 1) // 2, 1, max_points)
    rules = {int(n): np.polynomial.legendre.leggauss(int(n)) for n in np.unique(n_points)}
    t = np.concatenate([0.5 * (1 + rules[n][0]) for n in n_points.tolist()])
    weight = np.concatenate([0.5 * rules[n][1] for n in n_points.tolist()])
    return np.append(0, np.cumsum(n_points)), t, weight


def _block_rows(forest: Forest, plan: _Plan, max_points: int) -> int:
    per_point = 2 * plan.n_levels + 1 + plan.n_pending * forest.n_leaf_outputs
    per_row = 8 * (max_points * per_point + 2 * plan.n_levels + len(plan.used) * forest.n_outputs)
    return max(4, min(BLOCK_ROWS, SCRATCH_BYTES // per_row))


def _tasks(n_rows: int, plan: _Plan, block_rows: int) -> list[slice]:
    """Slices of whole blocks, and one for the rows that are left over."""
    n_blocks = min(TASK_VISITS // max(1, len(plan.program.step)), TASK_VALUES // len(plan.used)) // block_rows
    whole, n_task = n_rows - n_rows % block_rows, block_rows * max(1, n_blocks)
    starts = [*range(0, whole, n_task), *([whole] if whole < n_rows else [])]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n_rows], strict=True)]


@compiled
def _write_program(
    nodes: Nodes, cover: NDArray[np.float64], n_used: int, program: _Program, n_distinct: NDArray[np.int64]
) -> tuple[int, int]:
    """Write each tree's steps; return the greatest numbers of levels and of pending values."""
    last_level = np.full(n_used, -1, dtype=np.int32)
    n_levels, n_pending = 0, 0
    for tree in range(len(n_distinct)):
        levels, pending = _write_tree(tree, nodes, cover, last_level, program, n_distinct)
        n_levels, n_pending = max(n_levels, levels), max(n_pending, pending)
    return n_levels, n_pending


@compiled
def _write_tree(
    tree: int,
    nodes: Nodes,
    cover: NDArray[np.float64],
    last_level: NDArray[np.int32],  # per feature: level of its lowest split on the path; -1 before and after
    program: _Program,
    n_distinct: NDArray[np.int64],
) -> tuple[int, int]:
    """Depth-first walk over an explicit stack: trees may be thousands of nodes deep."""
    root = program.tree_offsets[tree]
    n_nodes = program.tree_offsets[tree + 1] - root
    path = np.empty(n_nodes, dtype=np.int64)  # inner nodes from the root down
    turned = np.empty(n_nodes, dtype=np.bool_)  # the path turns right there
    todo = np.empty(2 * n_nodes + 2, dtype=np.int8)  # steps to come, and their nodes
    todo_node = np.empty(2 * n_nodes + 2, dtype=np.int64)
    todo[0], todo_node[0] = VISIT, root
    n_todo, n_steps = 1, program.step_offsets[tree]
    level, pending, distinct, n_levels, n_pending = 0, 0, 0, 0, 0
    while n_todo:
        n_todo -= 1
        step, node = todo[n_todo], todo_node[n_todo]
        left, right = root + nodes.children_left[node], root + nodes.children_right[node]
        if step == VISIT and left < root:
            step = LEAF
            pending += 1
        elif step == VISIT:
            feature = nodes.slot[node]
            _note_path(node, left, right, cover, last_level[feature], path, turned, program)
            n_levels = max(n_levels, level + 1)
            n_distinct[tree] = max(n_distinct[tree], distinct + (last_level[feature] < 0))
            if nodes.children_left[left] < 0 and nodes.children_left[right] < 0:
                step = LEAF_PAIR
                pending += 1
            else:
                step = ENTER
                todo[n_todo], todo_node[n_todo] = COMBINE, node
                todo[n_todo + 1], todo_node[n_todo + 1] = VISIT, right
                todo[n_todo + 2], todo_node[n_todo + 2] = TURN, node
                todo[n_todo + 3], todo_node[n_todo + 3] = VISIT, left
                n_todo += 4
                path[level], turned[level] = node, False
                distinct += last_level[feature] < 0
                last_level[feature] = level
                level += 1
        elif step == TURN:
            turned[level - 1] = True
        else:
            last_level[nodes.slot[node]] = program.earlier_level[node]
            distinct -= program.earlier_level[node] < 0
            level -= 1
            pending -= 1
        n_pending = max(n_pending, pending)
        program.step[n_steps], program.step_node[n_steps] = step, node - root
        n_steps += 1
    program.step_offsets[tree + 1] = n_steps
    return n_levels, n_pending


@compiled
def _note_path(
    node: int,
    left: int,
    right: int,
    cover: NDArray[np.float64],
    earlier_level: int,
    path: NDArray[np.int64],
    turned: NDArray[np.bool_],
    program: _Program,
) -> None:
    """Cover shares of a node, and of the splits above it on the same feature."""
    total = cover[left] + cover[right]
    # Refreshed trees have nodes that no row reached: halves keep the value finite.
    program.left_share[node] = cover[left] / total if total > 0 else 0.5
    program.earlier_level[node] = earlier_level
    if earlier_level >= 0:
        earlier = path[earlier_level]
        share = program.left_share[earlier]
        program.earlier_right[node] = turned[earlier_level]
        program.earlier_share[node] = program.earlier_share[earlier] * (1 - share if turned[earlier_level] else share)


@compiled
def _explain_rows(
    columns: NDArray[np.float64],
    nodes: Nodes,
    program: _Program,
    point_offsets: NDArray[np.int64],
    t: NDArray[np.float64],
    weight: NDArray[np.float64],
    used: NDArray[np.int64],
    n_levels: int,
    n_pending: int,
    max_points: int,
    block_rows: int,
    out: NDArray[np.float64],
) -> None:
    """Write the values of whole blocks of rows into `out` (n_rows, n_features, n_outputs)."""
    n_rows, n_outputs = out.shape[0], out.shape[2]
    scratch = _Scratch(
        followed=np.empty((n_levels, block_rows)),
        live=np.empty((n_levels, block_rows)),
        ratio=np.empty((n_levels, max_points, block_rows)),
        reach=np.empty((n_levels + 1, max_points, block_rows)),
        value=np.empty((n_pending, nodes.values.shape[1], max_points, block_rows)),
        credit=np.empty(block_rows),
        phi=np.empty((len(used), n_outputs, block_rows)),
    )
    for begin in range(0, n_rows, block_rows):
        scratch.phi[:] = 0.0
        for tree in range(len(point_offsets) - 1):
            first, last = point_offsets[tree], point_offsets[tree + 1]
            for q in range(last - first):
                scratch.reach[0, q, :] = weight[first + q]
            _run_tree(tree, columns, begin, nodes, program, t[first:last], scratch)
        for i in range(block_rows):
            for slot in range(len(used)):
                for k in range(n_outputs):
                    out[begin + i, used[slot], k] = scratch.phi[slot, k, i]


@compiled
def _run_tree(
    tree: int,
    columns: NDArray[np.float64],
    begin: int,
    nodes: Nodes,
    program: _Program,
    t: NDArray[np.float64],
    scratch: _Scratch,
) -> None:
    """Run one tree's steps over the block of rows at `begin`, adding to `phi`."""
    root, first_output = program.tree_offsets[tree], program.first_output[tree]
    level, top = 0, 0  # top: values pushed
    for s in range(program.step_offsets[tree], program.step_offsets[tree + 1]):
        step, node = program.step[s], root + program.step_node[s]
        if step == LEAF:
            _push_leaf(node, top, nodes, len(t), scratch.value)
            top += 1
        elif step == TURN:
            _turn(level, len(t), scratch.reach)
        elif step == COMBINE:
            level -= 1
            top -= 1
            _combine(node, level, top - 1, first_output, nodes, program, t, scratch)
        else:
            _route(node, nodes, columns, begin, level, scratch.followed)
            _apply_earlier_splits(node, level, program, scratch.followed, scratch.live)
            if step == ENTER:
                _enter(node, level, program, t, scratch)
                level += 1
            else:
                _leaf_pair(node, root, level, top, first_output, nodes, program, t, scratch)
                top += 1


# The steps are inlined, and index arrays to the last axis: passing or slicing an array costs an atomic reference count,
# which for some twenty arrays per node was twice the arithmetic.


@inlined
def _push_leaf(node: int, top: int, nodes: Nodes, n_points: int, value: NDArray[np.float64]) -> None:
    for k in range(value.shape[1]):
        for q in range(n_points):
            for i in range(value.shape[3]):
                value[top, k, q, i] = nodes.values[node, k]


@inlined
def _turn(level: int, n_points: int, reach: NDArray[np.float64]) -> None:
    """From A of the left child to A of the right one, in place."""
    for q in range(n_points):
        for i in range(reach.shape[2]):
            reach[level, q, i] = reach[level - 1, q, i] - reach[level, q, i]


@inlined
def _route(
    node: int, nodes: Nodes, columns: NDArray[np.float64], begin: int, level: int, followed: NDArray[np.float64]
) -> None:
    """Set `followed` to 1.0 where the row's value goes left at the node, else 0.0. NaN is missing."""
    x, threshold = columns[nodes.slot[node], begin : begin + followed.shape[1]], nodes.threshold[node]
    default = 1.0 if nodes.default_left[node] else 0.0
    if nodes.category_set[node] >= 0:
        first = nodes.category_set_offsets[nodes.category_set[node]]
        last = nodes.category_set_offsets[nodes.category_set[node] + 1]
        for i in range(len(x)):
            member = is_member(x[i], nodes.category_set_members, first, last)
            followed[level, i] = default if np.isnan(x[i]) else (1.0 if member else 0.0)
    elif nodes.default_left[node]:
        for i in range(len(x)):
            followed[level, i] = 0.0 if x[i] > threshold else 1.0
    else:
        for i in range(len(x)):
            followed[level, i] = 1.0 if x[i] <= threshold else 0.0
    if nodes.zero_is_missing[node]:
        for i in range(len(x)):
            followed[level, i] = default if abs(x[i]) <= ZERO_THRESHOLD else followed[level, i]


@inlined
def _apply_earlier_splits(
    node: int, level: int, program: _Program, followed: NDArray[np.float64], live: NDArray[np.float64]
) -> None:
    """H from the nearest split above on the same feature, and H h."""
    earlier = program.earlier_level[node]
    if earlier < 0:
        for i in range(live.shape[1]):
            live[level, i] = 1.0
        return
    if program.earlier_right[node]:
        for i in range(live.shape[1]):
            live[level, i] = live[earlier, i] - followed[earlier, i]
    else:
        for i in range(live.shape[1]):
            live[level, i] = followed[earlier, i]
    for i in range(live.shape[1]):
        followed[level, i] *= live[level, i]


@inlined
def _ratio(h: int, c: float, earlier_share: float, t: float) -> float:
    """Value of r for H = 1: the row followed the feature's earlier splits and goes left (h = 1) or right (h = 0)."""
    return (h * t + earlier_share * c * (1 - t)) / (t + earlier_share * (1 - t))


@inlined
def _credit_factor(earlier_share: float, t: float) -> float:
    u = t + earlier_share * (1 - t)
    return earlier_share / (u * u)


@inlined
def _enter(node: int, level: int, program: _Program, t: NDArray[np.float64], scratch: _Scratch) -> None:
    """Find r at the node, and A of its left child."""
    c, earlier_share = program.left_share[node], program.earlier_share[node]
    followed, live, ratio, reach = scratch.followed, scratch.live, scratch.ratio, scratch.reach
    for q in range(len(t)):
        cold, hot = _ratio(0, c, earlier_share, t[q]), _ratio(1, c, earlier_share, t[q])
        for i in range(live.shape[1]):
            r = (hot if followed[level, i] > 0.0 else cold) if live[level, i] > 0.0 else c
            ratio[level, q, i] = r
            reach[level + 1, q, i] = reach[level, q, i] * r


@inlined
def _combine(
    node: int,
    level: int,
    top: int,
    first_output: int,
    nodes: Nodes,
    program: _Program,
    t: NDArray[np.float64],
    scratch: _Scratch,
) -> None:
    """Credit the node's feature; V of the node replaces its left child's at `top`."""
    credit, ratio, reach, value = scratch.credit, scratch.ratio, scratch.reach, scratch.value
    for k in range(value.shape[1]):
        for i in range(len(credit)):
            credit[i] = 0.0
        for q in range(len(t)):
            factor = _credit_factor(program.earlier_share[node], t[q])
            for i in range(len(credit)):
                difference = value[top, k, q, i] - value[top + 1, k, q, i]
                credit[i] += reach[level, q, i] * factor * difference
                value[top, k, q, i] = value[top + 1, k, q, i] + ratio[level, q, i] * difference
        _deposit(level, program.left_share[node], 1.0, nodes.slot[node], first_output + k, scratch)


@inlined
def _leaf_pair(
    node: int,
    root: int,
    level: int,
    top: int,
    first_output: int,
    nodes: Nodes,
    program: _Program,
    t: NDArray[np.float64],
    scratch: _Scratch,
) -> None:
    """`_enter` and `_combine` at once: V_left - V_right is one number, and no A is needed below."""
    c, earlier_share = program.left_share[node], program.earlier_share[node]
    left, right = root + nodes.children_left[node], root + nodes.children_right[node]
    followed, live, credit = scratch.followed, scratch.live, scratch.credit
    reach, value = scratch.reach, scratch.value
    for i in range(len(credit)):
        credit[i] = 0.0
    for q in range(len(t)):
        factor = _credit_factor(earlier_share, t[q])
        for i in range(len(credit)):
            credit[i] += reach[level, q, i] * factor
        cold, hot = _ratio(0, c, earlier_share, t[q]), _ratio(1, c, earlier_share, t[q])
        for k in range(value.shape[1]):
            base, difference = nodes.values[right, k], nodes.values[left, k] - nodes.values[right, k]
            if_hot, if_cold, if_gone = base + hot * difference, base + cold * difference, base + c * difference
            for i in range(len(credit)):
                v = (if_hot if followed[level, i] > 0.0 else if_cold) if live[level, i] > 0.0 else if_gone
                value[top, k, q, i] = v
    for k in range(value.shape[1]):
        difference = nodes.values[left, k] - nodes.values[right, k]
        _deposit(level, c, difference, nodes.slot[node], first_output + k, scratch)


@inlined
def _deposit(level: int, c: float, scale: float, slot: int, output: int, scratch: _Scratch) -> None:
    """Add H (h - c) times the scaled credit."""
    followed, live, credit, phi = scratch.followed, scratch.live, scratch.credit, scratch.phi
    for i in range(len(credit)):
        phi[slot, output, i] += (followed[level, i] - live[level, i] * c) * (scale * credit[i])
