"""`KernelScoringExplainer`: the explainer's numbers bit for bit, without the model."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR

import fastexplain
from fastexplain.exceptions import ArtifactError
from fastexplain.scoring import (
    InitDatasetMissingException,
    KernelScoringExplainer,
    ScoringExplainer,
    load,
    save,
    scoring_explainer,
)
from fastexplain.scoring.artifact import read, write
from tests.scoring.kernel_models import KERNEL_MODELS, WIDE, WIDE_MARGIN, fitted, mlp, rows_of, svc
from tests.scoring.models import BINARY, MARGIN, X

# scikit-learn takes distances of Gaussian processes apart into norms and products.
LOOSE = {"gaussian process": 1e-9, "kernel ridge": 1e-9}


def explained(model: Any, rows: Any, **options: Any) -> tuple[fastexplain.KernelExplainer, ScoringExplainer]:
    explainer = fastexplain.KernelExplainer(model, rows, **options)
    return explainer, scoring_explainer(explainer)


def assert_same(explainer: Any, scorer: ScoringExplainer, rows: Any) -> None:
    """Values, base values and errors are those of the explainer; errors that are all 0 are None."""
    local, scores = explainer.explain_local(rows), scorer.score(rows)
    assert_array_equal(scores.values, local.values)
    assert_array_equal(scores.base_values, local._base_values)
    errors = local.standard_errors
    assert_array_equal(np.zeros_like(errors) if scores.standard_errors is None else scores.standard_errors, errors)
    assert scorer.explain(rows) == local.local_importance_values


@pytest.mark.parametrize("name", KERNEL_MODELS)
def test_values_and_predictions(name: str, tmp_path: Path) -> None:
    model, rows = KERNEL_MODELS[name](), rows_of(name)
    explainer, scorer = explained(model, rows[:40])
    assert isinstance(scorer, KernelScoringExplainer)
    assert scorer._parts.method.model is not None
    assert_same(explainer, scorer, rows[40:60])
    assert scorer.explain(rows[3]) == explainer.explain_local(rows[3]).local_importance_values
    scores = scorer.score(rows)
    atol = LOOSE.get(name, 1e-12)
    if scorer.model_task == "classification" or name == "one class":
        assert_array_equal(scores.predictions, model.predict(rows))
    else:
        np.testing.assert_allclose(scores.predictions, model.predict(rows), rtol=0, atol=atol * 10)
    assert (scores.probabilities is not None) == hasattr(model, "predict_proba")
    if scores.probabilities is not None:
        np.testing.assert_allclose(scores.probabilities, model.predict_proba(rows), rtol=0, atol=atol)
    identity = save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a", id=identity)
    assert type(loaded) is KernelScoringExplainer
    for one, other in zip(loaded.score(rows[:30]), scorer.score(rows[:30]), strict=True):
        assert_array_equal(one, other) if one is not None else None
        assert (one is None) == (other is None)
    assert save(loaded, tmp_path / "again.zip") == identity


@pytest.mark.parametrize("model", [svc(probability=True), mlp("MLPClassifier")], ids=["svc", "mlp"])
@pytest.mark.parametrize("options", [{}, {"nsamples": 300, "tol": 0}, {"link": "logit", "seed": 3}])
def test_sampled_values(model: Any, options: dict[str, Any], tmp_path: Path) -> None:
    explainer, scorer = explained(fitted(model, WIDE_MARGIN > 0, WIDE)(), WIDE[:25], **options)
    assert_same(explainer, scorer, WIDE[30:36])
    assert scorer.score(WIDE[30:36]).standard_errors is not None
    alone = scorer.score(WIDE[30])
    assert_array_equal(alone.values, explainer.explain_local(WIDE[30:31]).values)
    save(scorer, tmp_path / "a")
    assert_same(explainer, load(tmp_path / "a"), WIDE[30:36])
    fastexplain.set_num_threads(1)
    try:
        assert_array_equal(scorer.score(WIDE[30]).values, alone.values)
    finally:
        fastexplain.set_num_threads(None)


TABLE = pd.DataFrame(
    {
        "size": np.round(X[:, 0], 2),
        "colour": np.array(["red", "green", "blue"])[(np.abs(X[:, 1]) * 2).astype(int).clip(0, 2)],
        "age": np.where(X[:, 2] > 1.5, np.nan, X[:, 2]),
        "kind": np.where(X[:, 3] > 0, "a", "b"),
    }
)


def prepared() -> Any:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_column_transformer((numbers, ["size", "age"]), (OneHotEncoder(), ["colour", "kind"]))


@pytest.mark.parametrize("y", [BINARY, MARGIN], ids=["classes", "numbers"])
def test_pipelines_as_a_whole(y: Any, tmp_path: Path) -> None:
    """Columns with text are the players of what the steps make of them."""
    model = svc(probability=True) if y is BINARY else SVR()
    pipeline = fitted(make_pipeline(prepared(), model), y, TABLE)()
    explainer = fastexplain.TabularExplainer(pipeline, TABLE[:40])
    assert "as a whole" in (explainer.choice or "")
    scorer = scoring_explainer(explainer)
    assert_same(explainer, scorer, TABLE[40:70])
    assert (scorer.raw_features, scorer.features) == (list(TABLE), list(TABLE))
    if y is BINARY:
        assert_array_equal(scorer.score(TABLE).predictions, pipeline.predict(TABLE))
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert_same(explainer, loaded, TABLE[40:70])
    one = TABLE.iloc[44].to_dict()
    assert_array_equal(loaded.score(one).values, scorer.score(TABLE[44:45]).values)
    assert loaded.explain(one, get_raw=True) == loaded.explain(one)
    with pytest.raises(ValueError, match="get_raw=False"):
        loaded.explain(one, get_raw=False)


@pytest.mark.parametrize("aggregate", ["sum", "group"])
def test_transformations(aggregate: str, tmp_path: Path) -> None:
    steps = prepared().fit(TABLE)
    model = fitted(svc(probability=True), BINARY, steps.transform(TABLE))()
    explainer = fastexplain.KernelExplainer(model, TABLE[:30], transformations=steps, aggregate=aggregate)
    scorer = scoring_explainer(explainer)
    assert_same(explainer, scorer, TABLE[40:52])
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert_same(explainer, loaded, TABLE[40:52])
    values = loaded.score(TABLE[40:41]).values
    assert values.shape == (1, 4, 2)
    if aggregate == "sum":
        assert np.shape(loaded.explain(TABLE[40:41], get_raw=False)) == (2, 1, 7)


@pytest.mark.parametrize("name", ["svr", "svc three", "logistic", "forest"])
def test_columns_that_alone_play(name: str, tmp_path: Path) -> None:
    """All others stay the row's own: to rounding, as each row has a background that the model would predict."""
    explainer, scorer = explained(KERNEL_MODELS[name](), X[:20], explain_subset=[3, 0])
    local, scores = explainer.explain_local(X[30:36]), scorer.score(X[30:36])
    assert scores.values.shape == local.values.shape
    np.testing.assert_allclose(scores.values, local.values, rtol=0, atol=1e-12)
    assert_array_equal(scores.base_values, local._base_values)
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a", **({"predictor": explainer.model.predict_proba} if name == "forest" else {}))
    assert_array_equal(loaded.score(X[30:36]).values, scores.values)
    assert loaded.score(X[:0]).values.shape == (0, *scores.values.shape[1:])


