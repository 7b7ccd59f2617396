"""Explanation objects over arrays made by hand: interpret-community's members and shapes, rankings, files."""

from __future__ import annotations

import json
import os
import pickle
import uuid

import numpy as np
import pytest

from fastexplain.exceptions import PredictionError
from fastexplain.explanation import (
    Explanation,
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    ParquetWriter,
    read_parquet,
    to_arrow,
    to_pandas,
    write_parquet,
)
from fastexplain.explanation.numbers.aggregation import BLOCK_ROWS, MeanAbs, mean_abs

# Two orders of adding the same float64 numbers: a few roundings apart.
SUM_TOLERANCE = 1e-12

MARGIN = np.array([[[0.5], [-2.0], [0.1]], [[-1.5], [1.0], [0.3]]])  # 2 rows, 3 features, 1 output
NAMES = ["age", "bmi", "sex"]


def regression(**context) -> LocalExplanation:
    return LocalExplanation(MARGIN, [7.0], features=NAMES, **context)


def binary_margin(**context) -> LocalExplanation:
    return LocalExplanation(MARGIN, [0.25], features=NAMES, classes=["no", "yes"], **context)


def three_classes(n_rows: int = 4) -> LocalExplanation:
    values = np.random.default_rng(0).normal(size=(n_rows, 3, 3))
    return LocalExplanation(values, [0.1, 0.2, 0.3], features=NAMES, classes=["a", "b", "c"])


# Local values


def test_regression_local_values_are_rows_by_features():
    explanation = regression()
    assert explanation.local_importance_values == [[0.5, -2.0, 0.1], [-1.5, 1.0, 0.3]]
    assert explanation.expected_values == [7.0]
    assert (explanation.num_examples, explanation.num_features) == (2, 3)
    assert explanation.is_local_sparse is False


def test_binary_margin_is_minus_v_and_v():
    explanation = binary_margin()
    negative = [[-0.5, 2.0, -0.1], [1.5, -1.0, -0.3]]
    assert explanation.local_importance_values == [negative, MARGIN[..., 0].tolist()]
    assert explanation.expected_values == [-0.25, 0.25]
    assert (explanation.num_classes, explanation.num_examples) == (2, 2)


def test_binary_with_two_outputs_keeps_each_class_own_values():
    values = np.arange(12.0).reshape(2, 3, 2)
    explanation = LocalExplanation(values, [0.4, 0.6], classes=[0, 1])
    assert explanation.local_importance_values == [values[..., 0].tolist(), values[..., 1].tolist()]
    assert explanation.expected_values == [0.4, 0.6]


def test_multiclass_is_class_first():
    explanation = three_classes()
    assert np.shape(explanation.local_importance_values) == (3, 4, 3)
    assert explanation.local_importance_values[2][1][0] == explanation.values[1, 0, 2]


def test_class_first_array_of_several_outputs_is_a_view():
    explanation = three_classes()
    assert np.shares_memory(explanation._local_importance_values, explanation.values)


def test_values_are_kept_without_a_copy():
    values = np.zeros((2, 3, 1))
    assert LocalExplanation(values, [0.0]).values is values


@pytest.mark.parametrize(
    ("context", "shape"), [({}, (3,)), ({"classes": [0, 1]}, (2, 3))], ids=["regression", "binary"]
)
def test_single_1d_row_has_no_row_axis(context, shape):
    explanation = LocalExplanation(MARGIN[:1], [0.0], single_row=True, **context)
    assert np.shape(explanation.local_importance_values) == shape
    assert np.shape(explanation.get_ranked_local_names()) == shape
    assert explanation.num_examples == 1
    assert explanation.values.shape == (1, 3, 1)


def test_local_rank_is_by_signed_value_descending():
    assert regression().get_local_importance_rank() == [[0, 2, 1], [1, 2, 0]]


def test_ranked_local_names_and_values_agree():
    explanation = regression()
    assert explanation.get_ranked_local_names(top_k=2) == [["age", "sex"], ["bmi", "sex"]]
    assert explanation.get_ranked_local_values(top_k=2) == [[0.5, 0.1], [1.0, 0.3]]


def test_ranked_local_names_of_classes_are_nested_by_class():
    assert binary_margin().get_ranked_local_names(1) == [[["bmi"], ["age"]], [["age"], ["bmi"]]]


def test_ties_rank_as_reversed_argsort():
    ties = np.zeros((1, 4, 1))
    assert LocalExplanation(ties, [0.0]).get_local_importance_rank() == [np.zeros(4).argsort()[::-1].tolist()]


