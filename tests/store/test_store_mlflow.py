"""Explanations in MLflow, against a server on loopback. mlflow is optional: `pip install fastexplain[mlflow]`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import run_python

from fastexplain import MissingDependencyError, save_explanation
from fastexplain.explanation import GlobalExplanation, GlobalLocalExplanation, LocalExplanation

mlflow = pytest.importorskip("mlflow")

from fastexplain.store.mlflow import _load_pyfunc, get_explanation, log_explanation, save_model  # noqa: E402

# The server makes its database first, on machines that others use too.
START_SECONDS = 240.0
VALUES = np.random.default_rng(0).normal(size=(5, 3, 3))


def explanation() -> GlobalLocalExplanation:
    rows = np.arange(15.0).reshape(5, 3)
    rows[0, 0] = np.nan
    return LocalExplanation(
        VALUES,
        [0.1, 0.2, 0.3],
        features=["age", "b.m.i", "größe"],
        classes=["a", "b", "c"],
        method="shap_tree",
        eval_data=rows,
        predict=lambda: (np.array(list("abcab")), np.full((5, 3), 1 / 3)),
    ).to_global()


def assert_same(found: Any, expected: GlobalLocalExplanation) -> None:
    assert type(found) is type(expected)
    assert found.id == expected.id
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found._eval_data, expected._eval_data)
    assert found.features == expected.features
    assert found.per_class_values == expected.per_class_values
    assert found.eval_y_predicted == expected.eval_y_predicted


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an MLflow server that keeps everything in a temporary folder."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, process, folder / "log.txt")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"The MLflow server ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"The MLflow server did not answer in {START_SECONDS} s:\n{log.read_text()[-2000:]}")


@pytest.fixture
def run_id(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An active run on the server; the working directory is empty."""
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(server)
    with mlflow.start_run() as run:
        yield run.info.run_id


@pytest.mark.parametrize("file_format", ["json", "parquet"])
def test_a_logged_explanation_is_found_by_run_and_name(run_id: str, tmp_path: Path, file_format: Any) -> None:
    original = explanation()
    log_explanation("of_the_model", original, file_format=file_format)
    assert_same(get_explanation(run_id, "of_the_model"), original)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("file_format", ["json", "parquet"])
def test_rows_are_left_out_of_the_run_on_demand(run_id: str, file_format: Any) -> None:
    rows = np.arange(15.0).reshape(5, 3)
    original = LocalExplanation(VALUES, [0.1, 0.2, 0.3], eval_data=rows, init_data=rows)
    for name, switches in {
        "all": {},
        "no_training_rows": {"include_init_data": False},
        "no_rows": {"include_init_data": False, "include_eval_data": False},
    }.items():
        log_explanation(name, original, file_format=file_format, **switches)
        found = get_explanation(run_id, name)
        assert (found._init_data is not None) == (name == "all")
        assert (found._eval_data is not None) == (name != "no_rows")


def test_the_model_has_our_flavour_and_the_metadata_of_the_old_name(run_id: str) -> None:
    info = log_explanation("described", explanation())
    assert set(info.flavors) == {"fastexplain", "python_function"}
    stored = info.flavors["python_function"]
    assert stored["loader_module"] == "fastexplain.store.mlflow"
    assert stored["data"] == "data/explanation"
    assert stored["interpret_community_metadata"]["num_classes"] == 3
    assert stored["interpret_community_metadata"]["local"] is True


def test_pyfunc_loads_the_explanation(run_id: str) -> None:
    original = explanation()
    info = log_explanation("loaded", original)
    model = mlflow.pyfunc.load_model(info.model_uri)
    assert_same(model.get_raw_model(), original)
    table = model.predict(None)
    np.testing.assert_array_equal(table["phi_b_age"], VALUES[:, 0, 1])


def test_a_name_that_was_not_logged_is_an_error(run_id: str) -> None:
    with pytest.raises(mlflow.exceptions.MlflowException):
        get_explanation(run_id, "nothing")


def test_an_artifact_that_is_no_explanation_is_an_error(run_id: str, tmp_path: Path) -> None:
    mlflow.log_text("hello", "notes/hello.txt")
    with pytest.raises(ValueError, match="'notes' is no explanation: there is no MLmodel file"):
        get_explanation(run_id, "notes")


def test_a_run_is_started_where_none_is_active(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(server)
    assert mlflow.active_run() is None
    original = GlobalExplanation(np.array([2.0, -1.0]), features=["a", "b"], method="pfi")
    log_explanation("alone", original)
    try:
        found: Any = get_explanation(mlflow.active_run().info.run_id, "alone")
        assert found.get_feature_importance_dict() == {"a": 2.0, "b": -1.0}
    finally:
        mlflow.end_run()


def test_a_model_directory_is_written_without_a_server(tmp_path: Path) -> None:
    original = explanation()
    save_explanation(original, tmp_path / "explanation")
    model = save_model(tmp_path / "model", data_path=tmp_path / "explanation")
    assert model.flavors["fastexplain"]["data"] == "data/explanation"
    assert (tmp_path / "model" / "mlflow_env.yml").is_file()
    assert_same(_load_pyfunc(str(tmp_path / "model/data/explanation")).explanation, original)
    assert_same(mlflow.pyfunc.load_model(str(tmp_path / "model")).get_raw_model(), original)


def test_a_model_directory_that_exists_is_refused(tmp_path: Path) -> None:
    save_explanation(explanation(), tmp_path / "explanation")
    with pytest.raises(FileExistsError, match="already exists"):
        save_model(tmp_path / "explanation", data_path=tmp_path / "explanation")
    with pytest.raises(ValueError, match="data_path is None"):
        save_model(tmp_path / "model")


@pytest.mark.parametrize("environment", [{"name": "own", "dependencies": ["python=3.11"]}, "file"])
def test_the_environment_can_be_given(tmp_path: Path, environment: Any) -> None:
    import yaml

    if environment == "file":
        environment = tmp_path / "own.yml"
        environment.write_text("name: own\ndependencies: [python=3.11]\n")
    save_explanation(explanation(), tmp_path / "e.parquet")
    save_model(tmp_path / "model", data_path=tmp_path / "e.parquet", conda_env=environment)
    assert yaml.safe_load((tmp_path / "model" / "mlflow_env.yml").read_text())["name"] == "own"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="file_format must be 'json' or 'parquet'; got 'csv'"):
        log_explanation("x", explanation(), file_format="csv")  # type: ignore[arg-type]


def test_missing_mlflow_is_told_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingDependencyError, match=r"Could not log_explanation to mlflow. .* pip install mlflow"):
        log_explanation("x", explanation())
    with pytest.raises(MissingDependencyError, match=r"Could not get_explanation from mlflow. .* pip install mlflow"):
        get_explanation("x", "y")


def test_the_store_is_imported_without_mlflow() -> None:
    assert run_python("import sys, fastexplain.store.mlflow; print('mlflow' in sys.modules)").strip() == "False"
