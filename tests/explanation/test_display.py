"""The notebook view: what it says, that it escapes, that it is light."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from conftest import run_python

from fastexplain.explanation import GlobalExplanation, LocalExplanation, SparseLocalExplanation
from fastexplain.explanation.plots.html import _NEGATIVE, _POSITIVE

VALUES = np.array([[[0.1], [-3.0], [1.0]], [[-0.1], [2.0], [1.0]]])


def rows_of(explanation: Any) -> list[list[str]]:
    """Texts of the table's cells."""
    table = explanation._repr_html_().partition("<table")[2]
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", table)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line)] for line in lines]


def bars_of(explanation: Any) -> list[tuple[float, float, str]]:
    """Left end, width (per cent) and colour of the bars."""
    found = re.findall(r"left:([\d.]+)%;width:([\d.]+)%;height:100%;background:(#\w+)", explanation._repr_html_())
    return [(float(left), float(width), colour) for left, width, colour in found]


def test_facts_are_told() -> None:
    explanation = LocalExplanation(
        VALUES, [0.25], classes=["no", "yes"], method="shap_kernel", path="odd_gp", units="margin",
        model_type="<class 'sklearn.svm._classes.SVC'>",
    )  # fmt: skip
    text = explanation._repr_html_()
    for fact in (
        "rows: 2", "method: shap_kernel", "path: odd_gp", "task: classification", "units: margin", "model: SVC",
        "features: 3 [0, 1, 2]", "classes: 2 [no, yes]", "expected values: −0.250, 0.250",
    ):  # fmt: skip
        assert fact in text


def test_rows_are_averaged_largest_first() -> None:
    assert rows_of(LocalExplanation(VALUES, [0.0], features=["s", "l", "m"]))[:2] == [
        ["feature", "mean |value|", ""],
        ["l", "2.50", ""],
    ]


def test_features_beyond_ten_are_counted() -> None:
    table = rows_of(GlobalExplanation(np.ones((1, 1500)), [0.0]))
    assert len(table) == 12
    assert table[-1] == ["1,490 more"]


def test_a_single_row_shows_its_feature_values_and_intervals() -> None:
    data = pd.DataFrame({"a": [1.5], "b": ["<Oslo> $5"], "c": [np.nan]})
    errors = np.array([[[0.0], [0.5], [0.0]]])
    explanation = LocalExplanation(
        VALUES[:1], [0.5], classes=["no", "yes"], features=["a", "b", "c"], eval_data=data, standard_errors=errors
    )
    assert rows_of(explanation) == [
        ["feature", "feature value", "value for class yes", "± 95%", ""],
        ["b", "&lt;Oslo&gt; $5", "−3.00", "0.980", ""],
        ["c", "missing", "1.00", "0", ""],
        ["a", "1.5", "0.100", "0", ""],
    ]


def test_bars_are_as_long_as_the_values_and_leave_zero_to_both_sides() -> None:
    bars = bars_of(LocalExplanation(VALUES[:1], [0.5]))
    # from -3 to 1: zero stands at 75%
    assert bars == [(0.0, 75.0, _NEGATIVE), (75.0, 25.0, _POSITIVE), (75.0, 2.5, _POSITIVE)]


def test_permutation_importances_keep_sign_and_intervals() -> None:
    explanation = GlobalExplanation(
        np.array([-0.02, 0.5, 0.1]), importance_errors=np.array([0.01, 0.1, 0.0]), features=list("abc"), method="pfi",
        model_task="regression",
    )  # fmt: skip
    assert rows_of(explanation) == [
        ["feature", "importance", "± 95%", ""],
        ["b", "0.500", "0.196", ""],
        ["c", "0.100", "0", ""],
        ["a", "−0.0200", "0.0196", ""],
    ]
    assert "expected value" not in explanation._repr_html_()


class _Fidelity:
    poor = True

    def summary(self) -> str:
        return "R2 0.12 <held out>"


def test_fidelity_of_a_surrogate_is_shown() -> None:
    assert "fidelity" not in LocalExplanation(VALUES, [0.0], method="mimic.lightgbm")._repr_html_()
    view = LocalExplanation(VALUES, [0.0], method="mimic.lightgbm", fidelity=_Fidelity())._repr_html_()
    assert "fidelity: &#9888; R2 0.12 &lt;held out&gt;" in view
    assert view.count("fidelity") == 1


def test_sparse_values_are_shown_without_making_them_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = scipy.sparse.csr_matrix(np.diag([1.0, -2.0, 3.0]))
    monkeypatch.setattr(type(matrix), "toarray", lambda *_: pytest.fail("made dense"))
    explanation = SparseLocalExplanation([matrix], [0.0], features=["a", "b", "c"], model_task="regression")
    assert rows_of(explanation)[1] == ["c", "1.00", ""]


@pytest.mark.parametrize("text", ["<b>x</b>", "a'b\"c", "<script>alert(1)</script>"])
def test_all_names_are_escaped(text: str) -> None:
    explanation = LocalExplanation(
        VALUES[:1], [0.5], features=[text, text + "2", text + "3"], classes=[text, text + "2"], method=text, path=text,
        units=text, eval_data=np.array([[text] * 3], dtype=object), model_type=text,
    )  # fmt: skip
    view = explanation._repr_html_()
    assert text not in view
    assert "<script" not in view


def test_an_explanation_without_rows_has_facts_only() -> None:
    view = LocalExplanation(np.empty((0, 3, 1)), [0.0])._repr_html_()
    assert "rows: 0" in view
    assert "<table" not in view


def test_the_view_loads_no_plotting_library() -> None:
    code = """
import sys
import numpy as np
from fastexplain.explanation import LocalExplanation
LocalExplanation(np.ones((2, 3, 1)), [0.0])._repr_html_()
print(sorted({"matplotlib", "scipy", "pandas"} & set(sys.modules)))
"""
    assert run_python(code).strip() == "[]"
