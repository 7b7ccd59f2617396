"""Explainers of `fastexplain.compat.shap` that enumerate, read trees or choose: against shap and by definition."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor

import fastexplain.compat.shap as ours

pandas = pytest.importorskip("pandas")
shap = pytest.importorskip("shap")

# Sums of a few hundred predictions, in another order.
EXACT = 1e-9
# shap's tree kernels compute in float32 where the library does.
FLOAT32 = 1e-5

X, Y = load_iris(return_X_y=True)
BINARY = (Y == 1).astype(int)
BACKGROUND, ROWS = X[::10], X[3:60:14] + 0.03
WEIGHTS = np.array([1.0, -2.0, 0.5, 3.0])


def bent(rows: Any) -> Any:
    """Products of two and of three features."""
    rows = np.asarray(rows)
    return rows[:, 0] * rows[:, 1] + rows[:, 1] * rows[:, 2] * rows[:, 3] - rows[:, 3]


def two_outputs(rows: Any) -> Any:
    return np.stack([bent(rows), np.exp(-np.asarray(rows)[:, 0]) * np.asarray(rows)[:, 2]], axis=1)


def mean_outputs(function: Any, row: Any) -> dict[tuple[int, ...], Any]:
    """v(S) of every coalition, by definition."""
    values = {}
    for size in range(len(row) + 1):
        for kept in itertools.combinations(range(len(row)), size):
            rows = BACKGROUND.copy()
            rows[:, list(kept)] = row[list(kept)]
            values[kept] = function(rows).mean(axis=0)
    return values


def shapley_taylor(game: dict[tuple[int, ...], Any], n: int) -> Any:
    """Order-two index of each pair, halved; main effects on the diagonal."""
    out = np.zeros((n, n, *np.shape(game[()])))
    for i in range(n):
        out[i, i] = game[(i,)] - game[()]
        for j in set(range(n)) - {i}:
            for kept in (s for s in game if i not in s and j not in s):

                def v(*more: int, kept: tuple[int, ...] = kept) -> Any:
                    return game[tuple(sorted((*kept, *more)))]

                out[i, j] += (v(i, j) - v(i) - v(j) + v()) / (n * math.comb(n - 1, len(kept)))
    return out


# ExactExplainer: interactions and main effects


@pytest.mark.parametrize("function", [bent, two_outputs])
def test_interactions_are_those_of_the_definition_and_of_shap(function: Any) -> None:
    mine, theirs = (
        package.ExactExplainer(function, BACKGROUND)(ROWS, interactions=True, silent=True) for package in (ours, shap)
    )
    # shap runs the axes of partner and output together
    np.testing.assert_allclose(mine.values, theirs.values.reshape(mine.shape), atol=EXACT)
    for row, values in zip(ROWS, mine.values, strict=True):
        np.testing.assert_allclose(values, shapley_taylor(mean_outputs(function, row), 4), atol=EXACT)
    total = mine.values.sum(axis=(1, 2)) + mine.base_values
    np.testing.assert_allclose(total, function(ROWS), atol=EXACT)


def test_interactions_where_some_features_do_not_differ_from_the_background() -> None:
    """Where shap mixes up the features."""
    background = BACKGROUND.copy()
    background[:, 0] = ROWS[0, 0]
    values = ours.ExactExplainer(bent, background)(ROWS[0], interactions=2).values
    assert values.shape == (4, 4)
    assert not values[0].any()
    assert not values[:, 0].any()
    expected = bent(ROWS[:1])[0] - bent(background).mean()
    np.testing.assert_allclose(values.sum(), expected, atol=EXACT)


def test_interactions_of_a_frame_in_another_order_of_columns() -> None:
    names = list("abcd")
    frame = pandas.DataFrame(BACKGROUND, columns=names)
    explainer = ours.ExactExplainer(lambda rows: bent(rows[names].to_numpy()), frame)
    rows = pandas.DataFrame(ROWS, columns=names)
    straight, turned = (explainer(rows[order], interactions=True).values for order in (names, list("dacb")))
    places = [3, 0, 2, 1]
    np.testing.assert_allclose(turned, straight[:, places][:, :, places], atol=EXACT)


def test_interactions_say_what_they_take() -> None:
    with pytest.raises(ValueError, match=r"take 2\^4 coalitions, and max_evals=10"):
        ours.ExactExplainer(bent, BACKGROUND)(ROWS, interactions=True, max_evals=10)


@pytest.mark.parametrize("function", [bent, two_outputs])
@pytest.mark.parametrize("explainer", ["ExactExplainer", "PermutationExplainer", "PartitionExplainer"])
def test_main_effects(explainer: str, function: Any) -> None:
    explanation = getattr(ours, explainer)(function, BACKGROUND)(ROWS, main_effects=True)
    assert explanation.main_effects.shape == explanation.values.shape
    for row, effects in zip(ROWS, explanation.main_effects, strict=True):
        game = mean_outputs(function, row)
        np.testing.assert_allclose(effects, [game[(i,)] - game[()] for i in range(4)], atol=EXACT)
    assert explanation[:, 1].main_effects.shape == explanation[:, 1].shape


# Owen values


def owen(game: dict[tuple[int, ...], Any], linkage: Any, leaf: int) -> Any:
    """Mean over all ways to have each sibling on the way to the root in the coalition or not."""
    n = len(linkage) + 1
    members = [[i] for i in range(n)]
    for left, right, *_ in linkage:
        members.append(members[int(left)] + members[int(right)])
    siblings, node = [], leaf
    for i, (left, right, *_) in enumerate(linkage):
        if node in (left, right):
            siblings.append(members[int(right if node == left else left)])
            node = n + i
    gains = []
    for present in itertools.product([False, True], repeat=len(siblings)):
        outside = [i for s, on in zip(siblings, present, strict=True) if on for i in s]
        gains.append(game[tuple(sorted([*outside, leaf]))] - game[tuple(sorted(outside))])
    return np.mean(gains, axis=0)


CLUSTERINGS = {
    "balanced": np.array([[0, 2, 0.1, 2], [1, 3, 0.2, 2], [4, 5, 0.5, 4]]),
    "chain": np.array([[1.0, 3, 0.1, 2], [0, 4, 0.2, 3], [5, 2, 0.5, 4]]),
}


@pytest.mark.parametrize("linkage", CLUSTERINGS.values(), ids=CLUSTERINGS)
@pytest.mark.parametrize("function", [bent, two_outputs])
@pytest.mark.parametrize("explainer", ["PartitionExplainer", "ExactExplainer"])
def test_owen_values(explainer: str, function: Any, linkage: Any) -> None:
    def explained(package: Any, **options: Any) -> Any:
        masker = package.maskers.Partition(BACKGROUND, clustering=linkage)
        return getattr(package, explainer)(function, masker)(ROWS, **options)

    mine = explained(ours)
    for row, values in zip(ROWS, mine.values, strict=True):
        game = mean_outputs(function, row)
        np.testing.assert_allclose(values, [owen(game, linkage, leaf) for leaf in range(4)], atol=EXACT)
    np.testing.assert_allclose(mine.values, explained(shap, max_evals=100_000, silent=True).values, atol=EXACT)
    assert mine.clustering.shape == (len(ROWS), 3, 4)
    assert mine[0].clustering.shape == mine.abs.mean(0).clustering.shape == (3, 4)


def test_partition_masker_clusters_by_correlation() -> None:
    mine, theirs = (package.maskers.Partition(X, max_samples=50) for package in (ours, shap))
    np.testing.assert_allclose(mine.clustering[:, :3], theirs.clustering[:, :3], atol=1e-6)
    assert mine.shape == theirs.shape == (50, 4)
    np.testing.assert_allclose(ours.utils.hclust(X), shap.utils.hclust(X), atol=1e-6)
    for clustering in (7, np.eye(4)):
        with pytest.raises(ours.utils._exceptions.InvalidClusteringError, match=r"linkage matrix \(3, 4\)"):
            ours.maskers.Partition(X, clustering=clustering)


def test_owen_values_of_a_hierarchy_that_is_too_deep_are_refused() -> None:
    n = 20
    chain = np.array([[n + i - 1 if i else 0, i + 1, i + 1.0, i + 2] for i in range(n - 1)], dtype=float)
    masker = ours.maskers.Partition(np.zeros((2, n)), clustering=chain)
    with pytest.raises(shap.utils._exceptions.InvalidClusteringError, match="19 levels deep, has 1048576 coalitions"):
        ours.PartitionExplainer(lambda rows: rows.sum(axis=1), masker)


def test_maskers_can_be_called() -> None:
    masker = ours.maskers.Independent(BACKGROUND)
    mask = np.array([True, False, True, False])
    (rows,) = masker(mask, ROWS[0])
    (expected,) = shap.maskers.Independent(BACKGROUND)(mask, ROWS[0])
    np.testing.assert_array_equal(rows, expected)
    with pytest.raises(shap.utils._exceptions.DimensionError):
        masker(mask, ROWS[0, :3])


def test_members_of_maskers() -> None:
    mine, theirs = ours.maskers.Independent(BACKGROUND), shap.maskers.Independent(BACKGROUND)
    np.testing.assert_array_equal(mine.invariants(X[3]), theirs.invariants(X[3]))
    assert mine.clustering is mine.partition is None
    with pytest.raises(shap.utils._exceptions.DimensionError, match=r"shape \(3,\)"):
        mine.invariants(X[3, :3])
    flat = ours.maskers.Partition(BACKGROUND, clustering=None)
    assert flat.clustering is None
    np.testing.assert_allclose(
        ours.ExactExplainer(bent, flat)(ROWS).values, ours.ExactExplainer(bent, BACKGROUND)(ROWS).values
    )
    with pytest.raises(shap.utils._exceptions.DimensionError, match="2-dimensional"):
        ours.utils.hclust(X[0])
    linear = LinearRegression().fit(X, Y)
    assert isinstance(ours.LinearExplainer(linear, X).masker, ours.maskers.Independent)
    correlated = ours.LinearExplainer(linear, X, feature_perturbation="correlation_dependent")
    assert isinstance(correlated.masker, ours.maskers.Impute)


# AdditiveExplainer


def test_additive() -> None:
    def additive(rows: Any) -> Any:
        return np.sin(rows[:, 0]) + rows[:, 1] ** 2 - rows[:, 3]

    masker = shap.maskers.Independent(BACKGROUND)
    mine, theirs = ours.AdditiveExplainer(additive, masker), shap.AdditiveExplainer(additive, masker)
    np.testing.assert_allclose(mine(ROWS).values.sum(axis=1) + mine.expected_value, additive(ROWS), atol=EXACT)
    exact = ours.ExactExplainer(additive, BACKGROUND)(ROWS)
    np.testing.assert_allclose(mine(ROWS).values, exact.values, atol=EXACT)
    np.testing.assert_allclose(mine(ROWS).main_effects, exact.values, atol=EXACT)
    assert mine(ROWS).shape == theirs(ROWS).shape
    with pytest.raises(shap.utils._exceptions.InvalidModelError, match=r"bent is not additive: .* miss the output by"):
        ours.AdditiveExplainer(bent, BACKGROUND)(ROWS)


FOREST = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0).fit(X, Y)

# LinearExplainer


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression().fit(X, Y),
        LogisticRegression(max_iter=500).fit(X, BINARY),
        LogisticRegression(max_iter=500).fit(X, Y),
        Ridge().fit(X, X[:, :2]),
        (WEIGHTS, 0.5),
    ],
    ids=["regression", "binary", "classes", "targets", "pair"],
)
def test_linear_attributes(model: Any) -> None:
    mine, theirs = (package.LinearExplainer(model, BACKGROUND) for package in (ours, shap))
    for name in ("coef", "intercept", "mean", "M", "feature_perturbation", "nsamples", "expected_value"):
        np.testing.assert_array_equal(np.shape(getattr(mine, name)), np.shape(getattr(theirs, name)), err_msg=name)
        if not isinstance(getattr(theirs, name), str):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), err_msg=name)
    assert mine(ROWS).feature_names == theirs(ROWS).feature_names
    np.testing.assert_array_equal(mine(ROWS, main_effects=True).main_effects, mine(ROWS).values)
    partition = ours.LinearExplainer(model, ours.maskers.Partition(BACKGROUND))
    np.testing.assert_allclose(partition.shap_values(ROWS), mine.shap_values(ROWS))


def test_linear_refuses_what_is_not_linear() -> None:
    with pytest.raises(shap.utils._exceptions.InvalidModelError, match="KNeighborsRegressor is not a linear model"):
        ours.LinearExplainer(KNeighborsRegressor().fit(X, Y), BACKGROUND)
    with pytest.raises(shap.utils._exceptions.InvalidFeaturePerturbationError):
        ours.LinearExplainer(LinearRegression().fit(X, Y), BACKGROUND, feature_perturbation="x")
    with pytest.raises(shap.utils._exceptions.DimensionError, match="1 or 2 dimensions"):
        ours.LinearExplainer(LinearRegression().fit(X, Y), BACKGROUND).shap_values(ROWS[None])


# Explainer


@pytest.mark.parametrize(
    ("model", "masker", "options", "expected"),
    [
        (LinearRegression().fit(X, Y), BACKGROUND, {}, "LinearExplainer"),
        (PoissonRegressor().fit(X, Y), BACKGROUND, {}, "LinearExplainer"),
        (FOREST, None, {}, "TreeExplainer"),
        (FOREST, BACKGROUND, {}, "TreeExplainer"),
        (bent, BACKGROUND, {}, "ExactExplainer"),
        (GaussianNB().fit(X, Y).predict_proba, pandas.DataFrame(BACKGROUND), {}, "ExactExplainer"),
        (lambda rows: rows.sum(axis=1), np.zeros((3, 11)), {}, "PermutationExplainer"),
        (bent, BACKGROUND, {"algorithm": "permutation", "seed": 3}, "PermutationExplainer"),
        (bent, BACKGROUND, {"algorithm": "partition"}, "PartitionExplainer"),
        (bent, ours.maskers.Independent(BACKGROUND), {"algorithm": "kernel"}, "KernelExplainer"),
        (lambda rows: rows @ WEIGHTS, BACKGROUND, {"algorithm": "additive"}, "AdditiveExplainer"),
    ],
)
def test_explainer_chooses(model: Any, masker: Any, options: Any, expected: str) -> None:
    made = ours.Explainer(model, masker, output_names=["y"], feature_names=list("abcdefghijk"), **options)
    assert type(made).__name__ == expected
    assert isinstance(made, ours.Explainer)
    assert isinstance(made, getattr(ours, expected))
    assert made.output_names == ["y"]
    if not options and masker is not None:
        assert type(shap.Explainer(model, masker)).__name__ == expected


def test_explainer_values() -> None:
    mine, theirs = (package.Explainer(two_outputs, BACKGROUND)(ROWS) for package in (ours, shap))
    np.testing.assert_allclose(mine.values, theirs.values, atol=EXACT)
    np.testing.assert_allclose(mine.base_values, theirs.base_values, atol=EXACT)
    assert mine.feature_names == theirs.feature_names
    assert list(mine.output_names) == list(theirs.output_names)


def test_explainer_of_a_boosting_machine() -> None:
    glassbox = pytest.importorskip("interpret.glassbox")
    model = glassbox.ExplainableBoostingRegressor(interactions=0, max_rounds=20, outer_bags=1, n_jobs=1).fit(X, Y)
    made = ours.Explainer(model, BACKGROUND)
    assert type(made) is ours.AdditiveExplainer
    np.testing.assert_allclose(made(ROWS).values.sum(axis=1) + made.expected_value, model.predict(ROWS), atol=1e-6)


def test_explainer_refusals() -> None:
    with pytest.raises(shap.utils._exceptions.InvalidAlgorithmError, match=r"one of additive, deep, .*; got 'magic'"):
        ours.Explainer(bent, BACKGROUND, algorithm="magic")
    with pytest.raises(TypeError, match="needs background rows"):
        ours.Explainer(bent)
    with pytest.raises(TypeError, match="expected a fitted model or a function"):
        ours.Explainer(7, BACKGROUND)
    assert not ours.TreeExplainer.supports_model_with_masker(bent, None)
    assert not ours.LinearExplainer.supports_model_with_masker(LinearRegression().fit(X, Y), None)


# Constructor arguments


def counted(function: Any) -> tuple[Any, list[int]]:
    calls: list[int] = []

    def count(rows: Any) -> Any:
        calls.append(len(rows))
        return function(rows)

    return count, calls


@pytest.mark.parametrize("explainer", ["KernelExplainer", "SamplingExplainer"])
def test_nsamples_and_random_state_of_constructors(explainer: str) -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(10, 16))
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, random_state=0).fit(wide, wide[:, 0] * wide[:, 1])

    def make(function: Any, **options: Any) -> Any:
        return getattr(ours, explainer)(function, wide[:2], **options)

    def rough(rows: Any) -> Any:
        return np.sin(model.predict(rows) * 5) + rows[:, 0] * rows[:, 1] * rows[:, 2]

    def cost(nsamples: int) -> int:
        function, calls = counted(rough)
        make(function, nsamples=nsamples).shap_values(wide[2:3], silent=True)
        return sum(calls)

    assert cost(400) < cost(2000)
    same = make(rough, nsamples=400).shap_values(wide[2:3], silent=True)
    by_call = make(rough).shap_values(wide[2:3], nsamples=400, silent=True)
    np.testing.assert_array_equal(same, by_call)
    one, two, seeded = (
        make(rough, nsamples=200, **options).shap_values(wide[2:3], silent=True)
        for options in ({"random_state": 1}, {"random_state": 2}, {"seed": 1})
    )
    np.testing.assert_array_equal(one, seeded)
    assert np.abs(one - two).max() > 0


@pytest.mark.parametrize("option", ["keep_index", "keep_index_ordered"])
def test_functions_get_frames_with_keep_index(option: str) -> None:
    seen = set()

    def watched(rows: Any) -> Any:
        seen.add(type(rows))
        return np.asarray(rows)[:, 0]

    frame = pandas.DataFrame(BACKGROUND, columns=list("abcd"))
    explainer = ours.KernelExplainer(watched, frame, **{option: True})
    explainer.shap_values(frame[:2], silent=True)
    assert seen == {pandas.DataFrame}
    assert getattr(explainer, option) is True


def test_columns_may_be_called_as_members_of_maskers() -> None:
    frame = pandas.DataFrame(BACKGROUND, columns=["data", "method", "clustering", "max_samples"])
    rows = pandas.DataFrame(ROWS, columns=frame.columns)
    for explainer in ("Explainer", "ExactExplainer", "PartitionExplainer", "KernelExplainer", "PermutationExplainer"):
        made = getattr(ours, explainer)(bent, frame)
        assert made(rows).feature_names == list(frame.columns)
    assert type(ours.Explainer(bent, frame)) is ours.ExactExplainer
    linear = ours.LinearExplainer(LinearRegression().fit(X, Y), frame)
    assert linear.feature_perturbation == "interventional"
    assert linear.feature_names == list(frame.columns)


def test_kernel_explains_a_single_row_by_itself() -> None:
    mine, theirs = (package.KernelExplainer(two_outputs, BACKGROUND) for package in (ours, shap))
    values = mine.explain(ROWS[:1])
    np.testing.assert_allclose(values, theirs.explain(ROWS[:1], l1_reg=False), atol=EXACT)
    np.testing.assert_array_equal(mine.explain(ROWS[0]), values)
    kept = ours.KernelExplainer(two_outputs, BACKGROUND, l1_reg="num_features(2)", nsamples=14)
    for found in (kept.shap_values(ROWS, silent=True), kept(ROWS, silent=True).values):
        assert (np.count_nonzero(found, axis=1) <= 2).all()
    assert np.count_nonzero(kept.shap_values(ROWS, l1_reg=False, silent=True)[..., 0], axis=1).min() == 4
