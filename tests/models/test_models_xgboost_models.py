"""What an XGBoost model is for, the reader of its files, and its SHAP values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost")
import xgboost_cases  # noqa: E402
from xgboost_cases import (  # noqa: E402
    FLOAT32_SHAP,
    N_ROWS,
    assert_forest_predicts,
    coloured,
    margin,
    rows,
    target,
    train,
    train_objective,
)

from fastexplain.models import load_model  # noqa: E402
from fastexplain.models.trees import ubjson as _ubjson  # noqa: E402
from fastexplain.models.trees.xgboost import XGBoostModel  # noqa: E402

_quiet_library = xgboost_cases._quiet_library  # a fixture
categorical = xgboost_cases.categorical  # a fixture


def test_binary_classifier() -> None:
    X = rows()
    fitted = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(X, target(X) > 0)
    model = load_model(fitted)
    assert (model.task, model.n_classes, model.classes, model.single_margin) == ("classification", 2, [0, 1], True)
    assert_forest_predicts(model, X, fitted.predict(X, output_margin=True)[:, None])


def test_a_model_is_read_again_when_it_has_changed() -> None:
    X = rows()
    fitted = xgboost.XGBRegressor(n_estimators=4, n_jobs=1).fit(X, target(X))
    first = load_model(fitted)
    assert load_model(fitted).forest is first.forest  # read once
    shorter = load_model(fitted.get_booster()[:2])
    assert shorter.forest.n_trees == 2
    other = load_model(xgboost.XGBRegressor(n_estimators=4, n_jobs=1, missing=-1.0).fit(X, target(X)))
    assert other.forest is not first.forest
    fitted.fit(X, -target(X))
    again = load_model(fitted)
    assert again.forest is not first.forest
    assert_forest_predicts(again, X, fitted.predict(X, output_margin=True)[:, None])


def test_the_library_is_asked_again_when_a_model_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    X = rows()
    fitted = xgboost.XGBRegressor(n_estimators=4, n_jobs=1).fit(X, target(X))
    load_model(fitted)
    asked = []
    predict = XGBoostModel.raw_predict_prepared

    def counted(self: XGBoostModel, X: Any) -> Any:
        asked.append(len(X))
        return predict(self, X)

    monkeypatch.setattr(XGBoostModel, "raw_predict_prepared", counted)
    load_model(fitted)
    assert not asked
    fitted.fit(X, -target(X))
    load_model(fitted)
    assert len(asked) == 1


@pytest.mark.parametrize("objective", ["multi:softprob", "multi:softmax"])
def test_multi_class_classifier(objective: str) -> None:
    X = rows()
    y = np.digitize(target(X), [-0.5, 0.8])
    fitted = xgboost.XGBClassifier(n_estimators=4, n_jobs=1, objective=objective).fit(X, y)
    model = load_model(fitted)
    assert (model.task, model.n_classes, model.classes) == ("classification", 3, [0, 1, 2])
    assert not model.single_margin
    assert_forest_predicts(model, X, fitted.predict(X, output_margin=True))


@pytest.mark.parametrize(
    ("objective", "task", "n_classes", "single"),
    [
        ("binary:logistic", "classification", 2, True),
        ("binary:hinge", "classification", 2, True),
        ("multi:softmax", "classification", 3, False),
        ("reg:logistic", "regression", None, False),
        ("rank:ndcg", "regression", None, False),
    ],
)
def test_task_of_a_booster(objective: str, task: str, n_classes: int | None, single: bool) -> None:
    model = load_model(train_objective(objective))
    assert (model.task, model.n_classes, model.single_margin) == (task, n_classes, single)
    assert model.classes is None


def test_labels_of_several_kinds_are_several_outputs() -> None:
    X = rows()
    fitted = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, np.c_[X[:, 0] > 0, X[:, 1] > 0, X[:, 2] > 0])
    model = load_model(fitted)
    assert (model.task, model.forest.n_outputs) == ("regression", 3)
    assert_forest_predicts(model, X, margin(fitted.get_booster(), X))


def test_ranker() -> None:
    X = rows()
    fitted = xgboost.XGBRanker(n_estimators=4, n_jobs=1).fit(
        X, np.digitize(target(X), [0]), qid=np.arange(N_ROWS) // 40
    )
    model = load_model(fitted)
    assert model.task == "regression"
    assert_forest_predicts(model, X, fitted.predict(X)[:, None])


def test_ubjson_reads_what_json_reads(categorical: Any) -> None:
    def plain_python(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain_python(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain_python(item) for item in value]
        return value.tolist() if isinstance(value, np.ndarray) else value

    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rounded(item) for item in value]
        # repr: a categorical node's split condition can be NaN, which equals nothing
        return repr(float(np.float32(value))) if isinstance(value, float) else value

    ubj = rounded(plain_python(_ubjson.decode(categorical.save_raw("ubj"))))
    assert ubj == rounded(json.loads(bytes(categorical.save_raw("json"))))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"[TFZ]", [True, False, None]),
        (b"{U\x01aD\x3f\xf8\0\0\0\0\0\0U\x01bSU\x02hi}", {"a": 1.5, "b": "hi"}),
        (b"[#U\x02I\x01\x00i\xff", [256, -1]),
        (b"[Cx]", ["x"]),
    ],
)
def test_ubjson_values(data: bytes, value: Any) -> None:
    assert _ubjson.decode(data) == value


@pytest.mark.parametrize(
    "data", [b"", b"[", b"{U\x01a", b"[$d#U\x09\0\0", b"SU\x09hi", b"I\0", b"TT", b"?", b"[$dU\x01\0"]
)
def test_broken_ubjson_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="Universal Binary JSON"):
        _ubjson.decode(data)


def with_three_classes() -> Any:
    return train(np.digitize(target(rows()), [-0.5, 0.8]), 2, objective="multi:softprob", num_class=3)


def with_categories() -> Any:
    frame, y = coloured()
    data = xgboost.DMatrix(frame, y, enable_categorical=True)
    return xgboost.train({"max_cat_to_onehot": 1, "nthread": 1}, data, 3)


SMALL_MODELS = {
    "regression": lambda: (train(n_rounds=3), rows(5)),
    "classes": lambda: (with_three_classes(), rows(5)),
    "dart": lambda: (train(n_rounds=6, booster="dart", rate_drop=0.6, seed=3), rows(5)),
    "categories": lambda: (with_categories(), coloured(1)[0]),
}


@pytest.mark.parametrize("kind", SMALL_MODELS)
def test_tree_shap_agrees_with_pred_contribs(kind: str) -> None:
    from fastexplain import tree_shap

    booster, X = SMALL_MODELS[kind]()
    result = tree_shap(load_model(booster), X)
    data = xgboost.DMatrix(X, enable_categorical=True)
    theirs = booster.predict(data, pred_contribs=True, strict_shape=True)  # (n_rows, n_outputs, n_features + 1)
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(result.values, theirs[:, :, :-1].swapaxes(1, 2), rtol=0, atol=FLOAT32_SHAP * scale)
    np.testing.assert_allclose(result.base_values, theirs[0, :, -1], rtol=0, atol=FLOAT32_SHAP * scale)


@pytest.mark.parametrize("kind", SMALL_MODELS)
def test_tree_shap_agrees_with_all_coalitions(kind: str) -> None:
    from fastexplain import tree_shap
    from tests.naive import naive_tree_shap

    booster, X = SMALL_MODELS[kind]()
    model = load_model(booster)
    values, base_values = naive_tree_shap(model.forest, model.prepare(X[:8]))
    result = tree_shap(model, X[:8])
    scale = np.abs(values).max()
    np.testing.assert_allclose(result.values, values, rtol=0, atol=FLOAT32_SHAP * scale)
    np.testing.assert_allclose(result.base_values, base_values, rtol=0, atol=FLOAT32_SHAP * scale)
