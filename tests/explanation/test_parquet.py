"""Explanations as one file: what other programs see in it, files of version 1, damage, rewriting."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import FIXTURES
from saved_explanations import (
    CLASSES,
    FRAME,
    MAKERS,
    NAMES,
    ONE,
    ROWS,
    STORED,
    THREE,
    assert_same,
    predictions,
    regression,
    three_classes,
)

from fastexplain import load_explanation, save_explanation
from fastexplain.explanation import (
    Explanation,
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    SparseLocalExplanation,
    read_parquet,
    write_parquet,
)
from fastexplain.explanation.numbers.aggregation import mean_abs

# pyarrow is among the test requirements
import pyarrow as pa  # isort: skip
import pyarrow.ipc  # isort: skip
import pyarrow.parquet as pq  # isort: skip

OLD = FIXTURES / "parquet_v1"


# What other programs see


def test_a_row_for_each_explained_row_and_a_column_for_each_number(tmp_path: Path) -> None:
    three_classes(predict=predictions, eval_data=FRAME, standard_errors=np.abs(THREE)).to_parquet(
        tmp_path / "e.parquet"
    )
    table = pq.read_table(tmp_path / "e.parquet")
    phi = [f"{output}_{name}" for name in NAMES for output in CLASSES]
    assert table.column_names == [
        *(f"phi_{name}" for name in phi),
        *(f"base_value_{label}" for label in CLASSES),
        "prediction",
        *(f"probability_{label}" for label in CLASSES),
        *(f"standard_error_{name}" for name in phi),
        *NAMES,
    ]
    np.testing.assert_array_equal(table["phi_b_größe"], THREE[:, 2, 1])
    np.testing.assert_array_equal(table["standard_error_b_größe"], np.abs(THREE[:, 2, 1]))
    assert table["prediction"].to_pylist() == list("abcabc")


def test_data_have_their_own_types_in_the_file(tmp_path: Path) -> None:
    regression(eval_data=FRAME).to_parquet(tmp_path / "e.parquet")
    schema = pq.read_schema(tmp_path / "e.parquet")
    assert schema.field("age").type == pa.int64()
    assert pa.types.is_dictionary(schema.field("b.m.i").type)
    assert pa.types.is_timestamp(schema.field("größe").type)
    seen = pd.read_parquet(tmp_path / "e.parquet")
    assert seen["größe"].tolist() == FRAME["größe"].tolist()


def test_data_named_like_our_columns_are_numbered(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["phi_age", "base_value", "prediction"])
    original = regression(eval_data=frame, predict=lambda: (ROWS[:, 0], None))
    original.to_parquet(tmp_path / "e.parquet")
    assert pq.read_schema(tmp_path / "e.parquet").names[-3:] == ["phi_age_2", "base_value_2", "prediction_2"]
    assert_same(read_parquet(tmp_path / "e.parquet"), original)


def test_sparse_values_are_lists(tmp_path: Path) -> None:
    SparseLocalExplanation([STORED], [0.5], eval_data=STORED).to_parquet(tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet")
    assert table.column_names == ["phi_indices", "phi", "base_value", "eval_data_indices", "eval_data_values"]
    assert table["phi"][1].as_py() == STORED[1].data.tolist()
    assert table["phi_indices"][1].as_py() == STORED[1].indices.tolist()


def test_a_global_explanation_has_a_row_for_each_feature(tmp_path: Path) -> None:
    original = MAKERS["global_only"]()
    original.to_parquet(tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet")
    assert table.column_names == ["feature", "importance", "importance_a", "importance_b", "importance_c"]
    assert table["feature"].to_pylist() == NAMES
    np.testing.assert_allclose(table["importance"], np.abs(THREE[0]).mean(axis=0), rtol=1e-15)
    np.testing.assert_array_equal(table["importance_b"], np.abs(THREE[0])[1])
    frame = original.to_pandas()
    assert frame.columns.tolist() == table.column_names
    assert frame["feature"].tolist() == NAMES


def test_repeats_and_errors_of_importances_are_columns() -> None:
    table = MAKERS["permutation"]().to_arrow()
    repeats = [f"importance_repeat_{i}" for i in range(3)]
    assert table.column_names == ["feature", "importance", "standard_error", *repeats]
    np.testing.assert_array_equal(table["importance_repeat_1"], THREE[0][:, 1])


def test_data_in_a_table_are_asked_for() -> None:
    explanation = regression(eval_data=FRAME)
    assert explanation.to_arrow().column_names == ["phi_age", "phi_b.m.i", "phi_größe", "base_value", "raw_prediction"]
    assert explanation.to_arrow(include_eval_data=True).column_names[-3:] == NAMES
    assert explanation.to_pandas(include_eval_data=True)["größe"].tolist() == FRAME["größe"].tolist()


def test_a_data_frame_keeps_the_index_of_the_rows() -> None:
    rows = FRAME.set_index(pd.Index(list("uvwxyz"), name="id"))
    for explanation in (regression(eval_data=rows), regression(eval_data=rows).to_global()):
        frame = explanation.to_pandas(include_data=True)
        pd.testing.assert_index_equal(frame.index, rows.index)
        assert frame.loc["w", "phi_age"] == ONE[2, 0, 0]


def test_data_can_be_left_out_of_a_file(tmp_path: Path) -> None:
    regression(eval_data=ROWS, init_data=ROWS).to_parquet(tmp_path / "e.parquet", include_data=False)
    back = read_parquet(tmp_path / "e.parquet")
    assert back._eval_data is None
    assert back._init_data is None
    np.testing.assert_array_equal(back.to_arrow()["phi_age"], ONE[:, 0, 0])


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_polars_reads_the_file(tmp_path: Path, suffix: str) -> None:
    polars = pytest.importorskip("polars")
    path = tmp_path / f"e{suffix}"
    # init_data make a part that only we know of
    regression(eval_data=FRAME, init_data=ROWS).to_parquet(path)
    frame = polars.read_parquet(path) if suffix == ".parquet" else polars.read_ipc(path)
    assert frame["phi_age"].to_list() == ONE[:, 0, 0].tolist()
    assert frame["age"].to_list() == FRAME["age"].tolist()


def test_an_arrow_file_is_one(tmp_path: Path) -> None:
    regression(eval_data=FRAME, init_data=ROWS).to_parquet(tmp_path / "e.arrow")
    with pa.ipc.open_file(tmp_path / "e.arrow") as file:
        np.testing.assert_array_equal(file.read_all()["phi_age"], ONE[:, 0, 0])


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_many_rows_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    monkeypatch.setattr("fastexplain.explanation.files.parquet._ROW_GROUP_BYTES", 2000)
    values = np.random.default_rng(0).normal(size=(500, 3, 1))
    frame = pd.DataFrame({"n": range(500), "s": pd.Categorical([f"c{i % 7}" for i in range(500)])})
    original = LocalExplanation(values, [0.0], eval_data=frame, predict=lambda: (values[:, 0, 0], None)).to_global()
    path = tmp_path / f"e{suffix}"
    save_explanation(original, path)
    if suffix == ".parquet":
        assert pq.ParquetFile(path).num_row_groups > 5
    assert_same(load_explanation(path), original)


def test_the_file_is_small(tmp_path: Path) -> None:
    original = LocalExplanation(np.random.default_rng(0).normal(size=(20_000, 10, 1)), [0.0])
    original.to_parquet(tmp_path / "e.parquet")
    # random float64 numbers compress to 0.9 of their size at best: sign and exponent have few values
    assert os.path.getsize(tmp_path / "e.parquet") < 0.93 * original.values.nbytes


def test_floats_of_the_data_are_not_dictionary_encoded(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 3))
    LocalExplanation(rows[..., np.newaxis], [0.0], eval_data=rows, features=NAMES).to_parquet(tmp_path / "e.parquet")
    group = pq.ParquetFile(tmp_path / "e.parquet").metadata.row_group(0)
    by_name = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert "BYTE_STREAM_SPLIT" in by_name["b.m.i"].encodings
    assert not by_name["b.m.i"].has_dictionary_page


# Version 1


def test_files_of_version_1_are_read() -> None:
    one: Any = read_parquet(OLD / "regression.parquet")
    assert type(one) is LocalExplanation
    expected = [[0.5, -2.0, 0.1], [-1.5, 1.0, np.nan]]
    np.testing.assert_array_equal(one.values[..., 0], expected)
    assert (one.features, one.expected_values, one.id) == (["age", "b.m.i", "größe"], [7.0], "one")
    assert (one.method, one.model_type, one.units) == ("shap_tree", "<class 'Model'>", "model output")
    assert one.eval_y_predicted == [1.5, 2.5]
    assert one.is_raw is False


def test_a_global_explanation_of_version_1_is_read() -> None:
    two: Any = load_explanation(OLD / "classes_global.parquet")
    assert type(two) is GlobalLocalExplanation
    values = np.arange(18.0).reshape(2, 3, 3) / 8
    np.testing.assert_array_equal(two.values, values)
    assert (two.classes, two.is_raw, two.units) == (["a", "b", "c"], True, "margin")
    assert two.per_class_values == mean_abs(values).tolist()
    assert two.eval_y_predicted == ["a", "c"]


def test_a_single_row_and_a_stream_of_version_1_are_read() -> None:
    three: Any = read_parquet(OLD / "single_row.parquet")
    assert three.local_importance_values == [[-0.5, 2.0, -0.1], [0.5, -2.0, 0.1]]
    streamed: Any = read_parquet(OLD / "streamed.parquet")
    assert streamed.values.dtype == np.float32
    assert streamed.num_examples == 2
    assert not hasattr(streamed, "eval_y_predicted")


# Rewriting and damage


def test_a_file_that_was_rewritten_says_what_it_lost(tmp_path: Path) -> None:
    regression(eval_data=ROWS, init_data=ROWS).to_global().to_parquet(tmp_path / "e.parquet")
    pq.write_table(pq.read_table(tmp_path / "e.parquet"), tmp_path / "again.parquet")
    with pytest.warns(UserWarning, match=r"again.parquet' has lost its (init_data|importances): .* another program"):
        back: Any = read_parquet(tmp_path / "again.parquet")
    np.testing.assert_array_equal(back.values, ONE)
    np.testing.assert_array_equal(back._eval_data, ROWS)
    assert back._init_data is None
    assert back.global_importance_values == regression().to_global().global_importance_values


def test_the_table_itself_can_be_kept_by_other_means(tmp_path: Path) -> None:
    original = three_classes(predict=predictions, eval_data=FRAME)
    pq.write_table(original.to_arrow(include_data=True), tmp_path / "e.parquet")
    assert_same(read_parquet(tmp_path / "e.parquet"), original)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def overwrite_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[400:900] = os.urandom(500)
    path.write_bytes(content)


def of_something_else(path: Path) -> None:
    path.write_bytes(b"hello")


def foreign(path: Path) -> None:
    table = pa.table({"a": [1.0]})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)


DAMAGES = {
    "cut off": (cut, "is a damaged (Parquet|Arrow) file"),
    "something else": (of_something_else, "is neither a Parquet nor an Arrow file"),
    "foreign": (foreign, r"holds no fastexplain explanation \(no 'fastexplain' in its metadata\)"),
}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_with_the_file(tmp_path: Path, damage: str, suffix: str) -> None:
    path = tmp_path / f"e{suffix}"
    regression(eval_data=ROWS).to_parquet(path)
    do, message = DAMAGES[damage]
    do(path)
    with pytest.raises(ValueError, match=message) as caught:
        load_explanation(path)
    assert str(path) in str(caught.value)


def test_damaged_pages_are_told(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    LocalExplanation(np.random.default_rng(0).normal(size=(2000, 3, 1)), [0.0]).to_parquet(path)
    overwrite_the_middle(path)
    with pytest.raises(ValueError, match=r"e.parquet' is a damaged Parquet file"):
        load_explanation(path)


def changed(path: Path, to: Path, **changes: Any) -> Path:
    table = pq.read_table(path)
    facts = json.loads(table.schema.metadata[b"fastexplain"])
    pq.write_table(table.replace_schema_metadata({"fastexplain": json.dumps({**facts, **changes})}), to)
    return to


def test_metadata_that_contradict_the_columns_are_told(tmp_path: Path) -> None:
    regression().to_parquet(tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="has 4 columns, fewer than its metadata tell"):
        read_parquet(changed(tmp_path / "e.parquet", tmp_path / "a.parquet", columns=[["values", 9, {}]]))
    with pytest.raises(ValueError, match=r"b.parquet' is damaged: its columns and metadata disagree"):
        read_parquet(changed(tmp_path / "e.parquet", tmp_path / "b.parquet", features=["a"]))
    with pytest.raises(ValueError, match=r"c.parquet' has format version 99; this fastexplain reads up to 2"):
        read_parquet(changed(tmp_path / "e.parquet", tmp_path / "c.parquet", format_version=99))
    table = pq.read_table(tmp_path / "e.parquet").replace_schema_metadata({"fastexplain": "{"})
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(ValueError, match=r"d.parquet' is damaged: its 'fastexplain' metadata cannot be read"):
        read_parquet(tmp_path / "d.parquet")


def test_a_column_of_text_in_place_of_numbers_is_told(tmp_path: Path) -> None:
    regression().to_parquet(tmp_path / "e.parquet")
    table = pq.read_table(tmp_path / "e.parquet")
    text = table.set_column(0, "phi_age", pa.array(list("abcdef"))).replace_schema_metadata(table.schema.metadata)
    pq.write_table(text, tmp_path / "text.parquet")
    with pytest.raises(ValueError, match=r"text.parquet' is damaged: column 'phi_age' does not hold numbers"):
        read_parquet(tmp_path / "text.parquet")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_an_error_half_way_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    from fastexplain.explanation.files.arrow_files import ArrowSink, ParquetSink

    original = regression()
    path = tmp_path / f"e{suffix}"
    save_explanation(original, path)

    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(ParquetSink if suffix == ".parquet" else ArrowSink, "write", fail)
    with pytest.raises(OSError, match="disk is full"):
        save_explanation(three_classes(), path, exist_ok=True)
    assert os.listdir(tmp_path) == [path.name]
    assert_same(load_explanation(path), original)


# Data of many kinds

FRAMES: dict[str, Any] = {
    "index": FRAME.set_index("age"),
    "two indices": FRAME.set_index(["age", "größe"]),
    "numbered columns": pd.DataFrame(ROWS),
    "same names": pd.DataFrame(ROWS, columns=["a", "a", "b"]),
    "only objects": pd.DataFrame({"a": list("abcdef")}, dtype=object),
    "mixed objects": pd.DataFrame({"a": [1, "x", None, 2.5, True, "é"]}, dtype=object),
    "missing": pd.DataFrame({"a": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"), "b": ["x", None, "z"] * 2}),
    "times": pd.DataFrame(
        {"a": pd.date_range("2020", periods=6, tz="Europe/Berlin"), "b": pd.timedelta_range("1h", periods=6)}
    ),
    "numbers in categories": pd.DataFrame({"a": pd.Categorical([3, 1, 3, 1, 2, 2], categories=[3, 2, 1])}),
    "unused categories": pd.DataFrame(
        {"a": pd.Categorical(["x", None, "z"] * 2, categories=["z", "y", "x"], ordered=True)},
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_frames_come_back_as_they_were(tmp_path: Path, kind: str, suffix: str) -> None:
    original = regression(eval_data=FRAMES[kind], init_data=FRAMES[kind][:2])
    save_explanation(original, tmp_path / f"e{suffix}")
    back: Any = load_explanation(tmp_path / f"e{suffix}")
    pd.testing.assert_frame_equal(back._eval_data, FRAMES[kind])
    pd.testing.assert_frame_equal(back._init_data, FRAMES[kind][:2])


@pytest.mark.parametrize(
    "array",
    [
        np.array([["2020-01-01", "NaT"]] * 6, dtype="M8[ns]"),
        np.arange(12).reshape(6, 2).astype(">i4"),
        np.arange(12, dtype=np.float16).reshape(6, 2),
        np.array([[b"ab", b"c"]] * 6),
        np.array([[2**70, -1]] * 6, dtype=object),
        np.arange(12, dtype=np.uint64).reshape(2, 6).T,
    ],
    ids=["times", "big-endian", "halves", "bytes", "huge", "columns first"],
)
def test_arrays_come_back_as_they_were(tmp_path: Path, array: Any) -> None:
    save_explanation(regression(eval_data=array), tmp_path / "e.parquet")
    back: Any = load_explanation(tmp_path / "e.parquet")
    assert back._eval_data.dtype == array.dtype
    np.testing.assert_array_equal(back._eval_data, array)


def test_intervals_come_back_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.cut(np.arange(6), 2)})
    save_explanation(regression(eval_data=frame), tmp_path / "e.parquet")
    back: Any = load_explanation(tmp_path / "e.parquet")
    assert back._eval_data["a"].astype(str).tolist() == frame["a"].astype(str).tolist()
    assert back._eval_data["a"].cat.ordered


def test_arrow_tables_come_back(tmp_path: Path) -> None:
    table = pa.table({"a": [1, None, 3, 4, 5, 6], "b": pa.array(list("xyxyxy")).dictionary_encode()})
    save_explanation(regression(eval_data=table), tmp_path / "e.parquet")
    back: Any = load_explanation(tmp_path / "e.parquet")
    assert back._eval_data.equals(table)


def test_arrays_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"eval_data cannot be saved in Arrow's types\. .* \(6, 1, 1\) is no table"):
        save_explanation(regression(eval_data=np.ones((6, 1, 1))), tmp_path / "e.parquet")
    with pytest.raises(TypeError, match="eval_data cannot be saved in Arrow's types"):
        save_explanation(regression(eval_data=np.ones((6, 1), dtype=complex)), tmp_path / "e.parquet")


def test_engine_results_keep_the_names_that_are_given(tmp_path: Path) -> None:
    from fastexplain.engine import TreeShapResult

    write_parquet(TreeShapResult(ONE, np.array([0.5])), tmp_path / "e.parquet", features=NAMES, predictions=range(6))
    back: Explanation = read_parquet(tmp_path / "e.parquet")
    assert back.features == NAMES
    assert back.eval_y_predicted == list(range(6))


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="features has 2 names; the values have 3 features"):
        write_parquet(regression(), tmp_path / "e.parquet", features=["a", "b"])
    with pytest.raises(ValueError, match="classes has 2 labels; there are 3 outputs"):
        write_parquet(GlobalExplanation(THREE[0]), tmp_path / "e.parquet", classes=["a", "b"])
    assert os.listdir(tmp_path) == []
