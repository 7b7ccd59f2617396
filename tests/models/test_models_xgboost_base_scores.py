"""The margin of XGBoost's base score under every objective, and sums of hessians."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
import xgboost_cases  # noqa: E402
from xgboost_cases import (  # noqa: E402
    FLOAT32_SUM,
    N_ROWS,
    VERSION,
    assert_forest_predicts,
    margin,
    rows,
    since_3_1,
    since_3_4,
    target,
    train,
    train_objective,
)

from fastexplain.exceptions import UnsupportedModelError  # noqa: E402
from fastexplain.models import load_model  # noqa: E402
from fastexplain.models.trees.xgboost import _base_offset  # noqa: E402

_quiet_library = xgboost_cases._quiet_library  # a fixture
plain = xgboost_cases.plain  # a fixture

OBJECTIVES = [
    "binary:hinge",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    pytest.param("reg:expectileerror", marks=since_3_4),
    "reg:gamma",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
]


@pytest.mark.parametrize("base_score", [None, 0.3, 0.9])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_margin_of_every_objective(objective: str, base_score: float | None) -> None:
    booster = train_objective(objective, **({} if base_score is None else {"base_score": base_score}))
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


@since_3_1
@pytest.mark.parametrize(
    ("objective", "params"),
    [
        ("multi:softprob", {}),
        ("reg:quantileerror", {"quantile_alpha": [0.1, 0.5, 0.9]}),
        pytest.param("reg:expectileerror", {"expectile_alpha": [0.1, 0.5, 0.9]}, marks=since_3_4),
    ],
)
def test_base_score_per_output(objective: str, params: dict[str, Any]) -> None:
    booster = train_objective(objective, base_score=[0.2, 0.3, 0.9], **params)
    model = load_model(booster)
    assert model.forest.n_outputs == 3
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


@pytest.mark.parametrize("text", ["2E-1", "[2E-1]"], ids=["before-3.1", "since-3.1"])
def test_base_score_is_read_as_every_version_writes_it(text: str) -> None:
    learner = {"learner_model_param": {"base_score": text}, "objective": {"name": "binary:logistic"}}
    logit = np.log(0.2 / 0.8)
    np.testing.assert_allclose(_base_offset(learner, 1), [logit], rtol=FLOAT32_SUM)
    np.testing.assert_allclose(_base_offset(learner, 2), [logit, logit], rtol=FLOAT32_SUM)


@pytest.mark.parametrize("base_score", [None, [0.5, 0.5, 0.2], [0.1, 0.1001, 60.0]])
@since_3_4
def test_expectiles_estimated_crossing_and_far_apart(base_score: list[float] | None) -> None:
    params = {} if base_score is None else {"base_score": base_score}
    booster = train_objective("reg:expectileerror", expectile_alpha=[0.1, 0.5, 0.9], **params)
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


@pytest.mark.skipif((3, 0) <= VERSION < (3, 2), reason="XGBoost refuses such labels there")
@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("objective", ["binary:logistic", "reg:logistic"])
def test_base_score_clamped_where_all_labels_are_equal(objective: str, label: float) -> None:
    booster = train(np.full(N_ROWS, label), 2, objective=objective)
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


def test_base_score_without_finite_margin_is_refused() -> None:
    booster = train_objective("count:poisson", base_score=0.0)
    with pytest.raises(UnsupportedModelError, match=r"base_score=.*count:poisson"):
        load_model(booster)


def test_several_quantiles_are_several_outputs() -> None:
    booster = train_objective("reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9])
    model = load_model(booster)
    assert (model.forest.n_outputs, model.task) == (3, "regression")
    assert_forest_predicts(model, rows(5), margin(booster, rows(5)))


def test_custom_objective() -> None:
    X = rows()
    data = xgboost.DMatrix(X, target(X))

    def squared(margins: np.ndarray, data: Any) -> tuple[np.ndarray, np.ndarray]:
        return margins - data.get_label(), np.ones_like(margins)

    booster = xgboost.train({"max_depth": 3, "base_score": 0.7, "nthread": 1}, data, 4, obj=squared)
    assert_forest_predicts(load_model(booster), rows(5), margin(booster, rows(5)))


def with_root_cover(booster: Any, cover: float) -> Any:
    document = json.loads(bytes(booster.save_raw("json")))
    document["learner"]["gradient_booster"]["model"]["trees"][0]["sum_hessian"][0] = cover
    changed = xgboost.Booster()
    changed.load_model(bytearray(json.dumps(document), "utf-8"))
    return changed


@pytest.mark.parametrize("cover", [-5.0, float("nan")])
def test_negative_hessians_are_refused(plain: Any, cover: float) -> None:
    with pytest.raises(UnsupportedModelError, match="hessians"):
        load_model(with_root_cover(plain, cover))


def test_sum_of_hessians_a_rounding_below_zero_is_zero(plain: Any) -> None:
    assert load_model(with_root_cover(plain, -1e-6)).forest.cover[0] == 0
