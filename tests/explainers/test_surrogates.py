"""The four surrogates on their own: values, shapes, pickles, sparse rows; and surrogates of users."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import fastexplain
from fastexplain import (
    BaseExplainableModel,
    DecisionTreeExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)
from fastexplain.explainers.mimic.surrogates._scaling import scaled_to
from fastexplain.explainers.options import ExplainableModelType

pytest.importorskip("lightgbm")

ALL = [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel]
LINEAR = [LinearExplainableModel, SGDExplainableModel]
TREES = [LGBMExplainableModel, DecisionTreeExplainableModel]

rng = np.random.Generator(np.random.Philox(0))
X = rng.normal(size=(200, 5))
MARGIN = 2 * X[:, 0] - X[:, 1] * X[:, 2]
CLASS = np.digitize(MARGIN, [-1, 1])
# Sums of few float64 terms of size 10.
EXACT = 1e-9


def fitted(kind: Any, multiclass: bool = False, **options: Any) -> Any:
    surrogate = kind(multiclass=multiclass, **options)
    surrogate.fit(X, CLASS if multiclass else MARGIN)
    return surrogate


def raw_output(surrogate: Any, rows: Any) -> Any:
    """What values add up to, (n_rows, n_outputs), from the library's own methods."""
    model = surrogate.model
    if not surrogate.multiclass:
        return np.asarray(model.predict(rows)).reshape(-1, 1)
    if isinstance(surrogate, LGBMExplainableModel):
        return model.predict(rows, raw_score=True)
    return model.decision_function(rows) if hasattr(model, "decision_function") else model.predict_proba(rows)


@pytest.mark.parametrize("multiclass", [False, True], ids=["one", "three"])
@pytest.mark.parametrize("kind", ALL)
def test_values_add_up_to_the_raw_output(kind: Any, multiclass: bool) -> None:
    surrogate = fitted(kind, multiclass, classification=multiclass)
    values = surrogate.explain_local(X[:7])
    assert isinstance(values, list) == multiclass
    stacked = np.stack(values, axis=2) if multiclass else values[:, :, None]
    total = stacked.sum(axis=1) + np.array(surrogate.expected_values)
    np.testing.assert_allclose(total, raw_output(surrogate, X[:7]), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("kind", ALL)
def test_expected_values_of_two_classes_are_a_flat_list(kind: Any) -> None:
    negative, positive = fitted(kind, classification=True).expected_values
    assert type(negative) is float
    assert negative == -positive


@pytest.mark.parametrize("kind", ALL)
def test_one_row_may_be_one_dimensional(kind: Any) -> None:
    surrogate = fitted(kind, classification=False)
    np.testing.assert_array_equal(surrogate.explain_local(X[3]), surrogate.explain_local(X[3:4]))


@pytest.mark.parametrize("kind", ALL)
def test_a_pickle_explains_the_same(kind: Any) -> None:
    surrogate = fitted(kind)
    before = surrogate.explain_local(X[:3])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(surrogate)).explain_local(X[:3]), before)


@pytest.mark.parametrize("kind", ALL)
def test_only_several_classes_have_probabilities(kind: Any) -> None:
    with pytest.raises(Exception, match="predict_proba not supported for regression or binary"):
        fitted(kind).predict_proba(X)
    if kind is not SGDExplainableModel:
        assert fitted(kind, multiclass=True).predict_proba(X).shape == (200, 3)


@pytest.mark.parametrize("kind", ALL)
def test_kinds_and_entry_points(kind: Any) -> None:
    assert kind.explainer_type == "model"
    assert set(kind.available_explanations) == {"global", "local"}
    assert isinstance(kind.explainable_model_type(), ExplainableModelType)
    assert issubclass(kind, BaseExplainableModel)


@pytest.mark.parametrize("kind", LINEAR)
def test_importances_of_linear_surrogates_are_signed_coefficients(kind: Any) -> None:
    surrogate = fitted(kind)
    np.testing.assert_array_equal(surrogate.explain_global(), surrogate.model.coef_)
    several = fitted(kind, multiclass=True)
    np.testing.assert_allclose(several.explain_global(), several.model.coef_.mean(axis=0))


@pytest.mark.parametrize("kind", TREES)
def test_importances_of_trees_are_their_own(kind: Any) -> None:
    surrogate = fitted(kind)
    np.testing.assert_array_equal(surrogate.explain_global(), surrogate.model.feature_importances_)


