"""Waterfall and force plot: one row's way from the base value to its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from pictures import (  # noqa: F401 - a fixture
    NAMES,
    NORMAL_95,
    POSITION,
    VALUES,
    bars,
    binary,
    close_figures,
    inside,
    multiclass,
    names,
    texts,
    whisker_ends,
)

from fastexplain.explanation import LocalExplanation, plot_force, plot_waterfall
from fastexplain.explanation.plots._style import HIGH, LOW

BOTH = pytest.mark.parametrize("draw", [plot_waterfall, plot_force])


def test_waterfall_leads_from_base_value_to_output() -> None:
    ax = plot_waterfall(binary(), 0)
    ends = [bar.get_x() + bar.get_width() for bar in reversed(bars(ax))]
    np.testing.assert_allclose(ends, [0.6, 1.6, -1.4], rtol=POSITION)
    assert names(ax) == ["large", "middle", "small"]
    assert {"base value = 0.5000", "f(x) = −1.400", "−3.00", "+1.00", "+0.100"} == set(texts(ax))
    assert [to_hex(bar.get_facecolor()) for bar in reversed(bars(ax))] == [HIGH, HIGH, LOW]


def test_waterfall_has_95_percent_intervals_around_the_ends_of_bars() -> None:
    errors = np.zeros((2, 3, 1))
    errors[0, :, 0] = [0.0, 0.5, 0.25]
    ax = plot_waterfall(LocalExplanation(VALUES, [0.5], features=NAMES, standard_errors=errors), 0)
    expected = [(end - NORMAL_95 * e, end + NORMAL_95 * e) for end, e in [(-1.4, 0.5), (1.6, 0.25)]]
    np.testing.assert_allclose(whisker_ends(ax), expected, rtol=1e-9)
    assert ax.get_title(loc="right") == "whiskers: 95% interval"


def test_waterfall_of_exact_values_has_no_whiskers() -> None:
    ax = plot_waterfall(LocalExplanation(VALUES, [0.5], standard_errors=np.zeros((2, 3, 1))), 0)
    assert whisker_ends(ax) == []
    assert ax.get_title(loc="right") == ""


def test_waterfall_adds_up_the_rest() -> None:
    ax = plot_waterfall(binary(), 1, max_display=2)
    assert names(ax) == ["large", "2 other features"]
    assert "+0.900" in texts(ax)


def test_waterfall_writes_feature_values_beside_names() -> None:
    ax = plot_waterfall(binary(eval_data=np.array([[1, 2.5, np.nan], [0, 0, 0]])), 0)
    assert names(ax) == ["large = 2.5", "middle = missing", "small = 1"]


def test_waterfall_of_a_1d_row() -> None:
    explanation = LocalExplanation(VALUES[:1], [0.5], features=NAMES, single_row=True, eval_data=np.array([1.0, 2, 3]))
    ax = explanation.plot.waterfall()
    assert names(ax) == ["large = 2", "middle = 3", "small = 1"]
    assert ax.get_title(loc="left") == ""


@BOTH
def test_class_0_is_mirrored(draw: Callable[..., Axes]) -> None:
    assert "f(x) = 1.400" in texts(draw(binary(), 0, class_index=0))


@BOTH
def test_of_several_classes_the_largest_output_is_drawn(draw: Callable[..., Axes]) -> None:
    explanation = multiclass()
    best = int(explanation.values[4].sum(axis=0).argmax())
    ax = draw(explanation, 4)
    assert ax.get_xlabel().endswith(f"of class kind {best})")
    assert ax.get_title(loc="left") == f"row 4, class kind {best}"


@BOTH
def test_output_0_of_a_regression_is_drawn(draw: Callable[..., Axes]) -> None:
    explanation = LocalExplanation(VALUES * [1.0, 5.0], [0.5, 9.0], features=NAMES, method="shap_kernel")
    ax = draw(explanation, 0)
    assert "f(x) = −1.400" in texts(ax)
    assert ax.get_xlabel() == "SHAP value (impact on output 0)"
    assert "f(x) = −0.5000" in texts(draw(explanation, 0, class_index=1))


@BOTH
def test_without_base_values_it_starts_from_zero(draw: Callable[..., Axes]) -> None:
    ax = draw(LocalExplanation(VALUES, None, features=NAMES, method="lime", units="probability"), 0)
    assert {"0 (no base value)", "sum = −1.900"} <= set(texts(ax))
    assert ax.get_xlabel() == "LIME weight (impact on probability)"


@BOTH
def test_of_a_subset_of_features_the_end_is_a_sum(draw: Callable[..., Axes]) -> None:
    assert "sum = −1.400" in texts(draw(binary(feature_columns=[0, 2, 4]), 0))


@BOTH
@pytest.mark.parametrize("row", [2, -3, 1.0, None])
def test_row_out_of_range_gives_the_number_of_rows(draw: Callable[..., Axes], row: Any) -> None:
    with pytest.raises(ValueError, match=f"row is {row}, but the explanation has 2 rows"):
        draw(binary(), row)


@BOTH
def test_long_names_stay_within_the_figure(draw: Callable[..., Axes]) -> None:
    features = [f"a rather long name of feature number {i}, with its unit in brackets" for i in range(12)]
    values = np.random.default_rng(1).normal(size=(1, 12, 1))
    explanation = LocalExplanation(values, [0.0], features=features, eval_data=np.full((1, 12), 12345.678))
    assert inside(draw(explanation))


# Force


def arrows(ax: Axes) -> list[tuple[float, float, str]]:
    """Start, tip and colour of the arrows."""
    corners = [(np.asarray(patch.get_xy()), to_hex(patch.get_facecolor())) for patch in ax.patches]
    return [(float(xy[5, 0]), float(xy[2, 0]), colour) for xy, colour in corners]


def test_arrows_meet_at_the_output() -> None:
    ax = plot_force(binary(eval_data=np.array([[1, 2, 3], [4, 5, 6]])), 0)
    found = {round(tip - start, 12): (start, tip, colour) for start, tip, colour in arrows(ax)}
    np.testing.assert_allclose(found[-3.0][:2], (1.6, -1.4), rtol=POSITION)
    np.testing.assert_allclose(found[1.0][:2], (-2.4, -1.4), rtol=POSITION)
    np.testing.assert_allclose(found[0.1][:2], (-2.5, -2.4), rtol=POSITION)
    assert [found[step][2] for step in (-3.0, 1.0, 0.1)] == [LOW, HIGH, HIGH]
    assert {"large = 2  (−3.00)", "middle = 3  (+1.00)", "small = 1  (+0.100)"} <= set(texts(ax))
    assert {"base value = 0.5000", "f(x) = −1.400"} <= set(texts(ax))


def test_force_adds_up_the_rest() -> None:
    assert "2 other features  (+0.900)" in texts(plot_force(binary(), 1, max_display=2))


def test_texts_of_arrows_do_not_overlap_and_stay_inside() -> None:
    values = np.random.default_rng(0).exponential(size=(1, 14, 1)) * np.where(np.arange(14) % 3, 1.0, -1.0)[:, None]
    explanation = LocalExplanation(values, [0.0], features=[f"some feature {i}" for i in range(14)])
    ax = explanation.plot.force(max_display=12)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert len(boxes) == 14
    assert not overlaps
    assert inside(ax)
