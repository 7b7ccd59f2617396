"""DatasetWrapper and CustomTimestampFeaturizer, and that every explainer takes wrapped rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

import fastexplain
from fastexplain.explainers.datasets import CustomTimestampFeaturizer, DatasetWrapper
from fastexplain.rows.tables import unwrapped_rows

rng = np.random.Generator(np.random.Philox(2))
X = rng.normal(size=(60, 3))


def mixed() -> pd.DataFrame:
    return pd.DataFrame(
        {"a": [1.0, 2.0, 3.0], "c": ["x", "y", "x"], "k": [1, 2, 3]}, index=pd.Index([5, 6, 7], name="id")
    )


def stamps() -> pd.DataFrame:
    return pd.DataFrame({"t": pd.to_datetime(["2020-01-02T00:00:00", "2021-03-04T05:06:07"]), "b": [1, 2]})


class DenseData:
    """As shap.utils._legacy has it."""

    def __init__(self, data: Any) -> None:
        self.data, self.weights = data, np.full(len(data), 1 / len(data))


# What it holds


def test_a_frame_keeps_values_names_and_types() -> None:
    wrapper = DatasetWrapper(mixed())
    assert wrapper.dataset.tolist() == [[1.0, "x", 1], [2.0, "y", 2], [3.0, "x", 3]]
    assert wrapper.num_features == 3
    assert wrapper.get_features() == ["a", "c", "k"]
    assert wrapper.summary_dataset is None
    typed = wrapper.typed_dataset
    assert list(typed.dtypes) == list(mixed().dtypes)
    assert wrapper.original_dataset_with_type.equals(mixed())


def test_other_types_come_back_as_they_were() -> None:
    assert isinstance(DatasetWrapper(pd.Series([1.0, 2.0])).typed_dataset, pd.Series)
    assert DatasetWrapper(X).typed_dataset is X
    sparse = scipy.sparse.csr_matrix(X)
    assert DatasetWrapper(sparse).typed_dataset is sparse
    assert DatasetWrapper(np.arange(4.0)).num_features == 4
    assert DatasetWrapper(X).get_features() == [0, 1, 2]


def test_get_features_takes_a_subset() -> None:
    wrapper = DatasetWrapper(mixed())
    assert wrapper.get_features(features=["q", "r", "s"], explain_subset=[0, 2]) == ["q", "s"]
    assert wrapper.get_features(explain_subset=[1]) == ["c"]


@pytest.mark.parametrize("rows", [{"a": 1}, [[1]], "rows", None, 3])
def test_other_types_are_named(rows: Any) -> None:
    with pytest.raises(TypeError, match=rf"Got type {type(rows)} which is not supported in DatasetWrapper"):
        DatasetWrapper(rows)


def test_torch_tensors_are_rows() -> None:
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(DatasetWrapper(torch.tensor([[1.0, 2.0]])).dataset, [[1.0, 2.0]])


# Categories


def test_string_index_replaces_text_and_applies_to_others() -> None:
    wrapper = DatasetWrapper(mixed())
    indexer = wrapper.string_index(columns=[1])
    assert wrapper.dataset.tolist() == [[1.0, 0.0, 1.0], [2.0, 1.0, 2.0], [3.0, 0.0, 3.0]]
    assert wrapper.string_index() is indexer
    for bucket, codes in ((True, [3, 3, 1]), (False, [3, 4, 1])):
        other = DatasetWrapper(pd.DataFrame({"a": [1.0] * 3, "c": ["new", "newer", "y"], "k": [1] * 3}))
        other.apply_indexer(indexer, bucket_unknown=bucket)
        assert other.dataset[:, 1].tolist() == codes


def test_string_index_leaves_columns_that_are_not_asked_for() -> None:
    wrapper = DatasetWrapper(mixed())
    wrapper.string_index(columns=[0])
    assert wrapper.dataset[:, 1].tolist() == ["x", "y", "x"]
    assert DatasetWrapper(X).string_index() is None


def test_one_hot_columns_come_first() -> None:
    wrapper = DatasetWrapper(mixed())
    indexer = wrapper.string_index()
    encoder = wrapper.one_hot_encode([1])
    assert wrapper.dataset.tolist() == [[1, 0, 1, 1], [0, 1, 2, 2], [1, 0, 3, 3]]
    other = DatasetWrapper(mixed())
    other.apply_indexer(indexer)
    other.apply_one_hot_encoder(encoder)
    np.testing.assert_array_equal(other.dataset, wrapper.dataset)


def test_absent_columns_are_named() -> None:
    with pytest.raises(ValueError, match=r"do not exist: \['z'\]; the columns are \['a', 'c', 'k'\]"):
        DatasetWrapper(mixed()).get_column_indexes(["a", "c", "k"], ["c", "z"])


# Time stamps


def test_time_stamps_become_numbers() -> None:
    wrapper = DatasetWrapper(stamps())
    featurizer = wrapper.timestamp_featurizer()
    expected = [[0.0, 1, 2020, 1, 2, 0, 0, 0], [36911167.0, 2, 2021, 3, 4, 5, 6, 7]]
    assert wrapper.dataset.tolist() == expected
    other = DatasetWrapper(stamps()[1:])
    assert featurizer is not None
    other.apply_timestamp_featurizer(featurizer)
    assert other.dataset.tolist() == expected[1:]


def test_the_featurizer_returns_tables() -> None:
    frame = stamps()
    made = CustomTimestampFeaturizer(return_pandas=True).fit(frame).transform(frame)
    assert list(made.columns[2:]) == ["t_year", "t_month", "t_day", "t_hour", "t_minute", "t_second"]
    assert made["t_second"].tolist() == [0, 7]
    assert list(frame.columns) == ["t", "b"]
    inplace = CustomTimestampFeaturizer(return_pandas=True, modify_in_place=True).fit(frame)
    assert inplace.transform(frame) is frame
    assert "t_year" in frame


def test_time_zones_count_in_parts_and_not_in_seconds() -> None:
    utc = pd.Series(pd.to_datetime(["2020-06-01T22:30:00", "2020-06-02T23:30:00"], utc=True))
    frame = pd.DataFrame({"t": utc.dt.tz_convert("Europe/Paris")})
    made = CustomTimestampFeaturizer(return_pandas=True).fit(frame).transform(frame)
    assert made["t_day"].tolist() == [2, 3]
    assert made["t_hour"].tolist() == [0, 1]
    assert made["t"].tolist() == [0.0, 90_000.0]


def test_missing_time_stamps_are_nan() -> None:
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-06-01", None])})
    made = CustomTimestampFeaturizer().fit(frame).transform(frame)
    assert np.isnan(made[1].astype(float)).all()


def test_parts_of_random_stamps_are_those_of_pandas() -> None:
    from fastexplain.explainers.mimic.timestamps import PARTS, time_parts

    column = pd.Series(pd.to_datetime(rng.integers(-(10**9), 4 * 10**9, size=500), unit="s"))
    for part, numbers in zip(PARTS, time_parts(column), strict=True):
        np.testing.assert_array_equal(numbers, getattr(column.dt, part))


def test_rows_without_stamps_stay() -> None:
    assert CustomTimestampFeaturizer().fit(X).transform(X) is X
    sparse = scipy.sparse.csr_matrix(X)
    assert CustomTimestampFeaturizer().fit(sparse).transform(sparse) is sparse


# Rows


def test_the_index_becomes_a_column_and_back() -> None:
    wrapper = DatasetWrapper(mixed())
    wrapper.reset_index()
    assert wrapper.get_features() == ["a", "c", "k", "id"]
    assert wrapper.dataset[:, 3].tolist() == [5, 6, 7]
    assert wrapper.typed_dataset.equals(mixed())
    wrapper.set_index()
    assert wrapper.get_features() == ["a", "c", "k"]
    plain = DatasetWrapper(mixed().reset_index(drop=True))
    plain.reset_index()
    assert plain.get_features() == ["a", "c", "k"]


def test_summaries_are_weighted_centres() -> None:
    wrapper = DatasetWrapper(rng.normal(size=(150, 3)))
    wrapper.compute_summary(nclusters=5)
    assert wrapper.summary_dataset.data.shape == (5, 3)
    assert wrapper.summary_dataset.weights.sum() == pytest.approx(1)
    assert wrapper.original_dataset.shape == (150, 3)
    assert wrapper.num_features == 3
    few = DatasetWrapper(X)
    few.compute_summary()
    assert few.summary_dataset is X
    sparse = DatasetWrapper(scipy.sparse.csr_matrix(X))
    sparse.compute_summary()
    np.testing.assert_allclose(sparse.dataset.toarray(), np.median(X, axis=0)[None])
    with pytest.raises(ValueError, match="use_gpu"):
        few.compute_summary(use_gpu=True)


def test_augmentation_shuffles_columns() -> None:
    rows = rng.normal(size=(3, 12))
    wrapper = DatasetWrapper(rows)
    wrapper.augment_data()
    assert wrapper.dataset.shape == (12, 12)
    np.testing.assert_array_equal(wrapper.dataset[:3], rows)
    np.testing.assert_array_equal(np.sort(wrapper.dataset[3:6], axis=1), np.sort(rows, axis=1))
    capped = DatasetWrapper(rows)
    capped.augment_data(max_num_of_augmentations=1)
    assert len(capped.dataset) == 6
    sparse = DatasetWrapper(scipy.sparse.csr_matrix(rows))
    sparse.augment_data()
    np.testing.assert_array_equal(sparse.dataset.toarray(), wrapper.dataset)


def test_frames_are_augmented_within_types() -> None:
    from fastexplain.explainers.mimic.augmentation import augmented

    frame = pd.DataFrame({f"n{i}": [0.5, 1.5] for i in range(4)} | {f"s{i}": ["x", "y"] for i in range(2)})
    made = augmented(frame, 1)
    assert len(made) == 4
    assert list(made.dtypes) == list(frame.dtypes)
    with pytest.raises(TypeError, match="augment_data=False"):
        augmented(pytest.importorskip("polars").from_pandas(frame))


def test_subset_and_sample() -> None:
    wrapper = DatasetWrapper(X)
    wrapper.take_subset([0, 2])
    wrapper.take_subset([0])
    assert wrapper.dataset.shape == (60, 2)
    assert wrapper.sample() is wrapper.dataset  # few rows stay
    many = DatasetWrapper(rng.normal(size=(300, 2)))
    assert len(many.sample(sampling_method="kmeans")) < 300


def test_references_are_cleared_only_if_asked_for() -> None:
    kept, cleared = DatasetWrapper(X), DatasetWrapper(X, clear_references=True)
    kept._clear()
    cleared._clear()
    assert kept.dataset is X
    assert cleared.dataset is None


# Explainers


def test_unwrapped_rows_of_all_kinds() -> None:
    dense = DenseData(X)
    assert unwrapped_rows(DatasetWrapper(X)) is X
    assert unwrapped_rows(dense) is X
    assert unwrapped_rows(dense, keep_weights=True) is dense
    assert unwrapped_rows("anything") == "anything"


@pytest.mark.parametrize("wrap", [DatasetWrapper, DenseData], ids=["DatasetWrapper", "DenseData"])
@pytest.mark.parametrize("name", ["TabularExplainer", "TreeExplainer", "LinearExplainer", "KernelExplainer", "Mimic"])
def test_explainers_take_wrapped_rows(name: str, wrap: Any) -> None:
    y = X @ [1.0, 2.0, 0.0]
    model = DecisionTreeRegressor(max_depth=3) if name in ("TabularExplainer", "TreeExplainer") else LinearRegression()
    model.fit(X, y)

    def make(rows: Any) -> Any:
        if name == "TreeExplainer":
            return fastexplain.TreeExplainer(model)
        if name == "Mimic":
            return fastexplain.MimicExplainer(model, rows, fastexplain.LinearExplainableModel)
        return getattr(fastexplain, name)(model, rows)

    plain, wrapped = make(X).explain_global(X[:5]), make(wrap(X)).explain_global(wrap(X[:5]))
    assert wrapped.local_importance_values == plain.local_importance_values
    assert wrapped.eval_y_predicted == plain.eval_y_predicted


def test_tensors_are_rows_of_explainers() -> None:
    torch = pytest.importorskip("torch")
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    explainer = fastexplain.LinearExplainer(model, torch.as_tensor(X))
    ours = explainer.explain_local(torch.as_tensor(X[:4])).local_importance_values
    assert ours == fastexplain.LinearExplainer(model, X).explain_local(X[:4]).local_importance_values


def test_ml_wrappers_own_class_is_known_by_its_attributes() -> None:
    class Theirs:
        original_dataset_with_type = X
        dataset = X

    model = LinearRegression().fit(X, X[:, 0])
    explainer = fastexplain.LinearExplainer(model, Theirs())
    assert explainer.explain_local(Theirs()).num_examples == 60


@pytest.mark.parametrize("name", ["LinearExplainer", "Mimic"])
def test_explainers_refuse_what_holds_no_rows(name: str) -> None:
    model = LinearRegression().fit(X, X[:, 0])
    make: Any = fastexplain.LinearExplainer
    explainer = (
        make(model, X) if name != "Mimic" else fastexplain.MimicExplainer(model, X, fastexplain.LinearExplainableModel)
    )
    with pytest.raises(TypeError, match="Got type <class 'dict'> which is not supported in DatasetWrapper"):
        explainer.explain_local({"a": 1})