def test_options_that_have_no_counterpart() -> None:
    steps = prepared().fit(TABLE)
    model = fitted(SVR(), MARGIN, steps.transform(TABLE))()
    explainer = fastexplain.KernelExplainer(model, TABLE[:20], transformations=steps, aggregate="sum", nsamples=3)
    with pytest.raises(fastexplain.UnsupportedModelError, match="nsamples is 3; expected 'auto', or 14 to"):
        scoring_explainer(explainer)


def test_missing_values_are_refused() -> None:
    _, scorer = explained(KERNEL_MODELS["svr"](), X[:30])
    row = X[40].copy()
    row[2] = np.nan
    with pytest.raises(ValueError, match=r"NaN|missing"):
        scorer.score(row)
    assert scorer.score(X[:0]).values.shape == (0, 5, 1)


SCRIPT = """
import sys
from concurrent.futures import ThreadPoolExecutor

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2].split(","):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import numpy as np
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from fastexplain.scoring import load

for folder in sorted(Path(sys.argv[1]).iterdir()):
    scores = load(folder / "artifact").score(np.load(folder / "rows.npy"))
    np.save(folder / "values.npy", scores.values)
"""
LIBRARIES = "narwhals,numba,pandas,scipy,sklearn,threadpoolctl,torch,tqdm"


