"""Feature maps of fitted transformations, judged by which engineered columns move when a raw column does."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    LabelBinarizer,
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from fastexplain import TabularExplainer
from fastexplain.explainers.raw.raw_features import RawFeatures, raw_features

N = 60


def make_rows(seed: int = 0) -> pd.DataFrame:
    """Numbers x y z (z with gaps), an all-missing column, labels c of 3 and d of 2 values, rare labels r, and text."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=N)
    z[::7] = np.nan
    words = np.array(["red", "blue", "old", "new", "car"])
    return pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "c": rng.choice(list("uvw"), N),
            "y": rng.uniform(1, 2, size=N),
            "z": z,
            "d": rng.choice(list("pq"), N),
            "r": np.where(np.arange(N) < 50, rng.choice(list("ab"), N), rng.choice(list("efgh"), N)),
            "none": np.full(N, np.nan),
            "text": [" ".join(rng.choice(words, 3)) for _ in range(N)],
        }
    )


ROWS = make_rows()
TARGET = np.arange(N) % 3
NUMBERS = ["x", "y", "z"]


def dense(matrix: Any) -> NDArray[np.float64]:
    array = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    return np.asarray(array, dtype=np.float64)


def dependence(raw: RawFeatures, rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which engineered column moves when one raw column is given the values of other rows: (n_raw, n_engineered)."""
    before = np.tile(dense(raw.transform(rows)), (2, 1))
    moved = np.zeros((rows.shape[1], before.shape[1]), dtype=bool)
    for i in range(rows.shape[1]):
        mixed = pd.concat([rows, rows], ignore_index=True)
        values = rows.iloc[:, i].to_numpy()
        mixed.isetitem(i, np.concatenate([np.roll(values, 1), np.roll(values, 29)]))
        after = dense(raw.transform(mixed))
        moved[i] = ~np.isclose(before, after, equal_nan=True).all(axis=0)
    return moved


def check_map(raw: RawFeatures, rows: pd.DataFrame) -> None:
    """The map is the dependence, with columns that sum to 1; what never moves has one parent or none."""
    feature_map, moved = raw.feature_map.toarray(), dependence(raw, rows)
    moves = moved.any(axis=0)
    assert np.array_equal(feature_map[:, moves] > 0, moved[:, moves])
    assert np.allclose(feature_map[:, moves].sum(axis=0), 1.0, rtol=1e-15)
    assert np.isin(feature_map[:, ~moves].sum(axis=0), [0.0, 1.0]).all()
    assert feature_map.shape == (rows.shape[1], dense(raw.transform(rows)).shape[1])


def fitted(parts: list[Any], **options: Any) -> ColumnTransformer:
    return ColumnTransformer(parts, **options).fit(ROWS, TARGET)


KNOWN: dict[str, Any] = {
    "scaler": (StandardScaler(), ["x", "y"]),
    "minmax": (MinMaxScaler(), ["y", "x"]),
    "maxabs": (MaxAbsScaler(), ["y", "x"]),
    "robust": (RobustScaler(), ["x", "y"]),
    "quantile": (QuantileTransformer(n_quantiles=20), ["x", "y"]),
    "power": (PowerTransformer(), ["x", "y"]),
    "binarizer": (Binarizer(threshold=1.2), ["x", "y"]),
    "ordinal": (OrdinalEncoder(), ["c", "d"]),
    "one_hot": (OneHotEncoder(), ["c", "d", "r"]),
    "one_hot_dense": (OneHotEncoder(sparse_output=False), ["r", "c"]),
    "one_hot_first": (OneHotEncoder(drop="first"), ["c", "d"]),
    "one_hot_if_binary": (OneHotEncoder(drop="if_binary"), ["c", "d"]),
    "one_hot_array": (OneHotEncoder(drop=["v", "p"]), ["c", "d"]),
    "one_hot_min_frequency": (OneHotEncoder(min_frequency=8, handle_unknown="infrequent_if_exist"), ["r", "c"]),
    "one_hot_max_categories": (OneHotEncoder(max_categories=3), ["c", "r"]),
    "one_hot_infrequent_drop": (OneHotEncoder(min_frequency=8, drop="first"), ["r", "c", "d"]),
    "one_hot_drop_infrequent": (OneHotEncoder(min_frequency=8, drop=["a", "u"]), ["r", "c"]),
    "one_hot_ignore": (OneHotEncoder(handle_unknown="ignore", categories=[["p"], ["u", "v", "w"]]), ["d", "c"]),
    "bins": (KBinsDiscretizer(n_bins=[3, 4], strategy="kmeans"), ["x", "y"]),
    "bins_dense": (KBinsDiscretizer(n_bins=3, encode="onehot-dense", strategy="uniform"), ["x", "y"]),
    "bins_ordinal": (KBinsDiscretizer(n_bins=3, encode="ordinal", strategy="uniform"), ["x", "y"]),
    "target": (TargetEncoder(cv=2), ["c", "r"]),
    "splines": (SplineTransformer(n_knots=4), ["x", "y"]),
    "splines_no_bias": (SplineTransformer(n_knots=3, include_bias=False), ["y", "x"]),
    "powers_of_single_columns": (PolynomialFeatures(degree=1, include_bias=False), ["x", "y"]),
    "imputer": (SimpleImputer(), ["z", "x"]),
    "imputer_indicator": (SimpleImputer(add_indicator=True), ["x", "z"]),
    "imputer_of_nothing": (SimpleImputer(add_indicator=True), ["none", "x", "z"]),
    "missing": (MissingIndicator(features="missing-only"), ["x", "z"]),
    "function": (FunctionTransformer(), ["x", "y"]),
    "ufunc": (FunctionTransformer(np.tanh), ["x", "y"]),
    "declared_function": (FunctionTransformer(lambda X: 2 * X, feature_names_out="one-to-one"), ["y", "x"]),
    "function_of_one": (FunctionTransformer(lambda X: np.hstack([X, X**2, X**3])), ["x"]),
    "selector": (SelectKBest(k=1), ["x", "y"]),
    "scaled_then_selected": (make_pipeline(StandardScaler(), SelectKBest(k=2)), ["x", "y"]),
    "one_hot_then_selected": (make_pipeline(OneHotEncoder(), VarianceThreshold(0.2)), ["r", "c", "d"]),
    "imputed_then_one_hot": (
        make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(drop="first")),
        ["d", "c"],
    ),
    "pipeline_of_pipelines": (
        Pipeline([("a", Pipeline([("i", SimpleImputer()), ("no", "passthrough")])), ("s", StandardScaler())]),
        NUMBERS,
    ),
    "union": (FeatureUnion([("s", StandardScaler()), ("no", "drop"), ("id", "passthrough")]), ["x", "y"]),
    "nested_columns": (
        make_pipeline(
            SimpleImputer(strategy="most_frequent"),
            ColumnTransformer([("c", OneHotEncoder(), [1]), ("n", "passthrough", [2, 0])]),
        ),
        ["x", "c", "y"],
    ),
    "text": (TfidfVectorizer(), "text"),
    "counts": (CountVectorizer(), "text"),
    "passthrough": ("passthrough", ["y", "x"]),
    "pca_of_one_column": (make_pipeline(SplineTransformer(), PCA(2)), ["x"]),
}


@pytest.mark.parametrize("name", KNOWN)
def test_map_is_the_dependence(name: str) -> None:
    transformer, columns = KNOWN[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the all-missing column; the target's many classes
        raw = RawFeatures(fitted([("t", transformer, columns)], sparse_threshold=0.0), ROWS, None)
        check_map(raw, ROWS)
    assert raw.by_column is (name != "declared_function")


def test_hashed_text_belongs_to_the_text() -> None:
    raw = RawFeatures(
        fitted([("t", HashingVectorizer(n_features=16), "text"), ("x", "passthrough", ["x"])]), ROWS, None
    )
    groups = raw.groups()
    assert groups[7].tolist() == list(range(16))
    assert groups[0].tolist() == [16]


COLUMN_FORMS = ["names", "positions", "negative", "slice", "backwards", "names_slice", "mask", "mask_array"]
COLUMN_FORMS += ["selector", "callable", "index"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["y", "x"], [2, 0]),
        ([2, 0], [2, 0]),
        ([-5, 0], [3, 0]),
        (slice(2, 4), [2, 3]),
        (slice(3, None, -3), [3, 0]),
        (slice("y", "z"), [2, 3]),
        ([True, False, True] + [False] * 5, [0, 2]),
        (np.array([False, False, True] + [False] * 5), [2]),
        (make_column_selector(dtype_include="number"), [0, 2, 3, 6]),
        (lambda X: ["z"], [3]),
        (pd.Index(["z", "x"]), [3, 0]),
    ],
    ids=COLUMN_FORMS,
)
def test_columns_of_a_column_transformer_in_all_forms(columns: Any, expected: list[int]) -> None:
    raw = RawFeatures(fitted([("t", "passthrough", columns)]), ROWS, None)
    assert raw.feature_map.nonzero()[0][np.argsort(raw.feature_map.nonzero()[1])].tolist() == expected


@pytest.mark.parametrize("remainder", ["drop", "passthrough", StandardScaler()], ids=["drop", "passthrough", "scaler"])
@pytest.mark.parametrize("verbose", [True, False])
def test_remainder(remainder: Any, verbose: bool) -> None:
    rows = ROWS[["x", "c", "y", "d"]].assign(d=(ROWS["d"] == "p").astype(float))
    transformer = ColumnTransformer(
        [("c", OneHotEncoder(), ["c"]), ("none", StandardScaler(), []), ("no", "drop", ["y"])],
        remainder=remainder,
        verbose_feature_names_out=verbose,
    ).fit(rows)
    raw = RawFeatures(transformer, rows, None)
    check_map(raw, rows)
    assert raw.raw_features == ["x", "c", "y", "d"]
    assert raw.engineered_features == transformer.get_feature_names_out().tolist()
    assert raw.groups()[2].tolist() == []


def test_pandas_output() -> None:
    transformer = fitted([("n", StandardScaler(), ["y", "x"]), ("o", OneHotEncoder(sparse_output=False), ["c"])])
    transformer.set_output(transform="pandas")
    raw = RawFeatures(transformer, ROWS, None)
    assert isinstance(raw.transform(ROWS), pd.DataFrame)
    check_map(raw, ROWS)


def test_pipeline_and_union_as_transformations() -> None:
    rows = ROWS[["x", "y"]]
    for transformer in (make_pipeline(StandardScaler(), SplineTransformer()), FeatureUnion([("s", StandardScaler())])):
        check_map(RawFeatures(transformer.fit(rows), rows, None), rows)


def test_frame_with_more_columns_and_another_order_than_in_fit() -> None:
    transformer = ColumnTransformer([("n", StandardScaler(), ["x", "y"])], remainder="passthrough").fit(
        ROWS[["y", "z", "x"]]
    )
    raw = RawFeatures(transformer, ROWS, None)
    check_map(raw, ROWS)
    assert raw.n_raw == 8
    assert [len(columns) for columns in raw.groups()] == [1, 0, 1, 1, 0, 0, 0, 0]


def test_rows_in_other_containers() -> None:
    transformer = fitted([("n", StandardScaler(), ["x", "y"]), ("o", OneHotEncoder(sparse_output=False), ["c"])])
    raw = RawFeatures(transformer, ROWS, None)
    expected = raw.transform(ROWS)
    assert np.array_equal(raw.transform(ROWS.to_numpy()), expected)
    assert np.array_equal(raw.transform(ROWS.to_numpy().tolist()), expected)
    assert np.array_equal(raw.transform(ROWS.iloc[3]), expected[3:4])
    assert np.array_equal(raw.transform(ROWS.iloc[3].tolist()), expected[3:4])


def test_arrow_and_polars_rows() -> None:
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    rows = ROWS[["x", "y", "c"]]
    transformer = ColumnTransformer([("n", StandardScaler(), ["y", "x"]), ("o", OneHotEncoder(), ["c"])]).fit(rows)
    expected = transformer.transform(rows)
    frame = polars.from_pandas(rows)
    for given_rows in (frame, frame.to_arrow()):
        raw = RawFeatures(transformer, given_rows, None)
        assert np.allclose(raw.transform(given_rows), expected)
        assert [len(columns) for columns in raw.groups()] == [1, 1, 3]


def test_sparse_raw_rows() -> None:
    rows = scipy.sparse.random(20, 4, 0.5, format="csr", random_state=0)
    raw = RawFeatures([([3, 0], MaxAbsScaler().fit(rows[:, [3, 0]])), ([1], None)], rows, None)
    assert raw.feature_map.toarray().tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert scipy.sparse.issparse(raw.transform(rows))


# Lists of tuples


def tuples() -> list[Any]:
    return [
        (["x", "y"], StandardScaler().fit(ROWS[["x", "y"]].to_numpy())),
        ("c", LabelBinarizer().fit(ROWS["c"])),
        (["d"], OneHotEncoder(drop="if_binary").fit(ROWS[["d"]].to_numpy())),
        ("text", CountVectorizer().fit(ROWS["text"])),
        (["y"], None),
        (["z"], [SimpleImputer().fit(ROWS[["z"]].to_numpy()), SplineTransformer().fit(ROWS[["x"]].to_numpy())]),
    ]


def test_tuples_map_and_transform() -> None:
    raw = RawFeatures(tuples(), ROWS, None)
    check_map(raw, ROWS)
    out = raw.transform(ROWS).toarray()
    assert np.allclose(out[:, :2], tuples()[0][1].transform(ROWS[["x", "y"]].to_numpy()))
    assert np.array_equal(out[:, 2:5], LabelBinarizer().fit_transform(ROWS["c"]))
    assert np.array_equal(out[:, 11], ROWS["y"])


def test_single_name_is_a_1d_column_but_2d_for_what_was_fitted_so() -> None:
    raw = RawFeatures(
        [("c", LabelEncoder().fit(ROWS["c"])), ("x", StandardScaler().fit(ROWS[["x"]])), ("y", None)], ROWS, None
    )
    expected = np.column_stack([LabelEncoder().fit_transform(ROWS["c"]), dense(ROWS[["x"]] - ROWS["x"].mean())])
    out = raw.transform(ROWS)
    assert np.allclose(out[:, 0], expected[:, 0])
    assert np.allclose(out[:, 1], expected[:, 1] / ROWS["x"].std(ddof=0))
    assert np.array_equal(out[:, 2], ROWS["y"])


def test_tuples_of_positions_on_arrays() -> None:
    X = ROWS[["x", "y", "z"]].to_numpy()
    raw = RawFeatures([([2, 0], None), (1, None), ([-1], SimpleImputer().fit(X[:, [2]]))], X, None)
    assert raw.feature_map.toarray().tolist() == [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    assert raw.raw_features is None
    assert raw.n_raw == 3


def test_tuples_of_names_on_arrays_with_features() -> None:
    X = ROWS[["x", "y"]].to_numpy()
    raw = RawFeatures([(["y"], None)], X, ["x", "y"])
    assert np.array_equal(raw.transform(X), X[:, [1]])


def test_columns_of_mixed_types_become_numbers() -> None:
    raw = RawFeatures([(["x"], None), (["y"], StandardScaler().fit(ROWS[["y"]]))], ROWS.astype({"x": object}), None)
    assert raw.transform(ROWS.astype({"x": object})).dtype == np.float64


@pytest.fixture
def mapper_class(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """sklearn-pandas' DataFrameMapper, an optional library; its last release misses a helper of old scikit-learns."""
    import sklearn.utils

    monkeypatch.setattr(sklearn.utils, "tosequence", list, raising=False)
    yield pytest.importorskip("sklearn_pandas", exc_type=ImportError).DataFrameMapper
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn_pandas"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("default", [False, None])
def test_data_frame_mapper(mapper_class: Any, default: Any) -> None:
    rows = ROWS[["x", "c", "y", "d"]].assign(d=1.0 * (ROWS["d"] == "p"))
    features = [("c", LabelBinarizer()), (["y", "x"], [StandardScaler(), MinMaxScaler()], {"alias": "n"})]
    mapper = mapper_class(features, default=default).fit(rows)
    raw = RawFeatures(mapper, rows, None)
    assert np.array_equal(raw.transform(rows), mapper.transform(rows))
    check_map(raw, rows)
    with_tuples = RawFeatures([entry[:2] for entry in mapper.built_features], rows, None)
    assert np.array_equal(with_tuples.feature_map.toarray(), raw.feature_map.toarray()[:, :5])


# Many to many


class Mix(TransformerMixin, BaseEstimator):
    """Sums of columns: nothing is known of it."""

    def fit(self, X: Any, y: Any = None) -> Mix:
        return self

    def transform(self, X: Any) -> Any:
        return np.cumsum(np.asarray(X), axis=1)


class Declared(OneToOneFeatureMixin, Mix):
    """Says that its columns are those that it got."""

    def fit(self, X: Any, y: Any = None) -> Declared:
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X) + 1


