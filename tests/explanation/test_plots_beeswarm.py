"""Beeswarm: where points stand and what colours them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from pictures import NAMES, VALUES, binary, close_figures, multiclass, names, points  # noqa: F401 - a fixture

from fastexplain.explanation import LocalExplanation, plot_beeswarm
from fastexplain.explanation.plots._style import GREY, HIGH, LOW, rank_shade
from fastexplain.explanation.plots._values import as_numbers
from fastexplain.explanation.plots.beeswarm import MAX_POINTS, packed


def colours(ax: Any) -> set[str]:
    ax.figure.canvas.draw()
    return {to_hex(face) for swarm in ax.collections for face in swarm.get_facecolors()}


def test_every_value_stands_at_its_place() -> None:
    ax = plot_beeswarm(binary())
    drawn = points(ax)
    assert names(ax) == ["large", "middle", "small"]
    for line, feature in enumerate(["small", "middle", "large"]):
        on_line = drawn[np.round(drawn[:, 1]) == line, 0]
        np.testing.assert_array_equal(np.sort(on_line), np.sort(VALUES[:, NAMES.index(feature), 0]))
    assert ax.get_xlabel() == "SHAP value (impact on margin of class yes)"
    assert ax.get_title(loc="left") == "class yes"


def test_class_0_is_mirrored() -> None:
    np.testing.assert_array_equal(
        np.sort(points(plot_beeswarm(binary(), class_index=0))[:, 0]),
        np.sort(-points(plot_beeswarm(binary(), class_index=1))[:, 0]),
    )


def test_colours_are_ranks_and_missing_is_grey() -> None:
    X = np.array([[1.0, np.nan, 5.0], [2.0, 1e9, 5.0]])
    ax = plot_beeswarm(binary(), X)
    ax.figure.canvas.draw()
    colour = {}
    for swarm in ax.collections:
        for (x, y), face in zip(swarm.get_offsets(), np.resize(swarm.get_facecolors(), (2, 4)), strict=False):
            colour[round(float(y)), float(x)] = to_hex(face)
    assert colour[0, 0.1] == LOW
    assert colour[0, -0.1] == HIGH
    assert colour[2, -3.0] == GREY
    assert ax.get_title(loc="right") == "grey: categories, missing values"


def test_without_rows_all_is_grey_and_there_is_no_colour_bar() -> None:
    ax = plot_beeswarm(binary())
    assert len(ax.figure.axes) == 1
    assert colours(ax) == {GREY}


def test_rows_that_the_explanation_keeps_colour_it() -> None:
    assert len(plot_beeswarm(binary(eval_data=np.eye(3)[:2])).figure.axes) == 2


@pytest.mark.parametrize("rows", [np.zeros((5, 3)), np.zeros((2, 7)), "a-dataset-id"])
def test_kept_data_of_other_rows_or_columns_colours_nothing(rows: Any) -> None:
    assert colours(plot_beeswarm(binary(eval_data=rows))) == {GREY}


def test_a_sample_is_the_same_each_time_and_leaves_the_global_generator_alone() -> None:
    values = np.random.default_rng(0).normal(size=(2 * MAX_POINTS, 2, 1))
    explanation = LocalExplanation(values, [0.0])
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that is what must not change
    first, second = plot_beeswarm(explanation), plot_beeswarm(explanation)
    assert len(points(first)) == 2 * MAX_POINTS  # MAX_POINTS rows of 2 features
    np.testing.assert_array_equal(points(first), points(second))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert first.get_title(loc="right") == "3,000 of 6,000 rows"


@pytest.mark.parametrize("rows", [[1], slice(1, 2), np.array([False, True]), 1, -1], ids=str)
def test_some_rows_only(rows: Any) -> None:
    np.testing.assert_array_equal(np.sort(points(plot_beeswarm(binary(), rows=rows))[:, 0]), [-0.1, 1.0, 2.0])


def test_order_follows_the_rows_that_are_drawn() -> None:
    explanation = LocalExplanation(np.array([[[1.0], [2.0]], [[9.0], [0.0]]]), [0.0], features=["a", "b"])
    assert names(plot_beeswarm(explanation)) == ["a", "b"]
    assert names(plot_beeswarm(explanation, rows=[0])) == ["b", "a"]


def test_three_classes_show_the_most_explained_one() -> None:
    explanation = multiclass()
    best = int(np.abs(explanation.values).sum(axis=(0, 1)).argmax())
    assert plot_beeswarm(explanation).get_title(loc="left") == f"class kind {best}"


def test_a_subset_takes_its_columns_of_the_full_rows() -> None:
    rows = pd.DataFrame({"text": ["u", "v"], "a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0, 2.0]})
    assert GREY not in colours(plot_beeswarm(binary(eval_data=rows, feature_columns=[1, 2, 3])))


def test_columns_are_found_by_name_in_a_wider_table() -> None:
    rows = pd.DataFrame({"text": ["u", "v"], "middle": [1.0, 2.0], "large": [1.0, 2.0], "small": [1.0, 2.0]})
    assert GREY not in colours(plot_beeswarm(binary(), rows))


def test_packed_points_stay_on_their_line_and_apart() -> None:
    x = np.concatenate([np.zeros(5), np.linspace(1, 2, 400)])
    offset = packed(x, np.linspace(0, 2, 140), np.random.Generator(np.random.Philox(0)))
    assert np.abs(offset).max() <= 0.42
    assert len(np.unique(offset[:5])) == 5


@pytest.mark.parametrize(
    ("column", "shade"),
    [
        (np.array([10.0, 1e9, 10.0, np.nan]), [0.0, 1.0, 0.0, np.nan]),
        (np.array([True, False]), [1.0, 0.0]),
        (np.array([7, 7]), [0.5, 0.5]),
        (np.array([3, None, 1], dtype=object), [1.0, np.nan, 0.0]),
        (np.array([pd.NA, 1, 2], dtype=object), [np.nan, 0.0, 1.0]),
        (np.array(["2020-01-02", "NaT", "2020-01-01"], dtype="datetime64[D]"), [1.0, np.nan, 0.0]),
    ],
    ids=["outlier", "bool", "constant", "None", "NA", "dates"],
)
def test_shade_is_the_rank_scaled_to_0_and_1(column: Any, shade: list[float]) -> None:
    np.testing.assert_array_equal(rank_shade(as_numbers(column)), shade)


@pytest.mark.parametrize(
    "column",
    [np.array(["a", "b"], dtype=object), np.array(["1", "2"]), np.array(["1", 2], dtype=object), np.full(2, np.nan)],
    ids=["texts", "digits", "mixed", "missing"],
)
def test_categories_and_missing_values_have_no_shade(column: Any) -> None:
    assert rank_shade(as_numbers(column)) is None
