"""Files of explainers and explanations of `fastexplain.compat.shap`: the same numbers come back, and no code runs."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.naive_bayes import GaussianNB

import fastexplain.compat.shap as ours

pandas = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")

X, Y = load_iris(return_X_y=True)
BACKGROUND, ROWS = X[::10], X[3:60:14]
FRAME = pandas.DataFrame(BACKGROUND, columns=list("abcd"))
NB = GaussianNB().fit(X, Y)
FOREST = RandomForestClassifier(n_estimators=3, random_state=0).fit(X, Y)
LINEAR = LinearRegression().fit(X, Y)
FUNCTION = NB.predict_proba

EXPLAINERS: dict[str, Any] = {
    "kernel": lambda: ours.KernelExplainer(FUNCTION, BACKGROUND, link="logit", nsamples=14, seed=3),
    "kernel_kmeans": lambda: ours.KernelExplainer(FUNCTION, ours.kmeans(X, 4)),
    "kernel_frame": lambda: ours.KernelExplainer(FUNCTION, FRAME, keep_index_ordered=True),
    "kernel_sparse": lambda: ours.KernelExplainer(LINEAR.predict, sparse.csr_matrix(BACKGROUND)),
    "sampling": lambda: ours.SamplingExplainer(FUNCTION, BACKGROUND, feature_names=list("abcd")),
    "permutation": lambda: ours.PermutationExplainer(FUNCTION, BACKGROUND, ours.links.identity, max_evals=30),
    "exact": lambda: ours.ExactExplainer(FUNCTION, ours.maskers.Independent(X, max_samples=20)),
    "partition": lambda: ours.PartitionExplainer(FUNCTION, ours.maskers.Partition(BACKGROUND, clustering="cosine")),
    "additive": lambda: ours.AdditiveExplainer(LINEAR.predict, BACKGROUND),
    "linear": lambda: ours.LinearExplainer(LINEAR, BACKGROUND),
    "linear_impute": lambda: ours.LinearExplainer(LINEAR, ours.maskers.Impute({"mean": X.mean(0), "cov": np.cov(X.T)})),
    "tree": lambda: ours.TreeExplainer(FOREST, feature_names=list("abcd")),
    "tree_background": lambda: ours.TreeExplainer(FOREST, FRAME, "predict_proba"),
    "chosen": lambda: ours.Explainer(FUNCTION, BACKGROUND, output_names=["x", "y", "z"]),
}


def model_of(explainer: Any) -> Any:
    return explainer.model


@pytest.mark.filterwarnings("ignore:X has feature names", "ignore:X does not have valid feature names")
@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainers_come_back(name: str, tmp_path: Path) -> None:
    explainer = EXPLAINERS[name]()
    rows = sparse.csr_matrix(ROWS) if name == "kernel_sparse" else ROWS
    rows = pandas.DataFrame(ROWS, columns=list("abcd")) if "frame" in name or name == "tree_background" else rows
    explainer.save(tmp_path / "explainer")
    for cls in (type(explainer), ours.Explainer):
        loaded = cls.load(tmp_path / "explainer", model_of(explainer))
        assert type(loaded) is type(explainer)
        np.testing.assert_array_equal(loaded.shap_values(rows), explainer.shap_values(rows))
        np.testing.assert_array_equal(loaded.expected_value, explainer.expected_value)
        assert loaded.feature_names == explainer.feature_names
        assert loaded.output_names == explainer.output_names
    assert b"pickle" not in (tmp_path / "explainer").read_bytes()


def test_files_can_be_objects_and_arguments_replaced() -> None:
    file = io.BytesIO()
    ours.KernelExplainer(FUNCTION, BACKGROUND, seed=3).save(file)
    file.seek(0)
    loaded = ours.KernelExplainer.load(file, FUNCTION, seed=5)
    assert loaded.seed == 5


def test_deep_explainers_come_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    explainer = ours.DeepExplainer(model, torch.tensor(BACKGROUND, dtype=torch.float32))
    explainer.save(tmp_path / "deep")
    loaded = ours.DeepExplainer.load(tmp_path / "deep", model)
    np.testing.assert_array_equal(loaded.shap_values(ROWS), explainer.shap_values(ROWS))


def test_models_are_given_again(tmp_path: Path) -> None:
    ours.TreeExplainer(FOREST).save(tmp_path / "tree")
    with pytest.raises(TypeError, match=r"TreeExplainer.load\(in_file, model\) needs the model"):
        ours.TreeExplainer.load(tmp_path / "tree")
    with pytest.raises(ValueError, match="The file holds TreeExplainer, not LinearExplainer"):
        ours.LinearExplainer.load(tmp_path / "tree", LINEAR)
    with pytest.raises(ValueError, match=r"model_saver=<.* is not supported: files hold no code"):
        ours.TreeExplainer(FOREST).save(tmp_path / "tree", model_saver=pickle.dump)


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    table = FRAME.assign(a=FRAME["a"].astype("category"))
    explainer = ours.KernelExplainer(lambda rows: rows[:, 1].astype(float), table.to_numpy())
    explainer._given["data"] = table
    with pytest.raises(TypeError, match="Column 'a' is categorical"):
        explainer.save(tmp_path / "x")
    explainer._given["data"] = object()
    with pytest.raises(TypeError, match="data is a object, which cannot be saved without code"):
        explainer.save(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_explanations_come_back(tmp_path: Path) -> None:
    mixed = pandas.DataFrame({"a": [1.5, 2.0], "b": ["x", None]})
    explanations = [
        ours.KernelExplainer(FUNCTION, BACKGROUND, feature_names=list("abcd"))(ROWS, silent=True),
        ours.ExactExplainer(FUNCTION, BACKGROUND)(ROWS, interactions=True),
        ours.PartitionExplainer(FUNCTION, BACKGROUND)(ROWS, main_effects=True),
        ours.TreeExplainer(FOREST)(ROWS)[0, :, 1],
        ours.TreeExplainer(FOREST)(ROWS)[:, 2, 1],
        ours.Explanation(np.eye(2), 0.5, mixed, feature_names=["a", "b"], instance_names=["r", "s"]),
        ours.Explanation(np.eye(2), None, sparse.csr_matrix(np.eye(2))),
    ]
    for explanation in explanations:
        explanation.save(tmp_path / "explanation")
        loaded = ours.Explanation.load(tmp_path / "explanation")
        assert type(loaded) is ours.Explanation
        assert loaded._axes == explanation._axes
        for name in ("values", "base_values", "data", "error_std", "main_effects", "clustering"):
            mine, theirs = getattr(loaded, name), getattr(explanation, name)
            if hasattr(theirs, "toarray"):
                mine, theirs = mine.toarray(), theirs.toarray()
            assert np.shape(mine) == np.shape(theirs)
            assert str(mine) == str(theirs)  # NaN beside text, too
            if np.asarray(theirs).dtype.kind == "f":
                np.testing.assert_array_equal(mine, theirs, err_msg=name)
        for name in ("feature_names", "output_names", "instance_names"):
            assert getattr(loaded, name) == getattr(explanation, name)


def archive(tmp_path: Path, **members: Any) -> Path:
    np.savez(tmp_path / "bad.npz", **members)
    return tmp_path / "bad.npz"


def described(**head: Any) -> Any:
    head = {"format": "fastexplain.compat.shap", "version": 1, "kind": "Explanation", "content": {}} | head
    return np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)


class Trap:
    """Unpickling it would be seen."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("trapped"),)