def test_another_process_needs_numpy_alone(tmp_path: Path) -> None:
    """Enumerated, sampled and closed forms; without threadpoolctl, NumPy's library is asked itself."""
    expected = {}
    for i, name in enumerate(
        ["svc three", "gaussian process", "gaussian bayes", "mlp binary", "calibrated", "voting", "forest"]
    ):
        expected[f"small{i}"] = explained(KERNEL_MODELS[name](), X[:30])[1], X[30:40]
    for i, model in enumerate([svc(probability=True), mlp("MLPClassifier")]):
        expected[f"wide{i}"] = explained(fitted(model, WIDE_MARGIN > 0, WIDE)(), WIDE[:25])[1], WIDE[30:34]
    for name, (scorer, rows) in expected.items():
        save(scorer, tmp_path / name / "artifact")
        np.save(tmp_path / name / "rows.npy", rows)
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path), LIBRARIES], check=True, timeout=300)
    for name, (scorer, rows) in expected.items():
        assert_array_equal(np.load(tmp_path / name / "values.npy"), scorer.score(rows).values)


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (["formula", "family"], "os.system", "formula.family is 'os.system'; expected one of"),
        (["formula", "kernel"], "precomputed", "formula.kernel is 'precomputed'"),
        (["formula", "n_classes"], 4, "formula.n_classes is 4, of a model with 3 decisions"),
        (["formula", "degree"], 0, "formula.degree is 0"),
        (["formula", "response"], "identity", "formula is of 5 columns and 3 outputs|rule is 'votes'"),
        (["rule"], "positive", "model.rule is 'positive', of a model with 3 outputs"),
        (["doubles"], True, "model.doubles is true, of a model with 3 outputs"),
        (["link"], "probit", "model.link is 'probit'"),
        (["nsamples"], 10**9, "model.nsamples is 1000000000; expected a whole number from 10 to"),
        (["nsamples"], 3, "model.nsamples is 3; expected a whole number from 10 to"),
        (["seed"], -1, "model.seed is -1"),
        (["tol"], -0.5, "model.tol is -0.5"),
        (["n_values"], 3, "model.n_values is 3; the model takes 5"),
        (["n_outputs"], 2, r"'background.outputs' has shape \(20, 3\)"),
    ],
)
def test_forged_content(where: list[str], value: Any, message: str, tmp_path: Path) -> None:
    save(explained(KERNEL_MODELS["svc three"](), X[:20])[1], tmp_path / "a")
    good = read(tmp_path / "a")
    content = json.loads(json.dumps(good.content))
    holder = content["model"]
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = value
    write(tmp_path / "b", content, dict(good.arrays))
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path / "b")


