"""Explainers with `transformations`: raw rows in, raw explanations out, by sums and by groups."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from lightgbm import LGBMClassifier
from naive_games import naive_shapley
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, PolynomialFeatures, StandardScaler

from fastexplain import Background
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.deep import DeepExplainer
from fastexplain.explainers.kernel import KernelExplainer
from fastexplain.explainers.linear import LinearExplainer
from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.explainers.tree import TreeExplainer
from fastexplain.explanation import GlobalExplanation

N = 80


def make_rows() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    age = rng.uniform(1, 70, N)
    age[::9] = np.nan
    return pd.DataFrame(
        {
            "sex": rng.choice(["male", "female"], N),
            "age": age,
            "ticket": [f"t{i}" for i in range(N)],  # used by nothing
            "class": rng.choice([1, 2, 3], N),
            "port": rng.choice(list("CQS"), N, p=[0.2, 0.1, 0.7]),
            "fare": rng.gamma(2.0, 10.0, N),
        }
    )


ROWS = make_rows()
LABELS = np.where((ROWS["sex"] == "female") & (ROWS["class"] < 3), "lived", "died")
NAMES = list(ROWS.columns)


def transformer(**options: Any) -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["fare", "age"]),
            ("labels", OneHotEncoder(sparse_output=False), ["sex", "port"]),
            ("class", "passthrough", ["class"]),
        ],
        **options,
    ).fit(ROWS)


TRANSFORMER = transformer()
ENGINEERED = TRANSFORMER.transform(ROWS)
# by hand: fare, age, age missing, female, male, C, Q, S, class
MAP = np.zeros((6, 9))
for column, raw in enumerate([5, 1, 1, 0, 0, 4, 4, 4, 3]):
    MAP[raw, column] = 1

MODELS: dict[str, Any] = {
    "shap.linear": LogisticRegression(),
    "shap.tree": LGBMClassifier(n_estimators=10, min_child_samples=3, verbose=-1, n_jobs=1),
    "shap.deep": MLPClassifier((5,), max_iter=50, random_state=0),
    "shap.kernel": make_pipeline(FunctionTransformer(), LogisticRegression()),
}


def fit(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network stops early
        return MODELS[name].fit(ENGINEERED, LABELS)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    return fit(request.param)


def explainer_of(model: Any, examples: Any = ROWS, **options: Any) -> Any:
    if isinstance(model, MLPClassifier | MLPRegressor):
        return DeepExplainer(model, examples, **options)
    if isinstance(model, Pipeline):
        return KernelExplainer(model, examples, **options)
    return TabularExplainer(model, examples, **options)


# Sums


def test_local_values_are_sums_of_the_engineered_ones(model: Any) -> None:
    raw = explainer_of(model, transformations=TRANSFORMER, include_init_data=True).explain_local(ROWS[:9])
    engineered = explainer_of(model, ENGINEERED).explain_local(ENGINEERED[:9])
    assert np.allclose(raw.values, np.einsum("rf,nfo->nro", MAP, engineered.values), rtol=1e-12, atol=1e-14)
    assert np.array_equal(raw.base_values, engineered.base_values)
    assert np.allclose(raw.values.sum(axis=1), engineered.values.sum(axis=1))
    assert (raw.features, raw.is_raw, raw.is_engineered) == (NAMES, True, False)
    assert (raw.method, raw.path, raw.units) == (engineered.method, engineered.path, engineered.units)
    assert raw.classes == ["died", "lived"]
    assert raw._eval_data is not None
    assert raw._eval_data.equals(ROWS[:9])
    assert raw._init_data.equals(ROWS)
    assert not np.any(raw.values[:, NAMES.index("ticket")])


def test_global_is_the_mean_of_raw_values_streamed_or_not(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    explainer = explainer_of(model, transformations=TRANSFORMER)
    local = explainer.explain_local(ROWS)
    whole = explainer.explain_global(ROWS)
    monkeypatch.setattr("fastexplain.explainers.shared.base._BATCH_BYTES", 1)
    monkeypatch.setattr("fastexplain.explainers.shared.base.BLOCK_ROWS", 1)
    streamed = explainer.explain_global(ROWS, include_local=False, batch_size=13)
    expected = np.abs(local.values).mean(axis=0).T
    assert np.allclose(whole._importances, expected, rtol=1e-12)
    # sampled values may depend, within their error, on the rows beside
    assert np.allclose(streamed._importances, expected, rtol=1e-9 if whole.path is None else 0.02, atol=1e-3)
    assert type(streamed) is GlobalExplanation
    assert (streamed.features, streamed.is_raw) == (NAMES, True)
    assert whole.eval_y_predicted == streamed.eval_y_predicted == model.predict(ENGINEERED).tolist()
    assert np.allclose(streamed.eval_y_predicted_proba, model.predict_proba(ENGINEERED))


@pytest.mark.parametrize("form", [lambda row: row, lambda row: row.to_numpy(), lambda row: row.tolist()])
def test_one_row(model: Any, form: Callable[[Any], Any]) -> None:
    explainer = explainer_of(model, transformations=TRANSFORMER)
    one, table = explainer.explain_local(form(ROWS.iloc[4])), explainer.explain_local(ROWS[4:5])
    assert np.allclose(one.values, table.values)
    assert np.shape(one.local_importance_values) == (2, 6)
    assert one.eval_y_predicted == table.eval_y_predicted


def test_given_names_win(model: Any) -> None:
    names = list("abcdef")
    explainer = explainer_of(model, transformations=TRANSFORMER, features=names)
    assert explainer.features == names
    assert explainer.explain_local(ROWS[:2]).features == names


def test_list_of_tuples_gives_the_same() -> None:
    tuples = [
        (["fare", "age"], TRANSFORMER.named_transformers_["numbers"]),
        (["sex", "port"], TRANSFORMER.named_transformers_["labels"]),
        (["class"], None),
    ]
    fitted = LogisticRegression().fit(ENGINEERED, LABELS)
    expected = TabularExplainer(fitted, ROWS, transformations=TRANSFORMER).explain_global(ROWS)
    found = TabularExplainer(fitted, ROWS, transformations=tuples).explain_global(ROWS)
    assert np.allclose(found._importances, expected._importances, rtol=1e-13)
    assert found.features == NAMES


def test_tree_explainer_needs_no_examples() -> None:
    fitted = fit("shap.tree")
    explainer = TreeExplainer(fitted, transformations=TRANSFORMER)
    explanation = explainer.explain_local(ROWS[:3])
    assert explanation.features == NAMES
    assert explanation.init_data is None
    with_examples = TreeExplainer(fitted, transformations=TRANSFORMER, initialization_examples=ROWS)
    assert np.array_equal(explanation.values, with_examples.explain_local(ROWS[:3]).values)


def test_sparse_transformations_of_trees_and_linear_models() -> None:
    sparse = ColumnTransformer([("o", OneHotEncoder(), ["sex", "port"]), ("f", "passthrough", ["fare"])]).fit(ROWS)
    sparse.set_params(sparse_threshold=1.0)
    sparse = sparse.fit(ROWS)
    rows = sparse.transform(ROWS)
    assert scipy.sparse.issparse(rows)
    for kind in (RandomForestClassifier(5, random_state=0), LogisticRegression()):
        fitted = kind.fit(rows, LABELS)
        explanation = TabularExplainer(fitted, ROWS, transformations=sparse).explain_global(ROWS)
        expected = TabularExplainer(fitted, rows.toarray()).explain_global(rows.toarray())
        assert np.allclose(explanation.values.sum(axis=1), expected.values.sum(axis=1))  # type: ignore[attr-defined]
        assert explanation.eval_y_predicted == fitted.predict(rows).tolist()


def test_xgboost_takes_what_is_not_stored_as_missing() -> None:
    xgboost = pytest.importorskip("xgboost")
    sparse = ColumnTransformer([("o", OneHotEncoder(), ["sex", "port"]), ("f", "passthrough", ["fare"])])
    rows = sparse.set_params(sparse_threshold=1.0).fit_transform(ROWS)
    fitted = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows, LABELS == "lived")
    explanation = TabularExplainer(fitted, ROWS, transformations=sparse).explain_local(ROWS)
    margins = fitted.predict(rows, output_margin=True)
    assert np.allclose(explanation.values.sum(axis=1)[:, 0] + explanation.base_values, margins, atol=1e-5)
    dense_margins = fitted.predict(rows.toarray(), output_margin=True)
    assert not np.allclose(dense_margins, margins)  # zeros are another thing than missing values here


def test_predictions_are_made_once_and_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    predict = LogisticRegression.predict

    def counted(self: Any, X: Any) -> Any:
        calls.append(len(X))
        return predict(self, X)

    explainer = TabularExplainer(LogisticRegression().fit(ENGINEERED, LABELS), ROWS, transformations=TRANSFORMER)
    monkeypatch.setattr(LogisticRegression, "predict", counted)
    for include_local in (True, False):
        calls.clear()
        explanation = explainer.explain_global(ROWS, include_local=include_local)
        assert calls == []
        _ = explanation.eval_y_predicted, explanation.eval_y_predicted
        assert calls == [N]


def test_raw_explanations_and_explainers_are_picklable(model: Any) -> None:
    explainer = explainer_of(model, transformations=TRANSFORMER)
    explanation = pickle.loads(pickle.dumps(explainer.explain_global(ROWS[:5])))
    assert explanation.is_raw
    copy = pickle.loads(pickle.dumps(explainer))
    assert np.allclose(copy.explain_local(ROWS[:2]).values, explainer.explain_local(ROWS[:2]).values)


def test_names_of_both_sides() -> None:
    fitted = LogisticRegression().fit(ENGINEERED, LABELS)
    explainer = TabularExplainer(fitted, ROWS, transformations=TRANSFORMER)
    assert explainer.raw_features == NAMES
    assert explainer.transformations is TRANSFORMER
    without = TabularExplainer(fitted, ENGINEERED)
    assert (without.raw_features, without.engineered_features) == (None, None)
    named = ColumnTransformer([("l", OneHotEncoder(), ["sex"]), ("c", "passthrough", ["class"])]).fit(ROWS)
    again = LogisticRegression().fit(named.transform(ROWS), LABELS)
    engineered = LinearExplainer(again, ROWS, transformations=named).engineered_features
    assert engineered == ["l__sex_female", "l__sex_male", "c__class"]


def test_a_frame_of_engineered_rows() -> None:
    framed = transformer().set_output(transform="pandas")
    framed = framed.fit(ROWS)
    fitted = LogisticRegression().fit(framed.transform(ROWS), LABELS)
    found = TabularExplainer(fitted, ROWS, transformations=framed).explain_local(ROWS[:4])
    expected = LinearExplainer(fitted, framed.transform(ROWS)).explain_local(framed.transform(ROWS[:4]))
    assert np.allclose(found.values, np.einsum("rf,nfo->nro", MAP, expected.values))


# Groups


def naive_groups(
    outputs: Callable[[Any], Any], transform: Callable[[Any], Any], row: Any, background: Any, weights: Any
) -> NDArray[np.float64]:
    """Shapley values (n_raw, n_outputs) of raw columns: rows are mixed first and transformed then."""
    n, members = len(background), np.arange(2 ** len(row))[:, None] >> np.arange(len(row)) & 1
    mixed = pd.concat([background] * len(members), ignore_index=True)  # all coalitions at once, to save time
    for i in range(len(row)):
        inside = np.repeat(members[:, i] == 1, n)
        mixed.isetitem(i, mixed.iloc[:, i].where(~inside, row.iloc[i]))
    out = np.asarray(outputs(transform(mixed)), dtype=np.float64).reshape(len(members), n, -1)
    values = np.einsum("b,cbo->co", weights, out)

    def v(coalition: frozenset[int]) -> NDArray[np.float64]:
        return np.asarray(values[sum(1 << i for i in coalition)])

    return naive_shapley(v, len(row))


MIXING: dict[str, Any] = {
    "by_column": [("n", SimpleImputer(), ["fare", "age"]), ("o", OneHotEncoder(drop="first"), ["sex", "port"])],
    "pca": [("p", make_pipeline(SimpleImputer(), PCA(2)), ["fare", "age", "class"]), ("o", OneHotEncoder(), ["sex"])],
    "products": [("p", PolynomialFeatures(2), ["fare", "class"]), ("o", OneHotEncoder(), ["port", "sex"])],
    "neighbours": [("k", KNNImputer(), ["age", "fare"]), ("o", OneHotEncoder(), ["sex"])],
}


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("given_weights", [False, True])
def test_kernel_groups_equal_enumeration(name: str, given_weights: bool) -> None:
    ct = ColumnTransformer(MIXING[name]).fit(ROWS)
    fitted = RandomForestClassifier(4, random_state=0).fit(ct.transform(ROWS), LABELS)
    background, weights = ROWS[10:19], np.arange(1.0, 10) / 45
    examples: Any = Background(background, weights) if given_weights else background
    explainer = KernelExplainer(
        fitted, examples, transformations=ct, allow_all_transformations=True, aggregate="group", show_progress=False
    )
    explanation = explainer.explain_local(ROWS[:3])
    used = weights if given_weights else np.full(9, 1 / 9)
    for i in range(3):
        expected = naive_groups(fitted.predict_proba, ct.transform, ROWS.iloc[i], background, used)
        assert np.allclose(explanation.values[i], expected, atol=1e-12)
    assert np.allclose(explanation.base_values, used @ fitted.predict_proba(ct.transform(background)))
    assert explanation.eval_y_predicted == fitted.predict(ct.transform(ROWS[:3])).tolist()
    assert (explanation.features, explanation.is_raw) == (NAMES, True)
    assert explanation.standard_errors is not None
    assert not explanation.standard_errors.any()


def test_groups_differ_from_sums_where_columns_work_together() -> None:
    ct = ColumnTransformer([("o", OneHotEncoder(), ["port"]), ("n", "passthrough", ["fare"])]).fit(ROWS)
    fitted = RandomForestClassifier(4, random_state=0).fit(ct.transform(ROWS), LABELS)
    values = [
        KernelExplainer(fitted, ROWS[:20], transformations=ct, aggregate=aggregate, show_progress=False)
        .explain_local(ROWS[:5])
        .values
        for aggregate in ("sum", "group")
    ]
    assert np.allclose(values[0].sum(axis=1), values[1].sum(axis=1))
    assert np.abs(values[0] - values[1]).max() > 1e-3


def test_groups_stream_and_predict_as_well() -> None:
    ct = ColumnTransformer(MIXING["pca"]).fit(ROWS)
    fitted = LogisticRegression().fit(ct.transform(ROWS), LABELS)
    explainer = KernelExplainer(
        fitted, ROWS, transformations=ct, allow_all_transformations=True, aggregate="group", show_progress=False
    )
    whole, streamed = explainer.explain_global(ROWS[:30]), explainer.explain_global(ROWS[:30], include_local=False)
    assert np.allclose(whole._importances, streamed._importances)
    assert streamed.eval_y_predicted == fitted.predict(ct.transform(ROWS[:30])).tolist()


@pytest.mark.filterwarnings("ignore::fastexplain.BackgroundWarning")
@pytest.mark.parametrize("nclusters", [None, 5])
@pytest.mark.parametrize("name", ["by_column", "pca"])
def test_the_background_of_groups_are_rows_that_occur(
    name: str, nclusters: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastexplain.explainers.shared.background.MAX_ROWS", 5)
    ct = ColumnTransformer(MIXING[name]).fit(ROWS)
    fitted = LogisticRegression().fit(ct.transform(ROWS), LABELS)
    explainer = KernelExplainer(
        fitted,
        ROWS,
        transformations=ct,
        allow_all_transformations=True,
        aggregate="group",
        nclusters=nclusters,
        show_progress=False,
    )
    background = explainer._background
    engineered = background.data if name == "by_column" else ct.transform(background.data)
    distances = np.abs(np.asarray(engineered)[:, None] - ct.transform(ROWS)[None]).max(axis=2)
    assert len(engineered) == 5
    assert (distances.min(axis=1) == 0).all()
    assert np.isclose(background.weights.sum(), 1.0)


def test_linear_groups_equal_sums_and_enumeration() -> None:
    fitted = LinearRegression().fit(ENGINEERED, ROWS["class"] * 2.0)
    summed = LinearExplainer(fitted, ROWS, transformations=TRANSFORMER).explain_local(ROWS[:2])
    grouped = LinearExplainer(fitted, ROWS, transformations=TRANSFORMER, aggregate="group").explain_local(ROWS[:2])
    assert np.array_equal(summed.values, grouped.values)
    weights = np.full(N, 1 / N)
    for i in range(2):
        expected = naive_groups(fitted.predict, TRANSFORMER.transform, ROWS.iloc[i], ROWS, weights)
        assert np.allclose(grouped.values[i], expected, atol=1e-10)


def test_groups_that_are_refused() -> None:
    pca = ColumnTransformer(MIXING["pca"]).fit(ROWS)
    linear = LogisticRegression().fit(pca.transform(ROWS), LABELS)
    options = {"transformations": pca, "allow_all_transformations": True, "aggregate": "group"}
    with pytest.raises(ValueError, match=r"made of one raw feature alone.*KernelExplainer\(aggregate='group'\)"):
        TabularExplainer(linear, ROWS, **options)
    tree = fit("shap.tree")
    with pytest.raises(UnsupportedModelError, match=r"use KernelExplainer\(aggregate='group'\), which is exact"):
        TabularExplainer(tree, ROWS, transformations=TRANSFORMER, aggregate="group")
    network = fit("shap.deep")
    with pytest.raises(ValueError, match="needs Shapley values, and DeepLIFT's are none"):
        DeepExplainer(network, ROWS, transformations=TRANSFORMER, aggregate="group")


# Bad input


def test_wrong_arguments(model: Any) -> None:
    with pytest.raises(ValueError, match="explain_subset not supported with non-None transformations"):
        explainer_of(model, transformations=TRANSFORMER, explain_subset=[0])
    with pytest.raises(ValueError, match=r"Non-supported transformations argument passed\."):
        explainer_of(model, transformations=StandardScaler())
    with pytest.raises(ValueError, match="aggregate must be 'sum' or 'group'; got 'mean'"):
        explainer_of(model, ENGINEERED, aggregate="mean")
    with pytest.raises(ValueError, match="features has 2 names; the raw rows have 6 columns"):
        explainer_of(model, transformations=TRANSFORMER, features=["a", "b"])
    explainer = explainer_of(model, transformations=TRANSFORMER)
    with pytest.raises(ValueError, match="The rows have 9 columns; there are 6 raw features"):
        explainer.explain_local(ENGINEERED)
    with pytest.raises(ValueError, match="Column 0 of the raw rows is 'age', but 'sex'"):
        explainer.explain_global(ROWS[["age", "sex", *NAMES[2:]]])


@pytest.mark.parametrize("name", ["shap.linear", "shap.tree"])
def test_transformations_of_another_width_than_the_model(name: str) -> None:
    fitted = fit(name)
    narrow = ColumnTransformer([("f", "passthrough", ["fare"])]).fit(ROWS)
    with pytest.raises(ValueError, match="The transformations make 1 columns; the model has 9 features"):
        TabularExplainer(fitted, ROWS, transformations=narrow)
    if name == "shap.tree":
        with pytest.raises(ValueError, match="The transformations make 1 columns; the model has 9 features"):
            TreeExplainer(fitted, transformations=narrow).explain_local(ROWS)