def test_no_code_of_a_file_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickled = np.array([Trap()], dtype=object)
    (tmp_path / "pickle").write_bytes(pickle.dumps(Trap()))
    files = [
        tmp_path / "pickle",
        archive(tmp_path, description=described(content={"values": {"array": 0}}), array_0=pickled),
    ]
    for file in files:
        with pytest.raises(ValueError, match="is damaged, or is not a file that `save`"):
            ours.Explanation.load(file)
    assert not Path("trapped").exists()


@pytest.mark.parametrize(
    "content",
    [
        {"values": {"array": 3}},
        {"values": {"array": "__class__"}},
        {"values": {"masker": "__builtins__", "arguments": {}}},
        {"values": {"masker": "Independent", "arguments": {"file": 1}}},
        {"values": {"strange": 1}},
        {"values": {"objects": [1], "shape": [7]}},
        {"values": 1.0, "axes": 3},
        {"no_such_member": 1, "values": 1.0, "axes": []},
    ],
)
def test_damaged_descriptions_are_told(content: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is damaged, or is not a file that `save`"):
        ours.Explanation.load(archive(tmp_path, description=described(content=content), array_0=np.eye(2)))


def test_damaged_bytes_and_other_versions_are_told(tmp_path: Path) -> None:
    file = tmp_path / "explanation"
    ours.Explanation(np.arange(600.0).reshape(60, 10)).save(file)
    good = file.read_bytes()
    for damaged in (b"", good[: len(good) // 2], good[:100] + bytes([good[100] ^ 1]) + good[101:]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"explanation'\)? is damaged"):
            ours.Explanation.load(file)
    with pytest.raises(ValueError, match="was written by version 9"):
        ours.Explanation.load(archive(tmp_path, description=described(version=9)))
    with pytest.raises(FileNotFoundError):
        ours.Explanation.load(tmp_path / "none")
