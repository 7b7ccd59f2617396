"""What a picture shows: which output, features and rows, and what they are called."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.arguments import whole_number
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.plots._scale import scale_words
from fastexplain.explanation.plots._values import n_outputs, output_importances, row_outputs
from fastexplain.explanation.plots._words import shorten

__all__ = [
    "ClassIndex",
    "Output",
    "Rows",
    "choose_features",
    "choose_output",
    "choose_row",
    "choose_rows",
    "feature_position",
    "output_name",
]

ClassIndex = int | str | None
Rows = int | slice | Sequence[int] | NDArray[Any] | None


class Output(NamedTuple):
    """Where an output's numbers are.

    Attributes
    ----------
    column : int
        Of the values.
    sign : float
        -1 for class 0 where the values are those of class 1 alone.
    label : str or None
        "class yes" or "output 1"; None where there is but one output.
    explanation : Explanation
    """

    column: int
    sign: float
    label: str | None
    explanation: Explanation

    @property
    def units(self) -> str:
        """What values of this output add up to, e.g. "log-odds of class yes"; may ask the model for predictions."""
        return scale_words(self.explanation, self.label)


def choose_output(explanation: Explanation, class_index: ClassIndex, row: int | None = None) -> Output:
    """The output to draw.

    Parameters
    ----------
    explanation : Explanation
    class_index : int or str, optional
        Position of a class or output, or a class's label. Default: class 1 of two; of more classes the one with
        the largest output of `row`, or without a row the one that the features move most; output 0 of a regression.
    row : int, optional
        The row that is drawn alone.

    Raises
    ------
    ValueError
        There is no such class or output.
    """
    is_classifier = explanation.model_task == "classification"
    n_columns = n_outputs(explanation)
    mirrored = is_classifier and n_columns == 1 and explanation._n_classes == 2  # one margin, that of class 1
    n_shown = 2 if mirrored else n_columns
    if class_index is not None:
        index = _position(explanation, class_index, n_shown)
    elif not is_classifier:
        index = 0
    elif n_shown <= 2:
        index = n_shown - 1
    elif row is not None:
        index = int(row_outputs(explanation, row).argmax())
    else:
        index = int(output_importances(explanation).sum(axis=1).argmax())
    label = output_name(explanation, index) if n_shown > 1 else None
    if mirrored:
        return Output(0, 1.0 if index == 1 else -1.0, label, explanation)
    return Output(index, 1.0, label, explanation)


def output_name(explanation: Explanation, index: int, length: int = 24) -> str:
    """For example "class yes" or "output 1"."""
    if explanation.model_task != "classification":
        return f"output {index}"
    labels = explanation._classes
    return f"class {index if labels is None else shorten(labels[index], length)}"


def _position(explanation: Explanation, class_index: int | str, n_shown: int) -> int:
    labels = explanation._classes if explanation.model_task == "classification" else None
    if isinstance(class_index, str):
        texts = [] if labels is None else [str(label) for label in labels]
        if class_index in texts:
            return texts.index(class_index)
    elif isinstance(class_index, int | np.integer) and 0 <= class_index < n_shown:
        return int(class_index)
    of = "" if labels is None else f", or a label of {labels!r}"
    raise ValueError(f"class_index is {class_index!r}; expected 0..{n_shown - 1}{of}.")


def choose_features(sizes: NDArray[np.float64], max_display: int) -> NDArray[np.intp]:
    """Positions of the largest numbers, the largest first.

    Raises
    ------
    ValueError
        `max_display` is not a positive whole number.
    """
    whole_number(max_display, "max_display")
    return np.argsort(-sizes, kind="stable")[:max_display]


def choose_row(n_rows: int, row: int) -> int:
    """Check the position of a row; negative ones count from the end.

    Raises
    ------
    ValueError
        There is no such row.
    """
    if not isinstance(row, int | np.integer) or not -n_rows <= row < n_rows:
        raise ValueError(f"row is {row!r}, but the explanation has {n_rows} rows.")
    return int(row) % n_rows


def choose_rows(n_rows: int, rows: Rows, limit: int) -> tuple[NDArray[np.intp], str]:
    """Positions of the rows to draw, and what to say where there are too many for a picture.

    Parameters
    ----------
    n_rows : int
    rows : int, slice, sequence of int, or array of bool, optional
        Default: all.
    limit : int
        Of more rows, a random sample of this size is drawn, always the same one.

    Raises
    ------
    ValueError
        There are no such rows.
    """
    chosen = np.arange(n_rows)
    if rows is not None:
        key = np.asarray(rows) if not isinstance(rows, slice) else rows
        try:
            chosen = np.atleast_1d(chosen[key])
        except (IndexError, ValueError) as error:
            raise ValueError(f"rows is {rows!r}, but the explanation has {n_rows} rows.") from error
        if chosen.ndim != 1 or not len(chosen):
            raise ValueError(f"rows is {rows!r}, which picks none of the explanation's {n_rows} rows.")
    if len(chosen) <= limit:
        return chosen, ""
    random = np.random.Generator(np.random.Philox(0))
    sample = np.sort(random.choice(len(chosen), limit, replace=False))
    return chosen[sample], f"{limit:,} of {len(chosen):,} rows"


def feature_position(explanation: Explanation, feature: Any, argument: str = "feature") -> int:
    """Position of a feature that is given by its name, or by its position.

    Raises
    ------
    ValueError
        There is no such feature.
    """
    names = explanation.features
    if not isinstance(feature, bool) and feature in names:
        return names.index(feature)
    is_position = isinstance(feature, int | np.integer) and not isinstance(feature, bool)
    if is_position and -len(names) <= feature < len(names):
        return int(feature) % len(names)
    close = difflib.get_close_matches(str(feature), [str(name) for name in names], n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"expected one of {_some(names)}."
    raise ValueError(f"{argument} {feature!r} is not among the {len(names)} explained features; {hint}")


def _some(names: Sequence[Any]) -> str:
    return f"{', '.join(repr(name) for name in names[:8])}{', ...' if len(names) > 8 else ''}"
