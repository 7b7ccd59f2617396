"""Artifacts: the same numbers in another process, with nothing but NumPy, and errors for what is no artifact."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import fastexplain
from fastexplain.exceptions import ArtifactError
from fastexplain.scoring import DirectoryExistsException, ScoringExplainer, load, save, scoring_explainer
from tests.scoring.models import MODELS, TREES, X

LIBRARIES = ("lightgbm", "narwhals", "numba", "pandas", "scipy", "sklearn", "tqdm", "xgboost")


def scorer_of(name: str, **options: Any) -> ScoringExplainer:
    return scoring_explainer(fastexplain.TabularExplainer(MODELS[name](), X, **options))


def assert_equal_scores(ours: ScoringExplainer, theirs: ScoringExplainer) -> None:
    for one, other in zip(ours.score(X), theirs.score(X), strict=True):
        assert_array_equal(one, other) if one is not None else None
        assert (one is None) == (other is None)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("place", ["artifact", "artifact.zip"])
def test_saved_and_loaded(tmp_path: Path, name: str, place: str) -> None:
    scorer = scorer_of(name)
    identity = save(scorer, tmp_path / place)
    loaded = load(tmp_path / place, id=identity)
    assert type(loaded) is type(scorer)
    assert (scorer.id, loaded.id) == (None, identity)
    assert (loaded.features, loaded.classes, loaded.model_task) == (scorer.features, scorer.classes, scorer.model_task)
    assert_equal_scores(loaded, scorer)
    assert save(loaded, tmp_path / f"again-{place}") == identity  # the same content has the same id


def test_ids_and_taken_places(tmp_path: Path) -> None:
    scorer = scorer_of("tree")
    save(scorer, tmp_path / "a")
    with pytest.raises(ArtifactError, match="id"):
        load(tmp_path / "a", id="0" * 64)
    with pytest.raises(DirectoryExistsException, match="exists already; pass exist_ok=True"):
        save(scorer, tmp_path / "a")
    save(scorer_of("ridge"), tmp_path / "a", exist_ok=True)
    assert load(tmp_path / "a").model_task == "regression"
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")


SCRIPT = """
import sys
import numpy as np
from fastexplain.scoring import load

scorer = load(sys.argv[1])
scores = scorer.score(np.load(sys.argv[2]))
np.save(sys.argv[3], scores.values)
found = sorted({name.split(".")[0] for name in sys.modules} & set(sys.argv[4].split(",")))
assert not found, found
"""


@pytest.mark.parametrize("name", ["lightgbm three", "xgboost binary", "forest three", "logistic three"])
def test_another_process_needs_numpy_alone(tmp_path: Path, name: str) -> None:
    scorer = scorer_of(name)
    save(scorer, tmp_path / "a")
    np.save(tmp_path / "rows.npy", X)
    arguments = [tmp_path / "a", tmp_path / "rows.npy", tmp_path / "values.npy", ",".join(LIBRARIES)]
    subprocess.run([sys.executable, "-c", SCRIPT, *map(str, arguments)], check=True, timeout=120)
    assert_array_equal(np.load(tmp_path / "values.npy"), scorer.score(X).values)


def _values(scorer: ScoringExplainer, queue: Any) -> None:
    queue.put(scorer.score(X).values)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_pickles_forks_and_threads(tmp_path: Path, start: str) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform does not {start}")
    save(scorer_of("forest three"), tmp_path / "a")
    scorer = load(tmp_path / "a")
    expected = scorer.score(X).values
    assert_array_equal(pickle.loads(pickle.dumps(scorer)).score(X).values, expected)
    context: Any = multiprocessing.get_context(start)
    queue = context.Queue()
    process = context.Process(target=_values, args=(scorer, queue))
    process.start()
    assert_array_equal(queue.get(timeout=120), expected)
    process.join()
    with ThreadPoolExecutor(6) as pool:
        for values in pool.map(lambda i: scorer.score(X[i % 160]).values, range(300)):
            assert values.shape == (1, 5, 3)
        for values in pool.map(lambda _: scorer.score(X).values, range(12)):
            assert_array_equal(values, expected)


def changed(path: Path, change: Any) -> None:
    """Rewrite an artifact's manifest, as someone would who forges one: hashes of files are kept right."""
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest["content"])
    (path / "manifest.json").write_text(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _set(*keys: Any, to: Any) -> Any:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("kind", to="os.system"), "content.kind is 'os.system'"),
        (_set("kind", to=3), "content.kind is 3; expected text"),
        (_set("task", to="sorting"), "content.task is 'sorting'; expected one of"),
        (_set("classes", to=["a"]), "content.classes has 1 entries; expected 3"),
        (_set("model", to=[]), r"content.model is \[\]; expected an object"),
        (_set("model", "n_features", to=10**12), "content.model.n_features is 1000000000000; expected a whole number"),
        (_set("model", "n_features", to=4), "content.model.n_features is 4; the rows have 5 columns"),
        (_set("model", "n_outputs", to=True), "content.model.n_outputs is True"),
        (_set("model", "n_outputs", to=4), "base_offset.*shape"),
        (_set("model", "answers", "link", to="eval"), "content.model.answers.link is 'eval'; expected one of"),
        (_set("model", "answers", "decision", to="positive"), "decision is 'positive', of a model with 3 outputs"),
        (_set("model", "answers", "slope", to=-1.0), "slope must be a positive number"),
        (_set("model", "form", to="probability"), "form is 'probability', which needs a background"),
        (_set("rows", "n_features", to=-1), "content.rows.n_features is -1"),
        (_set("rows", "unknown", to="guess"), "content.rows.unknown is 'guess'"),
        (_set("rows", "categories", to=[{"column": 5, "labels": []}]), r"categories\[0\].column is 5"),
        (_set("features", "columns", to=[]), "content.features lists 0 columns; the model takes 5"),
        (_set("features", "names", to=["a", "a", "b", "c", "d"]), "content.features.names names something twice"),
        (_set("subset", to=[7]), r"content.subset is \[7\]; expected whole numbers from 0 to 4"),
    ],
)
def test_forged_content(tmp_path: Path, change: Any, message: str) -> None:
    save(scorer_of("lightgbm three"), tmp_path / "a")
    changed(tmp_path / "a", change)
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path / "a")


