"""Explanations as artifacts of MLflow runs, under interpret-community's names and in its layout.

`log_explanation` stores what `fastexplain.save_explanation` writes as an MLflow model with the flavours ``fastexplain``
and ``python_function``; interpret-community's ``get_explanation`` reads it, and `get_explanation` reads what
interpret-community logged.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fastexplain._optional import optional
from fastexplain.exceptions import MissingDependencyError
from fastexplain.explanation import Explanation, load_explanation, save_explanation
from fastexplain.explanation.files.json_directory import explanation_metadata
from fastexplain.explanation.files.record import package_version

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoggedExplanation", "get_explanation", "log_explanation", "save_model"]

FLAVOR_NAME = "fastexplain"
# the flavour that any MLflow model has, and where its configuration says what the model's data are
_PYFUNC = "python_function"
_CONDA_FILE = "mlflow_env.yml"


class LoggedExplanation:
    """What ``mlflow.pyfunc.load_model`` wraps: an explanation, with the `predict` that MLflow asks of its models.

    Parameters
    ----------
    explanation : Explanation

    Attributes
    ----------
    explanation : Explanation
        Also what ``get_raw_model()`` of the loaded pyfunc model returns.
    """

    def __init__(self, explanation: Explanation) -> None:
        self.explanation = explanation

    def get_raw_model(self) -> Explanation:
        """The explanation."""
        return self.explanation

    def predict(self, model_input: Any = None, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """The explanation as a table, whatever the input: it is a result and has nothing to compute.

        Parameters
        ----------
        model_input, params : Any
            Not used.

        Returns
        -------
        pandas.DataFrame
            As `fastexplain.explanation.to_pandas` makes it.
        """
        return self.explanation.to_pandas()


def log_explanation(
    name: str,
    explanation: Explanation,
    *,
    file_format: Literal["json", "parquet"] = "json",
    include_eval_data: bool = True,
    include_init_data: bool = True,
) -> Any:
    """Log an explanation to the active MLflow run; a run is started where none is active.

    Parameters
    ----------
    name : str
        Under which `get_explanation` finds it.
    explanation : Explanation
    file_format : {"json", "parquet"}, default "json"
        ``"json"`` can be read by interpret-community; ``"parquet"`` is smaller and far faster for many rows.
    include_eval_data, include_init_data : bool, default True
        Whether the explained rows, and those that the explainer was built on where the explanation holds them, are
        logged; see `fastexplain.save_explanation`.

    Returns
    -------
    mlflow.models.model.ModelInfo

    Raises
    ------
    ValueError
        `file_format` is neither.
    MissingDependencyError
        mlflow is not installed.
    """
    if file_format not in ("json", "parquet"):
        raise ValueError(f"file_format must be 'json' or 'parquet'; got {file_format!r}.")
    mlflow = _mlflow("log_explanation to")
    models = optional("mlflow.models", "mlflow", "Logging an explanation")
    if mlflow.active_run() is None:
        mlflow.start_run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("explanation" if file_format == "json" else "explanation.parquet")
        save_explanation(explanation, path, include_eval_data=include_eval_data, include_init_data=include_init_data)
        info = models.Model.log(
            artifact_path=None,
            name=name,
            flavor=sys.modules[__name__],
            flavor_name=FLAVOR_NAME,
            loader_module=__name__,
            data_path=str(path),
            interpret_community_metadata=explanation_metadata(explanation),
        )
    return info


def get_explanation(run_id: str, name: str) -> Explanation:
    """Download an explanation that was logged to an MLflow run, and load it.

    Nothing stays on disk. Explanations that interpret-community logged are read too.

    Parameters
    ----------
    run_id : str
    name : str
        As given to `log_explanation`.

    Returns
    -------
    Explanation

    Raises
    ------
    mlflow.exceptions.MlflowException
        There is no such run, or nothing of that name in it.
    ValueError
        What is there is no explanation, or is damaged.
    MissingDependencyError
        mlflow is not installed.
    """
    mlflow = _mlflow("get_explanation from")
    with tempfile.TemporaryDirectory() as folder:
        local = mlflow.MlflowClient().download_artifacts(run_id, name, dst_path=folder)
        return load_explanation(_data_of(Path(local)))


def save_model(
    path: str | os.PathLike[str],
    loader_module: str | None = None,
    data_path: str | os.PathLike[str] | None = None,
    conda_env: dict[str, Any] | str | os.PathLike[str] | None = None,
    mlflow_model: Any = None,
    **kwargs: Any,
) -> Any:
    """Write a saved explanation as an MLflow model in a directory of its own.

    Parameters
    ----------
    path : path-like
        The directory to make.
    loader_module : str, optional
        Module whose `_load_pyfunc` loads it; default this one.
    data_path : path-like
        What `fastexplain.save_explanation` wrote.
    conda_env : dict or path of a YAML file, optional
        Environment to load it in. Default: this Python and this version of fastexplain.
    mlflow_model : mlflow.models.Model, optional
        The description to add to; default a new one.
    **kwargs
        Further entries of the ``python_function`` flavour's configuration.

    Returns
    -------
    mlflow.models.Model

    Raises
    ------
    FileExistsError
        `path` exists.
    ValueError
        No `data_path` is given.
    MissingDependencyError
        mlflow is not installed.
    """
    mlflow = _mlflow("log_explanation to")
    models = optional("mlflow.models", "mlflow", "Saving an explanation")
    if data_path is None:
        raise ValueError("data_path is None; expected the path of an explanation that save_explanation wrote.")
    path, data_path = Path(path), Path(data_path)
    if path.exists():
        raise FileExistsError(f"Path '{path}' already exists")
    path.mkdir(parents=True)
    data = Path("data") / data_path.name
    (path / "data").mkdir()
    if data_path.is_dir():
        shutil.copytree(data_path, path / data)
    else:
        shutil.copy2(data_path, path / data)
    _write_environment(conda_env, path / _CONDA_FILE)
    model = models.Model() if mlflow_model is None else mlflow_model
    mlflow.pyfunc.add_to_model(
        model, loader_module=loader_module or __name__, data=data.as_posix(), conda_env=_CONDA_FILE, **kwargs
    )
    model.add_flavor(FLAVOR_NAME, fastexplain_version=package_version(), data=data.as_posix())
    model.save(str(path / "MLmodel"))
    return model


def _load_pyfunc(path: str) -> LoggedExplanation:
    """Load a logged explanation; MLflow calls this by name, with the path of the model's data."""
    return LoggedExplanation(load_explanation(path))


