"""Reason codes: what moved a score the wrong way, in order, and never what helped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression

import fastexplain
from fastexplain.scoring import Reason, ScoringExplainer, load, save, scoring_explainer

NAMES = ["income", "debts", "age", "town_a", "town_b"]
RANDOM = np.random.default_rng(8)
FRAME = pd.DataFrame(RANDOM.normal(size=(200, 5)), columns=NAMES)
BAD = np.where(FRAME["debts"] - FRAME["income"] + 0.4 * FRAME["town_a"] > 0, "bad", "good")


@pytest.fixture(scope="module", params=["trees", "linear"])
def scorer(request: pytest.FixtureRequest) -> ScoringExplainer:
    model: Any = GradientBoostingClassifier(n_estimators=10) if request.param == "trees" else LogisticRegression()
    return scoring_explainer(fastexplain.TabularExplainer(model.fit(FRAME, BAD), FRAME))


def test_reasons_are_what_moved_the_score_the_wrong_way(scorer: ScoringExplainer) -> None:
    values = scorer.score(FRAME).values[:, :, 0]  # of "good", the second class
    found = scorer.reason_codes(FRAME, k=3, against="good")
    assert len(found) == 200
    assert min(map(len, found)) < 3  # what helped is no reason
    for row, reasons in enumerate(found):
        wrong = np.where(values[row] < 0, -values[row], 0.0)
        expected = [i for i in np.argsort(-wrong, kind="stable")[:3] if wrong[i] > 0]
        assert [reason.feature for reason in reasons] == [NAMES[i] for i in expected]
        for reason, i in zip(reasons, expected, strict=True):
            assert reason.contribution == wrong[i]
            assert reason.share == pytest.approx(wrong[i] / wrong.sum())
            assert reason.value == FRAME.iloc[row, i]
            assert (reason.code, reason.text) == (None, None)


def test_against_the_other_class_are_the_others(scorer: ScoringExplainer) -> None:
    good = scorer.reason_codes(FRAME[:20], k=5, against="good")
    bad = scorer.reason_codes(FRAME[:20], k=5, against="bad")
    for one, other in zip(good, bad, strict=True):
        assert not {reason.feature for reason in one} & {reason.feature for reason in other}


def test_a_single_row_and_a_dict(scorer: ScoringExplainer) -> None:
    many = scorer.reason_codes(FRAME[:1], against="good")
    assert scorer.reason_codes(FRAME.iloc[0].to_dict(), against="good") == many[0]
    assert scorer.reason_codes(FRAME.to_numpy()[0], against="good") == many[0]


def test_groups_codes_and_texts(scorer: ScoringExplainer, tmp_path: Path) -> None:
    groups = {"town": ["town_a", "town_b"]}
    texts = {"town": ("R7", "The town"), "debts": ("R1", "Debts of {value}"), "income": "Income"}
    told = scorer.with_reasons(groups=groups, texts=texts)
    values = scorer.score(FRAME).values[:, :, 0]
    found = told.reason_codes(FRAME, k=9, against="good")
    assert found == scorer.reason_codes(FRAME, k=9, against="good", groups=groups, texts=texts)
    town = next((row, each) for row, reasons in enumerate(found) for each in reasons if each.feature == "town")
    assert town[1].contribution == pytest.approx(-values[town[0], 3:].sum())
    assert town[1].value == {"town_a": FRAME.iloc[town[0], 3], "town_b": FRAME.iloc[town[0], 4]}
    assert (town[1].code, town[1].text) == ("R7", "The town")
    debts = next((row, each) for row, reasons in enumerate(found) for each in reasons if each.feature == "debts")
    assert (debts[1].code, debts[1].text) == ("R1", f"Debts of {FRAME.iloc[debts[0], 1]}")
    save(told, tmp_path / "a.zip")
    loaded = load(tmp_path / "a.zip")
    assert loaded.reason_codes(FRAME, k=9, against="good") == found
    assert save(loaded, tmp_path / "b") == save(told, tmp_path / "c")


def test_texts_are_not_formatted(scorer: ScoringExplainer) -> None:
    texts = dict.fromkeys(NAMES, "{value.__class__} {0} {}")
    reason = scorer.reason_codes(FRAME[:1], k=1, against="good", texts=texts)[0][0]
    assert reason.text == "{value.__class__} {0} {}"


def test_equal_contributions_come_in_the_order_of_the_features() -> None:
    from fastexplain.scoring.reasons import ReasonTable, reasons_of

    against = np.array([[0.5, 0.5, -1.0, 0.5], [0.0, 0.0, 0.0, 0.0]])
    found = reasons_of(ReasonTable(), list("abcd"), against, [], 9)
    assert found == [[Reason(name, None, 0.5, 1 / 3, None, None) for name in "abd"], []]


def test_rounding_is_no_reason() -> None:
    from fastexplain.scoring.reasons import ReasonTable, reasons_of

    against = np.array([[-0.4, 1e-17, -0.1, 1e-13], [-0.4, 1e-17, 1e-3, 0.3]])
    nothing, something = reasons_of(ReasonTable(), list("abcd"), against, [], 9)
    assert nothing == []
    assert [reason.feature for reason in something] == ["d", "c"]
    assert sum(reason.share for reason in something) == pytest.approx(1.0)
    [grouped], _ = reasons_of(ReasonTable({"g": ["a", "b", "d"]}), list("abcd"), -against, [], 1)
    assert grouped.feature == "g"


def test_regressions() -> None:
    model = RandomForestRegressor(5, random_state=0).fit(FRAME, FRAME["income"] - FRAME["debts"])
    scorer = scoring_explainer(fastexplain.TabularExplainer(model, FRAME))
    values = scorer.score(FRAME).values[0, :, 0]
    high, low = (scorer.reason_codes(FRAME[:1], k=1, against=outcome)[0][0] for outcome in ("high", "low"))
    assert (high.feature, high.contribution) == (NAMES[values.argmin()], -values.min())
    assert (low.feature, low.contribution) == (NAMES[values.argmax()], values.max())
    with pytest.raises(ValueError, match="against must be 'high' or 'low'"):
        scorer.reason_codes(FRAME[:1], against="good")


def test_what_does_not_fit(scorer: ScoringExplainer) -> None:
    for options, message in (
        ({"against": "ugly"}, "against must be one of the classes 'bad', 'good'; got 'ugly'"),
        ({"against": "good", "k": 0}, "must be a whole number from 1 on; got 0"),
        ({"against": "good", "groups": {"g": ["rent"]}}, "no feature 'rent', which group 'g' names"),
        ({"against": "good", "texts": {"rent": "x"}}, "no feature 'rent', which texts names"),
        ({"against": "good", "groups": {"g": ["age"], "h": ["age"]}}, "'age' is in two groups, 'g' and 'h'"),
        ({"against": "good", "texts": {"age": 7}}, r"texts\['age'\] is 7; expected a text"),
    ):
        with pytest.raises(ValueError, match=message):
            scorer.reason_codes(FRAME[:1], **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no feature 'rent'"):
        scorer.with_reasons(groups={"g": ["rent"]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ["age"]}, r"groups is \['age'\]; expected a dict"),
        ({"texts": ["age"]}, r"texts is \['age'\]; expected a dict"),
        ({"groups": {"town": 7}}, "There is no feature 7, which group 'town' names"),
        ({"groups": {"age": ["debts", "income"]}}, "Group 'age' has the name of a feature that is not in it"),
        ({"against": np.array(["good", "bad"])}, "against must be one of the classes 'bad', 'good'"),
    ],
)
def test_arguments_of_another_kind(scorer: ScoringExplainer, options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        scorer.reason_codes(FRAME[:1], **({"against": "good"} | options))