class DropsFirst(Mix):
    """Names its output columns by names of its input."""

    def transform(self, X: Any) -> Any:
        return np.asarray(X)[:, :0:-1]

    def get_feature_names_out(self, names: Any = None) -> Any:
        return np.asarray(names)[:0:-1]


@pytest.mark.parametrize("transformer", [PCA(2), Mix(), PolynomialFeatures(2), make_pipeline(StandardScaler(), PCA(1))])
def test_mixing_transformers_need_leave(transformer: Any) -> None:
    transformations = fitted([("m", transformer, ["x", "y"]), ("c", OneHotEncoder(), ["c"])])
    named = transformer.steps[-1][1] if isinstance(transformer, Pipeline) else transformer
    with pytest.raises(ValueError, match="Many to many or many to one transformers not supported") as error:
        RawFeatures(transformations, ROWS, None)
    assert type(named).__name__ in str(error.value)
    assert "columns 'x', 'y'" in str(error.value)
    raw = RawFeatures(transformations, ROWS, None, allow_all_transformations=True)
    assert not raw.by_column
    feature_map = raw.feature_map.toarray()
    assert set(feature_map[[0, 2]].ravel()) <= {0.0, 0.5, 1.0}
    with pytest.raises(ValueError, match=r"comes of several raw features \('x', 'y'\)"):
        raw.groups()


