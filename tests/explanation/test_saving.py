"""`save_explanation` and `load_explanation`: every kind of explanation in every form, whole or not at all."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_explanations import MAKERS, ONE, ROWS, STORED, assert_same, predictions, regression, three_classes

import fastexplain
from fastexplain import load_explanation, save_explanation
from fastexplain.explanation import LocalExplanation


class Wrapped:
    """What makes an object a DatasetWrapper, here and in ml_wrappers."""

    def __init__(self, rows: Any) -> None:
        self.original_dataset = self.original_dataset_with_type = rows


FORMS = ("", ".parquet", ".arrow")


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, kind: str, form: str) -> None:
    original = MAKERS[kind]()
    save_explanation(original, tmp_path / f"saved{form}")
    assert_same(load_explanation(tmp_path / f"saved{form}"), original)


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_what_is_loaded_can_be_saved_and_pickled(tmp_path: Path, form: str) -> None:
    original = three_classes(predict=predictions, eval_data=ROWS).to_global()
    save_explanation(original, tmp_path / f"one{form}")
    save_explanation(load_explanation(tmp_path / f"one{form}"), tmp_path / f"two{form}")
    loaded = load_explanation(tmp_path / f"two{form}")
    assert_same(loaded, original)
    assert_same(pickle.loads(pickle.dumps(loaded)), original)


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_the_model_predicts_once_and_not_at_all_when_loaded(tmp_path: Path, form: str) -> None:
    calls = []

    def predict() -> tuple[Any, Any]:
        calls.append(1)
        return predictions()

    original = three_classes(predict=predict)
    save_explanation(original, tmp_path / f"one{form}")
    save_explanation(original.to_global(), tmp_path / f"two{form}")
    assert load_explanation(tmp_path / f"two{form}").eval_y_predicted == list("abcabc")
    assert calls == [1]


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_a_name_that_is_taken_is_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"saved{form}"
    save_explanation(regression(), path)
    with pytest.raises(FileExistsError, match=r"already exists\. Please pass in a new (directory|file) or set exist"):
        save_explanation(three_classes(), path)
    save_explanation(three_classes(), path, exist_ok=True)
    assert load_explanation(path).num_classes == 3
    assert os.listdir(tmp_path) == [path.name]


def test_the_directory_message_is_the_old_one(tmp_path: Path) -> None:
    expected = "The directory specified by path already exists. Please pass in a new directory or set exists_ok=True."
    with pytest.raises(FileExistsError) as caught:
        save_explanation(regression(), str(tmp_path))
    assert str(caught.value) == expected


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_directories_above_are_made(tmp_path: Path, form: str) -> None:
    save_explanation(regression(), tmp_path / "brand" / "new" / f"saved{form}")
    assert load_explanation(tmp_path / "brand" / "new" / f"saved{form}").num_examples == len(ONE)


def test_a_file_is_told_by_what_it_holds(tmp_path: Path) -> None:
    for form in (".parquet", ".pq", ".arrow", ".feather", ".ipc", ".PARQUET"):
        save_explanation(regression(), tmp_path / f"saved{form}")
        os.rename(tmp_path / f"saved{form}", tmp_path / "anything")
        assert load_explanation(str(tmp_path / "anything")).features == regression().features
        os.remove(tmp_path / "anything")


def test_file_and_directory_do_not_replace_each_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file"):
        save_explanation(regression(), tmp_path / "file", exist_ok=True)
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(IsADirectoryError, match="is a directory"):
        save_explanation(regression(), tmp_path / "folder.parquet", exist_ok=True)
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no explanation at .*absent"):
        load_explanation(tmp_path / "absent")


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_another_object_is_refused(tmp_path: Path, form: str) -> None:
    with pytest.raises(TypeError, match="Only explanations of fastexplain can be saved; got <class 'dict'>"):
        save_explanation({}, tmp_path / f"saved{form}")  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_data_without_a_type_in_the_form_are_named(tmp_path: Path, form: str) -> None:
    cells = np.array([[object()] * 3] * len(ONE), dtype=object)
    with pytest.raises(TypeError, match=r"eval_data cannot be saved .* of type object"):
        save_explanation(regression(eval_data=cells), tmp_path / f"saved{form}")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_wrapped_data_come_back_unwrapped(tmp_path: Path, form: str) -> None:
    original = regression(eval_data=Wrapped(ROWS), init_data=Wrapped(STORED))
    save_explanation(original, tmp_path / f"saved{form}")
    loaded = load_explanation(tmp_path / f"saved{form}")
    np.testing.assert_array_equal(loaded._eval_data, ROWS)
    assert (loaded._init_data != STORED).nnz == 0


@pytest.mark.parametrize("form", FORMS, ids=["json", "parquet", "arrow"])
def test_an_explainer_s_explanation_is_saved(tmp_path: Path, form: str) -> None:
    from sklearn.tree import DecisionTreeClassifier

    X = np.random.default_rng(0).normal(size=(40, 3))
    model = DecisionTreeClassifier(max_depth=3).fit(X, X[:, 0] > 0)
    original = fastexplain.TabularExplainer(model, X, features=list("abc"), classes=[False, True]).explain_global(X)
    save_explanation(original, tmp_path / f"saved{form}")
    assert_same(load_explanation(tmp_path / f"saved{form}"), original)


def test_a_frame_of_polars_comes_back(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")

    frame = polars.DataFrame({"a": range(6), "b": list("pqrpqr"), "c": [0.5, None] * 3})
    for form in FORMS:
        save_explanation(LocalExplanation(ONE, [1.0], eval_data=frame), tmp_path / f"saved{form}")
        assert load_explanation(tmp_path / f"saved{form}")._eval_data.equals(frame)


@pytest.mark.parametrize("name", ["e.json", "e.pkl", "E.CSV"])
def test_the_suffix_of_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"looks like one file, but \.\w+ is no form of a saved explanation"):
        save_explanation(regression(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
