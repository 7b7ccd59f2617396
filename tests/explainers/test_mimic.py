"""MimicExplainer: what it learns, how it takes rows, what it says of them, and what it refuses."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastexplain import (
    BaseExplainableModel,
    DecisionTreeExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    MimicExplainer,
    PoorFidelityWarning,
    RescaledValuesWarning,
    ScenarioNotSupportedException,
    SGDExplainableModel,
)
from fastexplain.explainers.mimic.distillation import soft_logit

lightgbm = pytest.importorskip("lightgbm")

ALL = [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel]
EXACT = 1e-9

rng = np.random.Generator(np.random.Philox(3))
X = rng.normal(size=(200, 4))
MARGIN = 2 * X[:, 0] - X[:, 1]


@pytest.fixture(autouse=True)
def _poor_fits_are_expected() -> Iterator[None]:
    """Tests here are of mechanics, on surrogates that may be bad ones; test_fidelity.py is about the warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoorFidelityWarning)
        yield


class Counted:
    """A teacher that counts the rows it is asked for."""

    def __init__(self, n_classes: int = 2) -> None:
        self.n_classes = n_classes
        self.calls: list[tuple[str, int]] = []

    def predict_proba(self, rows: Any) -> Any:
        self.calls.append(("predict_proba", len(rows)))
        z = np.exp(np.asarray(rows, dtype=float)[:, : self.n_classes])
        return z / z.sum(axis=1, keepdims=True)

    def predict(self, rows: Any) -> Any:
        self.calls.append(("predict", len(rows)))
        return np.asarray(rows, dtype=float)[:, : self.n_classes].argmax(axis=1)


def frame(n: int = 300) -> pd.DataFrame:
    start = pd.Timestamp("2020-01-01")
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "city": rng.choice(["x", "y", "z"], size=n),
            "when": start + pd.to_timedelta(rng.integers(0, 10**7, size=n), unit="s"),
            "code": rng.integers(0, 4, size=n),
        }
    )


def of_frame(rows: pd.DataFrame) -> Any:
    return (2 * rows["a"] + 3 * (rows["city"] == "x") + 2 * (rows["code"] == 2) + rows["when"].dt.month).to_numpy(
        dtype=float
    )


# What it learns


def test_soft_logits_are_clipped() -> None:
    np.testing.assert_allclose(soft_logit(np.array([0.0, 1e-9, 0.25, 0.5, 1.0])), [-5, -5, -np.log(3), 0, 5])


def test_two_classes_are_learnt_as_clipped_log_odds() -> None:
    labels: list[Any] = []

    class Spy(LinearExplainableModel):
        def fit(self, dataset: Any, labels_: Any, **kwargs: Any) -> Any:
            labels.append(labels_)
            return super().fit(dataset, labels_, **kwargs)

    teacher = Counted()
    MimicExplainer(teacher, 9 * X, Spy, fidelity=False)
    np.testing.assert_allclose(labels[0], np.clip(9 * (X[:, 1] - X[:, 0]), -5, 5), atol=1e-7)


def test_a_class_that_is_likeliest_nowhere_is_learnt_from_its_best_row() -> None:
    def probabilities(rows: Any) -> Any:
        third = 0.01 / (1 + np.exp(-rows[:, 0]))
        first = (1 - third) / (1 + np.exp(-rows[:, 1]))
        return np.column_stack([first, 1 - first - third, third])

    seen: list[Any] = []

    class Spy(LGBMExplainableModel):
        def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
            seen.append((dataset, labels))
            return super().fit(dataset, labels, **kwargs)

    explainer = MimicExplainer(probabilities, X, Spy, fidelity=False)
    rows, labels = seen[0]
    assert labels[-1] == 2
    assert len(rows) == 201
    np.testing.assert_array_equal(rows[-1], X[X[:, 0].argmax()])
    assert np.shape(explainer.explain_local(X[:5]).local_importance_values) == (3, 5, 4)
    sparse = MimicExplainer(probabilities_of_sparse(probabilities), scipy.sparse.csr_matrix(X), Spy, fidelity=False)
    assert len(sparse.explain_local(scipy.sparse.csr_matrix(X[:5])).local_importance_values) == 3


def probabilities_of_sparse(function: Any) -> Any:
    return lambda rows: function(rows.toarray())


def test_a_single_column_of_a_classifier_is_the_probability_of_class_1() -> None:
    def one(rows: Any) -> Any:
        return 1 / (1 + np.exp(-rows[:, :1]))

    ours = MimicExplainer(one, X, LinearExplainableModel, model_task="classification").explain_local(X[:3])
    both = MimicExplainer(lambda rows: np.hstack([1 - one(rows), one(rows)]), X, LinearExplainableModel).explain_local(
        X[:3]
    )
    assert ours.local_importance_values == both.local_importance_values
    assert ours.num_classes == 2