@pytest.mark.parametrize(
    ("name", "array", "change", "message"),
    [
        ("svc three", "background.weights", lambda a: a * 2, "do not add up to 1"),
        ("svc three", "background.rows", lambda a: a[:0], r"'background.weights' has shape|0 rows"),
        ("svc three", "background.rows", lambda a: a * np.nan, "'background.rows' holds NaN"),
        ("svc three", "formula.coefficients", lambda a: a[:, 1:], "'formula.coefficients' has shape"),
        ("svc three", "formula.vectors", lambda a: a[:, 1:], "formula is of 4 columns"),
        ("gaussian bayes", "formula.variance", lambda a: a * 0, "'formula.variance' holds numbers that are not"),
        ("mlp binary", "formula.weight1", lambda a: a[1:], "'formula.weight1' has shape"),
        ("neighbors three", "formula.targets", lambda a: a[1:], "'formula.targets' has shape"),
        ("kernel ridge", "formula.scale0", lambda a: -a, "'formula.scale0' holds negative numbers"),
        ("voting", "formula.weights", lambda a: a[1:], "'formula.weights' has shape"),
        ("voting", "formula.1.coef", lambda a: a[:, 1:], "differ in columns and outputs"),
    ],
)
def test_forged_arrays(name: str, array: str, change: Any, message: str, tmp_path: Path) -> None:
    save(explained(KERNEL_MODELS[name](), X[:20])[1], tmp_path / "a")
    good = read(tmp_path / "a")
    arrays = dict(good.arrays)
    arrays[array] = change(np.array(arrays[array]))
    write(tmp_path / "b", good.content, arrays)
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path / "b")


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_other_processes_and_threads(start: str, tmp_path: Path) -> None:
    if start not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this platform does not {start}")
    _, scorer = explained(fitted(svc(probability=True), WIDE_MARGIN > 0, WIDE)(), WIDE[:25])
    expected = scorer.score(WIDE[30:32]).values
    assert_array_equal(pickle.loads(pickle.dumps(scorer)).score(WIDE[30:32]).values, expected)
    context: Any = multiprocessing.get_context(start)
    queue = context.Queue()
    process = context.Process(target=_put, args=(scorer, queue))
    process.start()
    assert_array_equal(queue.get(timeout=120), expected)
    process.join()
    with ThreadPoolExecutor(4) as pool:
        for values in pool.map(lambda _: scorer.score(WIDE[30:32]).values, range(8)):
            assert_array_equal(values, expected)


def _put(scorer: Any, queue: Any) -> None:
    queue.put(scorer.score(WIDE[30:32]).values)


def test_networks_of_torch(tmp_path: Path) -> None:
    nn = pytest.importorskip("torch").nn
    model = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3), nn.Softmax(dim=1))
    explainer, scorer = explained(model, X[:30])
    save(scorer, tmp_path / "a")
    loaded = load(tmp_path / "a")
    assert_same(explainer, loaded, X[30:40])
    assert loaded.score(X).predictions.tolist() == list(explainer.explain_local(X).eval_y_predicted)


def test_a_threshold_of_ones_own_is_refused() -> None:
    selection = pytest.importorskip("sklearn.model_selection")
    if not hasattr(selection, "FixedThresholdClassifier"):
        pytest.skip("scikit-learn 1.5 has the first of these")
    model = selection.FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(X, X[:, 0] > 0)
    with pytest.raises(fastexplain.UnsupportedModelError, match="threshold of its own"):
        scoring_explainer(fastexplain.KernelExplainer(model, X[:30]))


def test_of_explainers_of_another_kind() -> None:
    """Their models are explained anew, against rows."""
    model = fitted(LogisticRegression(), BINARY)()
    by_margin = fastexplain.TabularExplainer(model, X[:30])
    assert_same(fastexplain.KernelExplainer(model, X[:30]), KernelScoringExplainer(by_margin), X[30:40])
    forest = fitted(RandomForestRegressor(5, max_depth=3), MARGIN)()
    trees = fastexplain.TreeExplainer(forest)
    with pytest.raises(InitDatasetMissingException, match="An initialization dataset is required"):
        KernelScoringExplainer(trees)
    scorer = KernelScoringExplainer(trees, X[:30])
    assert_same(fastexplain.KernelExplainer(forest, X[:30]), scorer, X[30:40])
    mimic = fastexplain.MimicExplainer(forest, X, fastexplain.LGBMExplainableModel)
    with pytest.raises(fastexplain.UnsupportedModelError, match="surrogate"):
        KernelScoringExplainer(mimic)
