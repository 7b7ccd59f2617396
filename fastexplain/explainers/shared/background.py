"""The background of an explainer: its initialization examples as they are, or few that stand for them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import whole_number
from fastexplain.engine.background import Background, as_background, has_weights, mean_filled, summarize_background
from fastexplain.engine.balanced import balanced_rows
from fastexplain.engine.progress import progress
from fastexplain.exceptions import BackgroundWarning
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import count_columns, count_rows, take_rows, unwrapped_rows

__all__ = ["MAX_ROWS", "BackgroundChoice", "row_words", "rows_of"]

_logger = logging.getLogger("fastexplain")

Floats = NDArray[np.float64]

# Rows of the background where nothing else is asked for. Values come within 2 to 3% of those by all rows.
MAX_ROWS = 100
# Examples that are predicted at construction: few enough for a slow model. Their mean is the base value.
MOST_PREDICTED = 5000
# Up to this many rows per cluster, examples are the background as they are: interpret-community's rule.
ROWS_PER_CLUSTER = 10
# Standard errors that the mean of a sample of the examples may be off by chance.
CHANCE = 3.0


def rows_of(examples: Any) -> Any:
    """The rows of initialization examples that may come with weights (a `Background`, a shap.kmeans result)."""
    examples = unwrapped_rows(examples, keep_weights=True)
    return as_background(examples).data if has_weights(examples) else examples


def row_words(n_rows: int, n_examples: int | None = None) -> str:
    """A background in words: "100 of 26,048 rows", "1 row"."""
    if n_examples is not None and n_examples > n_rows:
        return f"{n_rows:,} of {n_examples:,} rows"
    return f"{n_rows:,} {'row' if n_rows == 1 else 'rows'}"


@dataclass(frozen=True)
class BackgroundChoice:
    """Which of the examples hidden features are drawn from.

    The model predicts some of them first (`probe`); then, by what it predicts, the background is made (`rows`, or
    `occurring_rows`), and its mean output compared with that of the examples (`check`).

    Attributes
    ----------
    examples : array-like or table, or something with ``.data`` and ``.weights``
        As the model takes them. The latter is a background already, and used as it is.
    nclusters : int or None
        None: of more than 100 examples, 100 stand for all; see `balanced_rows`. A number: more than ten times as many
        examples are summarised by the centres of so many clusters, weighted by the clusters' sizes. Tables with columns
        that are not numbers have no centres; they are sampled, ten rows per cluster.
    seed : int
    """

    examples: Any
    nclusters: int | None
    seed: int

    @classmethod
    def of(cls, examples: Any, nclusters: Any, seed: int) -> BackgroundChoice:
        """The choice by an explainer's arguments.

        Raises
        ------
        ValueError
            `nclusters` is no positive whole number, or the examples are not 2-D.
        TypeError
            They are nothing that holds rows.
        """
        checked = None if nclusters is None else whole_number(nclusters, "nclusters")
        examples = unwrapped_rows(examples, keep_weights=True)
        count_columns(rows_of(examples))
        return cls(examples, checked, seed)

    @cached_property
    def n_examples(self) -> int:
        return count_rows(rows_of(self.examples))

    @cached_property
    def takes_all(self) -> bool:
        """Whether the examples are the background as they are."""
        limit = MAX_ROWS if self.nclusters is None else ROWS_PER_CLUSTER * self.nclusters
        return has_weights(self.examples) or self.n_examples <= limit

    @cached_property
    def _predicted(self) -> NDArray[np.intp] | None:
        """Positions of the examples that are predicted; None: all."""
        if self.takes_all or self.n_examples <= MOST_PREDICTED:
            return None
        return _along(self.n_examples, MOST_PREDICTED, self.seed)

    @cached_property
    def probe(self) -> Any:
        """The examples that are predicted, as the model takes them."""
        rows = rows_of(self.examples)
        return rows if self._predicted is None else take_rows(rows, self._predicted)

    def rows(self, outputs: Floats) -> Background:
        """The background; `outputs` (n_probe, n_outputs) are those of `probe`."""
        if self.takes_all:
            return as_background(self.examples)
        if self.nclusters is None:
            return as_background(take_rows(self.examples, self._balanced(outputs)))
        if is_sparse(self.examples) or _all_numbers(self.examples):
            return summarize_background(self.examples, self.nclusters, seed=self.seed)
        return as_background(take_rows(self.examples, self._sample()))

    def occurring_rows(self, rows: Any, outputs: Floats) -> Background:
        """A background of rows that all occur, in a form other than the model's.

        Parameters
        ----------
        rows : array-like or table
            The examples' rows in that form, such as before transformation. Each cluster is represented by the row
            nearest to its centre after transformation.
        outputs : float64 array of shape (n_probe, n_outputs)
            As for `rows`.
        """
        if self.takes_all:
            weights = as_background(self.examples).weights
            return Background(rows, weights)
        if self.nclusters is None:
            return as_background(take_rows(rows, self._balanced(outputs)))
        if not is_sparse(self.examples) and not _all_numbers(self.examples):
            return as_background(take_rows(rows, self._sample()))
        nearest, weights = _nearest_to_centres(self.examples, self.nclusters, self.seed)
        return Background(take_rows(rows, nearest), weights)

    def check(
        self, background: Background, outputs: Floats, predict: Callable[[Any], Floats], name: str, stacklevel: int
    ) -> None:
        """Warn where the background's mean output is not that of the examples.

        By how much it may differ: the mean's standard error, where all examples were predicted; where a sample of them
        was, whose mean differs from that of all by chance, three times as much. Rounding does not count.

        Parameters
        ----------
        background : Background
        outputs : float64 array of shape (n_probe, n_outputs)
        predict : callable
            Rows -> outputs.
        name : str
            The model, as messages give it.
        stacklevel : int
            Frames between the warning and the user's call, as `warnings.warn` counts them.
        """
        if self.takes_all or self.nclusters is None:
            return  # equal by construction, or chosen to be
        mean, spread = outputs.mean(axis=0), outputs.std(axis=0)
        allowed = (1.0 if self._predicted is None else CHANCE) * spread / np.sqrt(len(outputs))
        base = background.weights @ predict(background.data)
        off = np.abs(base - mean) - allowed - 1e-9 * np.maximum(np.abs(mean), np.abs(outputs).max(axis=0))
        worst = int(off.argmax())
        if not off[worst] > 0:
            return
        which = "" if len(mean) == 1 else f" (output {worst})"
        warnings.warn(
            f"The base value {base[worst]:.4g}{which} is not the mean prediction {mean[worst]:.4g} of {name} on "
            f"{'the' if self._predicted is None else f'{len(outputs):,} of the'} initialization_examples: the "
            f"{row_words(count_rows(background.data))} of the background (nclusters={self.nclusters}) do not stand for "
            f"all {self.n_examples:,}, and values explain the distance to that base value. Leave nclusters out, which "
            "chooses 100 rows that do, or pass more rows: a larger nclusters, or a Background of your own.",
            BackgroundWarning,
            stacklevel=stacklevel + 1,
        )

    def words(self, background: Background) -> str:
        """The background as explanations and explainers show it."""
        n_rows = count_rows(background.data)
        if self.takes_all:
            weighted = has_weights(self.examples) and bool(np.ptp(background.weights) > 0)
            return row_words(n_rows) + (", weighted" if weighted else "")
        if self.nclusters is None or (not is_sparse(self.examples) and not _all_numbers(self.examples)):
            return row_words(n_rows, self.n_examples)
        if is_sparse(self.examples) and n_rows == 1:
            return f"the medians of {self.n_examples:,} rows"
        return f"{n_rows:,} {'centre' if n_rows == 1 else 'centres'} of {self.n_examples:,} rows, weighted"

    def _balanced(self, outputs: Floats) -> NDArray[np.intp]:
        chosen = balanced_rows(self.probe, outputs, MAX_ROWS)
        return chosen if self._predicted is None else self._predicted[chosen]

    def _sample(self) -> NDArray[np.intp]:
        assert self.nclusters is not None
        random = np.random.Generator(np.random.Philox(self.seed))
        n_drawn = ROWS_PER_CLUSTER * self.nclusters
        chosen = np.sort(random.choice(self.n_examples, n_drawn, replace=False)).astype(np.intp)
        _logger.info(
            "Columns that are not numbers: the background is a sample of %d of %d rows.", len(chosen), self.n_examples
        )
        return chosen


def _along(n_rows: int, n_drawn: int, seed: int) -> NDArray[np.intp]:
    """Positions of random rows, one of each stretch of rows: rows in an order, such as by time, are all covered."""
    ends = np.arange(n_drawn + 1) * n_rows // n_drawn
    random = np.random.Generator(np.random.Philox(seed))
    return (ends[:-1] + random.random(n_drawn) * np.diff(ends)).astype(np.intp)


def _nearest_to_centres(engineered: Any, nclusters: int, seed: int) -> tuple[NDArray[np.intp], Floats]:
    """Of each cluster the position of the row nearest to its centre, and the cluster's share of the rows."""
    from sklearn.cluster import KMeans

    numbers = engineered.tocsr() if is_sparse(engineered) else mean_filled(np.asarray(engineered, dtype=np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct rows than clusters: empty clusters are left out below
        with progress(1, "k-means of the background", None, unit=" backgrounds"):
            fitted = KMeans(n_clusters=nclusters, n_init=10, random_state=seed).fit(numbers)
    distances = fitted.transform(numbers)
    members = [np.flatnonzero(fitted.labels_ == k) for k in range(nclusters)]
    nearest = [rows_of_k[distances[rows_of_k, k].argmin()] for k, rows_of_k in enumerate(members) if len(rows_of_k)]
    sizes = np.array([len(rows_of_k) for rows_of_k in members if len(rows_of_k)], dtype=np.float64)
    return np.array(nearest, dtype=np.intp), sizes / len(fitted.labels_)


def _all_numbers(examples: Any) -> bool:
    dtypes = getattr(examples, "dtypes", None)
    if dtypes is None:
        dtype = getattr(examples, "dtype", None) or np.asarray(examples).dtype
        return dtype.kind in "fiub"
    # pandas: a NumPy-like kind, absent for categories; polars: is_numeric
    return all(dtype.is_numeric() if hasattr(dtype, "is_numeric") else _is_number(dtype) for dtype in dtypes)


def _is_number(dtype: Any) -> bool:
    return not hasattr(dtype, "categories") and getattr(dtype, "kind", "O") in "fiub"