def test_classifiers_without_probabilities_are_learnt_as_certain() -> None:
    model = SGDClassifier(random_state=0).fit(X, np.where(MARGIN > 0, "yes", "no"))
    explainer = MimicExplainer(model, X, LGBMExplainableModel)
    assert explainer.classes == ["no", "yes"]
    assert explainer.surrogate_model.predict(X).max() > 4.5  # of log-odds clipped to 5
    assert explainer.get_surrogate_model_replication_measure(X) > 0.95


def test_a_booster_is_a_teacher_as_its_class_is() -> None:
    y = (MARGIN > 0).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=5, verbosity=-1).fit(X, y)
    of_class, bare = (
        MimicExplainer(m, X, LGBMExplainableModel).explain_local(X[:3]).local_importance_values
        for m in (model, model.booster_)
    )
    np.testing.assert_allclose(bare, of_class, atol=1e-6)


def test_a_torch_network_is_a_teacher() -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(4, 1)
    explainer = MimicExplainer(network, X, LinearExplainableModel)
    with torch.no_grad():
        expected = network.weight.numpy().ravel()
    np.testing.assert_allclose(explainer.explain_global().global_importance_values, expected, atol=1e-5)


@pytest.mark.parametrize("classifier", [False, True])
def test_the_model_of_a_torch_network_predicts(classifier: bool) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Linear(4, 3 if classifier else 1)
    if classifier:
        network = torch.nn.Sequential(network, torch.nn.Softmax(dim=1))
    explainer = MimicExplainer(network, X, LGBMExplainableModel, fidelity=False)
    with torch.no_grad():
        expected = network(torch.tensor(X, dtype=torch.float32)).numpy()
    for given in (explainer, pickle.loads(pickle.dumps(explainer))):
        if classifier:
            np.testing.assert_allclose(given.model.predict_proba(X), expected, rtol=1e-6)
            np.testing.assert_array_equal(given.model.predict(X), expected.argmax(axis=1))
        else:
            np.testing.assert_allclose(given.model.predict(X), expected.ravel(), rtol=1e-6)
            assert given.model.predict(X[0]).shape == (1,)
    assert explainer.explain_global().model_type == str(type(network))
    loaded = MimicExplainer._load(network, explainer._save())
    assert loaded.model.predict(X[:3]).shape == (3,)


@pytest.mark.parametrize("fidelity", [True, False])
def test_steps_of_the_construction_are_shown(monkeypatch: pytest.MonkeyPatch, fidelity: bool) -> None:
    from contextlib import contextmanager

    from fastexplain.engine.progress import Bar, progress
    from fastexplain.explainers.mimic import explainer as mimic

    seen: list[Any] = []

    @contextmanager
    def recorded(total: int, name: str, show: Any, **options: Any) -> Iterator[Bar]:
        with progress(total, name, show, **options) as bar:
            part = bar.part
            seen.append((total, name, show))
            monkeypatch.setattr(type(bar), "part", lambda _, n=1, name=None: seen.append((n, name)) or part(n, name))
            yield bar
        monkeypatch.undo()

    monkeypatch.setattr(mimic, "progress", recorded)
    MimicExplainer(lambda rows: rows[:, 0], X, LinearExplainableModel, fidelity=fidelity)
    named = [(1, "asking the teacher"), (1, "training"), (int(fidelity), "measuring fidelity")]
    assert seen == [(2 + fidelity, "MimicExplainer", None), *named]


def test_small_data_may_have_single_rows_in_a_leaf() -> None:
    explainer = MimicExplainer(lambda rows: rows[:, 0], X[:30], LGBMExplainableModel, fidelity=False)
    assert explainer.surrogate_model.model.get_params()["min_data_in_leaf"] == 1
    assert np.ptp(explainer.surrogate_model.predict(X[:30])) > 1
    many = MimicExplainer(lambda rows: rows[:, 0], X[:50], LGBMExplainableModel, fidelity=False)
    assert "min_data_in_leaf" not in many.surrogate_model.model.get_params()


def test_wide_data_is_augmented_unless_told_otherwise() -> None:
    rows = rng.normal(size=(5, 31))
    asked: list[int] = []

    def teacher(given: Any) -> Any:
        asked.append(len(given))
        return given[:, 0]

    for options in ({}, {"max_num_of_augmentations": 2}, {"augment_data": False}):
        MimicExplainer(teacher, rows, LinearExplainableModel, **options)
    assert asked == [30, 15, 5]


