"""What version 0.1 pickled, and the module paths that it had, still work."""

from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest
from conftest import FIXTURES, run_python

import fastexplain
from fastexplain._former_paths import FORMER_PATHS

PICKLES = FIXTURES / "pickles"
COEF, NAMES = np.array([3.0, -2.0, 0.5]), ["a", "b", "c"]


def load(name: str) -> object:
    return pickle.loads((PICKLES / f"{name}.pkl").read_bytes())


@pytest.mark.parametrize("former", FORMER_PATHS)
def test_a_former_path_is_the_module_of_today(former: str) -> None:
    module = importlib.import_module(f"fastexplain.{former}")
    assert module is importlib.import_module(f"fastexplain.{FORMER_PATHS[former]}")


def test_a_former_path_leaves_the_functions_of_the_same_name_alone() -> None:
    code = """
import fastexplain.engine.tree_shap, fastexplain.engine.kernel_shap
from fastexplain.engine.tree_shap import TreeShapResult
print(callable(fastexplain.engine.tree_shap), callable(fastexplain.engine.kernel_shap), callable(fastexplain.tree_shap))
"""
    assert run_python(code).strip() == "True True True"


def test_an_unknown_module_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match="shap_tree"):
        importlib.import_module("fastexplain.engine.shap_tree")


@pytest.mark.parametrize("name", ["local", "global", "adapted"])
def test_pickled_explanations_load(name: str) -> None:
    explanation = load(name)
    assert isinstance(explanation, fastexplain.Explanation)
    assert list(explanation.features) == NAMES
    if name == "global":
        assert explanation.get_ranked_global_names()[-1] == "c"
    elif name == "local":
        rows = np.random.default_rng(0).normal(size=(20, 3))
        expected = COEF * (rows[:4] - rows.mean(axis=0))
        np.testing.assert_allclose(explanation.values[:, :, 0], expected, rtol=1e-12, atol=1e-12)


def test_pickled_results_load() -> None:
    linear, kernel, background = load("linear_shap"), load("kernel_shap"), load("background")
    assert isinstance(linear, fastexplain.LinearShapResult)
    assert isinstance(kernel, fastexplain.KernelShapResult)
    assert isinstance(background, fastexplain.Background)
    assert linear.values.shape == (4, 3, 1)
    assert kernel.values.shape == (2, 3, 1)
    assert background.data.shape == (4, 3)
