"""Tree SHAP against a background: features outside a coalition are taken from its rows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.engine.backends import select_backend
from fastexplain.engine.background import Background, as_background
from fastexplain.engine.progress import progress, steps
from fastexplain.engine.tree.inputs import aligned, loaded, prepared
from fastexplain.engine.tree.lanes import asked_lanes, lanes_of, table_bytes
from fastexplain.engine.tree.outputs import Output, explained_output, labels_of
from fastexplain.engine.tree.result import TreeShapResult
from fastexplain.engine.tree.transformed import Transformed, transformed_kernel
from fastexplain.models import Forest, TreeModel

__all__ = ["InterventionalTreeShap", "explain_once"]

# So many rows never take a second against a background of a few hundred rows.
QUICK_ROWS = 4


class InterventionalTreeShap:
    """A tree model and a background, prepared to explain rows again and again.

    Parameters
    ----------
    model : fitted model, TreeModel or Forest
        As `tree_shap` takes it.
    background : array-like or DataFrame of shape (n_background, n_features)
        Rows as the model's own predict takes them, one or many; all of them are used. Also what
        `summarize_background` returns, or anything else with ``data`` and ``weights``.
    weights : array-like of shape (n_background,), optional
        Of the background rows: not negative, not all zero. They are divided by their sum. None: equal, or the
        background's own.
    dtype : {float32, float64}, optional
        Width of the lanes that add entries of tables, as in `tree_shap`; trees too deep for tables are always explained
        in float64.
    backend : {"native", "numba"}, optional
    n_threads : int, optional
        Threads to prepare with.

    Attributes
    ----------
    base_values : float64 array of shape (n_outputs,)
        Weighted mean raw output over the background.

    Raises
    ------
    ValueError, TypeError
        The background or its weights do not fit; messages name what came and what was expected.

    Notes
    -----
    Copies what it needs of the background; later changes of the caller's array do not matter. Holds tables as
    `tree_shap` does; for trees too deep for them about one bit per tree node and background row, 64 MB at most; and the
    background's codes. A pickle holds the model and the background, and is prepared again when it is first used. Safe
    to use from several threads.
    """

    def __init__(
        self,
        model: Any,
        background: Any,
        *,
        weights: Any = None,
        dtype: DTypeLike | None = None,
        backend: str | None = None,
        n_threads: int | None = None,
    ) -> None:
        self._backend = select_backend(backend)
        self._model = loaded(model)
        self._background = _prepared_background(self._model, background, weights)
        self._lanes = lanes_of(self._forest, asked_lanes(dtype))
        self._kernels: dict[Output | None, Any] = {}
        self._kernel(None, resolve_num_threads(n_threads))

    @property
    def _forest(self) -> Forest:
        return self._model if isinstance(self._model, Forest) else self._model.forest

    @property
    def base_values(self) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = self._kernel(None, resolve_num_threads(None)).mean_outputs
        return mean + self._forest.base_offset

    def explain(
        self,
        X: Any,
        *,
        model_output: str = "raw",
        y: Any = None,
        n_threads: int | None = None,
        show_progress: bool | None = None,
    ) -> TreeShapResult:
        """Interventional values of every row.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_rows, n_features)
            Rows as the model's own predict takes them.
        model_output, y, n_threads, show_progress
            As in `tree_shap`.

        Returns
        -------
        TreeShapResult
        """
        threads = resolve_num_threads(n_threads)
        output = explained_output(self._model, model_output)
        forest, rows = prepared(self._model, X)
        labels = labels_of(self._model, output, y, len(rows))
        return _explain(self._kernel(output, threads), forest, rows, output, labels, threads, show_progress)

    def _kernel(self, output: Output | None, n_threads: int) -> Any:
        """Made when it is first needed, also after unpickling."""
        kernel = self._kernels.get(output)
        if kernel is None:
            kernel = _make_kernel(self._backend, self._forest, self._background, self._lanes, output, n_threads)
            self._kernels[output] = kernel
        return kernel

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kernels": {}}


def explain_once(
    model: Any,
    X: Any,
    background: Any,
    weights: Any,
    *,
    model_output: str,
    y: Any,
    lanes: np.dtype[Any] | None,
    backend: str | None,
    n_threads: int | None,
    show_progress: bool | None,
) -> TreeShapResult:
    """`tree_shap` with a background. The forest remembers the latest background, by a digest of its rows."""
    chosen, threads = select_backend(backend), resolve_num_threads(n_threads)
    tree_model = loaded(model)
    output = explained_output(tree_model, model_output)
    of_background = _prepared_background(tree_model, background, weights)
    forest, rows = prepared(tree_model, X)
    labels = labels_of(tree_model, output, y, len(rows))
    digest = _digest(of_background)
    width = lanes_of(forest, lanes)
    key = (chosen, "interventional", width.char) if output is None else (chosen, output)
    remembered = forest._compiled.get(key)
    if remembered is None or remembered[0] != digest:
        kernel = _make_kernel(chosen, forest, of_background, width, output, threads)
        remembered = forest._compiled[key] = (digest, kernel)
    return _explain(remembered[1], forest, rows, output, labels, threads, show_progress)


def _explain(
    kernel: Any,
    forest: Forest,
    rows: NDArray[np.floating],
    output: Output | None,
    labels: NDArray[np.float64],
    n_threads: int,
    show_progress: bool | None,
) -> TreeShapResult:
    rows = aligned(rows)
    values = np.empty((len(rows), forest.n_features, forest.n_outputs))
    turn = 0 if output is None else kernel.turn(len(rows))
    with progress(len(rows), "tree_shap", show_progress, quick=QUICK_ROWS) as bar:
        for part in steps(len(rows), bar, least=max(n_threads, turn)):
            options = {} if output is None else {"labels": labels[part], "n_rows_of_call": len(rows)}
            kernel.explain(rows[part], values[part], n_threads=n_threads, **options)
    if output is None:
        return TreeShapResult(values, kernel.mean_outputs + forest.base_offset)
    return TreeShapResult(values, kernel.means(labels))


def _make_kernel(
    backend: str,
    forest: Forest,
    background: Background,
    lanes: np.dtype[Any],
    output: Output | None,
    n_threads: int,
) -> Any:
    """The forest and the background, compiled by the backend."""
    if output is not None:
        kernel = transformed_kernel(backend, forest, background.data, background.weights, n_threads)
        return Transformed(kernel, forest, output)
    if backend == "numba":
        from fastexplain.engine.tree import numba_interventional

        return numba_interventional.InterventionalShap(forest, background.data, weights=background.weights)
    from fastexplain._core import InterventionalShap

    return InterventionalShap(
        forest,
        background.data,
        weights=background.weights,
        float32_lanes=lanes == np.float32,
        n_threads=n_threads,
        table_bytes=table_bytes(),
    )


def _prepared_background(model: Forest | TreeModel, background: Any, weights: Any) -> Background:
    """Own copies of the background's rows, in the forest's encoding, and of their weights."""
    given = as_background(background, weights)
    try:
        rows = prepared(model, given.data, "background")[1]
    except (ValueError, TypeError) as error:
        if isinstance(model, Forest):
            raise
        raise type(error)(f"The background does not fit the model: {error}") from error
    return Background(np.array(rows, order="C"), given.weights)


def _digest(background: Background) -> bytes:
    digest = hashlib.blake2b(str((background.data.dtype, background.data.shape)).encode())
    digest.update(background.data.data)
    digest.update(background.weights.data)
    return digest.digest()