def test_arguments_of_the_surrogate_are_passed_and_left_alone() -> None:
    args = {"n_estimators": 3}
    explainer = MimicExplainer(Counted(), X[:20], LGBMExplainableModel, explainable_model_args=args)
    assert explainer.surrogate_model.model.n_estimators_ == 3
    assert args == {"n_estimators": 3}
    assert explainer.surrogate_model.model.random_state == 123


# How often the teacher is asked


@pytest.mark.parametrize("output", ["default", "teacher_probability"])
def test_the_teacher_is_asked_once_for_each_set_of_rows(output: str) -> None:
    teacher = Counted()
    explainer = MimicExplainer(teacher, X, LGBMExplainableModel, shap_values_output=output)
    assert teacher.calls == [("predict_proba", 200)]
    for streamed in (False, True):
        teacher.calls.clear()
        explanation = explainer.explain_global(X[:150], include_local=not streamed, batch_size=10)
        for _ in range(2):
            assert np.shape(explanation.eval_y_predicted_proba) == (150, 2)
            assert len(explanation.eval_y_predicted or []) == 150
        # a few examples tell whether the teacher is still the same, if predictions are made later than values
        again = [("predict_proba", 32)] if output == "default" else []
        assert sorted(teacher.calls) == sorted([("predict", 150), ("predict_proba", 150), *again])


def test_eval_data_are_those_of_the_call() -> None:
    # theirs keeps the first (contract 7.11)
    explainer = MimicExplainer(Counted(), X, LinearExplainableModel)
    for n in (5, 7):
        for explanation in (explainer.explain_global(X[:n]), explainer.explain_local(X[:n])):
            assert np.shape(explanation.eval_data) == (n, 4)
            assert len(explanation.eval_y_predicted or []) == n


# What explanations say


@pytest.mark.parametrize("kind", ALL)
def test_values_add_up_to_the_surrogates_log_odds(kind: Any) -> None:
    explainer = MimicExplainer(Counted(), X, kind)
    explanation = explainer.explain_local(X[:9])
    values = np.array(explanation.local_importance_values)
    assert values.shape == (2, 9, 4)
    np.testing.assert_array_equal(values[0], -values[1])
    total = values[1].sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(total, explainer.surrogate_model.predict(X[:9]), rtol=EXACT, atol=EXACT)
    assert explanation.method == f"mimic.{explainer._method}" == explainer.method
    assert explanation.units == "margin"


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ALL)
def test_teacher_probability_adds_up_to_the_teacher(kind: Any, n_classes: int) -> None:
    teacher = Counted(n_classes)
    gives_probabilities = kind is DecisionTreeExplainableModel and n_classes == 3
    with nullcontext() if gives_probabilities else pytest.warns(RescaledValuesWarning, match="'teacher_probability'"):
        explainer = MimicExplainer(teacher, X, kind, shap_values_output="teacher_probability")
    explanation = explainer.explain_local(X[:9])
    values = np.array(explanation.local_importance_values)
    total = values.sum(axis=2).T + np.array(explanation.expected_values)
    np.testing.assert_allclose(total, teacher.predict_proba(X[:9]), atol=EXACT)
    assert explanation.units == ("probability" if gives_probabilities else "probability (rescaled)")


def test_teacher_probability_of_a_regression_is_its_output() -> None:
    model = LinearRegression().fit(X, MARGIN)
    explanation = MimicExplainer(
        model, X, LGBMExplainableModel, shap_values_output="teacher_probability"
    ).explain_local(X[:9])
    total = np.sum(explanation.local_importance_values, axis=1) + explanation.expected_values[0]
    np.testing.assert_allclose(total, model.predict(X[:9]), atol=EXACT)


def test_without_rows_the_surrogate_speaks_for_itself() -> None:
    explainer = MimicExplainer(Counted(), X, LinearExplainableModel, classes=["no", "yes"])
    explanation = explainer.explain_global()
    np.testing.assert_array_equal(explanation.global_importance_values, explainer.surrogate_model.model.coef_)
    assert explanation.classes == ["no", "yes"]
    assert explanation.num_classes == 2
    for absent in ("expected_values", "per_class_values", "local_importance_values"):
        assert not hasattr(explanation, absent)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_streamed_importances_are_the_same(sparse: bool, n_classes: int) -> None:
    teacher = Counted(n_classes)
    model = (lambda rows: teacher.predict_proba(rows.toarray())) if sparse else teacher
    rows: Any = scipy.sparse.csr_matrix(X) if sparse else X
    explainer = MimicExplainer(model, rows, LGBMExplainableModel)
    kept, streamed = explainer.explain_global(rows), explainer.explain_global(rows, include_local=False)
    np.testing.assert_allclose(streamed.per_class_values, kept.per_class_values, rtol=1e-12)
    assert streamed.expected_values == kept.expected_values
    assert not hasattr(streamed, "local_importance_values")


