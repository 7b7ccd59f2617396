"""Directories of JSON files: interpret-community's are read, ours have its layout, and damage is told by file."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from conftest import FIXTURES
from saved_explanations import (
    FRAME,
    NAMES,
    NOTHING,
    ROWS,
    STORED,
    assert_same,
    equal,
    predictions,
    regression,
    three_classes,
)

from fastexplain import load_explanation, save_explanation
from fastexplain.explanation import Explanation, GlobalExplanation, LocalExplanation, SparseLocalExplanation
from fastexplain.explanation.files.json_values import write_value

# written by interpret-community 0.32: tests/fixtures/interpret_community/make.py
WRITTEN = FIXTURES / "interpret_community" / "saved"
METADATA = "explanation_metadata.json"
OURS, LOCAL, GLOBAL = "fastexplain.json", "local_importance_values.json", "global_importance_values.json"


def content(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text())


def properties(folder: Path) -> dict[str, Any]:
    """Property -> its file's content, of a directory."""
    names = [file.stem for file in folder.glob("*.json") if file.name not in (METADATA, "fastexplain.json")]
    return {name: content(folder, f"{name}.json") for name in names}


def dense(value: Any) -> Any:
    """A property's value, with a sparse matrix as its cells and the number of its entries."""
    if scipy.sparse.issparse(value):
        return [value.toarray().tolist(), value.nnz]
    return (
        [dense(part) for part in value]
        if isinstance(value, list) and len(value) and scipy.sparse.issparse(value[0])
        else value
    )


def unpacked(file: dict[str, Any]) -> Any:
    """What a file holds, sparse matrices as such."""
    data = file["data"]
    if "parse" not in file["metadata"]:
        return data
    several = isinstance(data[0][0], list)
    matrices = [scipy.sparse.csr_matrix(tuple(part[:3]), shape=part[3]) for part in (data if several else [data])]
    return matrices if several else matrices[0]


def expected_of(folder: Path, name: str) -> Any:
    """What a property is to be, from its file."""
    data = unpacked(content(folder, f"{name}.json"))
    if name == "expected_values" and folder.name.startswith("raw"):  # of class 1, for both classes of a linear model
        return [-data[0], data[0]]
    if name == "expected_values" and folder.name == "sparse_multiclass":  # of the first class only
        return [data[0], np.nan, np.nan]
    return data


# What interpret-community wrote


@pytest.mark.parametrize("folder", sorted(WRITTEN.iterdir()), ids=lambda folder: str(folder.name))
def test_every_property_of_theirs_is_loaded(folder: Path) -> None:
    loaded = load_explanation(folder)
    for name in properties(folder):
        assert equal(dense(getattr(loaded, name)), dense(expected_of(folder, name))), name


@pytest.mark.parametrize("folder", sorted(WRITTEN.iterdir()), ids=lambda folder: str(folder.name))
def test_their_metadata_are_loaded(folder: Path) -> None:
    loaded, metadata = load_explanation(folder), content(folder, METADATA)
    for name in ("method", "model_task", "is_raw", "is_engineered", "num_features", "num_examples", "is_local_sparse"):
        told = metadata.get(name)
        if told in (None, 0) or (name == "num_examples" and folder.name == "local_one_row"):
            continue  # unknown to it; it takes the features of a single row for rows
        if name == "is_local_sparse" and not metadata["local"]:
            continue
        assert getattr(loaded, name) == told, name
    assert loaded.id == metadata["explanation_id"]
    assert loaded.model_type == metadata["model_class"]
    if metadata["model_type"] == "classification" and metadata["num_classes"] is not None:
        assert loaded.num_classes == metadata["num_classes"]
    assert hasattr(loaded, "local_importance_values") == metadata["local"]
    assert hasattr(loaded, "global_importance_values") == metadata["global"]


@pytest.mark.parametrize("folder", sorted(WRITTEN.iterdir()), ids=lambda folder: str(folder.name))
def test_what_they_wrote_is_written_again_the_same(folder: Path, tmp_path: Path) -> None:
    save_explanation(load_explanation(folder), tmp_path / "again")
    theirs, ours = properties(folder), properties(tmp_path / "again")
    theirs.setdefault("features", {"metadata": "list", "data": [0, 1, 2, 3, 4]})
    assert ours.keys() == theirs.keys()
    for name, file in ours.items():
        kind = theirs[name]["metadata"].replace("DatasetWrapperSparse", "sparse").replace("DatasetWrapper", "list")
        assert file["metadata"] == kind
        expected = expected_of(folder, name) if name != "features" else theirs[name]["data"]
        assert equal(dense(unpacked(file)), dense(expected)), name