def test_top_k_beyond_width_gives_all():
    assert np.shape(regression().get_ranked_local_names(99)) == (2, 3)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, True])
def test_bad_top_k_is_named(top_k):
    with pytest.raises(ValueError, match=f"top_k .* got {top_k}"):
        regression().get_ranked_local_names(top_k)


def test_names_are_indices_where_there_are_none():
    explanation = LocalExplanation(MARGIN, [0.0])
    assert explanation.features == [0, 1, 2]
    assert explanation.get_ranked_local_names(1) == [[0], [1]]


# Global values


def test_regression_global_is_mean_of_absolute_values():
    explanation = regression().to_global()
    assert explanation.global_importance_values == pytest.approx([1.0, 1.5, 0.2], abs=SUM_TOLERANCE)
    assert explanation.global_importance_rank == [1, 0, 2]
    assert explanation.get_ranked_global_names(2) == ["bmi", "age"]
    assert explanation.get_ranked_global_values(2) == pytest.approx([1.5, 1.0], abs=SUM_TOLERANCE)
    assert list(explanation.get_feature_importance_dict(2)) == ["bmi", "age"]


def test_binary_margin_global_has_equal_classes():
    explanation = binary_margin().to_global()
    assert explanation.per_class_values == [explanation.global_importance_values] * 2
    assert explanation.global_importance_values == pytest.approx([1.0, 1.5, 0.2], abs=SUM_TOLERANCE)
    assert explanation.get_ranked_per_class_names(1) == [["bmi"], ["bmi"]]


def test_multiclass_global_is_mean_over_classes_of_per_class():
    explanation = three_classes().to_global()
    per_class = np.abs(explanation.values).mean(axis=0).T
    np.testing.assert_allclose(explanation.per_class_values, per_class, rtol=SUM_TOLERANCE)
    np.testing.assert_allclose(explanation.global_importance_values, per_class.mean(axis=0), rtol=SUM_TOLERANCE)
    assert explanation.per_class_rank == per_class.argsort()[..., ::-1].tolist()
    np.testing.assert_allclose(
        explanation.get_ranked_per_class_values(2), np.sort(per_class)[:, ::-1][:, :2], rtol=SUM_TOLERANCE
    )


def test_global_made_from_local_has_its_id_and_values():
    local = regression()
    assert local.to_global().id == local.id
    assert local.to_global().values is local.values
    assert str(uuid.UUID(local.id)) == local.id


def test_two_explanations_have_different_ids():
    assert regression().id != regression().id


def test_global_of_no_rows_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        LocalExplanation(np.empty((0, 3, 1)), [0.0]).to_global()


@pytest.mark.parametrize("shape", [(1000, 7, 3), (129, 1, 1), (5, 9000, 2)])
def test_mean_abs_equals_numpy(shape):
    values = np.random.default_rng(1).normal(size=shape)
    np.testing.assert_allclose(mean_abs(values), np.abs(values).mean(axis=0).T, rtol=SUM_TOLERANCE)


def test_mean_abs_of_a_strided_view():
    values = np.random.default_rng(1).normal(size=(300, 8, 2))
    view = values[::2, [5, 1], ::-1]
    np.testing.assert_allclose(mean_abs(view), np.abs(view).mean(axis=0).T, rtol=SUM_TOLERANCE)


def test_mean_abs_of_float32_adds_in_float64():
    values = np.full((100_000, 1, 1), 0.1, dtype=np.float32)
    assert mean_abs(values)[0, 0] == pytest.approx(float(np.float32(0.1)), rel=SUM_TOLERANCE)


def test_batches_of_whole_blocks_have_the_bits_of_one_piece():
    values = np.random.default_rng(2).normal(size=(1000, 5, 2))
    running = MeanAbs(5, 2)
    for start in range(0, 1000, 2 * BLOCK_ROWS):
        running.add(values[start : start + 2 * BLOCK_ROWS])
    np.testing.assert_array_equal(running.result(), mean_abs(values))


def test_nan_values_stay_visible_in_the_mean():
    values = MARGIN.copy()
    values[0, 1, 0] = np.nan
    assert np.isnan(mean_abs(values)).tolist() == [[False, True, False]]


# What an explanation does not have


@pytest.mark.parametrize("name", ["global_importance_values", "get_ranked_global_names", "per_class_values"])
def test_local_has_no_global_members(name):
    explanation = binary_margin()
    assert not hasattr(explanation, name)
    with pytest.raises(AttributeError, match=rf"{name} belongs to global explanations.*explain_global"):
        getattr(explanation, name)


