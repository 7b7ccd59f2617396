"""``where``: its grammar, what it selects, and where it says a mistake is."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastexplain
from fastexplain.scoring import scoring_explainer
from fastexplain.scoring.expression import Condition
from tests.scoring.models import TREES, X

P = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.1, 0.9]])
CLASSES = ["good", "bad"]
LABELS = np.array(CLASSES)[[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("probability > 0.6", [2, 3]),
        ("probability >= .5", [1, 2, 3]),
        ("probability<1e-1", []),
        ("0.2 < probability <= 0.7", [1, 2]),
        ("probability['good'] > 0.4", [0, 1]),
        ('class == "bad"', [2, 3]),
        ("class != 'bad' and probability > 0.3", [1]),
        ("not class == 'bad'", [0, 1]),
        ("not (class == 'bad' or probability < 0.2)", [1]),
        ("class == 'bad' or class == 'good' and probability > 0.3", [1, 2, 3]),
        ("(class == 'bad' or class == 'good') and probability > 0.6", [2, 3]),
        ("NOT class == 'bad' AND probability == 0.5", [1]),
        ("prediction == 'good'", [0, 1]),
        ("prediction == 7", []),
        ("prediction != 7", [0, 1, 2, 3]),
        ("0.5 == 0.5", [0, 1, 2, 3]),
    ],
)
def test_rows_that_are_chosen(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(Condition(text).holds(LABELS, P, CLASSES)).tolist() == rows


def test_labels_that_are_numbers_and_several_classes() -> None:
    probabilities = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    labels = np.array([30, 10])
    for text, rows in {
        "class >= 30": [0],
        "probability > 0.55": [1],  # of the predicted class
        "probability[20] == 0.3": [0, 1],
        "probability[30] < 0.4": [1],
    }.items():
        assert np.flatnonzero(Condition(text).holds(labels, probabilities, [10, 20, 30])).tolist() == rows
    flags = np.array([True, False])
    assert Condition("class == true").holds(flags, P[:2], [False, True]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("probabilty > 0.8", "found 'probabilty'", 0),
        ("probability >", "found the end", 13),
        ("probability 0.8", "expected a comparison", 12),
        ("probability > 0.8 0.9", "expected 'and', 'or' or the end", 18),
        ("(probability > 0.8", "expected '\\)'", 18),
        ("probability > 0.8)", "expected 'and', 'or' or the end", 17),
        ("probability > 0.8 & class == 1", "'&' has no meaning here", 18),
        ("class = 'bad'", "'=' has no meaning here", 6),
        ("class == 'bad", '"\'" has no meaning here', 9),
        ("", "found the end", 0),
        ("and", "found 'and'", 0),
        ("probability[class] > 1", "expected the label of a class", 12),
        ("probability['bad' > 1", "expected ']'", 18),
        ("__import__('os')", "found '__import__'", 0),
        ("prediction\n\t> 1 then", "expected 'and', 'or' or the end", 16),
        ("class.__class__ == 1", "'.' has no meaning here", 5),
    ],
)
def test_mistakes_are_shown_in_their_place(text: str, problem: str, place: int) -> None:
    with pytest.raises(ValueError, match=problem) as error:
        Condition(text)
    assert len(str(error.value).splitlines()) == 3
    assert str(error.value).splitlines()[-1] == f"  {' ' * place}^"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("probability['ugly'] > 0.1", "there is no class 'ugly'; the classes are 'good', 'bad'"),
        ("class == 'God' or probability > 0.6", "there is no class 'God'; the classes are 'good', 'bad'"),
        ("'ugly' != class", "there is no class 'ugly'"),
        ("class == 7", r"there is no class 7\.0; the classes are"),
        ("class > 0.3", "text and numbers are not compared by size"),
        ("probability < 'bad'", "text and numbers are not compared by size"),
    ],
)
def test_what_only_the_rows_tell(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Condition(text).holds(LABELS, P, CLASSES)


def test_regressions_have_no_class() -> None:
    numbers = np.array([1.0, 5.0])
    assert Condition("prediction > 2").holds(numbers, None, None).tolist() == [False, True]
    for text, problem in {"class == 1": "no class", "probability > 0": "no probabilities"}.items():
        with pytest.raises(ValueError, match=problem):
            Condition(text).holds(numbers, None, None)


def test_depth_and_length_are_limited() -> None:
    with pytest.raises(ValueError, match="more than 50 conditions within each other"):
        Condition("(" * 5_000 + "1 < 2" + ")" * 4_000)
    with pytest.raises(ValueError, match="where has 30001 characters"):
        Condition("not " * 7_500 + "1")
    with pytest.raises(TypeError, match="where must be text"):
        Condition(None)  # type: ignore[arg-type]


@given(st.text(alphabet="probability clas<>=!()[]'\"0123456789.andortue", max_size=40))
def test_any_text_is_a_condition_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert Condition(text).holds(LABELS, P, CLASSES).shape == (4,)


def test_only_such_rows_are_explained() -> None:
    scorer = scoring_explainer(fastexplain.TabularExplainer(TREES["lightgbm binary"](), X))
    every, some = scorer.score(X), scorer.score(X, where="probability > 0.7")
    chosen = np.flatnonzero(every.probabilities[:, 1] > 0.7)
    assert 0 < len(chosen) < len(X)
    assert_array_equal(some.rows, chosen)
    assert_array_equal(some.values, every.values[chosen])
    assert_array_equal(some.predictions, every.predictions)
    assert scorer.score(X, where="probability > 2").values.shape == (0, 5, 1)


def test_the_strongest_values() -> None:
    scorer = scoring_explainer(fastexplain.TabularExplainer(TREES["forest three"](), X))
    values = scorer.score(X).values
    for by, strength in {"absolute": np.abs(values), "positive": values, "negative": -values}.items():
        top = scorer.score(X, top_k=2, by=by)
        assert top.values.shape == top.top.shape == (160, 2, 3)
        order = np.argsort(-strength, axis=1, kind="stable")[:, :2]
        assert_array_equal(top.top, order)
        assert_array_equal(top.values, np.take_along_axis(values, order, axis=1))
    assert scorer.score(X, top_k=99).values.shape == values.shape
    some = scorer.score(X, top_k=1, where="class == 10")
    assert_array_equal(some.values[:, 0], np.take_along_axis(values[some.rows], some.top, axis=1)[:, 0])
    for bad in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="must be a whole number from 1 on"):
            scorer.score(X, top_k=bad)
    with pytest.raises(ValueError, match="by must be one of 'absolute', 'positive', 'negative'; got 'size'"):
        scorer.score(X, top_k=1, by="size")