def forged(tmp_path: Path, **arrays: Any) -> Path:
    """An artifact with other arrays of the forest, hashes included."""
    from fastexplain.scoring.artifact import read, write

    save(scorer_of("forest regression"), tmp_path / "good", exist_ok=True)
    good = read(tmp_path / "good")
    given = {name: np.array(array) for name, array in good.arrays.items()}
    for name, change in arrays.items():
        array = given[f"tree.{name}"]
        given[f"tree.{name}"] = change(array)
    write(tmp_path / "bad", good.content, given)
    return tmp_path / "bad"


def _put(index: Any, value: Any) -> Any:
    def change(array: Any) -> Any:
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"children_left": _put(0, 10**6)}, "child lies outside its tree"),
        ({"children_left": _put(0, 0)}, "child lies outside its tree"),
        ({"children_left": _put(1, 1)}, "two parents|no other node|child of"),
        ({"children_left": _put(0, -7)}, "one child only"),
        ({"feature": _put(0, 5)}, "must lie in 0..4"),
        ({"feature": _put(0, -1)}, "must lie in 0..4"),
        ({"threshold": _put(0, np.nan)}, "threshold is NaN"),
        ({"cover": _put(0, -1.0)}, "cover must be finite and not negative"),
        ({"cover": _put(0, np.nan)}, "'tree.cover' holds NaN"),
        ({"values": _put(0, np.inf)}, "'tree.values' holds NaN or infinite"),
        ({"base_offset": lambda a: a[:0]}, "'tree.base_offset' has shape"),
        ({"tree_offsets": _put(1, 0)}, "tree_offsets must rise"),
        ({"tree_offsets": lambda a: a[:-1]}, "tree_output.*shape|tree_offsets must rise"),
        ({"tree_output": _put(0, 3)}, "tree_output must lie in 0..0"),
        ({"cover": lambda a: a.astype(np.float32)}, "'tree.cover' is of type float32; expected float64"),
        ({"children_right": lambda a: a[:-1]}, "'tree.children_right' has shape"),
    ],
)
def test_forged_arrays(tmp_path: Path, arrays: Any, message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        load(forged(tmp_path, **arrays))


def test_the_size_of_an_artifact(tmp_path: Path) -> None:
    save(scorer_of("lightgbm binary"), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "manifest.json" in archive.namelist()
    assert (tmp_path / "a.zip").stat().st_size < 20_000


def test_models_are_not_asked_for_again(tmp_path: Path) -> None:
    """A loaded explainer stands alone: what became of the model does not matter."""
    model = TREES["boosting binary"]()
    scorer = scoring_explainer(fastexplain.TreeExplainer(model))
    expected = scorer.score(X).values
    model.fit(X, np.roll(X[:, 0] > 0, 3))
    assert_array_equal(scorer.score(X).values, expected)


def test_what_is_no_scoring_explainer(tmp_path: Path) -> None:
    model = MODELS["tree"]()
    explainer = fastexplain.TabularExplainer(model, X)
    for given in (model, None, scoring_explainer(explainer)):
        with pytest.raises(fastexplain.UnsupportedModelError, match="has no scoring explainer; expected a Tabular-"):
            scoring_explainer(given)
    with pytest.raises(TypeError, match="scoring_explainer is a TabularExplainer; expected a scoring explainer"):
        save(explainer, tmp_path / "none")  # type: ignore[arg-type]


def test_maps_and_names_that_do_not_fit() -> None:
    explainer = fastexplain.TabularExplainer(MODELS["tree"](), X)
    twice = fastexplain.TabularExplainer(MODELS["tree"](), pd.DataFrame(X, columns=list("abcda")))
    with pytest.raises(ValueError, match="Two features are named 'a'"):
        scoring_explainer(twice)
    with pytest.raises(ValueError, match="initialization_examples have 2 columns; expected rows of the 5 features"):
        scoring_explainer(explainer, initialization_examples=X[:, :2])
    with pytest.raises(ValueError, match="feature_maps lead to 4 columns; the model has 5"):
        scoring_explainer(explainer, feature_maps=[np.eye(4)])
    with pytest.raises(ValueError, match=r"raw_features is \['a'\]; expected 5 names"):
        scoring_explainer(explainer, feature_maps=[np.eye(5)], raw_features=["a"])


def test_a_pickle_beside_an_artifact(tmp_path: Path) -> None:
    scorer = scoring_explainer(fastexplain.TabularExplainer(MODELS["tree"](), X))
    save(scorer, tmp_path / "model")
    with pytest.raises(DirectoryExistsException, match="holds an artifact; choose another directory"):
        save(scorer, tmp_path / "model", exist_ok=True, format="pickle")
    assert load(tmp_path / "model").features == scorer.features
