"""shap's names over our engine: its shapes everywhere, its numbers where it is exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import run_python
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB

import fastexplain.compat.shap as ours

pandas = pytest.importorskip("pandas")
shap = pytest.importorskip("shap")

# Sums of 15 coalitions over 15 rows, in another order.
EXACT = 1e-9
# shap's sampling of probabilities; four times as much for sums of a few units.
SAMPLED = 0.05

X, Y = load_iris(return_X_y=True)
FRAME = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
BACKGROUND, ROWS = X[::10], X[3:60:14]
MODEL = GaussianNB().fit(X, Y)
LINEAR = LogisticRegression(max_iter=1000).fit(X, Y)
BINARY = LogisticRegression(max_iter=1000).fit(X, Y == 1)


def all_classes(rows: Any) -> Any:
    return MODEL.predict_proba(rows)


def one_class(rows: Any) -> Any:
    return MODEL.predict_proba(rows)[:, 1]


def one_column(rows: Any) -> Any:
    return MODEL.predict_proba(rows)[:, 1:2]


FUNCTIONS = [all_classes, one_class, one_column]


def assert_same(mine: Any, theirs: Any, atol: float = EXACT) -> None:
    assert np.shape(mine) == np.shape(theirs)
    np.testing.assert_allclose(mine, theirs, atol=atol)


# KernelExplainer


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("rows", [ROWS, ROWS[0]], ids=["rows", "row"])
def test_kernel_values(function: Any, rows: Any) -> None:
    mine, theirs = (package.KernelExplainer(function, BACKGROUND) for package in (ours, shap))
    assert_same(mine.shap_values(rows, silent=True), theirs.shap_values(rows, silent=True, l1_reg=False))
    assert_same(mine.expected_value, theirs.expected_value)
    assert type(mine.expected_value) is type(theirs.expected_value)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_kernel_explanation(function: Any) -> None:
    mine, theirs = (
        package.KernelExplainer(function, BACKGROUND, feature_names=list("abcd"))(ROWS, l1_reg=False, silent=True)
        for package in (ours, shap)
    )
    for name in ("values", "base_values", "data"):
        assert_same(getattr(mine, name), getattr(theirs, name))
    assert mine.feature_names == list(theirs.feature_names)
    assert mine.shape == theirs.shape
    assert len(mine) == len(theirs)


@pytest.mark.parametrize("link", ["logit", ours.links.logit, shap.links.logit], ids=["name", "ours", "shap"])
def test_kernel_logit_link(link: Any) -> None:
    smooth = LogisticRegression(C=0.01).fit(X, Y == 1)
    mine = ours.KernelExplainer(smooth.predict_proba, BACKGROUND, link=link)
    theirs = shap.KernelExplainer(smooth.predict_proba, BACKGROUND, link="logit")
    assert_same(mine.shap_values(ROWS, silent=True), theirs.shap_values(ROWS, silent=True, l1_reg=False))
    assert_same(mine.expected_value, theirs.expected_value)


def test_kernel_weighted_background() -> None:
    theirs = shap.KernelExplainer(all_classes, shap.kmeans(X, 5))
    expected = theirs.shap_values(ROWS, silent=True, l1_reg=False)
    for background in (shap.kmeans(X, 5), ours.kmeans(X, 5)):
        mine = ours.KernelExplainer(all_classes, background)
        assert_same(mine.shap_values(ROWS, silent=True), expected)
        assert_same(mine.expected_value, theirs.expected_value)


def test_kernel_frame_in_another_order_of_columns() -> None:
    model = GaussianNB().fit(FRAME, Y)
    explainer = ours.KernelExplainer(model, FRAME[::10])
    straight = explainer.shap_values(FRAME[:3], silent=True)
    turned = explainer.shap_values(FRAME[["c", "a", "d", "b"]][:3], silent=True)
    np.testing.assert_array_equal(turned, straight[:, [2, 0, 3, 1]])
    with pytest.raises(ValueError, match=r"missing=\['d'\], unexpected=\['e'\]"):
        explainer.shap_values(FRAME.rename(columns={"d": "e"})[:3])


def test_kernel_gives_a_plain_function_arrays_and_a_model_its_frame() -> None:
    seen = []

    def watched(rows: Any) -> Any:
        seen.append(type(rows))
        return np.asarray(rows)[:, 0]

    assert ours.KernelExplainer(watched, FRAME[::10])(FRAME[:2], silent=True).feature_names == list("abcd")
    assert set(seen) == {np.ndarray}
    seen.clear()
    ours.KernelExplainer(watched, FRAME[::10], keep_index=True).shap_values(FRAME[:2], silent=True)
    assert set(seen) == {pandas.DataFrame}


def test_kernel_l1_reg_keeps_as_many_features_as_asked() -> None:
    explainer = ours.KernelExplainer(one_class, BACKGROUND)
    kept = explainer.shap_values(ROWS, l1_reg="num_features(2)", nsamples=14, silent=True)
    assert (np.count_nonzero(kept, axis=1) <= 2).all()
    assert (np.count_nonzero(explainer.shap_values(ROWS, silent=True), axis=1) == 4).all()


# ExactExplainer, PermutationExplainer, SamplingExplainer


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_exact_explanation(function: Any) -> None:
    mine, theirs = (package.ExactExplainer(function, BACKGROUND)(ROWS, silent=True) for package in (ours, shap))
    assert_same(mine.values, theirs.values)
    assert_same(mine.base_values, theirs.base_values)
    assert_same(mine.data, theirs.data)
    if theirs.values.ndim == 3:
        assert_same(mine[..., 1].values, theirs[..., 1].values)


def test_exact_refuses_more_coalitions_than_can_be_enumerated() -> None:
    wide = np.arange(80.0).reshape(2, 40)
    with pytest.raises(ValueError, match=r"would enumerate 2\^40 coalitions"):
        ours.ExactExplainer(lambda rows: rows.sum(axis=1) ** 2, wide)(wide + 0.5)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_permutation_explanation(function: Any) -> None:
    mine, theirs = (
        package.PermutationExplainer(function, BACKGROUND, seed=0)(ROWS, silent=True) for package in (ours, shap)
    )
    assert_same(mine.values, theirs.values, SAMPLED)
    assert_same(mine.base_values, theirs.base_values)
    exact = ours.ExactExplainer(function, BACKGROUND)(ROWS, silent=True)
    assert np.abs(mine.values - exact.values).max() <= np.abs(theirs.values - exact.values).max() + 1e-12


def test_permutation_is_exact_for_linear_functions() -> None:
    def linear(rows: Any) -> Any:
        return rows @ [1.0, 2.0, -3.0, 0.5]

    mine, theirs = (package.PermutationExplainer(linear, BACKGROUND, seed=0) for package in (ours, shap))
    assert_same(mine.shap_values(ROWS, silent=True), theirs.shap_values(ROWS, silent=True))
    with pytest.raises(ValueError, match="max_evals=5 is too low; one permutation, there and back, takes 9"):
        mine(ROWS, max_evals=5)


def test_sampling_values() -> None:
    mine, theirs = (package.SamplingExplainer(all_classes, BACKGROUND) for package in (ours, shap))
    assert_same(mine.shap_values(ROWS, silent=True), theirs.shap_values(ROWS), SAMPLED)
    assert_same(mine.expected_value, theirs.expected_value)
    explanation = mine(ROWS, silent=True)
    assert explanation.base_values.shape == (len(ROWS), 3)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, all_classes(ROWS), atol=EXACT)


@pytest.mark.parametrize("masker", [ours.maskers.Independent, shap.maskers.Independent], ids=["ours", "shap"])
@pytest.mark.parametrize("data", [X, FRAME], ids=["array", "frame"])
def test_maskers_sample_the_same_rows(masker: Any, data: Any) -> None:
    """More than 100 rows: both draw the same 100."""
    model = MODEL if data is X else GaussianNB().fit(FRAME, Y)
    theirs = shap.ExactExplainer(model.predict_proba, shap.maskers.Independent(data))(data[:2], silent=True)
    for given in (masker(data), data):
        mine = ours.ExactExplainer(model.predict_proba, given)(data[:2], silent=True)
        assert_same(mine.values, theirs.values)
        assert_same(mine.base_values, theirs.base_values)


def test_sample_is_shaps() -> None:
    np.testing.assert_array_equal(ours.sample(X, 10), shap.sample(X, 10))
    assert ours.sample(X, 150) is X


@pytest.mark.parametrize("explainer", ["ExactExplainer", "PermutationExplainer"])
def test_a_link_without_linearizing(explainer: str) -> None:
    with pytest.raises(ValueError, match="Pass linearize_link=False"):
        getattr(ours, explainer)(one_class, BACKGROUND, link=ours.links.logit)
    if explainer == "ExactExplainer":
        smooth = LogisticRegression(C=0.01).fit(X, Y == 1).predict_proba
        mine, theirs = (
            package.ExactExplainer(smooth, BACKGROUND, link=package.links.logit, linearize_link=False)(
                ROWS, silent=True
            )
            for package in (ours, shap)
        )
        assert_same(mine.values, theirs.values)
        assert_same(mine.base_values, theirs.base_values)


# LinearExplainer


@pytest.mark.parametrize(
    "model",
    [LINEAR, BINARY, LinearRegression().fit(X, X @ [1.0, 2, 3, 4]), Ridge().fit(X, X[:, :2]), (np.arange(4.0), 1.0)],
    ids=["classes", "binary", "regression", "two targets", "pair"],
)
@pytest.mark.parametrize("data", [X, FRAME[:60], BACKGROUND], ids=["many", "frame", "few"])
def test_linear_values(model: Any, data: Any) -> None:
    mine, theirs = (package.LinearExplainer(model, data) for package in (ours, shap))
    assert_same(mine.shap_values(ROWS), theirs.shap_values(ROWS))
    assert_same(mine.expected_value, theirs.expected_value)
    assert_same(mine(ROWS).values, theirs(ROWS).values)
    assert_same(mine(ROWS).base_values, theirs(ROWS).base_values)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_linear_correlation_dependent() -> None:
    model = LinearRegression().fit(X, X @ [1.0, -2.0, 3.0, 0.5])
    np.random.seed(0)  # noqa: NPY002 - shap draws permutations from the global state
    theirs = shap.LinearExplainer(model, shap.maskers.Impute(X), nsamples=4000)
    moments = (X.mean(axis=0), np.cov(X, rowvar=False))
    for masker in (ours.maskers.Impute(X), shap.maskers.Impute(X), moments, X):
        mine = ours.LinearExplainer(model, masker, feature_perturbation="correlation_dependent")
        assert mine.feature_perturbation == "correlation_dependent"
        assert_same(mine.shap_values(ROWS), theirs.shap_values(ROWS), 4 * SAMPLED)
        assert_same(mine.expected_value, theirs.expected_value)


# DeepExplainer


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_deep_values(n_outputs: int) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, n_outputs)
    model = torch.nn.Sequential(*layers)
    background, rows = (torch.tensor(a, dtype=torch.float32) for a in (BACKGROUND, ROWS))
    mine, theirs = (package.DeepExplainer(model, background) for package in (ours, shap))
    assert_same(mine.shap_values(rows), theirs.shap_values(rows), 1e-5)  # shap computes in float32
    assert_same(mine.expected_value, theirs.expected_value, 1e-5)
    explanation = mine(rows)
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, model(rows).detach().numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="ranked_outputs=2 is not supported"):
        mine.shap_values(rows, ranked_outputs=2)


# Explanation


def test_slices_take_everything_along() -> None:
    explanation = ours.KernelExplainer(all_classes, BACKGROUND, feature_names=list("abcd"))(ROWS, silent=True)
    theirs = explanation.to_shap()
    assert isinstance(theirs, shap.Explanation)
    for key in (
        0,
        slice(1, 3),
        (0, slice(None), 1),
        (..., 1),
        (slice(None), 2),
        (slice(None), "c"),
        (slice(None), [0, 3]),
    ):
        mine, other = explanation[key], theirs[key]
        assert_same(mine.values, other.values)
        if not isinstance(key, tuple) or key[1] not in (2, "c"):  # shap drops the data there
            assert_same(mine.data, other.data)
        assert_same(mine.base_values, other.base_values)
    assert explanation[:, "c"].feature_names == theirs[:, "c"].feature_names == "c"
    assert explanation[0][1].values.shape == (3,)
    with pytest.raises(KeyError, match="No feature is named 'z'"):
        explanation[:, "z"]
    with pytest.raises(IndexError, match="4 indices for an explanation of 3 axes"):
        explanation[0, 0, 0, 0]


# What is not there


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ours.KernelExplainer(one_class, shap.maskers.Partition(BACKGROUND)), "Owen values"),
        (lambda: ours.ExactExplainer(one_class, ours.maskers.Impute(BACKGROUND)), "only LinearExplainer"),
        (lambda: ours.ExactExplainer(one_class, lambda mask, row: row), "masker is a function; expected background"),
        (lambda: ours.ExactExplainer(one_class, BACKGROUND)(ROWS, interactions=3), "interactions=3 is not supported"),
        (lambda: ours.PermutationExplainer(one_class, ours.maskers.Partition(BACKGROUND)), "Owen values"),
        (lambda: ours.PermutationExplainer(one_class, BACKGROUND)(ROWS, outputs=[0]), "slice the explanation"),
        (lambda: ours.SamplingExplainer(one_class, BACKGROUND, link="logit"), "Use KernelExplainer"),
        (lambda: ours.KernelExplainer(one_class, BACKGROUND, link=np.log), "link must be 'identity' or 'logit'"),
        (lambda: ours.LinearExplainer(LINEAR, X, link=ours.links.logit), "Use KernelExplainer"),
        (lambda: ours.LinearExplainer(LINEAR, X, feature_perturbation="tree"), "feature_perturbation must be one of"),
    ],
)
def test_what_is_not_supported_names_the_alternative(make: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_importing_it_loads_no_library_of_models() -> None:
    code = """
import sys
import fastexplain.compat.shap as s
s.KernelExplainer
print(sorted({"shap", "sklearn", "pandas", "numba", "torch"} & set(sys.modules)))
"""
    assert run_python(code).strip() == "[]"


@pytest.mark.parametrize("name", ours.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(ours, name).__doc__
