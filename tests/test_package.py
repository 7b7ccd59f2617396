"""The package as a whole: what importing it costs, what it exports, whether its examples are true."""

from __future__ import annotations

import doctest
import importlib

import pytest
from conftest import run_python

import fastexplain

HEAVY = ("lightgbm", "matplotlib", "numba", "pandas", "polars", "pyarrow", "scipy", "sklearn", "tqdm", "xgboost")


def test_import_loads_nothing_heavy_and_starts_no_thread() -> None:
    code = f"""
import sys, threading
import fastexplain
print(sorted(set({HEAVY!r}) & set(sys.modules)), threading.active_count())
"""
    assert run_python(code).strip() == "[] 1"


def test_the_array_function_loads_no_library_of_models() -> None:
    code = f"""
import sys
from fastexplain import TabularExplainer, load_model, tree_shap
print(sorted((set({HEAVY!r}) - {{"scipy", "tqdm"}}) & set(sys.modules)))
"""
    assert run_python(code).strip() == "[]"


@pytest.mark.parametrize("name", fastexplain.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(fastexplain, name)
    assert name in dir(fastexplain)
    if name != "__version__":
        assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tree_shapp'"):
        fastexplain.tree_shapp  # noqa: B018


@pytest.mark.parametrize(
    "module",
    [
        "fastexplain.engine.deep.deep_lift",
        "fastexplain.engine.linear.linear_shap",
        "fastexplain.engine.permutation.permutation_importance",
        "fastexplain.engine.tree.tree_shap",
    ],
)
def test_examples_are_true(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


def test_number_of_threads_follows_variable_and_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTEXPLAIN_NUM_THREADS", "3")
    assert fastexplain.get_num_threads() == 3
    fastexplain.set_num_threads(5)
    try:
        assert fastexplain.get_num_threads() == 5
    finally:
        fastexplain.set_num_threads(None)
    assert fastexplain.get_num_threads() == 3
    monkeypatch.setenv("FASTEXPLAIN_NUM_THREADS", "many")
    with pytest.raises(ValueError, match=r"FASTEXPLAIN_NUM_THREADS must be a positive whole number; got 'many'"):
        fastexplain.get_num_threads()


def test_loading_an_unsupported_object_names_what_explains_it() -> None:
    from sklearn.linear_model import LinearRegression

    with pytest.raises(fastexplain.UnsupportedModelError, match=r"LinearRegression.*LinearExplainer"):
        fastexplain.load_model(LinearRegression())
    with pytest.raises(fastexplain.UnsupportedModelError, match=r"dict is not a supported tree model"):
        fastexplain.load_model({})
    catboost = type("CatBoostClassifier", (), {"__module__": "catboost.core"})
    with pytest.raises(
        fastexplain.UnsupportedModelError, match=r"CatBoostClassifier is not a supported tree.*KernelExplainer"
    ):
        fastexplain.load_model(catboost())


def test_what_wraps_a_model_is_refused_with_the_way_to_it() -> None:
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeRegressor

    with pytest.raises(fastexplain.UnsupportedModelError, match=r"TabularExplainer\(model, rows\) explains pipelines"):
        fastexplain.load_model(make_pipeline(DecisionTreeRegressor()))
    with pytest.raises(fastexplain.UnsupportedModelError, match=r"Explain the model inside: best_estimator_"):
        fastexplain.load_model(GridSearchCV(DecisionTreeRegressor(), {}))


def test_a_model_that_predicts_something_else_is_refused() -> None:
    from sklearn.tree import DecisionTreeRegressor

    class Shifted(DecisionTreeRegressor):
        def predict(self, X: object, check_input: bool = True) -> object:
            return super().predict(X, check_input) + 1.0

    X = [[0.0], [1.0], [2.0], [3.0]]
    with pytest.raises(fastexplain.ModelConversionError, match="does not reproduce"):
        fastexplain.load_model(Shifted().fit(X, [0.0, 1.0, 2.0, 3.0]))
