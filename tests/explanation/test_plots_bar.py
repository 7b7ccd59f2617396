"""Bars: their lengths, order, colours, intervals and words."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from pictures import (  # noqa: F401 - a fixture
    NAMES,
    NORMAL_95,
    POSITION,
    VALUES,
    bars,
    binary,
    close_figures,
    legend,
    multiclass,
    names,
    texts,
    whisker_ends,
)

from fastexplain.explanation import GlobalExplanation, GlobalLocalExplanation, LocalExplanation, plot_bar
from fastexplain.explanation.plots._style import HIGH, LOW


def test_features_stand_by_importance() -> None:
    ax = plot_bar(binary().to_global())
    assert names(ax) == ["large", "middle", "small"]
    np.testing.assert_allclose([bar.get_width() for bar in bars(ax)], [2.5, 1.0, 0.1], rtol=POSITION)
    assert texts(ax) == ["2.50", "1.00", "0.100"]
    assert ax.get_xlabel() == "mean |SHAP value| (impact on margin)"


def test_a_local_explanation_is_averaged_over_its_rows() -> None:
    assert texts(plot_bar(binary())) == texts(plot_bar(binary().to_global()))


def test_features_left_out_are_counted() -> None:
    ax = plot_bar(binary(), max_display=2)
    assert names(ax) == ["large", "middle"]
    assert ax.get_title(loc="right") == "2 of 3 features"


def test_stacked_bars_add_up_to_global_importances() -> None:
    explanation = multiclass().to_global()
    ax = plot_bar(explanation)
    length = dict.fromkeys(range(3), 0.0)
    for bar in ax.patches:
        length[round(bar.get_y() + bar.get_height() / 2)] += bar.get_width()
    np.testing.assert_allclose([length[2], length[1], length[0]], explanation.get_ranked_global_values(), rtol=POSITION)
    assert set(legend(ax)) == {"kind 0", "kind 1", "kind 2"}
    assert ax.get_xlabel().endswith("averaged over classes)")


def test_many_classes_share_one_grey_part() -> None:
    labels = legend(plot_bar(multiclass(20)))
    assert len(labels) == 8
    assert labels[-1] == "13 others"


def test_a_class_that_begins_with_an_underscore_is_in_the_legend() -> None:
    explanation = LocalExplanation(np.ones((1, 2, 3)), np.zeros(3), classes=["_a", "b", "c"]).to_global()
    assert len(legend(plot_bar(explanation))) == 3


@pytest.mark.parametrize("class_index", [2, "kind 2"])
def test_one_class_by_position_or_label(class_index: int | str) -> None:
    explanation = multiclass().to_global()
    ax = plot_bar(explanation, class_index=class_index)
    assert names(ax) == explanation.get_ranked_per_class_names()[2]
    lengths = [bar.get_width() for bar in bars(ax)]
    np.testing.assert_allclose(lengths, explanation.get_ranked_per_class_values()[2], rtol=POSITION)
    assert ax.get_title(loc="left") == "class kind 2"
    assert ax.get_xlabel().endswith("of class kind 2)")


def test_outputs_of_a_regression_are_stacked() -> None:
    explanation = LocalExplanation(np.ones((2, 3, 2)), [0.0, 0.0], method="shap_kernel")
    assert legend(plot_bar(explanation)) == ["0", "1"]
    assert plot_bar(explanation, class_index=1).get_title(loc="left") == "output 1"


def test_a_streamed_global_needs_no_local_values() -> None:
    ax = plot_bar(GlobalExplanation(np.array([[1.0, 3.0, 2.0]]), [0.0]))
    assert names(ax) == ["feature 1", "feature 2", "feature 0"]


# Importances of the model as a whole


def pfi() -> GlobalExplanation:
    importances = np.array([-0.02, 0.5, 0.0, 0.1])
    errors = np.array([0.02, 0.1, 0.0, 0.01])
    return GlobalExplanation(
        importances, importance_errors=errors, features=list("abcd"), method="pfi", model_task="classification",
        n_classes=3,
    )  # fmt: skip


def test_permutation_importances_keep_their_sign_and_order() -> None:
    ax = plot_bar(pfi())
    assert names(ax) == pfi().get_ranked_global_names() == ["b", "d", "c", "a"]
    np.testing.assert_allclose([bar.get_width() for bar in bars(ax)], [0.5, 0.1, 0.0, -0.02], rtol=POSITION)
    assert [to_hex(bar.get_facecolor()) for bar in bars(ax)] == [HIGH, HIGH, HIGH, LOW]
    assert any(np.all(np.asarray(line.get_xdata()) == 0) for line in ax.lines), "a line at zero"
    assert ax.get_xlim()[0] < -0.04
    assert ax.get_xlabel() == "importance (drop in score)"


def test_an_importance_that_is_not_shown_does_not_colour_the_others() -> None:
    assert {to_hex(bar.get_facecolor()) for bar in bars(plot_bar(pfi(), max_display=2))} == {LOW}


def test_importance_errors_are_95_percent_intervals() -> None:
    ax = plot_bar(pfi())
    # of features b, d and a; c is exact
    expected = [(m - NORMAL_95 * e, m + NORMAL_95 * e) for m, e in [(0.5, 0.1), (0.1, 0.01), (-0.02, 0.02)]]
    np.testing.assert_allclose(whisker_ends(ax), expected, rtol=1e-9)
    assert "whiskers: 95% interval" in ax.get_title(loc="right")


def test_numbers_stand_beyond_the_whiskers() -> None:
    anchors = {text.get_text(): text.xy[0] for text in plot_bar(pfi()).texts}
    assert anchors["0.500"] == pytest.approx(0.5 + NORMAL_95 * 0.1)
    assert anchors["−0.0200"] == pytest.approx(-0.02 - NORMAL_95 * 0.02)


def test_the_largest_by_size_are_shown_of_signed_importances() -> None:
    explanation = GlobalExplanation(np.array([0.1, -3.0, 0.2, 2.0]), features=list("abcd"), model_task="regression")
    assert names(plot_bar(explanation, max_display=2)) == ["d", "b"]
    assert plot_bar(explanation).get_xlabel() == "importance"


def test_a_class_of_importances_of_the_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="class_index is 1, but pfi measures the model as a whole"):
        plot_bar(pfi(), class_index=1)


def test_given_importances_win_over_those_of_the_rows() -> None:
    explanation = GlobalLocalExplanation(
        VALUES, [0.5], importances=np.array([3.0, 2.0, 1.0]), features=NAMES, classes=["no", "yes"], method="lime"
    )
    assert names(plot_bar(explanation)) == ["small", "large", "middle"]
    np.testing.assert_allclose([bar.get_width() for bar in bars(plot_bar(explanation, class_index=1))], [2.5, 1.0, 0.1])


# One row


def test_one_row_is_drawn_to_both_sides() -> None:
    errors = np.zeros((2, 3, 1))
    errors[0, 1] = 0.5
    explanation = LocalExplanation(
        VALUES, [0.5], features=NAMES, classes=["no", "yes"], standard_errors=errors, method="shap_kernel",
        eval_data=np.array([[1, 2, 3], [4, 5, 6]]),
    )  # fmt: skip
    ax = explanation.plot.bar(row=0)
    assert names(ax) == ["large = 2", "middle = 3", "small = 1"]
    np.testing.assert_allclose([bar.get_width() for bar in bars(ax)], [-3.0, 1.0, 0.1], rtol=POSITION)
    assert [to_hex(bar.get_facecolor()) for bar in bars(ax)] == [LOW, HIGH, HIGH]
    np.testing.assert_allclose(whisker_ends(ax), [(-3 - NORMAL_95 / 2, -3 + NORMAL_95 / 2)], rtol=1e-9)
    assert texts(ax) == ["−3.00", "+1.00", "+0.100"]
    assert ax.get_title(loc="left") == "row 0, class yes"


def test_a_single_local_row_is_drawn_itself() -> None:
    ax = LocalExplanation(VALUES[:1], [0.5], features=NAMES).plot.bar()
    np.testing.assert_allclose([bar.get_width() for bar in bars(ax)], [-3.0, 1.0, 0.1], rtol=POSITION)


def test_one_row_of_a_global_explanation_has_its_own_order() -> None:
    explanation = LocalExplanation(np.array([[[1.0], [2.0]], [[9.0], [0.0]]]), [0.0], features=["a", "b"]).to_global()
    assert names(explanation.plot.bar()) == ["a", "b"]
    assert names(explanation.plot.bar(row=0)) == ["b", "a"]


def test_errors_of_the_mean_over_classes_are_not_those_of_one_class() -> None:
    explanation = GlobalExplanation(
        np.ones((3, 2)), np.zeros(3), importance_errors=np.ones(2), classes=["a", "b", "c"], method="shap_kernel"
    )
    assert len(whisker_ends(plot_bar(explanation))) == 2
    assert whisker_ends(plot_bar(explanation, class_index="b")) == []