@pytest.mark.parametrize("name", ["values", "local_importance_values", "num_examples", "get_ranked_local_names"])
def test_global_without_local_has_no_local_members(name):
    explanation = GlobalExplanation(np.ones((1, 3)), [0.0])
    assert not hasattr(explanation, name)
    with pytest.raises(AttributeError, match=f"{name} needs local values"):
        getattr(explanation, name)


@pytest.mark.parametrize("name", ["classes", "num_classes", "per_class_values", "per_class_rank"])
def test_regression_has_no_class_members(name):
    explanation = regression().to_global()
    assert not hasattr(explanation, name)
    with pytest.raises(AttributeError, match=f"{name} is for classifiers"):
        getattr(explanation, name)


def test_regression_ranked_per_class_names_say_why_not():
    with pytest.raises(AttributeError, match="for classifiers"):
        regression().to_global().get_ranked_per_class_names()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("expected_values", "importances add up to no output"),
        ("per_class_values", "pfi measures the model as a whole"),
        ("eval_data", "made without data sets"),
        ("model_id", "made without one"),
    ],
)
def test_importances_of_the_whole_model_say_why_members_are_absent(name, why):
    explanation = GlobalExplanation(np.ones(3), model_task="classification", n_classes=2, method="pfi")
    with pytest.raises(AttributeError, match=f"{name} .*{why}"):
        getattr(explanation, name)


def test_an_attribute_that_the_model_lacks_is_not_taken_for_an_absent_member():
    explanation = LocalExplanation(MARGIN, [0.0], eval_data=np.ones((2, 3)), predict=lambda: object().multi_class)
    for look_up in (lambda: explanation.eval_y_predicted, lambda: explanation.data(-1)):
        with pytest.raises(PredictionError, match="'object' object has no attribute 'multi_class'"):
            look_up()


def test_unknown_attribute_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="'LocalExplanation' object has no attribute 'nonsense'"):
        _ = regression().nonsense


def test_kinds_are_told_apart_by_isinstance():
    both = regression().to_global()
    assert isinstance(both, GlobalExplanation)
    assert isinstance(both, LocalExplanation)
    assert isinstance(both, Explanation)
    assert not isinstance(regression(), GlobalExplanation)


# Wrong numbers


def test_feature_names_of_wrong_number_give_both():
    with pytest.raises(ValueError, match="Number of features: 3 feature names: 2"):
        LocalExplanation(MARGIN, [0.0], features=["a", "b"])


def test_class_labels_of_wrong_number_give_both():
    with pytest.raises(ValueError, match=r"number of classes passed in must be the same.*classes: 2 class labels: 3"):
        LocalExplanation(MARGIN, [0.0], classes=["a", "b", "c"])


def test_values_that_are_not_3d_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\); expected \(n_rows, n_features, n_outputs\)"):
        LocalExplanation(MARGIN[..., 0], [0.0])


def test_base_values_of_other_length_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\); values have 1 outputs"):
        LocalExplanation(MARGIN, [0.0, 1.0])


# Data, predictions, pickling, display


def test_data_come_back_as_lists():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": [3.5, 4.5]})
    explanation = regression(init_data=np.eye(2), eval_data=frame)
    assert explanation.init_data == [[1.0, 0.0], [0.0, 1.0]]
    assert explanation.eval_data == [[1.0, 3.5], [2.0, 4.5]]
    assert explanation._eval_data is frame
    assert explanation.eval_y_predicted is None


def test_predictions_are_made_on_first_use_and_once():
    calls = []

    def predict():
        calls.append(1)
        return np.array(["no", "yes"]), np.array([[0.9, 0.1], [0.2, 0.8]])

    explanation = binary_margin(predict=predict)
    both = explanation.to_global()
    assert calls == []
    assert both.eval_y_predicted == ["no", "yes"]
    assert explanation.eval_y_predicted_proba == [[0.9, 0.1], [0.2, 0.8]]
    assert explanation.eval_y_predicted == ["no", "yes"]
    assert calls == [1]


def test_pickle_holds_predictions_and_not_the_model():
    explanation = pickle.loads(pickle.dumps(binary_margin(predict=lambda: (np.array([0, 1]), None)).to_global()))
    assert type(explanation) is GlobalLocalExplanation
    assert explanation.eval_y_predicted == [0, 1]
    assert explanation.eval_y_predicted_proba is None
    assert explanation.local_importance_values == binary_margin().local_importance_values
    assert explanation.get_feature_importance_dict() == binary_margin().to_global().get_feature_importance_dict()


def test_repr_names_what_matters():
    text = repr(binary_margin(method="shap_tree").to_global())
    for part in ("GlobalLocalExplanation", "rows=2", "shap_tree", "features=3 [age, bmi, sex]", "[no, yes]"):
        assert part in text