def test_polynomials_by_their_powers() -> None:
    raw = RawFeatures(fitted([("p", PolynomialFeatures(2), ["x", "y"])]), ROWS, None, True)
    # 1, x, y, x^2, x y, y^2
    assert raw.feature_map.toarray()[[0, 2]].tolist() == [[0, 1, 0, 1, 0.5, 0], [0, 0, 1, 0, 0.5, 1]]


def test_parents_are_shared_out_through_a_pipeline() -> None:
    steps = make_pipeline(ColumnTransformer([("o", OneHotEncoder(), ["c"]), ("x", "passthrough", ["x"])]), PCA(1))
    raw = RawFeatures(steps.fit(ROWS[["c", "x"]]), ROWS[["c", "x"]], None, True)
    assert np.allclose(raw.feature_map.toarray(), [[0.75], [0.25]])  # three of the four columns are those of c


@pytest.mark.parametrize(
    ("transformer", "parents"),
    [(Declared(), [0, 2]), (DropsFirst(), [2]), (Normalizer(), [0, 2]), (KNNImputer(), [0, 2])],
    ids=["mixin", "names", "normalizer", "neighbours"],
)
def test_declared_columns_are_believed_but_not_for_certain(transformer: Any, parents: list[int]) -> None:
    raw = RawFeatures(fitted([("t", transformer, ["x", "y"])]), ROWS, None)
    assert raw.feature_map.indptr[1:].tolist()[-1] == len(parents)
    assert raw.feature_map.nonzero()[0].tolist() == parents
    assert not raw.by_column


