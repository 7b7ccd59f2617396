"""Probabilities and losses against a background: every pair's attributions rescaled, as shap defines it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.special import expit
from strategies import forests, random_forest, random_rows, rows_for

from fastexplain import InterventionalTreeShap, load_model, tree_shap
from fastexplain.engine.backends import core
from fastexplain.models import Forest

pytestmark = pytest.mark.skipif(core() is None, reason="this install has no compiled core")

TOLERANCE = 1e-12
Array = NDArray[np.float64]


def probability(margin: Any, label: Any) -> Any:
    return expit(margin)


def log_loss(margin: Any, label: Any) -> Any:
    return np.logaddexp(0, margin) - label * margin


def squared_loss(margin: Any, label: Any) -> Any:
    return (margin - label) ** 2


TRANSFORMS = {"probability": probability, "log_loss": log_loss, "squared_loss": squared_loss}


def explained(forest: Forest, X: Array, background: Array, transform: str, labels: Array, **options: Any) -> Array:
    weights = options.pop("weights", np.full(len(background), 1 / len(background)))
    kernel = core().TransformedShap(
        forest, background, weights=weights, n_threads=options.pop("n_threads", 1), **options
    )
    values = np.full((len(X), forest.n_features, 1), np.nan)
    offset = float(forest.base_offset[0])
    kernel.explain(X, transform=transform, slope=1.0, offset=offset, labels=labels, values=values, n_threads=2)
    return values


def by_pairs(forest: Forest, X: Array, background: Array, transform: str, labels: Array, weights: Array) -> Array:
    g, margins = TRANSFORMS[transform], forest.predict(X)[:, 0]
    values = np.zeros((len(X), forest.n_features, 1))
    for row, other, weight in zip(background, forest.predict(background)[:, 0], weights, strict=True):
        of_pairs = tree_shap(forest, X, background=row[None]).values
        quotient = (g(margins, labels) - g(other, labels)) / np.where(margins == other, np.inf, margins - other)
        values += weight * of_pairs * quotient[:, None, None]
    return values


@settings(max_examples=60)
@given(st.data(), forests(n_outputs=1, vector_leaves=False), st.sampled_from(sorted(TRANSFORMS)))
def test_values_are_rescaled_pair_by_pair(data: st.DataObject, forest: Forest, transform: str) -> None:
    X, background = data.draw(rows_for(forest)), data.draw(rows_for(forest))
    if not len(X) or not len(background):
        return
    labels = np.arange(len(X)) % 2.0
    # Where margins are close the plain quotient has no digits; the tests below look there.
    margins, others = forest.predict(X)[:, 0], forest.predict(background)[:, 0]
    background = background[(np.abs(margins[:, None] - others) > 1e-6).all(axis=0)]
    if not len(background):
        return
    weights = np.arange(1.0, len(background) + 1)
    weights /= weights.sum()
    values = explained(forest, X, background, transform, labels, weights=weights)
    expected = by_pairs(forest, X, background, transform, labels, weights)
    assert_allclose(values, expected, rtol=0, atol=1e-8 if transform != "squared_loss" else 1e-10)


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@pytest.mark.parametrize("n_features", [6, 14, 20, 40, 60, 90])
def test_trees_of_few_and_many_features(n_features: int, transform: str) -> None:
    """Features have places of their own in all trees, in each tree, or (beyond 64) on the path only."""
    rng = np.random.default_rng(n_features)
    forest = random_forest(rng, n_trees=3, n_features=n_features, n_leaves=150, max_depth=20, thresholds=None)
    X, background = random_rows(rng, forest, 5), random_rows(rng, forest, 140)
    labels, weights = rng.integers(0, 2, 5).astype(float), np.full(140, 1 / 140)
    values = explained(forest, X, background, transform, labels)
    assert_allclose(values, by_pairs(forest, X, background, transform, labels, weights), rtol=0, atol=1e-10)
    wide = Forest(**{**forest_arrays(forest), "n_features": n_features + 100, "feature": shifted(forest, 100)})
    pad = np.zeros((140, 100))
    again = explained(wide, np.hstack([pad[:5], X]), np.hstack([pad, background]), transform, labels)
    assert_array_equal(again[:, 100:], values)
    assert not again[:, :100].any()


def forest_arrays(forest: Forest) -> dict[str, Any]:
    return {name: value for name, value in vars(forest).items() if name != "_compiled"}


def shifted(forest: Forest, by: int) -> NDArray[np.int32]:
    return np.where(forest.feature >= 0, forest.feature + by, -1).astype(np.int32)


def test_where_margins_are_equal_the_slope_counts() -> None:
    """XOR of two signs: the row and the background row differ in both, the margins are the same."""
    forest = Forest(
        n_features=2,
        n_outputs=1,
        tree_offsets=[0, 7],
        children_left=[1, 3, 5, -1, -1, -1, -1],
        children_right=[2, 4, 6, -1, -1, -1, -1],
        feature=[0, 1, 1, -1, -1, -1, -1],
        threshold=np.zeros(7),
        default_left=np.zeros(7, dtype=bool),
        cover=np.ones(7),
        values=[0, 0, 0, 1.0, 3.0, 2.0, 1.0],
        tree_output=[0],
        base_offset=[0.0],
    )
    x, z = np.array([[1.0, 1.0]]), np.array([[-1.0, -1.0]])
    raw = tree_shap(forest, x, background=z).values
    assert_allclose(raw[0, :, 0], [-0.5, 0.5], atol=TOLERANCE)
    slope = expit(1) * expit(-1)
    assert_allclose(explained(forest, x, z, "probability", np.zeros(1)), slope * raw, atol=TOLERANCE)
    assert_allclose(explained(forest, x, z, "log_loss", np.ones(1)), (expit(1) - 1) * raw, atol=TOLERANCE)
    assert_allclose(explained(forest, x, z, "squared_loss", np.full(1, 5.0)), -8 * raw, atol=TOLERANCE)


def test_no_digits_are_lost_near_equality_and_far_out() -> None:
    for low, high in ((1.0, 1 + 1e-13), (-40.0, -40 + 1e-9), (-700.0, 700.0), (0.0, 800.0), (39.0, 41.0)):
        forest = random_forest(np.random.default_rng(0), n_features=1, shapes=("stump",), thresholds=(0.0,))
        arrays = {**forest_arrays(forest), "values": np.array([[0.0], [low], [high]]), "base_offset": np.zeros(1)}
        stump, right, left = Forest(**arrays), np.array([[1.0]]), np.array([[-1.0]])
        p = explained(stump, right, left, "probability", np.zeros(1))[0, 0, 0]
        if high - low < 1e-6:
            assert p == pytest.approx(expit(low) * expit(-low) * (high - low), rel=1e-3)
        else:
            assert p == pytest.approx(expit(high) - expit(low), rel=1e-12)
        loss = explained(stump, right, left, "log_loss", np.zeros(1))[0, 0, 0]
        expected = np.logaddexp(0, high) - np.logaddexp(0, low) if high - low > 1e-6 else expit(low) * (high - low)
        assert loss == pytest.approx(expected, rel=1e-3 if high - low < 1e-6 else 1e-12)


def test_threads_rows_and_ways_do_not_change_bits() -> None:
    rng = np.random.default_rng(3)
    forest = random_forest(rng, n_trees=6, n_features=6, n_leaves=40, p_categorical=0.3)
    X, background = random_rows(rng, forest, 90), random_rows(rng, forest, 300)
    labels = np.zeros(90)
    values = explained(forest, X, background, "probability", labels)
    for n_threads, kept_bytes in ((1, 0), (2, 1 << 12), (3, 1 << 26)):
        again = explained(forest, X, background, "probability", labels, n_threads=n_threads, kept_bytes=kept_bytes)
        assert_array_equal(again, values)
    assert_array_equal(explained(forest, X[5:6], background, "probability", labels[:1]), values[5:6])


# ------------------------------------------------------------------------------------------------------------- models


def classifiers() -> list[tuple[str, Any, Array, Any]]:
    import lightgbm
    import xgboost
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    y = np.where(X[:, 0] * X[:, 1] + X[:, 2] + 0.3 * rng.normal(size=300) > 0, "yes", "no")
    numbers = (y == "yes").astype(int)
    quiet = {"verbose": -1, "n_jobs": 1, "n_estimators": 12}
    boosted = {"n_estimators": 12, "random_state": 0}
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(X, numbers), num_boost_round=12)
    return [
        ("XGBoost", xgboost.XGBClassifier(n_estimators=12, max_depth=4, n_jobs=1).fit(X, numbers), X, numbers),
        ("booster", booster, X, numbers),
        ("LightGBM", lightgbm.LGBMClassifier(**quiet).fit(X, y), X, y),
        ("LightGBM, sigmoid", lightgbm.LGBMClassifier(sigmoid=1.7, **quiet).fit(X, y), X, y),
        ("boosting", GradientBoostingClassifier(**boosted).fit(X, y), X, y),
        ("exponential", GradientBoostingClassifier(loss="exponential", **boosted).fit(X, y), X, y),
        ("histogram", HistGradientBoostingClassifier(max_iter=12).fit(X, y), X, y),
    ]


def second_class(labels: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(labels == ("yes" if labels.dtype.kind == "U" else 1))


def predicted(model: Any, X: Array) -> Array:
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X)[:, 1], dtype=float)
    import xgboost

    return np.asarray(model.predict(xgboost.DMatrix(X)), dtype=float)


def test_values_sum_to_the_model_s_own_probability_and_loss() -> None:
    for name, model, X, y in classifiers():
        background, rows = X[:80], X[100:130]
        values, base_values = tree_shap(model, rows, background=background, model_output="probability")
        assert_allclose(base_values, [predicted(model, background).mean()], atol=1e-6, err_msg=name)
        assert_allclose(values.sum(axis=1)[:, 0] + base_values, predicted(model, rows), atol=1e-6, err_msg=name)
        labels = y[100:130]
        values, base_values = tree_shap(model, rows, background=background, model_output="log_loss", y=labels)
        truth = second_class(labels)
        loss = -np.log(np.where(truth, predicted(model, rows), 1 - predicted(model, rows)))
        assert base_values.shape == (30, 1)
        assert_allclose((values.sum(axis=1) + base_values)[:, 0], loss, atol=1e-5, err_msg=name)


def test_squared_loss_of_regressors() -> None:
    from sklearn.ensemble import RandomForestRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    y = X[:, 0] * X[:, 1]
    model = RandomForestRegressor(10, random_state=0).fit(X, y)
    values, base_values = tree_shap(model, X[:30], background=X[50:120], model_output="log_loss", y=y[:30])
    losses = (model.predict(X[50:120])[None] - y[:30, None]) ** 2
    assert_allclose(base_values[:, 0], losses.mean(axis=1), rtol=1e-10)
    assert_allclose((values.sum(axis=1) + base_values)[:, 0], (model.predict(X[:30]) - y[:30]) ** 2, atol=1e-10)


def test_probabilities_of_forests_are_their_raw_output() -> None:
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    model = RandomForestClassifier(10, random_state=0).fit(X, np.digitize(X[:, 0] + X[:, 1], [-1, 1]))
    raw = tree_shap(model, X[:10], background=X[50:90])
    as_probability = tree_shap(model, X[:10], background=X[50:90], model_output="probability")
    assert_array_equal(as_probability.values, raw.values)
    assert_allclose(raw.values.sum(axis=1) + raw.base_values, model.predict_proba(X[:10]), atol=1e-10)
    with pytest.raises(ValueError, match="trees vote with probabilities, which may be 0"):
        tree_shap(model, X[:10], background=X[50:90], model_output="log_loss", y=np.zeros(10))


def test_shap_s_own_values() -> None:
    shap = pytest.importorskip("shap")
    for name, model, X, y in classifiers():
        if name in ("exponential", "histogram", "LightGBM, sigmoid", "booster"):  # shap refuses, or takes another link
            continue
        rows, background, labels = X[100:110], X[:60], y[100:110]
        numbers = second_class(labels).astype(float)
        for output in ("raw", "probability", "log_loss"):
            if output == "log_loss" and name == "boosting":  # shap knows no loss of it
                continue
            explainer = shap.TreeExplainer(model, background, model_output=output)
            needs = {"y": numbers} if output == "log_loss" else {}
            theirs = np.asarray(explainer.shap_values(rows, check_additivity=False, **needs))
            ours = tree_shap(
                model, rows, background=background, model_output=output, y=labels if needs else None
            ).values[:, :, 0]
            assert_allclose(ours, theirs, atol=3e-6, err_msg=f"{name}, {output}")  # shap sums in float32


def test_a_prepared_background_serves_every_output() -> None:
    _, model, X, y = classifiers()[2]
    explainer = InterventionalTreeShap(model, X[:50], weights=np.arange(50.0))
    copy = pickle.loads(pickle.dumps(explainer))
    loaded = load_model(model)
    for output, labels in (("raw", None), ("probability", None), ("log_loss", y[60:70])):
        expected = tree_shap(
            loaded, X[60:70], background=X[:50], weights=np.arange(50.0), model_output=output, y=labels
        )
        for each in (explainer, copy):
            values, base_values = each.explain(X[60:70], model_output=output, y=labels)
            assert_array_equal(values, expected.values)
            assert_array_equal(base_values, expected.base_values)


# ------------------------------------------------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"model_output": "probability", "background": None},
            "path-dependent values have no such pairs; pass background=",
        ),
        ({"model_output": "odds"}, "model_output must be one of 'raw', 'probability', 'log_loss'; got 'odds'"),
        ({"model_output": "odds", "background": None}, "model_output must be one of"),
        ({"model_output": "log_loss"}, "model_output='log_loss' needs y"),
        ({"model_output": "probability", "y": [0, 1]}, "y is used by model_output='log_loss' only"),
        ({"y": [0, 1], "background": None}, "y is used by model_output='log_loss' only"),
        ({"model_output": "log_loss", "y": [0, 1, 0]}, r"y has shape \(3,\); X has 2 rows"),
        ({"model_output": "log_loss", "y": ["no", "perhaps"]}, "y holds .*'perhaps'.* at position 1; .*'no', 'yes'"),
    ],
)
def test_what_does_not_fit_is_named(arguments: dict[str, Any], message: str) -> None:
    _, model, X, _ = classifiers()[4]
    with pytest.raises(ValueError, match=message):
        tree_shap(model, X[:2], **{"background": X[:5], **arguments})


def test_models_without_such_an_output_are_refused() -> None:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    classes = GradientBoostingClassifier(n_estimators=2).fit(X, np.arange(90) % 3)
    with pytest.raises(ValueError, match="is for two classes; this model has 3"):
        tree_shap(classes, X, background=X, model_output="probability")
    with pytest.raises(ValueError, match="this scikit-learn model is neither"):
        tree_shap(classes, X, background=X, model_output="log_loss", y=np.arange(90) % 3)
    regressor = GradientBoostingRegressor(n_estimators=2).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="raw output is the logit of a probability"):
        tree_shap(regressor, X, background=X, model_output="probability")
    with pytest.raises(ValueError, match="y holds nan at position 0"):
        tree_shap(regressor, X, background=X, model_output="log_loss", y=np.full(90, np.nan))
    forest = load_model(regressor).forest
    with pytest.raises(ValueError, match="needs to know the model's link, which a Forest does not hold"):
        tree_shap(forest, X, background=X, model_output="log_loss", y=X[:, 0])
