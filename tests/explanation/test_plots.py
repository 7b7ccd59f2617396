"""What all pictures share: axes, rows, words, errors. How pictures look is for eyes."""

from __future__ import annotations

import sys
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import polars
import pyarrow
import pytest
import scipy.sparse
from conftest import run_python
from matplotlib.text import Text
from pictures import PICTURES, VALUES, binary, close_figures, names, texts  # noqa: F401 - a fixture
from sklearn.datasets import load_wine
from sklearn.tree import DecisionTreeClassifier

import fastexplain
from fastexplain import MissingDependencyError
from fastexplain.explanation import (
    GlobalExplanation,
    LocalExplanation,
    SparseLocalExplanation,
    plot_bar,
    plot_beeswarm,
    plot_waterfall,
)
from fastexplain.explanation.plots._words import number
from fastexplain.explanation.plots._words import value as value_text

EVERY = [*PICTURES, "scatter"]


def draw(explanation: Any, picture: str, **arguments: Any) -> Any:
    if picture == "scatter":
        arguments = {"feature": 0} | arguments
    return getattr(explanation.plot, picture)(**arguments)


@pytest.mark.parametrize("picture", EVERY)
def test_pictures_are_drawn_on_axes_given_and_set_nothing_of_matplotlib(picture: str) -> None:
    with matplotlib.rc_context():
        before = dict(matplotlib.rcParams)
        _, ax = plt.subplots()
        assert draw(binary(eval_data=np.eye(3)[:2]), picture, ax=ax) is ax
        assert len(plt.get_fignums()) == 1
        assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("picture", EVERY)
def test_axes_of_another_type_are_refused(picture: str) -> None:
    with pytest.raises(TypeError, match="ax must be matplotlib's Axes, or None; got int"):
        draw(binary(eval_data=np.eye(3)[:2]), picture, ax=10)