def test_imputers_that_look_at_other_columns_keep_columns_apart() -> None:
    for imputer in (KNNImputer(add_indicator=True), IterativeImputer(add_indicator=True)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            raw = RawFeatures(fitted([("t", imputer, ["none", "x", "z"])]), ROWS, None)
        # x, z, and what was missing: none, z
        assert raw.feature_map.toarray()[[0, 3, 6]].tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]


# Bad input


@pytest.mark.parametrize("given_value", [5, {}, "x", np.zeros(3), [], StandardScaler(), (("x", None),)], ids=str)
def test_other_transformations_are_refused(given_value: Any) -> None:
    with pytest.raises(ValueError, match=r"Non-supported transformations argument passed\."):
        RawFeatures(given_value, ROWS, None)


@pytest.mark.parametrize(
    ("transformations", "message"),
    [
        (["x"], "Entry 0 of the list is 'x'"),
        ([("x",)], r"Entry 0 of the list is \('x',\)"),
        ([(["x"], None), (["y"], "scale")], r"Entry 1 .* 'scale', without a transform"),
        ([(["x"], StandardScaler)], "without a transform"),
        ([(["x", "nope"], None)], r"name the column 'nope'; the rows have columns \['x', 'c'"),
        ([([0], None)], "name the column 0; the rows have columns"),
    ],
)
def test_bad_tuples(transformations: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RawFeatures(transformations, ROWS, None)


def test_positions_outside_the_array() -> None:
    with pytest.raises(ValueError, match=r"name the column 3; the rows have positions 0\.\.2"):
        RawFeatures([([3], None)], np.zeros((4, 3)), None)


def test_unfitted_transformations() -> None:
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        RawFeatures(ColumnTransformer([("a", StandardScaler(), ["x"])]), ROWS, None)
    with pytest.raises(NotFittedError):
        RawFeatures([(["x", "y"], StandardScaler())], ROWS, None)


def test_rows_that_do_not_fit() -> None:
    raw = RawFeatures(fitted([("t", StandardScaler(), ["x", "y"])]), ROWS, None)
    with pytest.raises(ValueError, match=r"The rows have 3 columns; there are 8 raw features\."):
        raw.transform(ROWS.iloc[:, :3])
    with pytest.raises(ValueError, match="Column 0 of the raw rows is 'c', but 'x'"):
        raw.transform(ROWS[["c", "x", *ROWS.columns[2:]]])
    with pytest.raises(ValueError, match="features has 2 names; the raw rows have 8 columns"):
        RawFeatures(fitted([("t", StandardScaler(), ["x"])]), ROWS, ["a", "b"])
    with pytest.raises(ValueError, match="columns are missing"):
        RawFeatures(fitted([("t", StandardScaler(), ["x"])]), ROWS.drop(columns="x"), None)


def test_a_transformer_whose_width_changes() -> None:
    dummies = FunctionTransformer(pd.get_dummies)
    raw = RawFeatures([(["r"], dummies.fit(ROWS[["r"]])), (["x"], None)], ROWS[:8], None)
    with pytest.raises(ValueError, match=r"made 6 columns of these rows; they made 3 .* the same columns of any rows"):
        raw.transform(ROWS)
    with pytest.raises(ValueError, match="FunctionTransformer made 2 columns of some rows, but 5 in fit"):
        RawFeatures(fitted([("t", dummies, ["r"]), ("x", "passthrough", ["x"])]), ROWS[:8], None)


def test_fitted_attributes_that_do_not_fit_the_output() -> None:
    encoder = OneHotEncoder(sparse_output=False).fit(ROWS[["c", "d"]])

    class Wider(OneHotEncoder):
        def transform(self, X: Any) -> Any:
            return np.hstack([super().transform(X)] * 2)

    wider = Wider(sparse_output=False)
    wider.__dict__.update(encoder.__dict__)
    with pytest.raises(ValueError, match=r"Wider made 10 columns of columns 'c', 'd', but .* describe 5"):
        RawFeatures([(["c", "d"], wider)], ROWS, None)


def test_arguments() -> None:
    assert raw_features(None, ROWS, None, False, [0]) is None
    with pytest.raises(ValueError, match="explain_subset not supported with non-None transformations"):
        raw_features(tuples(), ROWS, None, False, [0])
    with pytest.raises(ValueError, match="aggregate must be 'sum' or 'group'; got 'mean'"):
        raw_features(None, ROWS, None, False, None, "mean")


def test_without_examples_the_first_rows_tell() -> None:
    raw = RawFeatures(tuples(), None, None)
    with pytest.raises(ValueError, match="not known before the first rows"):
        _ = raw.feature_map
    raw.transform(ROWS[:3])
    assert np.array_equal(raw.feature_map.toarray(), RawFeatures(tuples(), ROWS, None).feature_map.toarray())
    assert raw.raw_features == list(ROWS.columns)


# Anything goes


def parts(kind: str, columns: list[str]) -> Any:
    if kind == "label":
        encoders = [OneHotEncoder(), OneHotEncoder(drop="first"), OneHotEncoder(min_frequency=8), OrdinalEncoder()]
        chained = make_pipeline(OneHotEncoder(sparse_output=False, drop="if_binary"), StandardScaler())
        return st.sampled_from([*encoders, chained, OneHotEncoder(max_categories=2, sparse_output=False)])
    steps = [StandardScaler(), SplineTransformer(n_knots=3), KBinsDiscretizer(3, strategy="uniform")]
    cleaned = st.sampled_from([SimpleImputer(), SimpleImputer(add_indicator=True)])
    return st.one_of(cleaned, st.sampled_from(steps).map(lambda step: make_pipeline(SimpleImputer(), step)))


@settings(max_examples=12)
@given(data=st.data())
def test_random_column_transformers(data: st.DataObject) -> None:
    columns = data.draw(st.permutations(["x", "y", "z", "c", "d", "r"]))
    rows = ROWS[columns]
    left = {"label": [c for c in columns if c in "cdr"], "number": [c for c in columns if c in "xyz"]}
    chosen: list[Any] = []
    for i in range(data.draw(st.integers(1, 4))):
        kind = data.draw(st.sampled_from(["label", "number"]))
        # a column may be used by several parts, and not at all
        used = data.draw(st.lists(st.sampled_from(left[kind]), min_size=1, max_size=3, unique=True))
        by_position = data.draw(st.booleans())
        chosen.append((str(i), data.draw(parts(kind, used)), [columns.index(c) for c in used] if by_position else used))
    transformer = ColumnTransformer(chosen, sparse_threshold=data.draw(st.sampled_from([0.0, 1.0]))).fit(rows)
    raw = RawFeatures(transformer, rows, None)
    assert raw.by_column
    check_map(raw, rows)


def test_a_missing_and_an_unknown_raw_column_are_named() -> None:
    frame = pd.DataFrame({"a": np.arange(6.0), "b": np.arange(6.0) % 2, "c": np.arange(6.0) % 3})
    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, frame["a"])
    explainer = TabularExplainer(pipeline, frame)
    with pytest.raises(ValueError, match=r"2 columns; there are 3 raw features\. First column that is missing: 'b'"):
        explainer.explain_local(frame[["a", "c"]])
    with pytest.raises(ValueError, match="First column that is not known: 'd'"):
        explainer.explain_local(frame.assign(d=1.0))