@pytest.mark.parametrize("multiclass", [False, True], ids=["one", "three"])
@pytest.mark.parametrize("kind", [LGBMExplainableModel, *LINEAR])
def test_sparse_rows_have_the_values_of_dense_ones(kind: Any, multiclass: bool) -> None:
    kept = rng.random((300, 40)) < 0.15
    kept[:, 0] = True  # a column whose median is not zero
    sparse = scipy.sparse.csr_matrix(np.where(kept, rng.normal(1.0, size=(300, 40)), 0.0))
    label = np.asarray(sparse.sum(axis=1)).ravel()
    surrogate = kind(multiclass=multiclass)
    surrogate.fit(sparse, np.digitize(label, [-1, 1]) if multiclass else label)
    values, dense = surrogate.explain_local(sparse[:20]), surrogate.explain_local(sparse[:20].toarray())
    for each, expected in zip(values if multiclass else [values], dense if multiclass else [dense], strict=True):
        assert scipy.sparse.issparse(each)
        np.testing.assert_allclose(each.toarray(), expected, atol=1e-12)
        assert (each.data != 0).all()


def test_sparse_trees_store_only_columns_that_they_split_on() -> None:
    """Of 20,000 columns, three are ever made dense."""
    n = 10_000
    column = rng.integers(0, 3, size=n)
    rows = scipy.sparse.csr_matrix((np.ones(n), (np.arange(n), column)), shape=(n, 20_000))
    surrogate = LGBMExplainableModel(classification=False)
    surrogate.fit(rows[:500], column[:500].astype(float))
    values = surrogate.explain_local(rows)
    assert values.shape == rows.shape
    assert set(values.indices) <= {0, 1, 2}
    total = np.asarray(values.sum(axis=1)).ravel() + surrogate.expected_values[0]
    np.testing.assert_allclose(total, surrogate.predict(rows), atol=EXACT)


def test_a_constant_surrogate_of_sparse_rows_has_no_entries() -> None:
    rows = scipy.sparse.csr_matrix(np.eye(60))
    surrogate = LGBMExplainableModel(classification=False)
    surrogate.fit(rows, np.ones(60))
    assert surrogate.explain_local(rows).nnz == 0


@pytest.mark.parametrize("output", ["probability", "teacher_probability"])
def test_scaled_values_add_up_to_probabilities(output: str) -> None:
    teacher = 1 / (1 + np.exp(-MARGIN))
    surrogate = fitted(LGBMExplainableModel, shap_values_output=output)
    given = np.column_stack([1 - teacher, teacher]) if output == "teacher_probability" else None
    total = surrogate.explain_local(X, probabilities=given).sum(axis=1) + surrogate.expected_values[1]
    own = 1 / (1 + np.exp(-surrogate.predict(X)))
    np.testing.assert_allclose(total, teacher if output == "teacher_probability" else own, atol=EXACT)


def test_a_trees_probabilities_are_not_squeezed_again() -> None:
    surrogate = fitted(DecisionTreeExplainableModel, multiclass=True, shap_values_output="probability", max_depth=3)
    np.testing.assert_allclose(sum(surrogate.expected_values), 1.0)


def test_teachers_probabilities_must_be_given() -> None:
    surrogate = fitted(LGBMExplainableModel, shap_values_output="teacher_probability")
    with pytest.raises(ValueError, match="Probabilities not specified"):
        surrogate.explain_local(X)


def test_sparse_scaling_follows_the_dense_rule_where_all_is_stored() -> None:
    values, base, target = rng.normal(size=(6, 3, 1)), np.array([0.3]), rng.random((6, 1))
    dense = scaled_to(values, base, target)
    (sparse,) = scaled_to([scipy.sparse.csr_matrix(values[:, :, 0])], base, target)
    np.testing.assert_allclose(sparse.toarray(), np.asarray(dense)[:, :, 0], atol=1e-12)


def test_sparse_scaling_adds_up_in_rows_without_entries() -> None:
    values, target = np.array([[0.2, 0.0, 0.1], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[0.9], [0.1], [0.3]])
    (scaled,) = scaled_to([scipy.sparse.csr_matrix(values)], np.array([0.3]), target)
    np.testing.assert_allclose(np.asarray(scaled.sum(axis=1)).ravel() + 0.3, target[:, 0], atol=1e-12)
    assert scaled.getnnz(axis=1).tolist() == [2, 3, 0]


