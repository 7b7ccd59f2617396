"""Tables for scorers that call the model themselves: ``scorer(estimator, X, y)``, as scikit-learn's tools take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.metrics.functions import Evaluation, Floats, Truth, check_weights, leaving_out_blocks, number
from fastexplain.engine.permutation.replacement import Jobs, Replacer
from fastexplain.engine.predict import RESPONSES
from fastexplain.engine.progress import progress
from fastexplain.rows.containers import Rows, Segment
from fastexplain.rows.kinds import is_pandas

__all__ = ["ScoredTables", "TableReplacer"]


class TableReplacer(Replacer):
    """Says which rows a table would be made of, in place of predicting it.

    Its "outputs" are two numbers per row: the row that the replaced columns come from, and which columns those are.
    """

    method = "black_box"

    def __init__(self, owner: Any, rows: Rows) -> None:
        self.owner, self.rows = owner, rows
        self._columns: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]  # of the rows as they are: none
        self.base = np.column_stack([np.arange(rows.n_rows, dtype=np.float64), np.zeros(rows.n_rows)])
        self._last: tuple[Floats, ScoredTables] | None = None

    def replace(self, jobs: Jobs) -> Floats:
        out = np.empty((*jobs.donors.shape, 2))
        out[:, :, 0] = jobs.donors
        for p, columns in enumerate(jobs.players):
            out[jobs.offsets[p] : jobs.offsets[p + 1], :, 1] = len(self._columns)
            self._columns.append(columns)
        return out

    def table(self, output: Floats, rows: Any) -> Any:
        """Some rows of one job's table, in the user's container."""
        at = np.arange(self.rows.n_rows)[rows]
        return self.rows.stack([Segment(at, output[at, 0].astype(np.int64), self._columns[int(output[0, 1])])])

    def tables(self, outputs: Floats) -> ScoredTables:
        """The tables of some jobs; the same object for the same outputs, as it keeps what scorers return of them."""
        if self._last is None or self._last[0] is not outputs:
            self._last = outputs, ScoredTables(self, outputs)
        return self._last[1]


class ScoredTables:
    """The tables of some jobs, and what scorers say of them."""

    def __init__(self, source: TableReplacer, outputs: Floats) -> None:
        self._source, self._outputs = source, outputs
        self._found: dict[int, dict[str | None, Evaluation]] = {}

    def evaluations(self, scorer: Callable[..., Any], truth: Truth) -> dict[str | None, Evaluation]:
        """Scores of all tables by the names that the scorer returns; None is the name of a single number."""
        if id(scorer) not in self._found:
            check_weights(scorer, truth)
            parts = []
            with progress(len(self._outputs), "scoring", None, unit=" tables") as bar:
                for output in self._outputs:
                    parts.append(self._evaluate(scorer, truth, output))
                    bar(1)
            self._found[id(scorer)] = {name: _joined([part[name] for part in parts]) for name in parts[0]}
        return self._found[id(scorer)]

    def _evaluate(self, scorer: Callable[..., Any], truth: Truth, output: Floats) -> dict[str | None, Evaluation]:
        model = _Remembering(self._source)
        names: list[str | None] = []

        def of_rows(rows: Any) -> Floats:
            table = self._source.table(output, rows)
            model.expect(table, rows)
            weights = {"sample_weight": truth.weights[rows]} if truth.weighted else {}
            returned = scorer(model, table, truth.y[rows], **weights)
            named = dict(returned) if isinstance(returned, Mapping) else {None: returned}
            if not names:
                names.extend(named)
            return np.array([number(scorer, named.get(name)) for name in names])

        found = leaving_out_blocks(truth, of_rows)
        terms = [None] * len(names) if found.terms is None else found.terms[:, None, :]
        return {
            name: Evaluation(score[None], term, found.blocks)
            for name, score, term in zip(names, found.scores, terms, strict=True)
        }


def _joined(parts: Sequence[Evaluation]) -> Evaluation:
    scores = np.concatenate([part.scores for part in parts])
    terms = [part.terms for part in parts if part.terms is not None]
    return Evaluation(scores, np.concatenate(terms) if terms else None, parts[0].blocks)


class _Remembering:
    """The model as a scorer sees it: it predicts a table once, and remembers that for parts of the table.

    In all else it is the model, also for ``isinstance``.
    """

    def __init__(self, source: TableReplacer) -> None:
        self._source = source
        self._table: Any = None
        self._part: tuple[Any, Any] = None, None
        self._answers: dict[str, Any] = {}

    @property  # type: ignore[misc]  # as isinstance asks for it
    def __class__(self) -> Any:
        return type(self._source.owner)

    def expect(self, table: Any, rows: Any) -> None:
        """The next predictions are of this table: `rows` of the first one."""
        self._table = table if self._table is None else self._table
        self._part = table, rows

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._source.owner, name)
        if name not in RESPONSES:
            return found
        return wraps(found)(partial(self._predict, name, found))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _predict(self, name: str, method: Callable[..., Any], X: Any, *args: Any, **options: Any) -> Any:
        if X is not self._part[0] or args or options:
            return method(X, *args, **options)
        if name not in self._answers:
            self._answers[name] = method(self._table)
            self._source.n_predicted += self._source.rows.n_rows
        return _rows_of(self._answers[name], self._part[1])


def _rows_of(answer: Any, rows: Any) -> Any:
    if isinstance(rows, slice):
        return answer
    if isinstance(answer, list):  # one array per target
        return [_rows_of(part, rows) for part in answer]
    return answer.iloc[rows] if is_pandas(answer) else answer[rows]
