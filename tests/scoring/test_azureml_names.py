"""azureml-interpret's names and files: its imports, its pickle, and the deployment script of its how-to."""

from __future__ import annotations

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from conftest import run_python
from numpy.testing import assert_array_equal

import fastexplain
from fastexplain.exceptions import ArtifactError
from fastexplain.scoring import DirectoryExistsException, load, save, scoring_explainer
from tests.scoring.models import TREES, X

NAMES = """
import sys, fastexplain
fastexplain.install_as("azureml.interpret")
from azureml.interpret.scoring.scoring_explainer import LinearScoringExplainer, TreeScoringExplainer, load, save
from azureml.contrib.interpret.scoring.scoring_explainer import TreeScoringExplainer as former
import azureml.interpret.scoring.scoring_explainer as module
from azureml.interpret.common.exceptions import DirectoryExistsException
import fastexplain.scoring, fastexplain.compat.azureml_interpret.scoring.scoring_explainer as ours
assert TreeScoringExplainer is former is fastexplain.scoring.TreeScoringExplainer is module.TreeScoringExplainer
assert save is fastexplain.scoring.save and module is ours
assert DirectoryExistsException is fastexplain.scoring.DirectoryExistsException
assert fastexplain.install_as("azureml.interpret") is sys.modules["azureml.interpret"]
try:
    import azureml.core
except ModuleNotFoundError as error:
    print(error.name)
"""


def test_names() -> None:
    assert run_python(NAMES).split() == ["azureml.core"]


def test_names_beside_an_installed_azureml(tmp_path: Path) -> None:
    for name, text in {"azureml/core/__init__.py": "mark = 7", "azureml/interpret/__init__.py": "theirs = 1"}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
        + NAMES.replace("import azureml.core", "pass")
        + (
            "\nimport azureml.core; print(azureml.core.mark, hasattr(sys.modules['azureml.interpret'], 'theirs'))"
            "\nfrom fastexplain.compat.install import uninstall; uninstall('azureml.interpret')"
            "\nimport azureml.interpret; print(azureml.interpret.theirs)"
        )
    )
    assert run_python(code).split() == ["7", "False", "1"]


def test_a_pickle_for_scripts_that_read_it(tmp_path: Path) -> None:
    scorer = scoring_explainer(fastexplain.TabularExplainer(TREES["boosting three"](), X))
    path = save(scorer, tmp_path / "out", format="pickle")
    assert path == str(tmp_path / "out" / "scoring_explainer.pkl")
    assert_array_equal(joblib.load(path).score(X).values, scorer.score(X).values)
    with pytest.raises(ArtifactError, match="pass allow_pickle=True if you trust the writer"):
        load(tmp_path / "out")
    assert_array_equal(load(tmp_path / "out", allow_pickle=True).score(X).values, scorer.score(X).values)
    with pytest.raises(ArtifactError, match="has no id"):
        load(tmp_path / "out", allow_pickle=True, id="0" * 64)
    with pytest.raises(DirectoryExistsException, match="pass exist_ok=True"):
        save(scorer, tmp_path / "out", format="pickle")
    save(scorer, tmp_path / "out", exist_ok=True, format="pickle")
    with pytest.raises(ValueError, match="format must be 'artifact' or 'pickle'; got 'joblib'"):
        save(scorer, tmp_path / "new", format="joblib")
    Path(path).write_bytes(pickle.dumps({"not": "an explainer"}))
    with pytest.raises(ArtifactError, match="holds a dict; expected a scoring explainer"):
        load(tmp_path / "out", allow_pickle=True)


TRAINING = """
import numpy as np
import fastexplain
fastexplain.install_as("azureml.interpret")   # new
fastexplain.install_as("interpret_community")  # new
from azureml.interpret.scoring.scoring_explainer import TreeScoringExplainer, save
from interpret_community import TabularExplainer
from sklearn.ensemble import RandomForestClassifier

rows = np.load("rows.npy")
model = RandomForestClassifier(5, random_state=0).fit(rows, rows[:, 0] > 0)
explainer = TabularExplainer(model, rows, features=["a", "b", "c", "d", "e"], classes=["no", "yes"])
scoring_explainer = TreeScoringExplainer(explainer)
save(scoring_explainer, directory="my_directory", exist_ok=True)
np.save("expected.npy", explainer.explain_local(rows[:7]).local_importance_values)
"""
SCORING = """
import json
import sys
import numpy as np
from fastexplain.scoring import load  # was: import joblib


def init():
    global scoring_explainer
    # was: the registered model and the explainer, two pickles by joblib.load
    scoring_explainer = load("my_directory")


def run(raw_data):
    data = np.array(json.loads(raw_data)["data"])
    scores = scoring_explainer.score(data)  # was: original_model.predict(data)
    local_importance_values = scoring_explainer.explain(data)
    return {"predictions": scores.predictions.tolist(), "local_importance_values": local_importance_values}


init()
answer = run(json.dumps({"data": np.load("rows.npy")[:7].tolist()}))
assert not {"sklearn", "joblib", "scipy"} & set(sys.modules)
assert answer["local_importance_values"] == np.load("expected.npy").tolist()
print(*answer["predictions"])
"""


def test_the_deployment_of_the_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train and save in one process; the scoring script of a deployment in another, with its changed lines marked."""
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", X)
    assert run_python(TRAINING) == ""
    expected = np.where(X[:7, 0] > 0, "yes", "no").tolist()
    assert run_python(SCORING).split() == expected
