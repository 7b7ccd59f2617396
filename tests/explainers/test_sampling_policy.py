"""`SamplingPolicy` at work: how many rows are explained, which, and where it has no effect."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.utils import resample

from fastexplain import DeepExplainer, KernelExplainer, LinearExplainer, SamplingPolicy, TabularExplainer, TreeExplainer
from fastexplain.explainers.shared import sampling as _sampling
from fastexplain.explainers.shared.sampling import sampled_rows

N_BLOBS = 4


def blobs(n_rows: int, n_features: int = 3) -> NDArray[np.float64]:
    """Four tight groups of rows, far from each other."""
    rng = np.random.Generator(np.random.Philox(0))
    centres = 100 * np.eye(N_BLOBS, n_features)
    return centres[np.arange(n_rows) % N_BLOBS] + rng.normal(scale=0.01, size=(n_rows, n_features))


def allowing(**options: Any) -> SamplingPolicy:
    return SamplingPolicy(allow_eval_sampling=True, **options)


def plain_sum(rows: Any) -> Any:
    return np.asarray(rows, dtype=np.float64).sum(axis=1)


# How many rows, and which


@pytest.mark.parametrize("policy", [None, SamplingPolicy()])
def test_without_leave_every_row_is_explained(policy: Any) -> None:
    assert sampled_rows(blobs(300), policy) is None


def test_few_rows_are_all_explained() -> None:
    assert sampled_rows(blobs(199), allowing()) is None
    assert sampled_rows(blobs(200), allowing()) is not None


def test_kmeans_takes_a_row_for_each_cluster() -> None:
    rows = sampled_rows(blobs(256), allowing(sampling_method="kmeans"))
    assert rows is not None
    # the numbers of clusters that are tried: half the rows only, since log2(256) - 7 = 1
    assert len(rows) == 128
    rows = sampled_rows(blobs(1024), allowing(sampling_method="kmeans"))
    assert rows is not None
    assert len(rows) in (512, 256, 128)


def test_hdbscan_takes_five_rows_for_each_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sklearn.cluster.HDBSCAN.fit", lambda self, X: self)
    monkeypatch.setattr("sklearn.cluster.HDBSCAN.labels_", np.arange(300) % N_BLOBS, raising=False)
    rows = sampled_rows(blobs(300), allowing())
    assert rows is not None
    assert len(rows) == 5 * N_BLOBS


def test_hdbscan_finds_the_clusters() -> None:
    distinct = np.repeat(100 * np.eye(N_BLOBS), 60, axis=0) + np.tile(np.linspace(0, 1e-9, 60), N_BLOBS)[:, None]
    rows = sampled_rows(distinct, allowing())
    assert rows is not None
    assert len(rows) < 240


def test_the_rows_are_scikit_learns_draw_with_seed_7() -> None:
    X = blobs(256)
    rows = sampled_rows(X, allowing(sampling_method="kmeans"))
    assert rows is not None
    assert np.array_equal(X[rows], resample(X, n_samples=len(rows), random_state=7))


def test_many_rows_are_cut_down_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sampling, "MANY_ROWS", 256)
    X = blobs(1000)
    rows = sampled_rows(X, allowing(sampling_method="kmeans"))
    assert rows is not None
    first = resample(X, n_samples=256, random_state=7)
    assert np.array_equal(X[rows], resample(first, n_samples=128, random_state=7))


def test_many_columns_are_projected(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    monkeypatch.setattr(_sampling, "_kmeans_count", lambda points: widths.append(points.shape[1]) or 5)
    for X in (blobs(300, 20), scipy.sparse.csr_matrix(blobs(300, 20)), blobs(300, 6)):
        sampled_rows(X, allowing(max_dim_clustering=8, sampling_method="kmeans"))
    assert widths == [8, 8, 6]


def test_text_and_missing_values_are_no_obstacle() -> None:
    frame = pd.DataFrame(blobs(256), columns=["a", "b", "c"])
    frame.loc[::3, "a"] = np.nan
    frame["kind"] = np.where(np.arange(256) % 2, "x", "y")
    rows = sampled_rows(frame, allowing(sampling_method="kmeans"))
    assert rows is not None
    assert len(rows) == 128


def test_other_policies_by_their_members() -> None:
    foreign = SimpleNamespace(allow_eval_sampling=True, max_dim_clustering=50, sampling_method="kmeans")
    rows = sampled_rows(blobs(256), foreign)
    assert rows is not None
    with pytest.raises(TypeError, match="sampling_policy must be a SamplingPolicy; got str"):
        sampled_rows(blobs(256), "kmeans")
    with pytest.raises(ValueError, match="sampling_method must be 'hdbscan' or 'kmeans'"):
        SamplingPolicy(True, sampling_method="random")
    with pytest.raises(ValueError, match="max_dim_clustering must be positive"):
        SamplingPolicy(True, max_dim_clustering=0)


# In explainers


@pytest.mark.parametrize("include_local", [True, False])
def test_kernel_explains_the_sampled_rows_and_says_which(include_local: bool) -> None:
    X = pd.DataFrame(blobs(256), columns=["a", "b", "c"])
    explainer = KernelExplainer(plain_sum, X.iloc[:5], show_progress=False)
    policy = allowing(sampling_method="kmeans")
    explanation = explainer.explain_global(X, policy, include_local=include_local)
    rows = sampled_rows(X, policy)
    assert rows is not None
    assert_allclose(explanation.eval_data, X.iloc[rows].to_numpy())
    assert_allclose(explanation.eval_y_predicted, plain_sum(X.iloc[rows]))
    assert explanation.features == ["a", "b", "c"]
    if include_local:
        assert_allclose(explanation.values, explainer.explain_local(X.iloc[rows]).values)
        assert explanation.num_examples == 128


def test_deep_explains_the_sampled_rows() -> None:
    torch = pytest.importorskip("torch")  # an extra: the core installs without it
    network = torch.nn.Linear(3, 1)
    X = torch.tensor(blobs(256), dtype=torch.float32)
    explainer = DeepExplainer(network, X[:5], model_task="regression")
    explanation = explainer.explain_global(X, allowing(sampling_method="kmeans"))
    assert explanation.num_examples == 128
    assert tuple(np.shape(explanation._eval_data)) == (128, 3)


def test_cheap_explainers_explain_every_row() -> None:
    X = blobs(256)
    y = X.sum(axis=1)
    explainers: list[Any] = [
        TreeExplainer(RandomForestRegressor(2, random_state=0).fit(X, y)),
        LinearExplainer(LinearRegression().fit(X, y), X),
        TabularExplainer(Ridge().fit(X, y), X),
    ]
    for explainer in explainers:
        assert explainer.explain_global(X, allowing(sampling_method="kmeans")).num_examples == 256
