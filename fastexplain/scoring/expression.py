"""Which rows are explained: ``where="probability > 0.8 and not class == 'good'"``, read by a small parser of its own.

    condition  := both ("or" both)*
    both       := negated ("and" negated)*
    negated    := "not" negated | "(" condition ")" | comparison
    comparison := operand (("<" | "<=" | ">" | ">=" | "==" | "!=") operand)+
    operand    := number | text in quotes | true | false | prediction | class | probability | probability[label]

Nothing is evaluated but this: no names, no calls, no attributes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Condition"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
        | (?P<text>'[^'\\]*'|"[^"\\]*")
        | (?P<word>[A-Za-z_]+)
        | (?P<sign><=|>=|==|!=|<|>|\(|\)|\[|\])
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_LONGEST = 10_000
_DEEPEST = 50

Bools = NDArray[np.bool_]


class Answered(NamedTuple):
    """What conditions are asked of: predictions (n_rows,), probabilities (n_rows, n_classes) or None, and labels."""

    predictions: NDArray[Any]
    probabilities: NDArray[np.float64] | None
    classes: Sequence[Any] | None


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


_Test = Callable[[Answered], Any]


class Condition:
    """A condition on predictions, read once and asked of many rows.

    Parameters
    ----------
    text : str

    Raises
    ------
    ValueError
        The text is no such condition; the message shows the place.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"where must be text such as 'probability > 0.8'; got {text!r}.")
        if len(text) > _LONGEST:
            raise ValueError(f"where has {len(text)} characters; at most {_LONGEST} are read.")
        self.text = text
        self._tokens = self._split()
        self._next = self._depth = 0
        self._test = self._condition()
        if self._next < len(self._tokens):
            raise self._error("expected 'and', 'or' or the end", self._tokens[self._next].place)

    def holds(
        self, predictions: NDArray[Any], probabilities: NDArray[np.float64] | None, classes: Sequence[Any] | None
    ) -> Bools:
        """For which rows it holds, of shape (n_rows,).

        Parameters
        ----------
        predictions : array of shape (n_rows,)
        probabilities : array of shape (n_rows, n_classes), or None
        classes : sequence, or None
            Labels of the classes.

        Raises
        ------
        ValueError
            It speaks of probabilities or a class that there is not, or compares text with numbers.
        """
        found = self._test(Answered(predictions, probabilities, classes))
        return np.broadcast_to(np.asarray(found, dtype=bool), (len(predictions),))

    def _split(self) -> list[_Token]:
        tokens, at = [], 0
        while self.text[at:].strip():
            match = _TOKEN.match(self.text, at)
            if match is None:
                at += len(self.text[at:]) - len(self.text[at:].lstrip())
                raise self._error(f"{self.text[at]!r} has no meaning here", at)
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match.group(kind), match.start(kind)))
            at = match.end()
        return tokens

    def _error(self, problem: str, place: int) -> ValueError:
        line = "".join(" " if character.isspace() else character for character in self.text)
        return ValueError(f"where is not understood: {problem}.\n  {line}\n  {' ' * place}^")

    @property
    def _here(self) -> _Token:
        end = _Token("end", "", len(self.text))
        return self._tokens[self._next] if self._next < len(self._tokens) else end

    def _taken(self, *texts: str) -> bool:
        """Whether the next token is one of these, which is passed then."""
        found = self._here.kind in ("word", "sign") and self._here.text.lower() in texts
        self._next += found
        return found

    def _condition(self) -> _Test:
        tests = [self._both()]
        while self._taken("or"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda rows: np.logical_or.reduce([test(rows) for test in tests])

    def _both(self) -> _Test:
        tests = [self._negated()]
        while self._taken("and"):
            tests.append(self._negated())
        return tests[0] if len(tests) == 1 else lambda rows: np.logical_and.reduce([test(rows) for test in tests])

    def _negated(self) -> _Test:
        place = self._here.place
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(f"more than {_DEEPEST} conditions within each other", place)
        if self._taken("not"):
            test = self._negated()
            found: _Test = lambda rows: np.logical_not(test(rows))  # noqa: E731
        elif self._taken("("):
            found = self._condition()
            if not self._taken(")"):
                raise self._error("expected ')'", self._here.place)
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> _Test:
        place = self._here.place
        tokens, operands, signs = [self._here], [self._operand()], []
        while self._here.kind == "sign" and self._here.text in _COMPARE:
            signs.append(self._here.text)
            self._next += 1
            tokens.append(self._here)
            operands.append(self._operand())
        if not signs:
            raise self._error("expected a comparison: <, <=, >, >=, == or !=", self._here.place)
        labels = _class_labels(tokens, operands, signs)

        def test(rows: Answered) -> Any:
            values = [operand(rows) for operand in operands]
            for token, label in labels:
                self._class_index(rows, label(rows), token.place)
            return self._compared(values, signs, place)

        return test

    def _compared(self, values: list[Any], signs: list[str], place: int) -> Any:
        found = []
        for left, sign, right in zip(values, signs, values[1:], strict=False):
            if _is_text(left) != _is_text(right):
                if sign not in ("==", "!="):
                    raise self._error("text and numbers are not compared by size", place)
                found.append(np.asarray(sign == "!="))
                continue
            found.append(_COMPARE[sign](left, right))
        return np.logical_and.reduce(found)

    def _operand(self) -> _Test:
        token = self._here
        self._next += 1
        if token.kind == "number":
            number = float(token.text)
            return lambda rows: number
        if token.kind == "text":
            return lambda rows: token.text[1:-1]
        word = token.text.lower()
        if token.kind == "word" and word in ("true", "false"):
            return lambda rows: word == "true"
        if token.kind == "word" and word in ("prediction", "class"):
            return lambda rows: self._prediction(rows, word, token.place)
        if token.kind == "word" and word == "probability":
            label = self._label()
            return lambda rows: self._probability(rows, label, token.place)
        what = repr(token.text) if token.text else "the end"
        raise self._error(
            f"expected prediction, class, probability, a number or text in quotes; found {what}", token.place
        )

    def _label(self) -> _Test | None:
        if not self._taken("["):
            return None
        token = self._here
        if token.kind not in ("number", "text") and token.text.lower() not in ("true", "false"):
            raise self._error("expected the label of a class", token.place)
        label = self._operand()
        if not self._taken("]"):
            raise self._error("expected ']'", self._here.place)
        return label

    def _prediction(self, rows: Answered, word: str, place: int) -> Any:
        if rows.predictions.ndim != 1:
            raise self._error(f"{word} has several numbers for each row", place)
        if word == "class" and rows.classes is None and rows.probabilities is None:
            raise self._error("this model predicts numbers and no class", place)
        return rows.predictions

    def _probability(self, rows: Answered, label: _Test | None, place: int) -> Any:
        probabilities = rows.probabilities
        if probabilities is None:
            raise self._error("this model gives no probabilities", place)
        if label is None:  # of two classes the second one's, else that of the predicted class
            return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities.max(axis=1)
        return probabilities[:, self._class_index(rows, label(rows), place)]

    def _class_index(self, rows: Answered, wanted: Any, place: int) -> int:
        n_classes = 0 if rows.probabilities is None else rows.probabilities.shape[1]
        known = list(range(n_classes)) if rows.classes is None else list(rows.classes)
        for i, each in enumerate(known):
            if each == wanted and isinstance(each, str) == isinstance(wanted, str):
                return i
        raise self._error(f"there is no class {wanted!r}; the classes are {', '.join(map(repr, known))}", place)


def _class_labels(tokens: list[_Token], operands: list[_Test], signs: list[str]) -> list[tuple[_Token, _Test]]:
    """What classes are said to be equal to, or not: such labels must be classes, or the condition is a mistake."""
    found = []
    for i, sign in enumerate(signs):
        for ours, other in ((i, i + 1), (i + 1, i)):
            is_class = tokens[ours].kind == "word" and tokens[ours].text.lower() == "class"
            is_label = tokens[other].kind != "word" or tokens[other].text.lower() in ("true", "false")
            if sign in ("==", "!=") and is_class and is_label:
                found.append((tokens[other], operands[other]))
    return found


def _is_text(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "U" or (value.dtype == object and all(isinstance(each, str) for each in value))
    return isinstance(value, str)