def test_html_lists_top_features_and_escapes_names():
    explanation = LocalExplanation(np.ones((2, 12, 1)), [0.0], features=["<b>"] + [f"f{i}" for i in range(11)])
    text = explanation._repr_html_()
    assert "&lt;b&gt;" in text
    assert "<td><b>" not in text
    assert "2 more" in text


def test_html_of_an_explanation_without_rows():
    assert "rows: 0" in LocalExplanation(np.empty((0, 3, 1)), [0.0])._repr_html_()


# Parquet


def test_parquet_returns_the_same_explanation(tmp_path):
    original = three_classes(50).to_global()
    write_parquet(original, tmp_path / "e.parquet")
    back = read_parquet(tmp_path / "e.parquet")
    assert type(back) is GlobalLocalExplanation
    np.testing.assert_array_equal(back.values, original.values)
    assert back.expected_values == original.expected_values
    assert (back.features, back.classes, back.id) == (original.features, original.classes, original.id)
    assert back.per_class_values == original.per_class_values


def test_parquet_keeps_a_single_row_single(tmp_path):
    LocalExplanation(MARGIN[:1], [0.5], single_row=True, units="margin").to_parquet(tmp_path / "e.parquet")
    back = read_parquet(tmp_path / "e.parquet")
    assert back.local_importance_values == [0.5, -2.0, 0.1]
    assert back.units == "margin"
    assert back.features == [0, 1, 2]


def test_columns_of_one_output_are_phi_and_feature():
    table = to_arrow(binary_margin(predict=lambda: (np.array(["no", "yes"]), None)))
    assert table.column_names == ["phi_age", "phi_bmi", "phi_sex", "base_value", "raw_prediction", "prediction"]
    assert table["phi_bmi"].to_pylist() == [-2.0, 1.0]
    assert table["base_value"].to_pylist() == [0.25, 0.25]
    np.testing.assert_array_equal(table["raw_prediction"], MARGIN.sum(axis=1)[:, 0] + 0.25)
    assert table["prediction"].to_pylist() == ["no", "yes"]


def test_columns_of_several_outputs_name_the_class():
    frame = to_pandas(three_classes())
    assert list(frame.columns[:4]) == ["phi_a_age", "phi_b_age", "phi_c_age", "phi_a_bmi"]
    assert list(frame.columns[-6:-3]) == ["base_value_a", "base_value_b", "base_value_c"]
    assert list(frame.columns[-3:]) == ["raw_prediction_a", "raw_prediction_b", "raw_prediction_c"]
    np.testing.assert_array_equal(frame["phi_c_bmi"], three_classes().values[:, 1, 2])


def test_engine_result_is_written_without_names(tmp_path):
    from fastexplain.engine import TreeShapResult

    write_parquet(TreeShapResult(MARGIN, np.array([0.5])), tmp_path / "e.parquet")
    np.testing.assert_array_equal(read_parquet(tmp_path / "e.parquet").values, MARGIN)


def test_columns_that_would_share_a_name_are_numbered(tmp_path):
    explanation = LocalExplanation(
        np.arange(6.0).reshape(1, 3, 2), [0.0, 0.0], features=["x", "b_x", "y"], classes=["a", "a_b"]
    )
    names = to_arrow(explanation).column_names
    assert len(set(names)) == len(names)
    write_parquet(explanation, tmp_path / "e.parquet")
    np.testing.assert_array_equal(read_parquet(tmp_path / "e.parquet").values, explanation.values)


def test_feature_names_with_dots_are_read_back(tmp_path):
    explanation = LocalExplanation(MARGIN, [0.0], features=["a", "a.b", "a.b.c"])
    write_parquet(explanation, tmp_path / "e.parquet")
    np.testing.assert_array_equal(read_parquet(tmp_path / "e.parquet").values, MARGIN)


def test_writer_streams_batches_into_one_explanation(tmp_path):
    values = np.random.default_rng(0).normal(size=(1000, 3, 1))
    with ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5], model_task="regression") as writer:
        for start in range(0, 1000, 300):
            writer.write_batch(values[start : start + 300], np.arange(start, min(start + 300, 1000)))
    assert writer.n_rows == 1000
    back = read_parquet(tmp_path / "e.parquet")
    np.testing.assert_array_equal(back.values, values)
    assert back.eval_y_predicted == list(range(1000))


