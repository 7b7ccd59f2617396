"""Scatter: places along both axes, and the feature that colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from pictures import VALUES, binary, close_figures, legend, multiclass, points  # noqa: F401 - a fixture

from fastexplain.explanation import LocalExplanation, plot_scatter
from fastexplain.explanation.plots._categories import categorise
from fastexplain.explanation.plots._style import CLASS_COLOURS, GREY, LOW
from fastexplain.explanation.plots.scatter import MAX_POINTS

N = 400


def ticks(ax: Axes) -> dict[str, float]:
    return {label.get_text(): float(x) for x, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)}


def frame() -> pd.DataFrame:
    """Numbers, texts, an ordered categorical, booleans and dates."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "sign": rng.choice([True, False], N),
            "city": rng.choice(["Paris", "Oslo", "Berlin"], N),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], N), categories=["S", "M", "L"], ordered=True),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D"),
            "noise": rng.normal(size=N),
        }
    )


def explained(rows: pd.DataFrame, **context: Any) -> LocalExplanation:
    """Values in which x interacts with sign, and city with day."""
    values = np.random.default_rng(1).normal(scale=1e-3, size=(N, 6, 1))
    values[:, 0, 0] += rows["x"] * np.where(rows["sign"], 1.0, -1.0)
    values[:, 2, 0] += np.where(rows["city"] == "Oslo", 1.0, -1.0) * rows["day"].dt.day_of_year.fillna(0) / 100
    return LocalExplanation(values, [0.0], features=list(rows.columns), method="shap_tree", **context)


def test_points_stand_at_feature_and_value() -> None:
    rows = frame()
    ax = plot_scatter(explained(rows, eval_data=rows), "x", color=None)
    drawn = points(ax)
    np.testing.assert_array_equal(drawn[:, 0], rows["x"])
    np.testing.assert_array_equal(drawn[:, 1], explained(rows).values[:, 0, 0])
    assert ax.get_xlabel() == "x"
    assert ax.get_ylabel() == "SHAP value (impact on model output)"
    assert {to_hex(c) for c in ax.collections[0].get_facecolors()} == {LOW}


def test_auto_finds_the_interaction_and_names_its_few_values() -> None:
    rows = frame()
    ax = plot_scatter(explained(rows, eval_data=rows), "x")
    assert ax.get_legend().get_title().get_text() == "sign"
    assert legend(ax) == ["False", "True"]
    np.testing.assert_array_equal(np.sort(ax.collections[0].get_offsets()[:, 0]), np.sort(rows["x"][~rows["sign"]]))
    assert ax.get_title(loc="right") == "colour: strongest interaction"


def test_auto_of_a_category_finds_the_date() -> None:
    rows = frame()
    ax = plot_scatter(explained(rows, eval_data=rows), "city")
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "day"
    labels = [label.get_text() for label in bar.get_yticklabels()]
    assert labels[0] == str(rows["day"].min())[:10]
    assert labels[2] == str(rows["day"].max())[:10]


@pytest.mark.parametrize("feature", ["noise", "size"])
def test_auto_without_an_interaction_has_one_colour(feature: str) -> None:
    rows = frame()
    ax = plot_scatter(explained(rows, eval_data=rows), feature)
    assert len(ax.figure.axes) == 1
    assert ax.get_title(loc="right") == "no other feature tells rows apart"


def test_a_function_of_the_feature_alone_has_no_partner() -> None:
    x = np.random.default_rng(0).normal(size=(N, 2))
    x[:, 1] += x[:, 0]  # correlated, but not interacting
    explanation = LocalExplanation(np.stack([3 * x[:, :1], 0 * x[:, :1]], axis=1), [0.0], eval_data=x)
    assert explanation.plot.scatter(0).get_title(loc="right") == "no other feature tells rows apart"


def test_categories_have_an_axis_of_their_own() -> None:
    rows = frame()
    rows.loc[:9, "city"] = None
    ax = plot_scatter(explained(rows, eval_data=rows), "city", None)
    assert ticks(ax) == {"Berlin": 0.0, "Oslo": 1.0, "Paris": 2.0, "missing": 3.0}
    drawn = points(ax)
    codes = rows["city"].map({"Berlin": 0, "Oslo": 1, "Paris": 2}).fillna(3)
    np.testing.assert_array_equal(np.round(drawn[:, 0]), codes)
    assert np.abs(drawn[:, 0] - codes).max() <= 0.42


