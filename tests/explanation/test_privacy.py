"""An explanation of one row holds no row that the explainer was made with, nor does a file or a pickle of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import fastexplain
from fastexplain.explanation import LocalExplanation, load_explanation, save_explanation
from fastexplain.rows.tables import without_rows

# models of arrays explain tables here
pytestmark = [
    pytest.mark.filterwarnings("ignore:X has feature names"),
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
]
NAMES = ["age", "income", "hours"]
# a number that only one row of the training data has, and that no mean or centre of several rows shows
SENTINEL = 123.4567890625
RNG = np.random.default_rng(0)
TRAINING = RNG.normal(size=(300, 3))
TRAINING[7, 1] = SENTINEL
TARGET = TRAINING[:, 0] - TRAINING[:, 2]
ROW = RNG.normal(size=(1, 3))
SUFFIXES = ["", ".parquet", ".arrow"]


@cache
def fitted(kind: str) -> Any:
    models = {
        "tree": RandomForestRegressor(n_estimators=3, max_depth=3, random_state=0),
        "linear": LinearRegression(),
        "kernel": SVR(),
        "deep": MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, random_state=0),
    }
    return models[kind].fit(np.delete(TRAINING, 7, axis=0), np.delete(TARGET, 7))


EXPLAINERS: dict[str, Callable[..., Any]] = {
    "tree": lambda X, **o: fastexplain.TreeExplainer(fitted("tree"), initialization_examples=X, **o),
    "tabular": lambda X, **o: fastexplain.TabularExplainer(fitted("tree"), X, **o),
    "linear": lambda X, **o: fastexplain.LinearExplainer(fitted("linear"), X, **o),
    "kernel": lambda X, **o: fastexplain.KernelExplainer(fitted("kernel"), X, **o),
    "deep": lambda X, **o: fastexplain.DeepExplainer(fitted("deep"), X, **o),
    "lime": lambda X, **o: fastexplain.LIMEExplainer(fitted("linear"), X, num_samples=50, **o),
    "mimic": lambda X, **o: fastexplain.MimicExplainer(
        fitted("linear"), X, fastexplain.LinearExplainableModel, fidelity=False, **o
    ),
    "raw": lambda X, **o: fastexplain.LinearExplainer(
        fitted("linear"), X, transformations=ColumnTransformer([("s", StandardScaler(), [0, 1, 2])]).fit(ROW), **o
    ),
}
# what these compute with are rows, or centres of rows of which one may be a cluster of its own
KEEP_ROWS = {"kernel", "deep", "lime"}


@pytest.fixture(params=list(EXPLAINERS))
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "lime":
        pytest.importorskip("lime")
    return str(request.param)


def explanations(explainer: Any) -> dict[str, Any]:
    return {
        "local": explainer.explain_local(ROW),
        "global": explainer.explain_global(np.vstack([ROW, ROW])),
        "means": explainer.explain_global(np.vstack([ROW, ROW]), include_local=False),
    }


def holds(content: bytes) -> bool:
    """Whether bytes show the training value, as a number or as text."""
    return any(np.array(SENTINEL, kind).tobytes() in content for kind in ("<f8", ">f8")) or b"123.4567890625" in content


def saved_bytes(path: Path) -> bytes:
    """Bytes of a saved explanation, without compression where the form has one."""
    if path.is_dir():
        return b"".join(file.read_bytes() for file in path.iterdir())
    import pyarrow as pa
    import pyarrow.parquet as pq

    from fastexplain.explanation.files.arrow_files import TableFile

    with TableFile(path) as file:
        read = pq.read_table(path) if file.format == "Parquet" else pa.ipc.open_file(path).read_all()
        tables = [*file.tables(), read]
        tables += [file.embedded(*entry) for entry in _embedded(file)]
    sink = pa.BufferOutputStream()
    for table in tables:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return path.read_bytes() + sink.getvalue().to_pybytes()


def _embedded(file: Any) -> list[tuple[str, Any]]:
    import json

    facts = json.loads(file.schema.metadata[b"fastexplain"])
    return list(facts["embedded"].items())


def test_an_explanation_holds_no_training_row(kind: str, tmp_path: Path) -> None:
    for name, explanation in explanations(EXPLAINERS[kind](TRAINING)).items():
        assert explanation.init_data is None
        assert not holds(pickle.dumps(explanation)), name
        for suffix in SUFFIXES:
            path = tmp_path / f"{name}{suffix}"
            save_explanation(explanation, path)
            assert not holds(saved_bytes(path)), path.name
            assert load_explanation(path).init_data is None
        assert not holds(repr(explanation.data(-1)).encode())
        assert not holds(explanation._repr_html_().encode())


def test_training_rows_are_kept_and_saved_where_they_are_asked_for(kind: str, tmp_path: Path) -> None:
    explainer = EXPLAINERS[kind](TRAINING, include_init_data=True)
    explanation = explainer.explain_local(ROW)
    np.testing.assert_array_equal(explanation.init_data, TRAINING)
    assert holds(pickle.dumps(explanation))  # so that the searches above can find something
    for suffix in SUFFIXES:
        path = tmp_path / f"with{suffix}"
        save_explanation(explanation, path)
        assert holds(saved_bytes(path))
        assert load_explanation(path).init_data == explanation.init_data
        path = tmp_path / f"without{suffix}"
        save_explanation(explanation, path, include_init_data=False)
        assert not holds(saved_bytes(path))
        assert load_explanation(path).eval_data == ROW.tolist()


def test_a_pickled_explainer_keeps_the_columns_of_its_examples_alone(kind: str) -> None:
    explainer = EXPLAINERS[kind](TRAINING)
    content = pickle.dumps(explainer)
    if kind not in KEEP_ROWS:
        assert not holds(content)
    loaded = pickle.loads(content)
    assert np.shape(loaded.initialization_examples) == (0, 3)
    np.testing.assert_array_equal(loaded.explain_local(ROW).values, explainer.explain_local(ROW).values)
    kept = pickle.loads(pickle.dumps(EXPLAINERS[kind](TRAINING, include_init_data=True)))
    np.testing.assert_array_equal(kept.initialization_examples, TRAINING)


def test_examples_in_a_table_leave_their_columns_to_single_rows_after_pickling() -> None:
    frame = pd.DataFrame(TRAINING, columns=NAMES)
    explainer = EXPLAINERS["linear"](frame)
    loaded = pickle.loads(pickle.dumps(explainer))
    row = frame.iloc[3]
    np.testing.assert_array_equal(loaded.explain_local(row).values, explainer.explain_local(row).values)
    assert loaded.explain_local(ROW).features == NAMES


@pytest.mark.parametrize("container", ["pandas", "polars", "arrow", "csr", "list", "array"])
def test_no_rows_of_any_container_keep_columns_and_hold_no_rows(container: str) -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "secret": ["SENTINEL-1", "SENTINEL-2"]})
    rows = {
        "pandas": lambda: frame,
        "polars": lambda: pytest.importorskip("polars").from_pandas(frame),
        "arrow": lambda: pytest.importorskip("pyarrow").Table.from_pandas(frame),
        "csr": lambda: pytest.importorskip("scipy.sparse").csr_matrix([[SENTINEL, 0.0]]),
        "list": lambda: [[SENTINEL, 2.0]],
        "array": lambda: frame.to_numpy(),
    }[container]()
    bare = without_rows(rows)
    assert bare.shape == (0, 2)
    content = pickle.dumps(bare)
    assert b"SENTINEL-1" not in content
    assert not holds(content)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_explained_rows_are_left_out_of_a_file_on_demand(suffix: str, tmp_path: Path) -> None:
    rows = pd.DataFrame([[1.0, SENTINEL, 3.0]], columns=NAMES, index=pd.Index(["SENTINEL"], name="customer"))
    explanation = EXPLAINERS["linear"](TRAINING).explain_local(rows)
    save_explanation(explanation, tmp_path / f"with{suffix}")
    assert holds(saved_bytes(tmp_path / f"with{suffix}"))
    path = tmp_path / f"without{suffix}"
    save_explanation(explanation, path, include_eval_data=False)
    content = saved_bytes(path)
    assert not holds(content)
    assert b"SENTINEL" not in content
    loaded = load_explanation(path)
    assert loaded.eval_data is None
    assert loaded.eval_y_predicted == explanation.eval_y_predicted
    np.testing.assert_array_equal(loaded.values, explanation.values)


@pytest.mark.parametrize("both", [True, False])
def test_include_data_is_both_switches_at_once(both: bool, tmp_path: Path) -> None:
    explanation = LocalExplanation(np.zeros((1, 3, 1)), [0.0], eval_data=ROW, init_data=TRAINING)
    explanation.to_parquet(tmp_path / "e.parquet", include_data=both)
    loaded = load_explanation(tmp_path / "e.parquet")
    assert (loaded._eval_data is not None, loaded._init_data is not None) == (both, both)


def test_one_row_of_an_arrow_table_is_pickled_without_the_others() -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({name: TRAINING[:, j] for j, name in enumerate(NAMES)})
    explanation = EXPLAINERS["linear"](TRAINING).explain_local(table.slice(3, 1))
    content = pickle.dumps(explanation)
    assert not holds(content)
    assert pickle.loads(content)._eval_data.equals(table.slice(3, 1))


def test_absent_training_rows_say_how_to_have_them() -> None:
    explanation = LocalExplanation(np.zeros((1, 3, 1)), [0.0])
    with pytest.raises(AttributeError, match="include_init_data=True"):
        _ = explanation.init_data


def test_pickles_that_hold_training_rows_still_load() -> None:
    path = Path(__file__).parents[1] / "fixtures" / "pickles" / "local.pkl"
    assert pickle.loads(path.read_bytes()).init_data is not None