def test_writer_flushes_row_groups_as_it_goes(tmp_path, monkeypatch):
    import pyarrow.parquet

    monkeypatch.setattr("fastexplain.explanation.files.parquet._ROW_GROUP_BYTES", 1000)
    values = np.random.default_rng(0).normal(size=(400, 3, 1))
    with ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5]) as writer:
        for start in range(0, 400, 100):
            writer.write_batch(values[start : start + 100])
    assert pyarrow.parquet.ParquetFile(tmp_path / "e.parquet").num_row_groups == 4
    np.testing.assert_array_equal(read_parquet(tmp_path / "e.parquet").values, values)


def test_writer_leaves_nothing_behind_after_an_error(tmp_path):
    def fail_midway():
        with ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5]) as writer:
            writer.write_batch(MARGIN)
            raise KeyError("stop")

    with pytest.raises(KeyError):
        fail_midway()
    assert os.listdir(tmp_path) == []


def test_writer_keeps_the_old_file_until_it_is_closed(tmp_path):
    path = tmp_path / "e.parquet"
    write_parquet(regression(), path)
    with ParquetWriter(path, NAMES, [0.5]) as writer:
        writer.write_batch(MARGIN[:1])
        assert read_parquet(path).num_examples == 2
    assert read_parquet(path).num_examples == 1
    assert os.listdir(tmp_path) == ["e.parquet"]


def test_writer_without_rows_makes_an_empty_explanation(tmp_path):
    with ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5]):
        pass
    assert read_parquet(tmp_path / "e.parquet").values.shape == (0, 3, 1)


def test_writer_carries_columns_of_the_caller(tmp_path):
    import pyarrow
    import pyarrow.parquet

    with ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5]) as writer:
        writer.write_batch(MARGIN, extra=pyarrow.table({"prediction": ["u", "v"]}))
    assert pyarrow.parquet.read_table(tmp_path / "e.parquet")["prediction"].to_pylist() == ["u", "v"]
    back = read_parquet(tmp_path / "e.parquet")
    np.testing.assert_array_equal(back.values, MARGIN)
    assert not hasattr(back, "eval_y_predicted")


def test_writer_refuses_an_extra_column_named_like_its_own(tmp_path):
    import pyarrow

    writer = ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5])
    with pytest.raises(ValueError, match="phi_age"):
        writer.write_batch(MARGIN, extra=pyarrow.table({"phi_age": [1, 2]}))
    writer.discard()


def test_writer_refuses_predictions_that_come_and_go(tmp_path):
    writer = ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5])
    writer.write_batch(MARGIN, [1, 2])
    with pytest.raises(ValueError, match="with every batch, or with none"):
        writer.write_batch(MARGIN)
    writer.discard()


def test_writer_refuses_another_width(tmp_path):
    writer = ParquetWriter(tmp_path / "e.parquet", NAMES, [0.5])
    with pytest.raises(ValueError, match=r"\(2, 2, 1\); expected \(n_rows, 3, 1\)"):
        writer.write_batch(MARGIN[:, :2])
    writer.discard()


def test_float32_file_is_smaller_and_close(tmp_path):
    original = three_classes(3000)
    write_parquet(original, tmp_path / "64.parquet")
    write_parquet(original, tmp_path / "32.parquet", dtype="float32")
    assert os.path.getsize(tmp_path / "32.parquet") < 0.6 * os.path.getsize(tmp_path / "64.parquet")
    back = read_parquet(tmp_path / "32.parquet")
    assert back.values.dtype == np.float32
    np.testing.assert_array_equal(back.values, original.values.astype(np.float32))


def test_values_are_not_dictionary_encoded(tmp_path):
    import pyarrow.parquet

    write_parquet(three_classes(3000), tmp_path / "e.parquet")
    column = pyarrow.parquet.ParquetFile(tmp_path / "e.parquet").metadata.row_group(0).column(0)
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert column.compression == "ZSTD"
    assert not column.has_dictionary_page


def test_file_without_our_metadata_is_refused(tmp_path):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="holds no fastexplain explanation"):
        read_parquet(tmp_path / "other.parquet")


def test_file_of_a_newer_format_is_refused(tmp_path):
    import pyarrow.parquet

    table = to_arrow(regression())
    facts = json.loads(table.schema.metadata[b"fastexplain"])
    newer = table.replace_schema_metadata({"fastexplain": json.dumps({**facts, "format_version": 99})})
    pyarrow.parquet.write_table(newer, tmp_path / "newer.parquet")
    with pytest.raises(ValueError, match="format version 99"):
        read_parquet(tmp_path / "newer.parquet")


def test_missing_pyarrow_is_told_with_the_pip_command(monkeypatch):
    from fastexplain import MissingDependencyError

    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fastexplain\[arrow\]'"):
        to_arrow(regression())