@pytest.mark.parametrize("picture", ["bar", "waterfall", "force", "heatmap", "decision"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_have_no_place_are_told(picture: str, bad: float) -> None:
    values = VALUES.copy()
    values[0, 1] = bad
    explanation = LocalExplanation(values, [0.5], features=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"features at \[1\] are NaN or infinite"):
        draw(explanation, picture)


@pytest.mark.parametrize("picture", EVERY)
def test_pictures_make_a_figure_and_do_not_show_it(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("plt.show was called"))
    draw(binary(eval_data=np.eye(3)[:2]), picture).figure.canvas.draw()
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize("picture", EVERY)
@pytest.mark.parametrize(
    "values", [np.zeros((3, 2, 1)), np.full((1, 1, 1), 0.5), np.ones((1, 400, 1)), np.full((4, 3, 1), 1e-300)],
    ids=["zeros", "one", "wide", "tiny"],
)  # fmt: skip
def test_unusual_values_can_be_drawn(picture: str, values: Any) -> None:
    explanation = LocalExplanation(values, [0.0], eval_data=np.full(values.shape[:2], np.nan))
    ax = draw(explanation, picture)
    ax.figure.canvas.draw()
    for low, high in (sorted(ax.get_xlim()), sorted(ax.get_ylim())):
        assert np.isfinite([low, high]).all()
        assert high > low


@pytest.mark.parametrize("picture", EVERY)
def test_names_with_dollars_braces_and_line_breaks_are_drawn_as_they_are(picture: str) -> None:
    explanation = binary(
        features=["a $x^{2$ b", "$\\frac$", "two\nlines"], classes=["$", "$$"], eval_data=np.eye(3)[:2]
    )
    ax = draw(explanation, picture)
    ax.figure.canvas.draw()  # where a lone brace or an unknown command would fail
    shown = " | ".join(text.get_text() for text in ax.figure.findobj(Text)).replace(r"\$", "$")
    expected = ["a $x^{2$ b"] if picture == "scatter" else ["a $x^{2$ b", r"$\frac$", "two lines"]
    assert [name for name in expected if name in shown] == expected


@pytest.mark.parametrize("picture", EVERY)
def test_sparse_values_give_the_picture_of_dense_ones(picture: str) -> None:
    dense = np.where(np.random.default_rng(0).random((20, 6, 3)) < 0.5, 0.0, 1.0) * np.arange(1, 19).reshape(6, 3)
    context: dict[str, Any] = {"classes": ["a", "b", "c"], "method": "mimic.lightgbm"}
    matrices = [scipy.sparse.csr_matrix(dense[:, :, i]) for i in range(3)]
    X = dense[:, :, 0]
    sparse = SparseLocalExplanation(matrices, np.zeros(3), eval_data=scipy.sparse.csr_matrix(X), **context)
    ax, expected = draw(sparse, picture), draw(LocalExplanation(dense, np.zeros(3), eval_data=X, **context), picture)
    assert names(ax) == names(expected)
    assert texts(ax) == texts(expected)
    for drawn, other in zip(ax.collections, expected.collections, strict=True):
        np.testing.assert_allclose(drawn.get_offsets(), other.get_offsets())


@pytest.mark.parametrize("picture", EVERY)
def test_pictures_of_what_an_explainer_returns(picture: str) -> None:
    data = load_wine(as_frame=True)
    model = DecisionTreeClassifier(max_depth=3, random_state=0).fit(data.data, data.target)
    explanation = fastexplain.TabularExplainer(model, data.data).explain_global(data.data)
    ax = draw(explanation, picture, **({"feature": "proline"} if picture == "scatter" else {}))
    ax.figure.canvas.draw()
    words = ax.get_xlabel() + ax.get_ylabel() + "".join(a.get_ylabel() for a in ax.figure.axes)
    assert "probability" in words


@pytest.mark.parametrize("make", ["polars", "pyarrow", "scipy", "list"])
def test_rows_may_be_any_table(make: str) -> None:
    rows: Any = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    columns = dict(zip("abc", np.array(rows).T, strict=True))
    if make == "polars":
        rows = polars.DataFrame(columns)
    elif make == "pyarrow":
        rows = pyarrow.table(columns)
    elif make == "scipy":
        rows = scipy.sparse.csr_matrix(rows)
    assert names(plot_waterfall(binary(), 1, rows))[0] == "large = 5"


@pytest.mark.parametrize("picture", [p for p in EVERY if p != "bar"])
def test_pictures_of_rows_need_local_values(picture: str) -> None:
    with pytest.raises(ValueError, match=r"needs local values.*include_local=True"):
        draw(GlobalExplanation(np.ones((1, 3)), [0.0]), picture)
    importances = GlobalExplanation(np.ones(3), method="pfi", model_task="regression")
    with pytest.raises(ValueError, match=r"of the model as a whole, and plot\.bar\(\) shows them") as told:
        draw(importances, picture)
    assert "explain_" not in str(told.value)  # PFIExplainer has no local explanations, whatever is called


@pytest.mark.parametrize("picture", EVERY)
def test_pictures_need_rows(picture: str) -> None:
    with pytest.raises(ValueError, match="no rows to draw"):
        draw(LocalExplanation(np.empty((0, 3, 1)), [0.0]), picture)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_index": 2}, r"class_index is 2; expected 0\.\.1, or a label of \['no', 'yes'\]"),
        ({"class_index": "maybe"}, r"class_index is 'maybe'; expected 0\.\.1"),
        ({"max_display": 0}, "max_display must be a positive whole number"),
        ({"max_display": 2.5}, "max_display must be a positive whole number; got 2.5"),
        ({"X": np.zeros((5, 3))}, "X has 5 rows; the explanation has 2"),
        ({"X": np.zeros((2, 2))}, "X has 2 columns; the explanation has 3 features"),
        ({"X": np.zeros((2, 4))}, "X has 4 columns; the explanation has 3 features"),
        ({"rows": [2]}, r"rows is \[2\], but the explanation has 2 rows"),
        ({"rows": [False, False]}, "picks none of the explanation's 2 rows"),
        ({"rows": "all"}, "rows is 'all', but the explanation has 2 rows"),
    ],
    ids=["class", "label", "max_display", "fraction", "X rows", "narrow", "wide", "rows", "none", "text"],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plot_beeswarm(binary(), **arguments)


def test_long_names_are_cut_in_the_middle() -> None:
    explanation = LocalExplanation(VALUES, [0.0], features=["x" * 60 + "_log", "b", "c"])
    label = names(plot_bar(explanation))[-1]
    assert len(label) == 34
    assert label.endswith("_log")


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.0, "0"), (1234.5, "1,234"), (-0.03, "−0.0300"), (100.0, "100"), (999.9, "1,000"), (2.5e-7, "2.50e−07")],
)
def test_numbers_have_three_digits(x: float, text: str) -> None:
    assert number(x) == text


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (None, "missing"),
        (np.nan, "missing"),
        (np.datetime64("NaT", "D"), "missing"),
        (53780.2, "53,780"),
        (-1.5, "−1.5"),
        ("UA", "UA"),
        (np.datetime64("2024-02-03T00:00:00"), "2024-02-03"),
        (np.datetime64("2024-02-03T04:05:06.789"), "2024-02-03 04:05:06"),
        ("$5", r"\$5"),
    ],
)
def test_feature_values_are_short(x: Any, text: str) -> None:
    assert value_text(x) == text


@pytest.mark.parametrize("picture", EVERY)
def test_missing_matplotlib_is_told_with_the_pip_command(picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = binary(eval_data=np.eye(3)[:2])
    for module in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fastexplain\[plot\]'"):
        draw(explanation, picture)


def test_the_package_is_imported_without_matplotlib() -> None:
    code = "import sys, fastexplain.explanation.plots; print('matplotlib' in sys.modules, 'scipy' in sys.modules)"
    assert run_python(code).strip() == "False False"