def test_a_categorical_keeps_its_order() -> None:
    rows = frame()
    assert list(ticks(plot_scatter(explained(rows, eval_data=rows), "size", None))) == ["S", "M", "L"]


def test_few_numbers_are_swarms_with_a_tick_each() -> None:
    explanation = LocalExplanation(np.zeros((6, 1, 1)), [0.0], eval_data=np.array([[0], [0], [0], [2], [2], [7]]))
    ax = explanation.plot.scatter(0)
    assert ticks(ax) == {"0": 0.0, "2": 2.0, "7": 7.0}
    assert len(np.unique(points(ax)[:, 0])) == 6


def test_missing_numbers_stand_beyond_the_others() -> None:
    rows = frame()
    rows.loc[:19, "x"] = np.nan
    ax = plot_scatter(explained(rows, eval_data=rows), "x", None)
    place = ticks(ax)["missing"]
    assert place > rows["x"].max()
    assert len(ticks(ax)) > 3
    np.testing.assert_allclose(points(ax)[:20, 0], place, atol=0.3)


def test_dates_have_a_date_axis_and_missing_ones_a_place() -> None:
    rows = frame()
    rows.loc[:9, "day"] = pd.NaT
    ax = plot_scatter(explained(rows, eval_data=rows), "day", None)
    ax.figure.canvas.draw()
    assert "Date" in type(ax.xaxis.get_major_formatter()).__name__
    assert [text.get_text() for text in ax.texts] == ["missing"]
    assert points(ax)[:10, 0].min() > points(ax)[10:, 0].max()


def test_colour_by_categories_has_a_legend() -> None:
    rows = frame()
    ax = plot_scatter(explained(rows, eval_data=rows), "x", "city")
    assert legend(ax) == ["Berlin", "Oslo", "Paris"]
    assert [to_hex(swarm.get_facecolors()[0]) for swarm in ax.collections] == list(CLASS_COLOURS[:3])


def test_missing_colours_are_grey() -> None:
    rows = frame()
    rows.loc[:9, "noise"] = np.nan
    ax = plot_scatter(explained(rows, eval_data=rows), "x", "noise")
    assert to_hex(ax.collections[0].get_facecolors()[0]) == GREY
    assert len(ax.collections[0].get_offsets()) == 10
    assert ax.figure.axes[1].get_ylabel() == "noise (grey: missing)"


def test_class_0_is_mirrored_and_classes_are_named() -> None:
    X = np.array([[1.0, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(points(binary().plot.scatter("large", None, X, class_index="no"))[:, 1], [3.0, -2.0])
    assert multiclass().plot.scatter(0, X=np.zeros((6, 3)), class_index=2).get_title(loc="left") == "class kind 2"


def test_rows_are_needed() -> None:
    with pytest.raises(ValueError, match="needs the explained rows, which this explanation does not keep: pass X"):
        plot_scatter(binary(), "large")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"feature": "lrage"}, "feature 'lrage' is not among the 3 explained features; did you mean 'large'"),
        ({"feature": 3}, "feature 3 is not among the 3 explained features; expected one of 'small', 'large', 'middle'"),
        ({"feature": 0, "color": "zzz"}, "color 'zzz' is not among"),
    ],
    ids=["name", "position", "color"],
)
def test_unknown_features_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_scatter(binary(), X=np.zeros((2, 3)), **arguments)


def test_names_win_over_positions() -> None:
    explanation = LocalExplanation(VALUES, [0.5], features=[2, 7, 0], eval_data=np.array([[1.0, 2, 3], [4, 5, 6]]))
    np.testing.assert_array_equal(points(explanation.plot.scatter(0, None))[:, 1], VALUES[:, 2, 0])


def test_many_rows_are_sampled_the_same_way_each_time() -> None:
    X = np.random.default_rng(0).normal(size=(3 * MAX_POINTS, 2))
    explanation = LocalExplanation(X[:, :, None] ** 2, [0.0], eval_data=X)
    first = explanation.plot.scatter(1, None)
    assert len(points(first)) == MAX_POINTS
    np.testing.assert_array_equal(points(first), points(explanation.plot.scatter(1, None)))
    assert first.get_title(loc="right") == "10,000 of 30,000 rows"


def test_rare_categories_share_a_place() -> None:
    column = np.array([f"c{i:02d}" for i in range(30)] + ["c07"] * 5 + ["c29"] * 3, dtype=object)
    found = categorise(column, None, 3)
    assert found.labels == ["c07", "c29", "28 others"]
    assert found.codes[7] == 0
    assert found.codes[29] == 1
    assert found.codes[0] == 2
