"""Pictures: what is drawn, in which order, with which words. How they look is for eyes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402

from fastexplain import MissingDependencyError  # noqa: E402
from fastexplain.explanation import (  # noqa: E402
    GlobalExplanation,
    LocalExplanation,
    plot_bar,
    plot_beeswarm,
    plot_waterfall,
)
from fastexplain.explanation.plots._style import GREY, HIGH, LOW, rank_shade  # noqa: E402
from fastexplain.explanation.plots._values import as_numbers  # noqa: E402
from fastexplain.explanation.plots._words import number  # noqa: E402
from fastexplain.explanation.plots._words import value as value_text  # noqa: E402
from fastexplain.explanation.plots.beeswarm import MAX_POINTS, packed  # noqa: E402

# Positions on an axis are float64 sums of a few bars.
POSITION = 1e-12

NAMES = ["small", "large", "middle"]
VALUES = np.array([[[0.1], [-3.0], [1.0]], [[-0.1], [2.0], [1.0]]])


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def binary(**context) -> LocalExplanation:
    return LocalExplanation(
        VALUES, [0.5], features=NAMES, classes=["no", "yes"], units="margin", method="shap_tree", **context
    )


def multiclass(n_classes: int = 3) -> LocalExplanation:
    values = np.random.default_rng(0).normal(size=(6, 3, n_classes))
    labels = [f"class {i}" for i in range(n_classes)]
    return LocalExplanation(values, np.zeros(n_classes), features=NAMES, classes=labels)


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def names(ax) -> list[str]:
    """Names along the y axis, from the top."""
    ticks = sorted(zip(ax.get_yticks(), ax.get_yticklabels(), strict=True), key=lambda tick: -tick[0])
    return [label.get_text() for _, label in ticks]


def points(ax) -> np.ndarray:
    return np.concatenate([np.asarray(swarm.get_offsets()) for swarm in ax.collections])


def test_bar_shows_features_by_importance():
    ax = plot_bar(binary().to_global())
    assert names(ax) == ["large", "middle", "small"]
    lengths = sorted((bar.get_width() for bar in ax.patches), reverse=True)
    np.testing.assert_allclose(lengths, [2.5, 1.0, 0.1], rtol=POSITION)
    assert texts(ax) == ["2.50", "1.00", "0.100"]
    assert ax.get_xlabel() == "mean |SHAP value| (impact on margin)"


def test_bar_of_a_local_explanation_averages_its_rows():
    assert texts(plot_bar(binary())) == texts(plot_bar(binary().to_global()))


def test_bar_says_how_many_features_it_leaves_out():
    ax = plot_bar(binary(), max_display=2)
    assert names(ax) == ["large", "middle"]
    assert ax.get_title(loc="right") == "2 of 3 features"


def test_stacked_bars_add_up_to_global_importances():
    explanation = multiclass().to_global()
    ax = plot_bar(explanation)
    length = dict.fromkeys(range(3), 0.0)
    for bar in ax.patches:
        length[round(bar.get_y() + bar.get_height() / 2)] += bar.get_width()
    np.testing.assert_allclose([length[2], length[1], length[0]], explanation.get_ranked_global_values(), rtol=POSITION)
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"class 0", "class 1", "class 2"}


def test_many_classes_share_one_grey_part():
    ax = plot_bar(multiclass(20))
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(labels) == 8
    assert labels[-1] == "13 others"


def test_bar_of_one_class_says_which():
    explanation = multiclass().to_global()
    ax = plot_bar(explanation, class_index=2)
    assert names(ax) == explanation.get_ranked_per_class_names()[2]
    assert ax.get_xlabel().endswith("of class class 2)")


def test_bar_of_a_streamed_global_needs_no_local_values():
    ax = plot_bar(GlobalExplanation(np.array([[1.0, 3.0, 2.0]]), [0.0]))
    assert names(ax) == ["feature 1", "feature 2", "feature 0"]


def test_beeswarm_draws_every_value_at_its_place():
    ax = plot_beeswarm(binary())
    drawn = points(ax)
    for line, feature in enumerate(["small", "middle", "large"]):
        on_line = drawn[np.round(drawn[:, 1]) == line, 0]
        np.testing.assert_array_equal(np.sort(on_line), np.sort(VALUES[:, NAMES.index(feature), 0]))
    assert ax.get_xlabel() == "SHAP value (impact on margin of class yes)"


def test_beeswarm_of_class_0_is_mirrored():
    np.testing.assert_array_equal(
        np.sort(points(plot_beeswarm(binary(), class_index=0))[:, 0]),
        np.sort(-points(plot_beeswarm(binary(), class_index=1))[:, 0]),
    )


def test_beeswarm_colours_by_rank_and_leaves_missing_grey():
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


def test_beeswarm_without_rows_is_grey_and_has_no_colour_bar():
    ax = plot_beeswarm(binary())
    assert len(ax.figure.axes) == 1
    assert {to_hex(face) for swarm in ax.collections for face in swarm.get_facecolors()} == {GREY}


def test_beeswarm_takes_the_rows_that_the_explanation_keeps():
    assert len(plot_beeswarm(binary(eval_data=np.eye(3)[:2])).figure.axes) == 2


def test_beeswarm_draws_the_same_sample_each_time_and_leaves_the_global_generator_alone():
    values = np.random.default_rng(0).normal(size=(2 * MAX_POINTS, 2, 1))
    explanation = LocalExplanation(values, [0.0])
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - that is what must not change
    first, second = points(plot_beeswarm(explanation)), points(plot_beeswarm(explanation))
    assert len(first) == 2 * MAX_POINTS  # MAX_POINTS rows of 2 features
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_beeswarm_of_three_classes_takes_the_most_explained_one():
    explanation = multiclass()
    best = int(np.abs(explanation.values).sum(axis=(0, 1)).argmax())
    assert plot_beeswarm(explanation).get_title(loc="left") == f"class class {best}"


def test_beeswarm_of_subset_takes_its_columns_of_the_full_rows():
    pandas = pytest.importorskip("pandas")
    rows = pandas.DataFrame({"text": ["u", "v"], "a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0, 2.0]})
    ax = plot_beeswarm(binary(eval_data=rows, feature_columns=[1, 2, 3]))
    assert not any(to_hex(face) == GREY for swarm in ax.collections for face in swarm.get_facecolors())


def test_packed_points_stay_on_their_line_and_apart():
    x = np.concatenate([np.zeros(5), np.linspace(1, 2, 400)])
    offset = packed(x, np.linspace(0, 2, 140), np.random.Generator(np.random.Philox(0)))
    assert np.abs(offset).max() <= 0.42
    assert len(np.unique(offset[:5])) == 5


def test_shade_is_the_rank_scaled_to_0_and_1():
    np.testing.assert_array_equal(rank_shade(as_numbers(np.array([10.0, 1e9, 10.0, np.nan]))), [0.0, 1.0, 0.0, np.nan])
    np.testing.assert_array_equal(rank_shade(as_numbers(np.array([True, False]))), [1.0, 0.0])
    np.testing.assert_array_equal(rank_shade(as_numbers(np.array([7, 7]))), [0.5, 0.5])


def test_shade_of_categories_is_none():
    assert rank_shade(as_numbers(np.array(["a", "b"], dtype=object))) is None
    assert rank_shade(as_numbers(np.array([np.nan, np.nan]))) is None


def test_shade_of_dates_follows_time():
    dates = np.array(["2020-01-02", "NaT", "2020-01-01"], dtype="datetime64[D]")
    np.testing.assert_array_equal(rank_shade(as_numbers(dates)), [1.0, np.nan, 0.0])


def test_waterfall_leads_from_base_value_to_output():
    ax = plot_waterfall(binary(), 0)
    bars = sorted(ax.patches, key=lambda bar: bar.get_y())
    ends = [bar.get_x() + bar.get_width() for bar in bars]
    np.testing.assert_allclose(ends, [0.6, 1.6, -1.4], rtol=POSITION)
    assert names(ax) == ["large", "middle", "small"]
    assert {"base value = 0.5000", "f(x) = −1.400", "−3.00", "+1.00", "+0.100"} == set(texts(ax))


def test_waterfall_colours_tell_the_direction():
    bars = sorted(plot_waterfall(binary(), 0).patches, key=lambda bar: bar.get_y())
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [HIGH, HIGH, LOW]


def test_waterfall_of_class_0_is_mirrored():
    assert "f(x) = 1.400" in texts(plot_waterfall(binary(), 0, class_index=0))


def test_waterfall_adds_up_the_rest():
    ax = plot_waterfall(binary(), 1, max_display=2)
    assert names(ax) == ["large", "2 other features"]
    assert "+0.900" in texts(ax)


def test_waterfall_of_several_classes_takes_the_largest_output():
    explanation = multiclass()
    best = int(explanation.values[4].sum(axis=0).argmax())
    assert plot_waterfall(explanation, 4).get_xlabel().endswith(f"of class class {best})")


def test_waterfall_writes_feature_values_beside_names():
    ax = plot_waterfall(binary(eval_data=np.array([[1, 2.5, np.nan], [0, 0, 0]])), 0)
    assert names(ax) == ["large = 2.5", "middle = missing", "small = 1"]


def test_waterfall_of_a_1d_row():
    explanation = LocalExplanation(VALUES[:1], [0.5], features=NAMES, single_row=True, eval_data=np.array([1.0, 2, 3]))
    assert names(explanation.plot.waterfall()) == ["large = 2", "middle = 3", "small = 1"]


@pytest.mark.parametrize("make", ["polars", "pyarrow", "scipy", "list"])
def test_rows_may_be_any_table(make):
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    columns = dict(zip("abc", np.array(rows).T, strict=True))
    if make == "polars":
        rows = pytest.importorskip("polars").DataFrame(columns)
    elif make == "pyarrow":
        rows = pytest.importorskip("pyarrow").table(columns)
    elif make == "scipy":
        rows = pytest.importorskip("scipy.sparse").csr_matrix(rows)
    assert names(plot_waterfall(binary(), 1, rows))[0] == "large = 5"


@pytest.mark.parametrize("row", [2, -3])
def test_waterfall_row_out_of_range_gives_the_number_of_rows(row):
    with pytest.raises(ValueError, match=f"row is {row}, but the explanation has 2 rows"):
        plot_waterfall(binary(), row)


def test_axes_given_are_drawn_on():
    _, axes = plt.subplots(1, 3)
    assert plot_bar(binary(), axes[0]) is axes[0]
    assert binary().plot.beeswarm(ax=axes[1]) is axes[1]
    assert binary().plot.waterfall(0, ax=axes[2]) is axes[2]
    assert len(plt.get_fignums()) == 1


def test_all_values_zero_can_be_drawn():
    explanation = LocalExplanation(np.zeros((3, 2, 1)), [0.0])
    for ax in (explanation.plot.bar(), explanation.plot.beeswarm(), explanation.plot.waterfall()):
        ax.figure.canvas.draw()


@pytest.mark.parametrize("draw", [plot_beeswarm, plot_waterfall])
def test_pictures_of_rows_need_local_values(draw):
    with pytest.raises(ValueError, match="include_local=True"):
        draw(GlobalExplanation(np.ones((1, 3)), [0.0]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_index": 2}, r"class_index is 2; expected 0\.\.1"),
        ({"max_display": 0}, "max_display must be at least 1"),
        ({"X": np.zeros((5, 3))}, "X has 5 rows; the explanation has 2"),
        ({"X": np.zeros((2, 2))}, "X has 2 columns; the explanation has 3 features"),
    ],
    ids=["class", "max_display", "rows", "columns"],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_beeswarm(binary(), **arguments)


def test_long_names_are_cut_in_the_middle():
    explanation = LocalExplanation(VALUES, [0.0], features=["x" * 60 + "_log", "b", "c"])
    label = names(plot_bar(explanation))[-1]
    assert len(label) == 34
    assert label.endswith("_log")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1234.5, "1,234"), (-0.03, "−0.0300"), (100.0, "100"), (999.9, "1,000"), (2.5e-7, "2.50e−07")],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "missing"), (np.nan, "missing"), (53780.2, "53,780"), (-1.5, "−1.5"), ("UA", "UA")]
)
def test_feature_values_are_short(value, text):
    assert value_text(value) == text


def test_missing_matplotlib_is_told_with_the_pip_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fastexplain\[plot\]'"):
        plot_bar(binary())