def test_ranks_of_a_loaded_explanation_can_be_read() -> None:
    loaded: Any = load_explanation(WRITTEN / "dense_binary")
    assert loaded.global_importance_rank == content(WRITTEN / "dense_binary", "global_importance_rank.json")["data"]
    assert loaded.per_class_rank == content(WRITTEN / "dense_binary", "per_class_rank.json")["data"]
    assert len(loaded.get_ranked_per_class_values(2)[0]) == 2
    assert loaded.get_feature_importance_dict(1).keys() == {loaded.features[loaded.global_importance_rank[0]]}


def test_one_margin_is_found_in_the_values_of_two_classes() -> None:
    loaded: Any = load_explanation(WRITTEN / "dense_binary")
    assert loaded.values.shape == (4, 5, 1)
    np.testing.assert_array_equal(loaded.values[..., 0], loaded._local_importance_values[1])


def written_by_hand(folder: Path, metadata: dict[str, Any], **files: Any) -> Path:
    folder.mkdir()
    (folder / METADATA).write_text(json.dumps(metadata))
    for name, data in files.items():
        kind, data = data if isinstance(data, tuple) else ("list", data)
        (folder / f"{name}.json").write_text(json.dumps({"metadata": kind, "data": data}))
    return folder


def test_the_oldest_layout_needs_no_more_than_numbers(tmp_path: Path) -> None:
    folder = written_by_hand(
        tmp_path / "old",
        {},
        local_importance_values=[[[1.0, -2.0]], [[3.0, 4.0]], [[5.0, 6.0]]],
        classes=["a", "b", "c"],
        init_data=("DenseData", [[1, 2], [3, 4]]),
        eval_data=("DataFrame", [[1, "x"]]),
    )
    loaded: Any = load_explanation(folder)
    assert type(loaded) is LocalExplanation
    assert loaded.local_importance_values == [[[1.0, -2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]
    assert (loaded.model_task, loaded.num_classes, loaded.num_examples) == ("classification", 3, 1)
    assert loaded.init_data == [[1, 2], [3, 4]]
    assert loaded.eval_data == [[1, "x"]]
    assert (loaded.is_raw, loaded.model_type, loaded.features) == (False, None, [0, 1])
    assert not hasattr(loaded, "expected_values")


def test_sparse_values_without_any_entry_are_read(tmp_path: Path) -> None:
    files = {"local_importance_values": ("sparse", [[], [], [0, 0, 0, 0], [3, 5]]), "expected_values": [0.5]}
    loaded: Any = load_explanation(written_by_hand(tmp_path / "zero", {"local": True, "global": False}, **files))
    assert type(loaded) is SparseLocalExplanation
    assert loaded.local_importance_values.shape == (3, 5)
    assert loaded.get_local_importance_rank() == [[], [], []]


def test_wrapped_data_of_theirs_are_read_as_rows(tmp_path: Path) -> None:
    sparse = [[1.0, 2.0], [0, 1], [0, 1, 2], [2, 2]]
    files = {"init_data": ("DatasetWrapper", [[1, 2]]), "eval_data": ("DatasetWrapperSparse", sparse)}
    loaded = load_explanation(written_by_hand(tmp_path / "w", {}, local_importance_values=[[1, 2], [3, 4]], **files))
    assert loaded.init_data == [[1, 2]]
    assert loaded.eval_data.toarray().tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_expected_values_that_were_not_written_are_unknown(tmp_path: Path) -> None:
    values = [[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]
    files = {"local_importance_values": values, "expected_values": [0.5]}
    loaded = load_explanation(written_by_hand(tmp_path / "e", {"model_type": "classification"}, **files))
    np.testing.assert_array_equal(loaded.expected_values, [0.5, np.nan, np.nan])


def test_nested_expected_values_are_flattened(tmp_path: Path) -> None:
    files = {"local_importance_values": [[[-1.0]], [[1.0]]], "expected_values": [[-0.5], [0.5]]}
    folder = written_by_hand(tmp_path / "e", {"model_type": "classification"}, **files)
    assert load_explanation(folder).expected_values == [-0.5, 0.5]


def test_importances_that_are_no_mean_of_the_classes_are_kept(tmp_path: Path) -> None:
    files = {"global_importance_values": [9.0, 8.0], "per_class_values": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}
    loaded: Any = load_explanation(written_by_hand(tmp_path / "g", {"model_type": "classification"}, **files))
    assert loaded.global_importance_values == [9.0, 8.0]
    assert loaded.per_class_values == files["per_class_values"]


# What is written


def test_the_layout_is_theirs(tmp_path: Path) -> None:
    save_explanation(three_classes(predict=predictions, eval_data=ROWS, model_type="M").to_global(), tmp_path / "saved")
    metadata = content(tmp_path / "saved", METADATA)
    assert metadata == {
        "explanation_id": metadata["explanation_id"],
        "model_type": "classification",
        "data_type": "tabular",
        "model_task": "classification",
        "method": "unknown",
        "model_class": "M",
        "is_raw": False,
        "is_engineered": False,
        "global": True,
        "local": True,
        "num_classes": 3,
        "num_examples": 6,
        "num_features": 3,
        "is_local_sparse": False,
        "serialization_version": 1,
    }
    found = properties(tmp_path / "saved")
    assert {name: file["metadata"] for name, file in found.items()} == dict.fromkeys(
        (
            *("features", "local_importance_values", "expected_values", "classes", "global_importance_rank"),
            *("global_importance_values", "per_class_rank", "per_class_values", "eval_data", "eval_y_predicted"),
            "eval_y_predicted_proba",
        ),
        "list",
    )
    assert np.shape(found["local_importance_values"]["data"]) == (3, 6, 3)


def test_keys_of_the_metadata_are_those_that_they_wrote(tmp_path: Path) -> None:
    save_explanation(regression(), tmp_path / "saved")
    assert list(content(tmp_path / "saved", METADATA)) == list(content(WRITTEN / "dense_regression", METADATA))


def test_a_sparse_matrix_of_zeros_is_written_so_that_they_can_read_it(tmp_path: Path) -> None:
    save_explanation(SparseLocalExplanation([NOTHING], [0.5]), tmp_path / "saved")
    file = content(tmp_path / "saved", "local_importance_values.json")
    # interpret-community looks at the first entry
    assert file == {"metadata": "sparse", "data": [[0.0], [0], [0, 1, 1, 1, 1, 1, 1], [6, 3]]}


@pytest.mark.parametrize("block", [1, 7, 1 << 16])
@pytest.mark.parametrize("shape", [(), (4,), (0, 3), (5, 3), (2, 5, 3), (1, 40)], ids=str)
def test_text_in_blocks_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch, block: int, shape: Any) -> None:
    monkeypatch.setattr("fastexplain.explanation.files.json_values._BLOCK_SIZE", block)
    array, file = np.random.default_rng(0).normal(size=shape), io.StringIO()
    write_value(file, "list", np.asarray(array))
    assert json.loads(file.getvalue()) == {"metadata": "list", "data": np.asarray(array).tolist()}


def test_a_frame_keeps_names_and_types(tmp_path: Path) -> None:
    save_explanation(regression(eval_data=FRAME), tmp_path / "saved")
    assert content(tmp_path / "saved", "eval_data.json")["data"][0] == [1, "x", "2020-02-28T00:00:00"]
    assert_same(load_explanation(tmp_path / "saved"), regression(eval_data=FRAME, id=load(tmp_path).id))


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(pd.date_range("2020", periods=6)[[0, 1, 0, 1, 0, 1]]),
        pd.Categorical([3, 1, None, 1, 3, 3], categories=[3, 2, 1], ordered=True),
        pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
        pd.timedelta_range("1h", periods=6),
        pd.date_range("2020", periods=6, tz="Europe/Berlin"),
        np.arange(6, dtype="float32"),
        [True, False] * 3,
    ],
    ids=["dates as categories", "numbers as categories", "missing", "durations", "time zone", "float32", "flags"],
)
def test_columns_of_a_frame_keep_their_type(tmp_path: Path, column: Any) -> None:
    frame = pd.DataFrame({"a": column})
    save_explanation(regression(eval_data=frame), tmp_path / "saved")
    pd.testing.assert_frame_equal(load(tmp_path)._eval_data, frame)