def _data_of(model: Path) -> Path:
    """Path of the explanation inside an MLflow model's directory."""
    models = optional("mlflow.models", "mlflow", "Loading an explanation")
    if not (model / "MLmodel").is_file():
        raise ValueError(f"{model.name!r} is no explanation: there is no MLmodel file in it.")
    flavors = models.Model.load(str(model)).flavors
    data = flavors.get(FLAVOR_NAME, flavors.get(_PYFUNC, {})).get("data")
    if data is None:
        raise ValueError(f"{model.name!r} is an MLflow model without data, and no explanation.")
    return model / str(data)


def _write_environment(conda_env: Any, path: Path) -> None:
    yaml = optional("yaml", "mlflow", "Saving an explanation as an MLflow model")
    if conda_env is None:
        version = package_version()
        requirement = "fastexplain" if version is None else f"fastexplain=={version}"
        python = ".".join(map(str, sys.version_info[:3]))
        conda_env = {
            "name": "mlflow-env",
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", "pip", {"pip": [requirement]}],
        }
    elif not isinstance(conda_env, dict):
        conda_env = yaml.safe_load(Path(conda_env).read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(conda_env, default_flow_style=False), encoding="utf-8")


def _mlflow(doing: str) -> Any:
    try:
        return importlib.import_module("mlflow")
    except ImportError as error:
        raise MissingDependencyError(
            f"Could not {doing} mlflow. Missing mlflow dependency, pip install mlflow to resolve the error: {error}."
        ) from error
