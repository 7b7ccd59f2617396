"""The command line: `explain`, `info`, `--help`; and what it says when something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fastexplain
from fastexplain.cli import explain as explain_command
from fastexplain.cli import main
from fastexplain.cli.columns import choose_columns
from fastexplain.cli.tables import open_table
from fastexplain.explanation import read_parquet

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

NAMES = ["age", "income", "visits", "score"]
N_ROWS = 531  # no multiple of any batch size below
# The same kernel on the same rows, cut into other blocks: the values have the same bits.
SAME_BITS = 0.0
# XGBoost and the checks on it round at float32.
FLOAT32 = 2e-5


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(N_ROWS, len(NAMES))), columns=NAMES)
    table.iloc[::17, 1] = np.nan
    return table


@pytest.fixture(scope="module")
def target(rows: pd.DataFrame) -> np.ndarray:
    return (rows["age"] + np.nan_to_num(rows["income"]) * rows["visits"] + 0.1 * rows["score"]).to_numpy()


@pytest.fixture(scope="module")
def regressor(rows: pd.DataFrame, target: np.ndarray) -> lightgbm.LGBMRegressor:
    return lightgbm.LGBMRegressor(n_estimators=12, num_leaves=8, verbose=-1, n_jobs=1).fit(rows, target)


@pytest.fixture
def model_file(regressor: lightgbm.LGBMRegressor, tmp_path: Path) -> Path:
    path = tmp_path / "model.txt"
    regressor.booster_.save_model(path)
    return path


@pytest.fixture
def data_file(rows: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    rows.to_parquet(path, row_group_size=200)
    return path


def explain(model: Path, data: Path, out: Path, *options: str) -> int:
    return main(["explain", "--model", str(model), "--data", str(data), "--out", str(out), *options])


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line of stderr, which has to be an error."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("fastexplain: error: ")
    return lines[0]


# ------------------------------------------------------------------------------------------------- every model format


def _save(kind: str, rows: pd.DataFrame, target: np.ndarray, folder: Path) -> tuple[object, Path, list[str]]:
    """Train a model, save it, and return it, the file, and the options that reading it needs."""
    import joblib
    from sklearn.ensemble import HistGradientBoostingClassifier

    label = np.digitize(target, [-0.5, 0.5])
    path = folder / f"model.{kind}"
    if kind == "txt":
        model = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=7, verbose=-1, n_jobs=1).fit(rows, label)
        model.booster_.save_model(path)
        return model, path, []
    if kind in ("json", "ubj"):
        model = xgboost.XGBRegressor(n_estimators=7, max_depth=3, n_jobs=1).fit(rows, target)
        model.save_model(path)
        return model, path, []
    model = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=7).fit(rows, label)
    if kind == "joblib":
        joblib.dump(model, path)
    else:
        path.write_bytes(__import__("pickle").dumps(model))
    return model, path, ["--allow-pickle"]


@pytest.mark.parametrize("kind", ["txt", "json", "ubj", "pkl", "joblib"])
def test_written_values_equal_tree_shap(
    kind: str, rows: pd.DataFrame, target: np.ndarray, data_file: Path, tmp_path: Path
) -> None:
    model, path, options = _save(kind, rows, target, tmp_path)
    assert explain(path, data_file, tmp_path / "shap.parquet", *options) == 0
    expected = fastexplain.tree_shap(model, rows)
    written = read_parquet(tmp_path / "shap.parquet")
    np.testing.assert_allclose(written.values, expected.values, rtol=0, atol=SAME_BITS)
    np.testing.assert_array_equal(written.base_values, expected.base_values)
    assert written.features == NAMES


def test_raw_prediction_column_is_the_models_own(
    regressor: lightgbm.LGBMRegressor, rows: pd.DataFrame, model_file: Path, data_file: Path, tmp_path: Path
) -> None:
    explain(model_file, data_file, tmp_path / "shap.parquet")
    written = pq.read_table(tmp_path / "shap.parquet")
    raw = regressor.predict(rows, raw_score=True)
    # two orders of summation of a dozen trees
    np.testing.assert_allclose(written["raw_prediction"].to_numpy(), raw, rtol=0, atol=1e-12)
    base = fastexplain.tree_shap(regressor, rows[:1]).base_values[0]
    np.testing.assert_array_equal(written["base_value"].to_numpy(), np.full(N_ROWS, base))


def test_multi_class_has_a_raw_prediction_per_class(
    rows: pd.DataFrame, target: np.ndarray, data_file: Path, tmp_path: Path
) -> None:
    model, path, options = _save("pkl", rows, target, tmp_path)
    explain(path, data_file, tmp_path / "shap.parquet", *options)
    written = pq.read_table(tmp_path / "shap.parquet")
    raw = np.column_stack([written[f"raw_prediction_{label}"].to_numpy() for label in range(3)])
    np.testing.assert_allclose(raw, model.decision_function(rows), rtol=0, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------- streaming


@pytest.mark.parametrize("batch_size", [1, 7, 200, 530, 10_000])
def test_batch_size_does_not_change_the_values(
    batch_size: int, regressor: lightgbm.LGBMRegressor, rows: pd.DataFrame, model_file: Path, tmp_path: Path
) -> None:
    n = 60 if batch_size == 1 else N_ROWS
    rows[:n].to_parquet(tmp_path / "rows.parquet", row_group_size=50)
    explain(model_file, tmp_path / "rows.parquet", tmp_path / "shap.parquet", "--batch-size", str(batch_size))
    written = read_parquet(tmp_path / "shap.parquet")
    np.testing.assert_array_equal(written.values, fastexplain.tree_shap(regressor, rows[:n]).values)


def test_batches_have_the_size_asked_for(data_file: Path) -> None:
    batches = open_table(data_file).batches(NAMES, [], 150)
    assert [batch.num_rows for batch in batches] == [150, 150, 150, 81]


def test_csv_gives_the_same_values_as_parquet(
    regressor: lightgbm.LGBMRegressor, rows: pd.DataFrame, model_file: Path, tmp_path: Path
) -> None:
    rows.to_csv(tmp_path / "rows.csv", index=False)  # writes floats so that they read back the same
    assert explain(model_file, tmp_path / "rows.csv", tmp_path / "shap.parquet", "--batch-size", "100") == 0
    written = read_parquet(tmp_path / "shap.parquet")
    np.testing.assert_array_equal(written.values, fastexplain.tree_shap(regressor, rows).values)


def test_csv_column_that_turns_from_integers_to_fractions_is_read(
    monkeypatch: pytest.MonkeyPatch, model_file: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    monkeypatch.setattr("fastexplain.cli.tables.CSV_BLOCK_BYTES", 200)
    table = rows.copy()
    table["age"] = np.where(np.arange(N_ROWS) < 300, 1, 1.5)
    text = table.to_csv(index=False).replace("\n1.0,", "\n1,").replace("\n1.5,", "\n1.5,")
    (tmp_path / "rows.csv").write_text(text)
    assert explain(model_file, tmp_path / "rows.csv", tmp_path / "shap.parquet") == 0


def test_folder_of_parquet_files_is_one_table(
    regressor: lightgbm.LGBMRegressor, rows: pd.DataFrame, model_file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    rows[:300].to_parquet(folder / "part-0.parquet")
    rows[300:].reset_index(drop=True).to_parquet(folder / "part-1.parquet")
    explain(model_file, folder, tmp_path / "shap.parquet", "--batch-size", "128")
    written = read_parquet(tmp_path / "shap.parquet")
    np.testing.assert_array_equal(written.values, fastexplain.tree_shap(regressor, rows).values)


def test_folder_names_are_columns(
    regressor: lightgbm.LGBMRegressor, rows: pd.DataFrame, model_file: Path, tmp_path: Path
) -> None:
    for year in (2023, 2024):
        folder = tmp_path / "table" / f"visits={year}"
        folder.mkdir(parents=True)
        rows.drop(columns="visits").to_parquet(folder / "part.parquet")
    explain(model_file, tmp_path / "table", tmp_path / "shap.parquet", "--keep", "visits")
    both = pd.concat([rows.assign(visits=float(year)) for year in (2023, 2024)], ignore_index=True)
    np.testing.assert_array_equal(
        read_parquet(tmp_path / "shap.parquet").values, fastexplain.tree_shap(regressor, both).values
    )
    assert set(pq.read_table(tmp_path / "shap.parquet")["visits"].to_pylist()) == {2023, 2024}


def test_file_that_lacks_a_column_of_its_folder_is_named(
    rows: pd.DataFrame, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table").mkdir()
    rows.to_parquet(tmp_path / "table" / "a.parquet")
    rows.drop(columns="score").to_parquet(tmp_path / "table" / "b.parquet")
    assert explain(model_file, tmp_path / "table", tmp_path / "shap.parquet") == 2
    line = error_line(capsys)
    assert "b.parquet has no column 'score'" in line
    assert not (tmp_path / "shap.parquet").exists()


def test_reading_does_not_run_ahead_of_the_consumer(tmp_path: Path) -> None:
    n_rows, n_columns, batch = 400_000, 8, 10_000
    values = np.random.default_rng(0).random((n_columns, n_rows))
    names = [f"c{i}" for i in range(n_columns)]
    pq.write_table(pa.table(list(values), names=names), tmp_path / "rows.parquet", row_group_size=100_000)
    before = pa.total_allocated_bytes()
    batches = open_table(tmp_path / "rows.parquet").batches(names, [], batch)
    next(batches)
    time.sleep(0.3)  # what reads ahead in the background has the time to
    # the batch, and Arrow's buffers: 1 MiB to read from and a page of 1 MiB to decode for each column
    assert pa.total_allocated_bytes() - before < 3 * 2**20 * n_columns < values.nbytes + 1


def test_empty_table_gives_an_empty_file_with_all_columns(
    rows: pd.DataFrame, model_file: Path, data_file: Path, tmp_path: Path
) -> None:
    rows[:0].to_parquet(tmp_path / "none.parquet")
    assert explain(model_file, tmp_path / "none.parquet", tmp_path / "none-shap.parquet") == 0
    explain(model_file, data_file, tmp_path / "shap.parquet")
    assert pq.read_schema(tmp_path / "none-shap.parquet") == pq.read_schema(tmp_path / "shap.parquet")
    assert pq.read_metadata(tmp_path / "none-shap.parquet").num_rows == 0


# ------------------------------------------------------------------------------------------------------------- columns


def test_columns_are_matched_by_name_in_any_order(
    regressor: lightgbm.LGBMRegressor,
    rows: pd.DataFrame,
    model_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shuffled = rows[["score", "age", "visits", "income"]].assign(label=1, note="x")
    shuffled.to_parquet(tmp_path / "rows.parquet")
    assert explain(model_file, tmp_path / "rows.parquet", tmp_path / "shap.parquet") == 0
    written = read_parquet(tmp_path / "shap.parquet")
    np.testing.assert_array_equal(written.values, fastexplain.tree_shap(regressor, rows).values)
    assert "note: ignoring 2 columns that the model does not know: 'label', 'note'" in capsys.readouterr().err


def test_kept_columns_are_carried_through(rows: pd.DataFrame, model_file: Path, tmp_path: Path) -> None:
    keys = [f"k{i}" for i in range(N_ROWS)]
    rows.assign(key=keys, when=pd.Timestamp("2024-01-01")).to_parquet(tmp_path / "rows.parquet")
    options = ["--keep", "key", "when", "age", "--batch-size", "100"]
    assert explain(model_file, tmp_path / "rows.parquet", tmp_path / "shap.parquet", *options) == 0
    written = pq.read_table(tmp_path / "shap.parquet")
    assert written["key"].to_pylist() == keys
    assert pa.types.is_timestamp(written["when"].type)
    np.testing.assert_array_equal(written["age"].to_numpy(), rows["age"])


def test_model_without_names_takes_the_columns_that_are_left(
    rows: pd.DataFrame, target: np.ndarray, tmp_path: Path
) -> None:
    model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(rows.to_numpy(), target)
    model.booster_.save_model(tmp_path / "model.txt")
    table = rows.assign(y=target, key=range(N_ROWS))
    table.to_parquet(tmp_path / "rows.parquet")
    options = ["--target", "y", "--keep", "key"]
    assert explain(tmp_path / "model.txt", tmp_path / "rows.parquet", tmp_path / "shap.parquet", *options) == 0
    written = read_parquet(tmp_path / "shap.parquet")
    np.testing.assert_array_equal(written.values, fastexplain.tree_shap(model, rows.to_numpy()).values)
    assert written.features == NAMES


def test_integers_with_nulls_and_booleans_are_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"count": rng.integers(0, 9, 200).astype(float), "flag": rng.random(200) < 0.5})
    X.loc[::5, "count"] = np.nan
    model = lightgbm.LGBMRegressor(n_estimators=5, num_leaves=5, min_child_samples=5, verbose=-1, n_jobs=1)
    model.fit(X.astype(float), X["count"].fillna(20) + X["flag"])
    model.booster_.save_model(tmp_path / "model.txt")
    X.astype({"count": "Int64"}).to_parquet(tmp_path / "rows.parquet")
    explain(tmp_path / "model.txt", tmp_path / "rows.parquet", tmp_path / "shap.parquet")
    expected = fastexplain.tree_shap(model, X.astype(float)).values
    np.testing.assert_array_equal(read_parquet(tmp_path / "shap.parquet").values, expected)


@pytest.mark.parametrize("file", ["dictionary.parquet", "text.parquet", "text.csv"])
def test_categories_as_dictionary_or_text_give_the_models_values(file: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.normal(size=400), "city": pd.Categorical(rng.choice(["b", "a", "c"], 400))})
    y = X["x"] + X["city"].map({"a": 0.0, "b": 5.0, "c": -3.0}).astype(float)
    X.loc[::11, "city"] = None
    model = lightgbm.LGBMRegressor(n_estimators=8, num_leaves=6, verbose=-1, n_jobs=1).fit(X, y)
    model.booster_.save_model(tmp_path / "model.txt")
    as_stored = X if file.startswith("dictionary") else X.astype({"city": object})
    if file.endswith("csv"):
        as_stored.to_csv(tmp_path / file, index=False)
    else:
        as_stored.to_parquet(tmp_path / file)
    assert explain(tmp_path / "model.txt", tmp_path / file, tmp_path / "shap.parquet", "--batch-size", "90") == 0
    expected = fastexplain.tree_shap(model, X).values
    np.testing.assert_array_equal(read_parquet(tmp_path / "shap.parquet").values, expected)


def test_decimals_are_numbers(
    regressor: lightgbm.LGBMRegressor, rows: pd.DataFrame, model_file: Path, tmp_path: Path
) -> None:
    table = pa.Table.from_pandas(rows.round(2))
    exact = table["visits"].cast(pa.decimal128(10, 2))
    pq.write_table(table.set_column(2, "visits", exact), tmp_path / "rows.parquet")
    assert explain(model_file, tmp_path / "rows.parquet", tmp_path / "shap.parquet") == 0
    expected = fastexplain.tree_shap(regressor, rows.round(2)).values
    np.testing.assert_array_equal(read_parquet(tmp_path / "shap.parquet").values, expected)


# -------------------------------------------------------------------------------------------------------------- errors


def test_pickle_is_refused_without_allow_pickle(
    data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "trapped"),))

    (tmp_path / "model.pkl").write_bytes(__import__("pickle").dumps(Trap()))
    assert explain(tmp_path / "model.pkl", data_file, tmp_path / "shap.parquet") == 2
    line = error_line(capsys)
    assert "can execute any code" in line
    assert "--allow-pickle" in line
    assert not (tmp_path / "trapped").exists()


def test_missing_columns_are_named(
    rows: pd.DataFrame, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.drop(columns=["age", "score"]).to_parquet(tmp_path / "rows.parquet")
    assert explain(model_file, tmp_path / "rows.parquet", tmp_path / "shap.parquet") == 2
    assert "lacks 2 of the model's 4 columns: 'age', 'score'" in error_line(capsys)
    assert not (tmp_path / "shap.parquet").exists()


def test_width_of_a_model_without_names_is_checked() -> None:
    with pytest.raises(ValueError, match="fitted on 3 columns without names; the table has 2"):
        choose_columns(["a", "b"], feature_names=None, n_features=3)


def test_unknown_name_in_keep_is_refused() -> None:
    with pytest.raises(ValueError, match="--keep names 'kee', which the table does not have"):
        choose_columns(["a", "key"], feature_names=None, n_features=1, keep=["kee"])


def test_existing_output_is_kept_without_force(
    model_file: Path, data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shap.parquet"
    out.write_text("mine")
    assert explain(model_file, data_file, out) == 2
    assert "--force" in error_line(capsys)
    assert out.read_text() == "mine"
    assert explain(model_file, data_file, out, "--force") == 0
    assert pq.read_metadata(out).num_rows == N_ROWS


def test_output_onto_the_data_is_refused_even_with_force(
    model_file: Path, data_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = data_file.read_bytes()
    assert explain(model_file, data_file, data_file, "--force") == 2
    assert "is (part of) the table" in error_line(capsys)
    assert data_file.read_bytes() == before


@pytest.mark.parametrize(
    ("model", "content", "words"),
    [
        ("absent.txt", None, "does not exist"),
        ("model.onnx", "x", "expected a file ending in .txt (LightGBM)"),
        ("model.txt", "hello\n", "is not a LightGBM model"),
        ("model.txt", "tree\nhello\n\nend of trees\n", "is not a readable LightGBM model"),
        ("model.txt", "tree\nnum_class=1\n", "ends before its line 'end of trees'"),
        ("model.json", '{"a": 1}', "is not a readable XGBoost model"),
    ],
    ids=["absent", "suffix", "no-model", "damaged", "cut-short", "other-json"],
)
def test_bad_model_file_is_one_sentence(
    model: str, content: str | None, words: str, data_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / model).write_text(content)
    assert explain(tmp_path / model, data_file, tmp_path / "shap.parquet") == 2
    last = capfd.readouterr().err.splitlines()[-1]  # LightGBM may print lines of its own before
    assert last.startswith("fastexplain: error: ")
    assert words in last


@pytest.mark.parametrize(
    ("data", "content", "words"),
    [
        ("absent.parquet", None, "does not exist"),
        ("rows.xlsx", "x", "expected a folder of Parquet files or a file ending in"),
        ("rows.parquet", "not parquet", "is not a readable Parquet table"),
        ("rows.csv", "", "is not a readable CSV table"),
        ("rows.csv", "age,income,visits,score\n1,2,3,4\n1,2\n", "Expected 4 columns"),
        ("rows.csv", "age,age,income,visits,score\n1,2,3,4,5\n", "2 columns named 'age'"),
        ("rows.csv", "age,income,visits,score\n1,2,3,tall\n", "score"),
    ],
    ids=["absent", "suffix", "damaged", "empty-csv", "ragged-csv", "duplicate", "text"],
)
def test_bad_table_is_one_sentence(
    data: str,
    content: str | None,
    words: str,
    model_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if content is not None:
        (tmp_path / data).write_text(content)
    assert explain(model_file, tmp_path / data, tmp_path / "shap.parquet") == 2
    assert words in error_line(capsys)
    assert not list(tmp_path.glob("*shap*"))


def test_error_half_way_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, model_file: Path, data_file: Path, tmp_path: Path
) -> None:
    _fail_in_second_batch(monkeypatch, OSError("disk on fire"))
    before = set(tmp_path.iterdir())
    assert explain(model_file, data_file, tmp_path / "shap.parquet", "--batch-size", "100") == 2
    assert set(tmp_path.iterdir()) == before


def test_interrupt_leaves_no_file_and_the_old_one_whole(
    monkeypatch: pytest.MonkeyPatch,
    model_file: Path,
    data_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "shap.parquet"
    out.write_text("mine")
    _fail_in_second_batch(monkeypatch, KeyboardInterrupt())
    before = set(tmp_path.iterdir())
    assert explain(model_file, data_file, out, "--batch-size", "100", "--force") == 130
    assert set(tmp_path.iterdir()) == before
    assert out.read_text() == "mine"
    assert "interrupted" in error_line(capsys)


def _fail_in_second_batch(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    whole = explain_command._features
    calls = []

    def failing(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise error
        return whole(*arguments)

    monkeypatch.setattr(explain_command, "_features", failing)


def test_values_that_do_not_add_up_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    model_file: Path,
    data_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = explain_command._Engine.values
    monkeypatch.setattr(explain_command._Engine, "values", lambda *a: right(*a) * (1 + 1e-4))
    assert explain(model_file, data_file, tmp_path / "shap.parquet") == 2
    assert "do not add up to LightGBM's own raw prediction" in error_line(capsys)
    assert not (tmp_path / "shap.parquet").exists()


def test_kept_column_named_like_an_output_column_is_refused(
    rows: pd.DataFrame, model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows.assign(base_value=1).to_parquet(tmp_path / "rows.parquet")
    assert explain(model_file, tmp_path / "rows.parquet", tmp_path / "shap.parquet", "--keep", "base_value") == 2
    assert "'base_value'" in error_line(capsys)


def test_traceback_is_shown_on_request(
    monkeypatch: pytest.MonkeyPatch, data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(tmp_path / "absent.txt", data_file, tmp_path / "shap.parquet", "--traceback")
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("FASTEXPLAIN_DEBUG", "1")
    explain(tmp_path / "absent.txt", data_file, tmp_path / "shap.parquet")
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), "not enough memory. Hold fewer rows at a time, with a smaller --batch-size"),
        (MemoryError("std::bad_alloc"), "not enough memory (std::bad_alloc). Hold fewer rows"),
        (RuntimeError("can't start new thread"), "starts no more threads for this process (can't start new thread)"),
        (RuntimeError("Resource temporarily unavailable"), "Lower --n-threads, or raise the limit"),
    ],
    ids=["memory", "memory of the core", "threads", "threads of the core"],
)
def test_scarce_memory_and_threads_are_no_bug_of_ours(
    raised: Exception,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    model_file: Path,
    data_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _fail_in_second_batch(monkeypatch, raised)
    assert explain(model_file, data_file, tmp_path / "shap.parquet", "--batch-size", "100") == 2
    assert expected in error_line(capsys)


def test_a_bug_of_ours_is_reported_as_one(
    monkeypatch: pytest.MonkeyPatch,
    model_file: Path,
    data_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _fail_in_second_batch(monkeypatch, KeyError("oops"))
    assert explain(model_file, data_file, tmp_path / "shap.parquet", "--batch-size", "100") == 1
    assert "internal error: KeyError" in error_line(capsys)


def test_wrong_argument_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["explain", "--model", "m.txt", "--data", "d.csv", "--out", "o.parquet", "--batch-size", "0"])
    assert exit_.value.code == 2
    assert "must be a positive whole number, got '0'" in error_line(capsys)


# ---------------------------------------------------------------------------------------------------- progress and help


def test_progress_is_quiet_unless_asked_for(
    model_file: Path, data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain(model_file, data_file, tmp_path / "a.parquet")
    assert capsys.readouterr().err == ""
    explain(model_file, data_file, tmp_path / "b.parquet", "--progress")
    assert "explaining" in capsys.readouterr().err


def test_module_answers_help_quickly_and_loads_no_library() -> None:
    code = (
        "import sys; sys.argv = ['fastexplain', '--help']\n"
        "from fastexplain.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'sklearn', 'lightgbm', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment())
    assert result.returncode == 0, result.stderr
    assert "explain every row of a table" in result.stdout


def test_python_m_fastexplain_runs_the_command() -> None:
    command = [sys.executable, "-m", "fastexplain", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, env=_environment())
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage: fastexplain")


def _environment() -> dict[str, str]:
    root = str(Path(fastexplain.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out.startswith("fastexplain ")


def test_info_names_threads_and_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    report = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert report["threads"] == str(fastexplain.get_num_threads())
    assert report["numpy"] == np.__version__