@pytest.mark.parametrize(
    "options", [{"solver": "liblinear"}, {"multi_class": "ovr"}, {"multi_class": "multinomial"}, {}]
)
def test_logistic_surrogates_take_what_newer_scikit_learn_refuses(options: dict[str, Any]) -> None:
    surrogate = fitted(LinearExplainableModel, multiclass=True, **options)
    total = np.stack(surrogate.explain_local(X), axis=2).sum(axis=1) + surrogate.expected_values
    np.testing.assert_array_equal(total.argmax(axis=1), surrogate.predict(X))


def test_linear_surrogates_keep_columns_beside_one_of_seconds() -> None:
    # scikit-learn 1.9 drops directions below 1e-6 of the largest
    rows = X.copy()
    rows[:, 4] *= 1e8
    surrogate = LinearExplainableModel(classification=False)
    surrogate.fit(rows, 2 * rows[:, 0])
    assert surrogate.explain_global()[0] == pytest.approx(2)


def test_linear_surrogates_of_columns_that_depend_on_each_other_stay_small() -> None:
    largest = []
    for seed in range(4):  # rounding decides whether a direction that is none gets a coefficient of 1e13
        random = np.random.Generator(np.random.Philox(seed))
        many = random.normal(size=(2000, 6))
        surrogate = LinearExplainableModel(classification=False)
        surrogate.fit(np.column_stack([many, many @ random.normal(size=(6, 3))]), many[:, 0] + random.normal(size=2000))
        largest.append(np.abs(surrogate.explain_global()).max())
    assert max(largest) < 10


def test_sparse_data_fits_a_lasso() -> None:
    assert type(LinearExplainableModel(sparse_data=True).model).__name__ == "Lasso"


def test_lightgbm_splits_by_category_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    codes = rng.integers(0, 6, size=(300, 1)).astype(float)
    surrogate = LGBMExplainableModel(categorical_feature=[0])
    surrogate.fit(codes, np.isin(codes[:, 0], [1, 4]).astype(float))
    assert "num_cat=1" in surrogate.model.booster_.model_to_string()
    assert not [warning for warning in recwarn if "categorical_feature" in str(warning.message)]


def test_fitting_again_forgets_the_old_trees() -> None:
    surrogate = fitted(LGBMExplainableModel)
    before = surrogate.explain_local(X[:2])
    surrogate.fit(X, -MARGIN)
    assert not np.allclose(surrogate.explain_local(X[:2]), before)


def test_unknown_keywords_of_a_users_surrogate_are_named() -> None:
    class Mine(BaseExplainableModel):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)

        def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> None: ...
        def predict(self, dataset: Any, **kwargs: Any) -> Any: ...
        def predict_proba(self, dataset: Any, **kwargs: Any) -> Any: ...
        def explain_global(self, **kwargs: Any) -> Any: ...
        def explain_local(self, evaluation_examples: Any, **kwargs: Any) -> Any: ...
        @property
        def expected_values(self) -> Any: ...
        @property
        def model(self) -> Any: ...

    assert Mine().explainable_model_type() is None
    with pytest.raises(TypeError, match="unexpected keyword arguments: depth"):
        Mine(depth=3)


def test_an_unknown_output_is_named() -> None:
    with pytest.raises(ValueError, match="'default', 'probability' or 'teacher_probability'; got 'odds'"):
        LGBMExplainableModel(shap_values_output="odds")


def test_sparse_rows_of_another_width_are_refused() -> None:
    surrogate = fitted(LGBMExplainableModel)
    with pytest.raises(ValueError, match="9 columns; the surrogate has 5"):
        surrogate.explain_local(scipy.sparse.csr_matrix((2, 9)))


def test_the_root_exports_surrogates() -> None:
    assert {kind.__name__ for kind in ALL} < set(fastexplain.__all__)


@pytest.mark.parametrize("kind", [LinearExplainableModel, SGDExplainableModel])
def test_linear_surrogates_say_which_others_take_missing_values(kind: Any) -> None:
    rows = np.arange(20.0).reshape(10, 2)
    rows[3, 1] = np.nan
    with pytest.raises(ValueError, match=rf"{kind.__name__} takes no missing values, and the rows hold 1 \(NaN\)"):
        kind(classification=False).fit(rows, np.arange(10.0))
