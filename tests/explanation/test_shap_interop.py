"""shap's own Explanation, to and fro."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastexplain.compat.shap import Explanation as CompatExplanation
from fastexplain.explanation import Explanation, LocalExplanation, SparseLocalExplanation

V = np.array([[0.5, -2.0, 0.1], [-1.5, 1.0, 0.3]])
NAMES = ["age", "bmi", "sex"]
ROWS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.fixture
def shap():
    return pytest.importorskip("shap")  # optional


def one_output(**context: Any) -> LocalExplanation:
    return LocalExplanation(V[..., None], [7.0], features=NAMES, eval_data=ROWS, **context)


def three_outputs(**context: Any) -> LocalExplanation:
    values = np.random.default_rng(0).normal(size=(2, 3, 3))
    return LocalExplanation(values, [0.1, 0.2, 0.3], features=NAMES, classes=["a", "b", "c"], eval_data=ROWS, **context)


def assert_same(back: LocalExplanation, original: LocalExplanation) -> None:
    np.testing.assert_array_equal(back.values, original.values)
    np.testing.assert_array_equal(back.base_values, original.base_values)
    assert back.features == original.features
    assert back.model_task == original.model_task
    assert back.local_importance_values == original.local_importance_values
    assert back.expected_values == original.expected_values
    assert back.eval_data == original.eval_data


def test_one_output_becomes_two_axes(shap):
    there = one_output().to_shap()
    assert isinstance(there, shap.Explanation)
    np.testing.assert_array_equal(there.values, V)
    np.testing.assert_array_equal(there.base_values, [7.0, 7.0])
    np.testing.assert_array_equal(there.data, ROWS)
    assert there.feature_names == NAMES
    assert there.display_data is None
    assert there.error_std is None
    assert_same(LocalExplanation.from_shap(there), one_output())
    assert_same(Explanation.from_shap(there), one_output())


def test_several_outputs_keep_three_axes_and_their_names(shap):
    there = three_outputs().to_shap()
    assert there.values.shape == (2, 3, 3)
    assert there.base_values.tolist() == [[0.1, 0.2, 0.3]] * 2
    assert there.output_names == ["a", "b", "c"]
    back = LocalExplanation.from_shap(there)
    assert back.classes == ["a", "b", "c"]
    assert_same(back, three_outputs())
    np.testing.assert_array_equal(there[:, :, "b"].values, three_outputs().values[:, :, 1])


def test_a_binary_margin_is_that_of_class_1(shap):
    original = one_output(classes=["no", "yes"])
    there = original.to_shap()
    np.testing.assert_array_equal(there.values, V)
    assert there.output_names == "yes"
    assert_same(LocalExplanation.from_shap(there, classes=["no", "yes"]), original)


def test_a_single_row_has_no_row_axis(shap):
    for original in (
        LocalExplanation(V[:1, :, None], [7.0], features=NAMES, single_row=True, eval_data=ROWS[:1]),
        LocalExplanation(
            three_outputs().values[:1],
            [0.1, 0.2, 0.3],
            classes=["a", "b", "c"],
            features=NAMES,
            single_row=True,
            eval_data=ROWS[:1],
        ),
    ):
        there = original.to_shap()
        assert there.values.shape == original.values.shape[1 : 1 + there.values.ndim]
        back = LocalExplanation.from_shap(there)
        np.testing.assert_array_equal(back.values, original.values)
        assert np.shape(back.local_importance_values) == np.shape(original.local_importance_values)
        assert back.expected_values == original.expected_values


def test_a_single_row_of_a_binary_margin_keeps_the_name_of_class_1(shap):
    row = LocalExplanation(
        V[:1, :, None], [7.0], single_row=True, classes=["no", "yes"], features=NAMES, eval_data=ROWS[:1]
    )
    there = row.to_shap()
    assert there.values.shape == (3,)
    assert there.output_names == "yes"
    assert_same(LocalExplanation.from_shap(there, classes=["no", "yes"]), row)


def test_what_is_no_explanation_of_shap_is_refused():
    with pytest.raises(TypeError, match=r"takes a shap.Explanation; got ndarray.*ExplanationAdapter"):
        LocalExplanation.from_shap(V)


def test_standard_errors_become_error_std_and_bounds(shap):
    errors = np.full((2, 3, 1), 0.1)
    original = one_output(standard_errors=errors)
    there = original.to_shap()
    lower, upper = original.intervals()
    np.testing.assert_array_equal(there.error_std, errors[..., 0])
    np.testing.assert_array_equal(there.lower_bounds, lower[..., 0])
    np.testing.assert_array_equal(there.upper_bounds, upper[..., 0])
    np.testing.assert_array_equal(LocalExplanation.from_shap(there).standard_errors, errors)


def test_categories_are_numbered_and_shown_as_they_are(shap):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [1.0, 2.0], "bmi": ["low", "high"], "sex": [True, False]})
    there = LocalExplanation(V[..., None], [7.0], features=NAMES, eval_data=frame).to_shap()
    assert there.data.tolist() == [[1.0, 1.0, 1.0], [2.0, 0.0, 0.0]]
    assert there.display_data[0].tolist() == [1.0, "low", True]
    assert LocalExplanation.from_shap(there).eval_data == frame.to_numpy().tolist()


def test_what_is_not_known_is_absent(shap):
    there = LocalExplanation(V[..., None]).to_shap()
    assert there.base_values is None
    assert there.data is None
    assert there.feature_names is None
    back = LocalExplanation.from_shap(there)
    assert back.features == [0, 1, 2]
    assert not hasattr(back, "expected_values")
    assert not hasattr(back, "eval_data")


def test_shap_draws_what_it_is_given(shap):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.patches import FancyArrow

    there = three_outputs().to_shap()
    shap.plots.bar(there[:, :, 0], show=False)
    lengths = [bar.get_width() for bar in plt.gca().patches]
    np.testing.assert_allclose(sorted(lengths), sorted(np.abs(there.values[:, :, 0]).mean(axis=0)))
    plt.close("all")
    shap.plots.waterfall(there[0, :, 0], show=False)
    arrows = [patch for ax in plt.gcf().axes for patch in ax.findobj(FancyArrow)]
    assert len(arrows) == there.values.shape[1]
    plt.close("all")


def test_shap_explainers_own_object_is_taken(shap):
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    model = LinearRegression().fit(X, X @ [1.0, 2.0, -1.0])
    there = shap.LinearExplainer(model, X)(X)
    back = LocalExplanation.from_shap(there, method="shap_linear")
    np.testing.assert_array_equal(back.values[..., 0], there.values)
    np.testing.assert_allclose(back.values.sum(axis=1)[:, 0] + back.base_values[0], model.predict(X))
    assert back.method == "shap_linear"


@pytest.mark.parametrize("base", [3.0, [3.0, 3.0], None])
def test_our_compat_explanation_is_taken_without_shap(base):
    given = CompatExplanation(V, base, ROWS, feature_names=NAMES, error_std=np.full((2, 3), 0.5))
    back = LocalExplanation.from_shap(given)
    assert np.shares_memory(back.values, V)
    assert getattr(back, "expected_values", None) == (None if base is None else [3.0])
    assert back.standard_errors.shape == (2, 3, 1)
    assert back.features == NAMES


def test_base_values_that_differ_from_row_to_row_are_refused():
    with pytest.raises(ValueError, match=r"differ from row to row \(from 1.0 to 2.0\)"):
        LocalExplanation.from_shap(CompatExplanation(V, np.array([1.0, 2.0])))


def test_values_of_four_axes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 2, 2, 3\)"):
        LocalExplanation.from_shap(CompatExplanation(np.zeros((1, 2, 2, 3)), axes=("row", "f", "g", "output")))


def test_sparse_values_are_not_made_dense(shap):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"to_dense\(\)"):
        SparseLocalExplanation([sparse.csr_matrix(V)]).to_shap()


def test_missing_shap_is_told_with_the_pip_command(monkeypatch):
    from fastexplain import MissingDependencyError

    monkeypatch.setitem(__import__("sys").modules, "shap", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fastexplain\[shap\]'"):
        one_output().to_shap()
