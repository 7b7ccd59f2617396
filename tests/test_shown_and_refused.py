"""Results in a few lines, and input that is refused by name."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor

import fastexplain
from fastexplain.exceptions import PredictionError
from fastexplain.models.trees import ubjson

X = np.random.default_rng(0).normal(size=(60, 8))
Y = (X[:, 0] > 0).astype(int)


def _sums(rows: Any) -> np.ndarray:
    return np.real(np.asarray(rows)).sum(axis=1)


# ------------------------------------------------------------------------------------------------------------- results

RESULTS: dict[str, Callable[[], Any]] = {
    "KernelShapResult": lambda: fastexplain.kernel_shap(_sums, X[:30], X),
    "LinearShapResult": lambda: fastexplain.linear_shap(LinearRegression().fit(X, X[:, 0]), X, X),
    "DeepLiftResult": lambda: fastexplain.deep_lift(
        MLPRegressor(hidden_layer_sizes=(5,), tol=1e9, n_iter_no_change=1).fit(X, X[:, 0]), X, X
    ),
    "PermutationImportanceResult": lambda: fastexplain.permutation_importance(LogisticRegression().fit(X, Y), X, Y),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_show_themselves_in_a_few_lines(name: str) -> None:
    lines = repr(RESULTS[name]()).splitlines()
    assert lines[0].startswith(name)
    assert len(lines) <= 8
    assert max(map(len, lines)) <= 110


def test_a_result_says_what_it_holds() -> None:
    shown = repr(RESULTS["KernelShapResult"]())
    assert "values=float64 array of shape (30, 8, 1)" in shown
    assert "method='exact'" in shown
    assert "base_values=[" in shown


def test_importances_are_shown_largest_first() -> None:
    shown = repr(RESULTS["PermutationImportanceResult"]()).splitlines()
    assert "accuracy of " in shown[0]
    assert shown[1].split()[0] == "x0"
    assert "+-" in shown[1]
    assert shown[-1].strip() == "and 3 more"


def test_pfi_says_what_it_explains() -> None:
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    explainer = fastexplain.PFIExplainer(LogisticRegression().fit(frame, Y), features=list(frame))
    assert repr(explainer).startswith("<PFIExplainer of LogisticRegression: pfi, 8 features [")


# --------------------------------------------------------------------------------------------------------------- input


@pytest.mark.parametrize("labels", [False, True])
def test_permutation_importance_refuses_a_random_function(labels: bool) -> None:
    random = np.random.default_rng(0)

    def chance(rows: Any) -> Any:
        return random.integers(0, 2, len(rows)) if labels else random.normal(size=len(rows))

    metric = "accuracy" if labels else "mean_squared_error"
    with pytest.raises(PredictionError, match=r"chance answers differently when it is asked again: .* for row \d"):
        fastexplain.permutation_importance(chance, X, Y, metrics=metric)


COMPLEX: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "kernel": ("evaluation_examples", lambda rows: fastexplain.KernelExplainer(_sums, X).explain_local(rows)),
    "kernel background": ("initialization_examples", lambda rows: fastexplain.KernelExplainer(_sums, rows)),
    "mimic": (
        "initialization_examples",
        lambda rows: fastexplain.MimicExplainer(_sums, rows, fastexplain.LinearExplainableModel),
    ),
    "lime": ("evaluation_examples", lambda rows: fastexplain.LIMEExplainer(_sums, X).explain_local(rows)),
    "kernel_shap": ("X", lambda rows: fastexplain.kernel_shap(_sums, rows, X)),
    "permutation": ("X", lambda rows: fastexplain.permutation_importance(_sums, rows, Y)),
}


@pytest.mark.parametrize("case", COMPLEX)
def test_complex_numbers_are_refused_by_name(case: str) -> None:
    name, call = COMPLEX[case]
    with pytest.raises(ValueError, match=f"{name} holds complex numbers; pass their real and imaginary parts"):
        call(X[:20] + 1j)


def test_a_complex_column_of_a_table_is_named() -> None:
    frame = pd.DataFrame(X).assign(z=X[:, 0] + 1j)
    with pytest.raises(ValueError, match="X holds complex numbers in column 'z'"):
        fastexplain.kernel_shap(_sums, frame, frame)


def test_no_rows_are_refused_by_name() -> None:
    model = LinearRegression().fit(X, X[:, 0])
    with pytest.raises(ValueError, match="evaluation_examples has no rows; LinearExplainer needs at least one"):
        fastexplain.LinearExplainer(model, X).explain_local(X[:0])
    with pytest.raises(ValueError, match="X has no rows"):
        fastexplain.linear_shap(model, X[:0], X)
    with pytest.raises(ValueError, match="background has no rows"):
        fastexplain.linear_shap(model, X, X[:0])


@pytest.mark.parametrize("value", [1e300, -np.inf])
def test_lime_names_the_number_that_is_too_large(value: float) -> None:
    rows = X[:3].copy()
    rows[1, 2] = value
    with pytest.raises(ValueError, match=r"evaluation_examples holds -?(1e\+300|inf) in row 1, column 2; LIME weighs"):
        fastexplain.LIMEExplainer(_sums, X).explain_local(rows)


def test_a_function_of_a_scorer_is_a_metric() -> None:
    codes = np.random.default_rng(0).integers(0, 4, 60)
    model = LogisticRegression().fit(X, codes)
    found = fastexplain.permutation_importance(model, X, codes, metrics="top_k_accuracy_score")
    expected = fastexplain.permutation_importance(model, X, codes, metrics="top_k_accuracy")
    assert found.metric == "top_k_accuracy_score"
    np.testing.assert_array_equal(found.importances, expected.importances)


def test_an_unknown_metric_names_what_is_close() -> None:
    with pytest.raises(ValueError, match="Metric 'acuracy' is unknown; did you mean 'accuracy'"):
        fastexplain.permutation_importance(_sums, X, Y, metrics="acuracy")


def test_a_damaged_text_of_a_document_is_named_by_its_place() -> None:
    text = b"a\xffb"
    document = b"{L" + struct.pack(">q", 1) + b"kSL" + struct.pack(">q", len(text)) + text + b"}"
    with pytest.raises(ValueError, match=rf"byte 0xff at {document.index(text) + 1} is no utf-8 text"):
        ubjson.decode(document)


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3).T, np.arange(12)[::2], np.array(3.0), np.empty(0), np.array(["a", "bc"])],
    ids=["fortran", "strided", "number", "empty", "text"],
)
def test_the_digest_of_a_fitted_array_tells_its_content(array: np.ndarray) -> None:
    from fastexplain.engine.formulas.find import _digest

    assert _digest(array) == _digest(array.copy(order="K"))
    if array.size and array.dtype.kind != "U":
        assert _digest(array) != _digest(array + 1)