def test_intervals_come_back_as_text(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": pd.cut(np.arange(6), 2)})
    save_explanation(regression(eval_data=frame), tmp_path / "saved")
    assert load(tmp_path)._eval_data["a"].tolist() == frame["a"].astype(str).tolist()


def load(folder: Path) -> Explanation:
    return load_explanation(folder / "saved")


# Whole or not at all


def fail(*_: object) -> None:
    raise OSError("the disk is full")


def test_an_error_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastexplain.explanation.files.json_directory.explanation_metadata", fail)
    with pytest.raises(OSError, match="disk is full"):
        save_explanation(regression(), tmp_path / "saved")
    assert os.listdir(tmp_path) == []


def test_an_error_half_way_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = regression()
    save_explanation(original, tmp_path / "saved")
    names = sorted(os.listdir(tmp_path / "saved"))
    monkeypatch.setattr("fastexplain.explanation.files.json_directory.explanation_metadata", fail)
    with pytest.raises(OSError, match="disk is full"):
        save_explanation(three_classes(), tmp_path / "saved", exist_ok=True)
    assert sorted(os.listdir(tmp_path / "saved")) == names
    assert_same(load_explanation(tmp_path / "saved"), original)


def test_a_mixture_of_old_and_new_files_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_explanation(regression(), tmp_path / "saved")
    replace, moved = os.replace, []

    def stop_at_the_third(source: Any, target: Any) -> None:
        moved.append(target)
        if len(moved) == 3:
            raise OSError("power is out")
        replace(source, target)

    monkeypatch.setattr(os, "replace", stop_at_the_third)
    with pytest.raises(OSError, match="power is out"):
        save_explanation(three_classes(), tmp_path / "saved", exist_ok=True)
    with pytest.raises(ValueError, match=rf"{METADATA}: is missing: .* saving did not come to its end"):
        load_explanation(tmp_path / "saved")


def test_replacing_removes_what_the_new_one_lacks_and_keeps_the_rest(tmp_path: Path) -> None:
    save_explanation(three_classes(predict=predictions).to_global(), tmp_path / "saved")
    (tmp_path / "saved" / "notes.txt").write_text("mine")
    save_explanation(GlobalExplanation(np.ones(3), features=NAMES), tmp_path / "saved", exist_ok=True)
    assert sorted(os.listdir(tmp_path / "saved")) == [
        *(METADATA, "fastexplain.json", "features.json", "global_importance_rank.json"),
        *("global_importance_values.json", "notes.txt"),
    ]
    assert load_explanation(tmp_path / "saved").model_task == "regression"


def test_an_empty_directory_can_be_filled(tmp_path: Path) -> None:
    save_explanation(regression(), tmp_path, exist_ok=True)
    assert load_explanation(tmp_path).features == NAMES


def test_our_file_is_not_believed_once_they_have_written_over_ours(tmp_path: Path) -> None:
    save_explanation(three_classes(), tmp_path / "saved")
    for file in (WRITTEN / "dense_regression").iterdir():
        (tmp_path / "saved" / file.name).write_bytes(file.read_bytes())
    loaded: Any = load_explanation(tmp_path / "saved")
    assert (
        loaded.local_importance_values == content(WRITTEN / "dense_regression", "local_importance_values.json")["data"]
    )


# Damage


def put(name: str, text: str) -> Any:
    return lambda folder: (folder / name).write_text(text)


def remove(name: str) -> Any:
    return lambda folder: (folder / name).unlink()


def change(name: str, data: Any, kind: str = "list") -> Any:
    return put(f"{name}.json", json.dumps({"metadata": kind, "data": data}))


def change_metadata(**changes: Any) -> Any:
    def damage(folder: Path) -> None:
        (folder / METADATA).write_text(json.dumps({**content(folder, METADATA), **changes}))

    return damage


DAMAGES = {
    "metadata missing": (remove(METADATA), rf"{METADATA}: is missing: it was removed, or saving"),
    "metadata cut off": (put(METADATA, '{"id": '), rf"{METADATA}: not valid JSON: .*line 1 column 8"),
    "metadata of another kind": (put(METADATA, "[1]"), rf"{METADATA}: expected an object .* got \[1\]"),
    "newer layout": (change_metadata(serialization_version=2), rf"{METADATA}: serialization_version is 2"),
    "newer file of ours": (put(OURS, '{"format_version": 9}'), rf"{OURS}: format_version is 9"),
    "our file damaged": (put(OURS, "{}"), rf"{OURS}: expected an object with a format_version"),
    "values missing": (remove(LOCAL), rf"{LOCAL}: is missing, though"),
    "importances missing": (remove(GLOBAL), rf"{GLOBAL}: is missing, though"),
    "values cut off": (put(LOCAL, '{"metadata": "list", "data": [[1,'), rf"{LOCAL}: not valid JSON"),
    "no text": (lambda folder: (folder / "features.json").write_bytes(b"\xff\xfe\xff"), "features.json: not "),
    "no kind": (put("features.json", '["a"]'), r'features.json: expected {"metadata": ..., "data": ...}; got \['),
    "unknown kind": (change("features", [], "Bunch"), "features.json: Unrecognized .* in deserialization: Bunch"),
    "ragged values": (change(LOCAL[:-5], [[1, 2, 3], [4]]), rf"{LOCAL}: .*inhomogeneous"),
    "text as values": (change(LOCAL[:-5], [["a"]]), rf"{LOCAL}: expected lists of numbers"),
    "too many axes": (change(GLOBAL[:-5], [[1, 2, 3]]), rf"{GLOBAL}: has shape \(1, 3\); expected 1 axes"),
    "narrow values": (
        change(LOCAL[:-5], [[[1, 2]], [[1, 2]], [[1, 2]]]),
        rf"disagree about the number of features: 3 in features.json, 2 in {LOCAL}",
    ),
    "few names": (change("features", ["a"]), rf"1 in features.json, 3 in {LOCAL}"),
    "few classes": (change("classes", ["a"]), rf"number of classes: 1 in classes.json, 3 in {LOCAL}, 3 in per_class_"),
    "values of one class": (change(LOCAL[:-5], [[[1, 2, 3]]]), rf"number of classes: 3 in classes.json, 1 in {LOCAL}"),
    "one importance": (change(GLOBAL[:-5], [1.0]), rf"number of features: .* 1 in {GLOBAL}"),
    "text as names": (change("features", "abc"), "features.json: expected a list of names; got 'abc'"),
    "facts of another kind": (
        put(OURS, '{"format_version": 1, "facts": 3}'),
        rf"{OURS}: expected an object for 'facts'",
    ),
    "broken matrix": (
        change("eval_data", [[1.0], [7], [0, 1], [1, 3]], "sparse"),
        "eval_data.json: not a sparse matrix",
    ),
    "half a matrix": (change("eval_data", [[1.0], [7]], "sparse"), "eval_data.json: a sparse matrix is "),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_with_the_file(tmp_path: Path, damage: str) -> None:
    save_explanation(three_classes(eval_data=STORED).to_global(), tmp_path / "saved")
    do, message = DAMAGES[damage]
    do(tmp_path / "saved")
    with pytest.raises(ValueError, match=message) as caught:
        load_explanation(tmp_path / "saved")
    assert str(tmp_path / "saved") in str(caught.value)


def test_contradictions_in_their_files_are_told(tmp_path: Path) -> None:
    metadata = {"model_type": "classification"}
    files = {"local_importance_values": [[[1.0]], [[2.0]], [[3.0]]]}
    with pytest.raises(ValueError, match=r"expected_values.json: holds 2 numbers; .* have 3 outputs"):
        load_explanation(written_by_hand(tmp_path / "e", metadata, **files, expected_values=[1, 2]))
    files = {"global_importance_values": [1.0, 2.0], "per_class_values": [[1.0], [2.0], [3.0]]}
    with pytest.raises(ValueError, match=r"per_class_values.json: has 1 features; global_importance_values.json has 2"):
        load_explanation(written_by_hand(tmp_path / "p", metadata, **files))
    with pytest.raises(
        ValueError, match=r"local_importance_values.json: has 1 axes; a classification has classes, rows"
    ):
        load_explanation(written_by_hand(tmp_path / "c", metadata, local_importance_values=[1.0, 2.0]))


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=rf"holds no explanation: there is no {METADATA} in it"):
        load_explanation(tmp_path)


def test_neither_values_nor_importances_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither local values nor importances"):
        load_explanation(written_by_hand(tmp_path / "none", {"local": False, "global": False}))
