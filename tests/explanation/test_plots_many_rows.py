"""Heatmap and decision plot: all rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from pictures import (  # noqa: F401 - a fixture
    NAMES,
    VALUES,
    binary,
    close_figures,
    inside,
    legend,
    multiclass,
    names,
    texts,
)

from fastexplain.explanation import LocalExplanation, plot_decision, plot_heatmap
from fastexplain.explanation.plots._style import CLASS_COLOURS, HIGH, LOW
from fastexplain.explanation.plots.decision import MAX_LINES
from fastexplain.explanation.plots.heatmap import MAX_COLUMNS


def groups(n: int = 30) -> LocalExplanation:
    """Rows of two kinds, mixed."""
    rng = np.random.default_rng(0)
    values = rng.normal(scale=0.1, size=(n, 3, 1)) + np.where(np.arange(n)[:, None] % 2, 2.0, -2.0)[:, :, None]
    return LocalExplanation(values, [10.0], features=NAMES, method="shap_tree")


# Heatmap


def cells(ax: Axes) -> NDArray[np.float64]:
    return np.asarray(ax.images[0].get_array())


def test_cells_are_values_features_by_importance() -> None:
    ax = plot_heatmap(binary(), order="given")
    np.testing.assert_array_equal(cells(ax), [[-3.0, 2.0], [1.0, 1.0], [0.1, -0.1]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["large", "middle", "small"]
    low, high = ax.images[0].get_clim()
    assert low == -high, "white is zero"


def test_the_line_above_is_the_output_and_the_bars_beside_are_importances() -> None:
    ax = plot_heatmap(binary(), order="given")
    top, side = ax.child_axes
    np.testing.assert_allclose(top.lines[0].get_ydata(), [-1.4, 3.4])
    np.testing.assert_allclose([bar.get_width() for bar in side.patches], [2.5, 1.0, 0.1])
    assert [text.get_text() for text in side.texts] == ["2.50", "1.00", "0.100"]
    assert top.get_ylabel() == "f(x)"
    assert top.get_title(loc="left") == "class yes"


def test_by_output_the_line_rises() -> None:
    line = plot_heatmap(groups(), order="output").child_axes[0].lines[0].get_ydata()
    assert np.all(np.diff(line) >= 0)


def test_clusters_put_like_rows_side_by_side_low_outputs_first() -> None:
    ax = plot_heatmap(groups(), order="cluster")
    signs = np.sign(cells(ax)[0])
    np.testing.assert_array_equal(signs, np.repeat([-1.0, 1.0], 15))
    np.testing.assert_allclose(np.sort(cells(ax), axis=1)[0], np.sort(cells(plot_heatmap(groups(), order="given"))[0]))


def test_an_array_orders_rows_by_its_numbers() -> None:
    np.testing.assert_array_equal(cells(plot_heatmap(binary(), order=[5, 1]))[0], [2.0, -3.0])


def test_rows_left_out_are_counted() -> None:
    explanation = LocalExplanation(np.random.default_rng(0).normal(size=(2 * MAX_COLUMNS, 3, 1)), [0.0])
    ax = plot_heatmap(explanation, max_display=2, order="output")
    assert cells(ax).shape == (2, MAX_COLUMNS)
    assert ax.child_axes[0].get_title(loc="right") == "2 of 3 features · 1,000 of 2,000 rows"


def test_some_rows_only() -> None:
    np.testing.assert_array_equal(cells(plot_heatmap(binary(), rows=[1])), [[2.0], [1.0], [-0.1]])


@pytest.mark.parametrize(
    ("order", "message"),
    [("sideways", "order is 'sideways'; expected 'cluster', 'output', 'given' or"), ([1, 2, 3], r"shape \(3,\)")],
)
def test_a_wrong_order_is_named(order: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_heatmap(binary(), order=order)


def test_nothing_is_cut_off() -> None:
    features = [f"a long name {i}" * 4 for i in range(12)]
    explanation = LocalExplanation(
        np.random.default_rng(0).normal(size=(20, 12, 3)), np.zeros(3), features=features,
        classes=["one", "two", "a class with a long name"], units="probability",
    )  # fmt: skip
    assert inside(plot_heatmap(explanation))
    assert inside(plot_decision(explanation, highlight=[1, 2]))


# Decision


def paths(ax: Axes) -> list[NDArray[np.float64]]:
    return [np.asarray(path) for collection in ax.collections for path in collection.get_segments()]


def test_lines_lead_from_the_base_value_to_the_outputs() -> None:
    ax = plot_decision(binary())
    found = sorted(paths(ax), key=lambda path: path[-1, 0])
    np.testing.assert_allclose(found[0], [[0.5, 0], [0.6, 1], [1.6, 2], [-1.4, 3]])
    np.testing.assert_allclose(found[1], [[0.5, 0], [0.4, 1], [1.4, 2], [3.4, 3]])
    assert names(ax) == ["large", "middle", "small"]
    assert sorted(ax.get_yticks()) == [0.5, 1.5, 2.5]
    assert "base value = 0.5000" in texts(ax)
    assert ax.get_xlabel() == "margin of class yes"


def test_colour_tells_the_output() -> None:
    collection = plot_decision(binary()).collections[0]
    ends = [segment[-1][0] for segment in collection.get_segments()]
    colours = [to_hex(colour) for colour in collection.get_colors()]
    assert dict(zip(np.round(ends, 6), colours, strict=True)) == {-1.4: LOW, 3.4: HIGH}


def test_features_beyond_are_the_first_step() -> None:
    ax = plot_decision(binary(), max_display=2)
    assert names(ax) == ["large", "2 other features"]
    np.testing.assert_allclose(sorted(path[1, 0] for path in paths(ax)), [1.4, 1.6])


def test_highlighted_rows_are_strong_named_and_always_drawn() -> None:
    explanation = LocalExplanation(
        np.random.default_rng(0).normal(size=(2 * MAX_LINES, 3, 1)), [0.0], method="shap_tree"
    )
    ax = plot_decision(explanation, highlight=[3, 997])
    assert legend(ax) == ["row 3", "row 997"]
    lines = {line.get_label(): line for line in ax.lines}
    outputs = explanation.values[[3, 997]].sum(axis=(1, 2))
    np.testing.assert_allclose([lines[name].get_xdata()[-1] for name in ("row 3", "row 997")], outputs)
    assert [to_hex(lines[name].get_color()) for name in ("row 3", "row 997")] == list(CLASS_COLOURS[:2])
    assert ax.get_title(loc="right") == "500 of 1,000 rows"
    assert MAX_LINES - 2 <= len(paths(ax)) <= MAX_LINES


def test_a_single_row_has_its_feature_values_and_its_output() -> None:
    ax = plot_decision(binary(eval_data=np.array([[1, 2, 3], [4, 5, 6]])), 1)
    assert names(ax) == ["large = 5", "middle = 6", "small = 4"]
    assert {"f(x) = 3.400", "base value = 0.5000"} == set(texts(ax))
    assert ax.get_title(loc="left") == "row 1, class yes"


def test_a_single_row_of_several_classes_shows_the_largest_output() -> None:
    explanation = multiclass()
    best = int(explanation.values[4].sum(axis=0).argmax())
    assert plot_decision(explanation, 4).get_title(loc="left") == f"row 4, class kind {best}"


def test_without_base_values_lines_start_from_zero() -> None:
    ax = plot_decision(LocalExplanation(VALUES, None, features=NAMES))
    assert texts(ax) == ["0 (no base value)"]
    assert {path[0, 0] for path in paths(ax)} == {0.0}
