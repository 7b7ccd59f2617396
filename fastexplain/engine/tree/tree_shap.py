"""Exact Tree SHAP values as an array function."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.progress import progress, steps
from fastexplain.engine.tree.inputs import aligned, loaded, prepared
from fastexplain.engine.tree.interventional import explain_once
from fastexplain.engine.tree.lanes import asked_lanes, lanes_of, table_bytes
from fastexplain.engine.tree.outputs import check_name, refuse_labels
from fastexplain.engine.tree.result import TreeShapResult
from fastexplain.models import Forest

__all__ = ["TreeShapResult", "tree_shap"]

# Quadrature points per tree with exact=False.
FEW_POINTS = 8
# Rows of a tile of the kernel: under a progress bar every thread is given one at least.
TILE_ROWS = 256
# So many rows never take a second.
QUICK_ROWS = 64


def tree_shap(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    weights: Any = None,
    model_output: str = "raw",
    y: Any = None,
    n_threads: int | None = None,
    dtype: DTypeLike | None = None,
    exact: bool = True,
    backend: str | None = None,
    show_progress: bool | None = None,
) -> TreeShapResult:
    """Exact Tree SHAP values of every row, path-dependent or against a background.

    Parameters
    ----------
    model : fitted model, TreeModel or Forest
        A scikit-learn, LightGBM or XGBoost tree model. It is converted and checked on every call; convert once with
        ``fastexplain.load_model(model)`` and pass the result to save that time. With a `Forest`, X holds its encoding.
    X : array-like or DataFrame of shape (n_rows, n_features)
        Rows as the model's own predict takes them: columns in the order of fitting, NaN for missing.
    background : array-like or DataFrame of shape (n_background, n_features), optional
        Rows that hidden features are drawn from, as the model's own predict takes them; all of them are used. The
        values are then interventional: exact Shapley values of the mean prediction over these rows, with the features
        outside a coalition left as they are there. None: path-dependent values, in which hidden features follow the
        cover of the nodes. Also what `summarize_background` returns. To explain again and again against one
        background, hold an `InterventionalTreeShap`.
    weights : array-like of shape (n_background,), optional
        Of the background rows: not negative, not all zero. None: equal.
    model_output : {"raw", "probability", "log_loss"}, default "raw"
        What is explained. ``"probability"``: of the second class, where the model has one margin for two classes; what
        a forest of classification trees gives anyway. ``"log_loss"``: the loss at the labels `y`, or the squared error
        of regressors. These need a background: the attributions of each pair of a row and a background row to the
        margin are rescaled to sum to the pair's difference of outputs, as shap does, before the mean is taken.
    y : array-like of shape (n_rows,), optional
        Labels of the rows, for the loss.
    n_threads : int, optional
        Threads to use; None for the default (`fastexplain.set_num_threads`, ``FASTEXPLAIN_NUM_THREADS``, all CPUs).
        The result has the same bits for any number, and where all tables are kept (see Notes) a row has the same
        alone and among others.
    dtype : {float32, float64}, optional
        Width of the SIMD lanes that work inside a tree; sums across trees are float64 either way, and so is the result.
        None: float32 for models that compute in float32 themselves (XGBoost), else float64. float32 is about 1.5
        times as fast, and good to about 1e-6 of the output's scale. Always float64: the Numba backend, and against a
        background trees too deep for tables, and outputs that are not raw.
    exact : bool, default True
        Use as many quadrature points as each tree's deepest path needs: half its distinct features. False stops at 8,
        which changes nothing up to 16 distinct features on a path. Beyond, it saves time and is good to about 1e-9 of
        the leaf values on rows like the training data, but can be off by percents on rows far from it. Values against
        a background are exact either way.
    backend : {"native", "numba"}, optional
        None: ``FASTEXPLAIN_BACKEND``, else the compiled core where there is one.
    show_progress : bool, optional
        A progress bar over the rows where standard error is a terminal, and in notebooks; None shows it once the call
        has taken a second.

    Returns
    -------
    TreeShapResult
        ``values`` (n_rows, n_features, n_outputs) and ``base_values`` (n_outputs,), or (n_rows, 1) of a loss, whose
        mean over the background depends on the row's label. For every row and output,
        ``values.sum(axis=1) + base_values`` is the model's raw prediction: to 1e-10 relative in float64, to the
        library's own rounding in float32.

    Raises
    ------
    UnsupportedModelError
        The model is not a supported tree model, or uses an option that is not supported.
    ModelConversionError
        The converted model does not reproduce the library's own prediction.
    ValueError
        X or the background has the wrong shape or column names, or values that the model's library refuses; or the
        weights do not fit.

    Notes
    -----
    Lundberg et al. 2020, Algorithm 2, computed as an integral over the probability that a feature is present, in
    O(nodes x d / 2) per row and tree where a path has d distinct features. Shallow trees go by tables instead: the
    leaves are cut into groups that tell apart at most 256 states of a row, the values of every state are computed once,
    and a row costs one look-up per group. Tables up to 64 MB are kept with the converted model
    (``FASTEXPLAIN_TABLE_MB``; 0 for none). Those of larger models are filled anew by calls of some thousand rows and
    more, which agree with smaller calls to 1e-13 of the largest value in float64. Memory beyond the result does not
    grow with the rows: some MB per thread, and, kept with the converted model, about 40 bytes per tree node, the
    tables, and half as much at most of what others are filled from.

    Against a background the same tables are filled from how often its rows have each state, so that its size costs
    nothing per row; through trees too deep for them each row goes together with the background rows that still differ
    from it there. The converted model keeps what it has prepared for the latest background: 128 MB at most besides
    the background's codes. For outputs that are not raw, calls of few rows go so through all trees. Calls of more, from
    about 50 rows on against a hundred background rows, fill tables for themselves, and agree with smaller calls to
    1e-13 of the largest value.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> import fastexplain
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = RandomForestRegressor(n_estimators=10, random_state=0).fit(X, y)
    >>> values, base_values = fastexplain.tree_shap(model, X)
    >>> values.shape
    (442, 10, 1)
    >>> np.allclose(values.sum(axis=1) + base_values, model.predict(X)[:, None])
    True
    """
    asked = asked_lanes(dtype)
    threads = resolve_num_threads(n_threads)
    if background is not None:
        return explain_once(
            model,
            X,
            background,
            weights,
            model_output=model_output,
            y=y,
            lanes=asked,
            backend=backend,
            n_threads=n_threads,
            show_progress=show_progress,
        )
    _refuse_transforms(model_output, y)
    if weights is not None:
        raise ValueError("weights are those of background rows, and there is no background; pass background=.")
    chosen = select_backend(backend)
    forest, rows = prepared(loaded(model), X)
    lanes = lanes_of(forest, asked)
    values = np.empty((len(rows), forest.n_features, forest.n_outputs))
    points = _max_points(forest, exact)
    compiled = _compiled(forest, lanes, threads) if chosen == "native" else None
    turn = 0 if compiled is None else compiled.turn(len(rows))

    def explain(part: slice) -> None:
        if compiled is None:
            _numba(forest, rows[part], values[part], points, threads)
        else:
            given = aligned(rows[part])
            compiled.explain(given, values[part], max_points=points, n_threads=threads, n_rows_of_call=len(rows))

    with progress(len(rows), "tree_shap", show_progress, quick=QUICK_ROWS) as bar:
        for part in steps(len(rows), bar, least=max(TILE_ROWS * threads, turn)):
            explain(part)
    return TreeShapResult(values, forest.expected_values())


def _refuse_transforms(model_output: str, y: Any) -> None:
    check_name(model_output)
    if model_output != "raw":
        raise ValueError(
            f"model_output={model_output!r} rescales the values of each pair of a row and a background row, and "
            "path-dependent values have no such pairs; pass background=, some hundred rows of the training data."
        )
    refuse_labels(y)


def _compiled(forest: Forest, lanes: np.dtype[Any], n_threads: int) -> Any:
    """The forest compiled for the native kernel; kept with it."""
    key = ("native", lanes.char)
    compiled = forest._compiled.get(key)
    if compiled is None:
        from fastexplain._core import TreeShap

        compiled = TreeShap(forest, float32_lanes=lanes == np.float32, n_threads=n_threads, table_bytes=table_bytes())
        forest._compiled[key] = compiled
    return compiled


def _numba(
    forest: Forest, rows: NDArray[np.floating], values: NDArray[np.float64], n_points: int, n_threads: int
) -> None:
    from fastexplain.engine.tree.numba_tree_shap import tree_shap_path_dependent

    tree_shap_path_dependent(forest, rows, n_points=n_points, n_threads=n_threads, out=values)


def _max_points(forest: Forest, exact: bool) -> int:
    """Cap on the quadrature points of a tree; a path has at most n_features distinct features."""
    return max(FEW_POINTS, (forest.n_features + 1) // 2) if exact else FEW_POINTS