def test_batches_do_not_change_means(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastexplain.explainers.shared import base

    monkeypatch.setattr(base, "_BATCH_BYTES", 1)
    rows = rng.normal(size=(700, 4))
    explainer = MimicExplainer(Counted(), X, LGBMExplainableModel)
    kept, streamed = explainer.explain_global(rows), explainer.explain_global(rows, include_local=False)
    assert streamed.global_importance_values == kept.global_importance_values


def test_sparse_rows_have_sparse_values() -> None:
    rows = scipy.sparse.random(300, 50, density=0.2, random_state=0, format="csr")
    weights = rng.normal(size=50)
    explainer = MimicExplainer(lambda given: given @ weights, rows, LGBMExplainableModel)
    explanation = explainer.explain_global(rows[:20])
    assert explanation.is_local_sparse
    total = np.asarray(explanation.local_importance_values.sum(axis=1)).ravel() + explanation.expected_values[0]
    np.testing.assert_allclose(total, explainer.surrogate_model.predict(rows[:20]), atol=EXACT)
    assert len(explanation.global_importance_values) == 50


def test_a_single_row_has_no_row_axis() -> None:
    explainer = MimicExplainer(Counted(), X, LGBMExplainableModel)
    single, table = explainer.explain_local(X[0]), explainer.explain_local(X[:1])
    assert single.local_importance_values == [rows[0] for rows in table.local_importance_values]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_subset_cuts_explanations_down(streamed: bool) -> None:
    names = list("pqrs")
    whole = MimicExplainer(Counted(), X, LGBMExplainableModel, features=names)
    part = MimicExplainer(Counted(), X, LGBMExplainableModel, features=names, explain_subset=["s", "p"])
    ours, all_of_it = (e.explain_global(X, include_local=not streamed) for e in (part, whole))
    assert ours.features == ["s", "p"]
    expected = np.array(all_of_it.global_importance_values)[[3, 0]]
    np.testing.assert_allclose(ours.global_importance_values, expected)
    own = np.array(whole.explain_global().global_importance_values)[[3, 0]]
    np.testing.assert_array_equal(part.explain_global().global_importance_values, own)


def test_replication_is_accuracy_or_r2() -> None:
    explainer = MimicExplainer(Counted(), X, LGBMExplainableModel)
    predicted = explainer.surrogate_model.predict(X) > 0
    expected = (predicted == Counted().predict(X)).mean()
    assert explainer.get_surrogate_model_replication_measure(X) == pytest.approx(expected)
    regression = MimicExplainer(lambda rows: rows[:, 0], X, LinearExplainableModel)
    assert regression.get_surrogate_model_replication_measure(X) == pytest.approx(1)
    with pytest.raises(ScenarioNotSupportedException, match="single instance"):
        regression.get_surrogate_model_replication_measure(X[:1])


# Categories and time stamps


@pytest.mark.parametrize("kind", ALL)
def test_values_are_those_of_the_users_columns(kind: Any) -> None:
    # theirs: one-hot columns first, and num_features raises (contract 7.13)
    rows = frame()
    args = {"eta0": 1e-20} if kind is SGDExplainableModel else None  # seconds make it diverge
    explainer = MimicExplainer(of_frame, rows, kind, categorical_features=["city", "code"], explainable_model_args=args)
    explanation = explainer.explain_global(rows)
    assert explanation.features == ["a", "city", "when", "code"]
    assert explanation.num_features == 4
    values = np.array(explanation.local_importance_values)
    total = values.sum(axis=1) + explanation.expected_values[0]
    matrix = explainer._rows.matrix(rows)
    np.testing.assert_allclose(total, explainer.surrogate_model.predict(matrix), rtol=1e-7, atol=1e-7)
    assert len(explainer.explain_global().global_importance_values) == 4


def test_a_category_has_its_effect() -> None:
    rows = frame()
    explainer = MimicExplainer(of_frame, rows, LinearExplainableModel, categorical_features=[1, 3])
    by_city = np.array(explainer.explain_local(rows).local_importance_values)[:, 1]
    spread = by_city[rows["city"] == "x"].mean() - by_city[rows["city"] == "y"].mean()
    assert spread == pytest.approx(3, abs=1e-6)
    # its columns have coefficients of both signs
    assert explainer.explain_global().global_importance_values[1] > 1


def test_unseen_categories_share_one_code() -> None:
    rows = frame()
    explainer = MimicExplainer(of_frame, rows, LGBMExplainableModel, categorical_features=["city", "code"])
    shown = rows[:2].copy()
    shown.loc[0, "city"], shown.loc[1, "city"] = "new", "newer"
    codes = explainer._rows.matrix(shown)[:, 1]
    assert codes.tolist() == [3, 3]
    assert np.isfinite(explainer.explain_local(shown).local_importance_values).all()


def test_negative_and_broken_numbers_are_categories_too() -> None:
    codes = rng.choice([-1.5, 0.5, 7.0], size=300)
    rows = np.column_stack([codes, rng.normal(size=300)])
    explainer = MimicExplainer(lambda given: (given[:, 0] == -1.5) * 2.0, rows, LGBMExplainableModel, None,
                               categorical_features=[0])  # fmt: skip
    assert explainer._rows.categories[0].labels == [-1.5, 0.5, 7.0]
    assert explainer.get_surrogate_model_replication_measure(rows) > 0.99


def test_missing_categories_are_missing() -> None:
    rows = pd.DataFrame({"c": ["x", None, "y", np.nan] * 25, "b": rng.normal(size=100)})
    explainer = MimicExplainer(
        lambda given: given["c"].isna().to_numpy(dtype=float), rows, LGBMExplainableModel, categorical_features=["c"]
    )
    assert np.isnan(explainer._rows.matrix(rows)[:, 0]).tolist() == [False, True, False, True] * 25


def test_text_that_is_no_category_is_named() -> None:
    with pytest.raises(ValueError, match="could not convert string to float in columns 'city': name them"):
        MimicExplainer(of_frame, frame(), LGBMExplainableModel, categorical_features=["code"])
    explainer = MimicExplainer(lambda rows: np.zeros(len(rows)), np.zeros((60, 2)), LGBMExplainableModel)
    with pytest.raises(ValueError, match="in columns 0"):
        explainer.explain_local(np.array([["x", 1.0]], dtype=object))


def test_absent_categories_are_named() -> None:
    with pytest.raises(ValueError, match=r"do not exist: \['nope', 9\]; the columns are \['a', 'city'"):
        MimicExplainer(of_frame, frame(), LGBMExplainableModel, categorical_features=["city", "nope", 9])


def test_polars_tables_are_rows() -> None:
    polars = pytest.importorskip("polars")
    rows = frame()
    expected = MimicExplainer(of_frame, rows, LGBMExplainableModel, categorical_features=["city"])
    ours = MimicExplainer(
        lambda given: of_frame(given.to_pandas()),
        polars.from_pandas(rows),
        LGBMExplainableModel,
        categorical_features=["city"],
    )
    np.testing.assert_allclose(
        ours.explain_local(polars.from_pandas(rows[:5])).local_importance_values,
        expected.explain_local(rows[:5]).local_importance_values,
    )


# The index


@pytest.mark.parametrize("reset", ["ignore", "reset", "reset_teacher", True, False])
def test_an_index_is_a_feature_if_asked_for(reset: Any) -> None:
    rows = frame().set_index("when")[["a", "code"]]
    explainer = MimicExplainer(
        lambda given: given["a"].to_numpy() + given.index.month, rows, LGBMExplainableModel, reset_index=reset
    )
    explanation = explainer.explain_global(rows)
    expected = ["a", "code", "when"] if reset in ("reset", True) else ["a", "code"]
    assert explanation.features == expected
    assert np.shape(explanation.local_importance_values) == (300, len(expected))
    if len(expected) == 3:
        assert explanation.global_importance_values[2] > 0.3


def test_a_plain_index_is_no_feature_and_names_may_leave_it_out() -> None:
    rows = frame()[["a", "code"]]
    plain = MimicExplainer(lambda given: given["a"].to_numpy(), rows, LGBMExplainableModel, reset_index="reset")
    assert plain.features == ["a", "code"]
    named = MimicExplainer(
        lambda given: given["a"].to_numpy(),
        rows.set_index(pd.Index(range(5, 305), name="id")),
        LGBMExplainableModel,
        features=["p", "q"],
        reset_index="reset",
        categorical_features=["id"],
    )
    assert named.features == ["p", "q", "id"]
    with pytest.raises(ValueError, match=r"needs a pandas table with the index \['id'\]"):
        named.explain_local(np.zeros((2, 2)))


def test_an_unknown_reset_is_named() -> None:
    with pytest.raises(ValueError, match="'ignore', 'reset', 'reset_teacher' or a bool; got 'always'"):
        MimicExplainer(Counted(), X, LGBMExplainableModel, reset_index="always")


# Transformations


def transformed(sparse: bool) -> tuple[pd.DataFrame, ColumnTransformer, LogisticRegression]:
    rows = frame()[["a", "city", "code"]]
    columns = ColumnTransformer(
        [("n", StandardScaler(), ["a"]), ("o", OneHotEncoder(sparse_output=sparse), ["city"])], sparse_threshold=1.0
    ).fit(rows)
    y = rows["a"] + (rows["city"] == "x") > 0.3
    return rows, columns, LogisticRegression().fit(columns.transform(rows), y)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("kind", [LGBMExplainableModel, LinearExplainableModel])
def test_transformations_explain_raw_features(kind: Any, sparse: bool) -> None:
    rows, columns, model = transformed(sparse)
    explainer = MimicExplainer(model, rows, kind, transformations=columns)
    engineered = MimicExplainer(model, columns.transform(rows), kind).explain_local(columns.transform(rows))
    explanation = explainer.explain_local(rows)
    assert explanation.features == ["a", "city", "code"]
    assert explanation.is_raw
    assert np.shape(explanation.eval_y_predicted_proba) == (300, 2)
    theirs = engineered.local_importance_values[1]
    dense = theirs.toarray() if sparse else np.array(theirs)
    expected = np.column_stack([dense[:, 0], dense[:, 1:].sum(axis=1), np.zeros(300)])
    np.testing.assert_allclose(explanation.local_importance_values[1], expected, atol=EXACT)
    kept, streamed = explainer.explain_global(rows), explainer.explain_global(rows, include_local=False)
    np.testing.assert_allclose(streamed.global_importance_values, kept.global_importance_values)
    own = explainer.explain_global()
    assert own.is_raw
    assert own.global_importance_values[1] > 0
    assert own.global_importance_values[2] == 0


def test_transformations_exclude_a_subset_and_an_index() -> None:
    rows, columns, model = transformed(False)
    with pytest.raises(ValueError, match="explain_subset not supported with transformations"):
        MimicExplainer(model, rows, LGBMExplainableModel, transformations=columns, explain_subset=[0])
    with pytest.raises(ValueError, match="reset_index='reset' is not supported with transformations"):
        MimicExplainer(model, rows, LGBMExplainableModel, transformations=columns, reset_index="reset")


# Surrogates of users


class Stump(BaseExplainableModel):
    """Twice the first column, whatever it is told."""

    def __init__(self, multiclass: bool = False, classification: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.multiclass, self.classification = multiclass, classification

    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> None:
        self.n_classes = len(np.unique(labels)) if self.multiclass else 1

    def predict(self, dataset: Any, **kwargs: Any) -> Any:
        return 2 * dataset[:, 0]

    def predict_proba(self, dataset: Any, **kwargs: Any) -> Any:
        return np.full((len(dataset), self.n_classes), 1 / self.n_classes)

    def explain_global(self, **kwargs: Any) -> Any:
        return [1, 0, 0, 0]

    def explain_local(self, evaluation_examples: Any, **kwargs: Any) -> Any:
        values = np.zeros(evaluation_examples.shape)
        values[:, 0] = 2 * evaluation_examples[:, 0]
        return [values] * self.n_classes if self.multiclass else values

    @property
    def expected_values(self) -> Any:
        if self.multiclass:
            return [0.0] * self.n_classes
        return [-0.0, 0.0] if self.classification else 0.0

    @property
    def model(self) -> Any:
        return self


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_a_users_surrogate_is_explained_by_itself(n_classes: int) -> None:
    teacher: Any = Counted(n_classes) if n_classes else (lambda rows: rows[:, 0])
    explainer = MimicExplainer(teacher, X, Stump)
    assert isinstance(explainer.surrogate_model, Stump)
    explanation = explainer.explain_global(X[:5])
    last = np.array(explanation.local_importance_values)
    np.testing.assert_array_equal((last[-1] if n_classes else last)[:, 0], 2 * X[:5, 0])
    assert explanation.method == "mimic.custom"
    scaled = MimicExplainer(teacher, X, Stump, shap_values_output="teacher_probability").explain_local(X[:5])
    total = np.array(scaled.local_importance_values).sum(axis=-1).T + np.array(scaled.expected_values)
    expected = teacher.predict_proba(X[:5]) if n_classes else X[:5, 0]
    np.testing.assert_allclose(total, expected, atol=EXACT)


def test_a_users_surrogate_with_wrong_shapes_is_named() -> None:
    class Short(Stump):
        def explain_local(self, evaluation_examples: Any, **kwargs: Any) -> Any:
            return np.zeros((1, 4))

    with pytest.raises(ValueError, match="explain_local of Short returned values of 1 rows"):
        MimicExplainer(Counted(), X, Short).explain_local(X[:3])


@pytest.mark.parametrize("wrong", [LGBMExplainableModel(), LinearRegression, "lightgbm"])
def test_what_is_no_surrogate_is_named(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"explainable_model is the (class|object of class) \w+; expected a class"):
        MimicExplainer(Counted(), X, wrong)


# What it refuses


def test_contradictions_are_named() -> None:
    teacher = Counted()
    with pytest.raises(ValueError, match="classes has 3 labels; the model has 2 classes"):
        MimicExplainer(teacher, X, LGBMExplainableModel, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="features has 2 names; initialization_examples has 4 columns"):
        MimicExplainer(teacher, X, LGBMExplainableModel, features=["a", "b"])
    with pytest.raises(ValueError, match=r"Probability values outside of valid range: -3"):
        MimicExplainer(lambda rows: np.full((len(rows), 2), -3.0), X, LGBMExplainableModel)
    with pytest.raises(ValueError, match="Regression function cannot output 2D array with multiple columns"):
        MimicExplainer(lambda rows: rows[:, :2], X, LGBMExplainableModel, model_task="regression")
    with pytest.raises(ValueError, match="'teacher_probability'; got 'odds'"):
        MimicExplainer(teacher, X, LGBMExplainableModel, shap_values_output="odds")
    with pytest.raises(ValueError, match="needs a surrogate with probabilities; SGDClassifier has none"):
        MimicExplainer(Counted(3), X, SGDExplainableModel, shap_values_output="probability")
    with pytest.raises(TypeError, match="unexpected keyword argument 'nclusters'"):
        MimicExplainer(teacher, X, LGBMExplainableModel, nclusters=3)  # type: ignore[call-arg]
    with pytest.raises(Exception, match="returned nan in row 1, output 0"):
        MimicExplainer(lambda rows: np.where(np.arange(len(rows)) == 1, np.nan, 0.0), X, LGBMExplainableModel)


def test_rows_of_another_width_and_batches_are_named() -> None:
    explainer = MimicExplainer(Counted(), X, LGBMExplainableModel)
    with pytest.raises(ValueError, match="3 columns; the surrogate was trained on 4"):
        explainer.explain_local(X[:, :3])
    for batch_size in (0, -1, 2.5):
        with pytest.raises(ValueError, match="Specified argument batch_size must be greater than 0"):
            explainer.explain_global(X, include_local=False, batch_size=batch_size)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no rows"):
        explainer.explain_global(X[:0])


def test_columns_in_another_order_or_of_another_name_are_named() -> None:
    table = pd.DataFrame(X, columns=list("abcd"))
    explainer = MimicExplainer(
        LinearRegression().fit(table, MARGIN), table, LGBMExplainableModel, features=list("wxyz")
    )
    with pytest.raises(ValueError, match="Column 0 of evaluation_examples is 'd', but 'a' where the explainer was"):
        explainer.explain_local(table[list("dcba")])
    with pytest.raises(ValueError, match="Column 2 of evaluation_examples is 'other', but 'c'"):
        explainer.explain_global(table.rename(columns={"c": "other"}), include_local=False)
    named = explainer.explain_local(table[:3]).local_importance_values
    assert explainer.explain_local(X[:3]).local_importance_values == named


# Files


def test_a_pickle_explains_the_same() -> None:
    model = LogisticRegression().fit(X, MARGIN > 0)
    explainer = MimicExplainer(model, X, LGBMExplainableModel, features=list("abcd"))
    loaded = pickle.loads(pickle.dumps(explainer))
    ours, before = loaded.explain_global(X[:9]), explainer.explain_global(X[:9])
    assert ours.local_importance_values == before.local_importance_values
    assert ours.features == list("abcd")
    assert pickle.loads(pickle.dumps(ours)).fidelity == explainer.fidelity


@pytest.mark.parametrize("n_classes", [0, 2, 3])
def test_a_saved_explainer_explains_the_same(n_classes: int) -> None:
    teacher: Any = Counted(n_classes) if n_classes else (lambda rows: rows[:, 0])
    classes = [f"c{i}" for i in range(n_classes)] or None
    explainer = MimicExplainer(teacher, X, LGBMExplainableModel, classes=classes, explain_subset=[1, 0])
    saved = json.loads(json.dumps(explainer._save()))
    strings = {key: value for key, value in saved.items() if key != "surrogate_model" and value is not None}
    assert all(isinstance(json.loads(value), object) for value in strings.values())
    loaded = MimicExplainer._load(teacher, saved)
    for args in ((X[:9],), ()):
        ours, before = loaded.explain_global(*args), explainer.explain_global(*args)
        assert ours.global_importance_values == before.global_importance_values
        assert ours.features == before.features
        assert ours.fidelity == before.fidelity
    local = loaded.explain_local(X[:9])
    assert local.expected_values == explainer.explain_local(X[:9]).expected_values
    assert local.eval_y_predicted == explainer.explain_local(X[:9]).eval_y_predicted
    assert local.init_data is None


def test_a_saved_explainer_keeps_categories_stamps_and_index() -> None:
    rows = frame()
    rows.index = pd.Index([f"id{i % 7}" for i in range(300)], name="name")
    explainer = MimicExplainer(
        of_frame, rows, LGBMExplainableModel, categorical_features=["city", "code", "name"], reset_index="reset"
    )
    loaded = MimicExplainer._load(of_frame, json.loads(json.dumps(explainer._save())))
    ours, before = loaded.explain_local(rows[:9]), explainer.explain_local(rows[:9])
    assert ours.local_importance_values == before.local_importance_values
    assert ours.features == ["a", "city", "when", "code", "name"]


# The keys that interpret-community 0.32 writes, seen in its __dict__.
THEIR_KEYS = {
    "reset_index", "_datamapper", "_logger", "_identity", "predict_proba_flag", "model", "function", "_init_features",
    "features", "_timestamp_featurizer", "_column_indexer", "_one_hot_encoder", "classes", "explain_subset",
    "transformations", "_shap_values_output", "initialization_examples", "surrogate_model", "_method",
    "_original_eval_examples", "_allow_all_transformations",
}  # fmt: skip


def test_what_interpret_community_saved_loads() -> None:
    explainer = MimicExplainer(Counted(3), X, LGBMExplainableModel)
    saved = explainer._save()
    assert THEIR_KEYS.issubset(saved)
    theirs = {key: saved[key] for key in THEIR_KEYS}
    loaded = MimicExplainer._load(Counted(3), theirs)
    assert loaded.explain_local(X[:4]).local_importance_values == explainer.explain_local(X[:4]).local_importance_values


def test_what_cannot_be_saved_or_loaded_is_named() -> None:
    with pytest.raises(ValueError, match="this one is LinearExplainableModel"):
        MimicExplainer(Counted(), X, LinearExplainableModel)._save()
    rows, columns, model = transformed(False)
    with pytest.raises(ValueError, match="cannot write transformations"):
        MimicExplainer(model, rows, LGBMExplainableModel, transformations=columns)._save()
    saved = MimicExplainer(Counted(), X, LGBMExplainableModel)._save()
    with pytest.raises(ValueError, match="has no 'predict_proba_flag'"):
        MimicExplainer._load(Counted(), {key: saved[key] for key in saved if key != "predict_proba_flag"})
    with pytest.raises(ValueError, match="'tru' is no JSON"):
        MimicExplainer._load(Counted(), {**saved, "predict_proba_flag": "tru"})


def test_rows_may_be_lists() -> None:
    teacher = LogisticRegression().fit(X, MARGIN > 0)
    of_lists = MimicExplainer(teacher, X.tolist(), LinearExplainableModel).explain_global(X[:5].tolist())
    of_arrays = MimicExplainer(teacher, X, LinearExplainableModel).explain_global(X[:5])
    assert of_lists.local_importance_values == of_arrays.local_importance_values


@pytest.mark.parametrize("surrogate", [LGBMExplainableModel, LinearExplainableModel])
def test_number_of_threads_is_passed_on_and_changes_no_bits(surrogate: Any) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(80, 4))
    values = []
    for n_threads in (1, 2, None):
        explainer = MimicExplainer(
            lambda X: X[:, 0] * 2 - X[:, 1], rows, surrogate, is_function=True, fidelity=False, n_threads=n_threads
        )
        assert explainer.surrogate_model.n_threads == n_threads
        values.append(explainer.explain_local(rows).values)
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])
    with pytest.raises(ValueError, match="n_threads"):
        MimicExplainer(lambda X: X[:, 0], rows, surrogate, is_function=True, fidelity=False, n_threads=0)


def test_a_categorical_feature_may_be_named_twice() -> None:
    rows = pd.DataFrame({"city": ["a", "b"] * 20, "x": X[:40, 0]})
    explainer = MimicExplainer(
        lambda given: (given["city"] == "a").to_numpy() * 2.0,
        rows,
        LinearExplainableModel,
        categorical_features=["city", 0],
    )
    assert explainer.explain_global(rows).global_importance_values == pytest.approx([1, 0], abs=EXACT)
