"""A model library is one file, one registration line and one fixture: shown with one that the package does not know."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from toy_forest import ToyForest

from fastexplain import (
    KernelExplainer,
    PFIExplainer,
    TabularExplainer,
    TreeExplainer,
    kernel_shap,
    load_model,
    permutation_importance,
    tree_shap,
)
from fastexplain.cli import main
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.explanation import load_explanation, save_explanation
from fastexplain.models.trees import registry


@pytest.fixture
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line; undone afterwards."""
    monkeypatch.setattr(registry._LIBRARIES, "_entries", dict(registry._LIBRARIES._entries))
    monkeypatch.setattr(registry, "_FILES", dict(registry._FILES))
    registry.register("toy_forest.", "toy_forest_loader:load", "Toy")
    registry.register_file(".toy", "Toy", "toy_forest_loader:read_file")


def rows(seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(80, 3)), columns=["age", "height", "weight"])


def fitted(classify: bool = False) -> ToyForest:
    X = rows()
    return ToyForest(classify).fit(X, X["age"] + 2.0 * (X["weight"] > 0))


def test_unknown_library_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModelError, match=r"toy_forest\.ToyForest is not a supported tree model"):
        load_model(fitted())


@pytest.mark.usefixtures("_registered")
class TestRegistered:
    @pytest.mark.parametrize("classify", [False, True])
    def test_tree_shap(self, classify: bool) -> None:
        model = fitted(classify)
        values, base = tree_shap(model, rows(1))
        np.testing.assert_allclose(values.sum(axis=(1, 2)) + base, model.score_rows(rows(1)), rtol=1e-10)

    @pytest.mark.parametrize(("classify", "units"), [(False, "model output"), (True, "margin")])
    @pytest.mark.parametrize("explainer", [TabularExplainer, TreeExplainer])
    def test_explainers(self, explainer: Any, classify: bool, units: str, tmp_path: Path) -> None:
        model = fitted(classify)
        explained = explainer(model, initialization_examples=rows())
        assert explained.method == "shap.tree"
        local = explained.explain_local(rows(1))
        assert local.features == ["age", "height", "weight"]
        assert local.units == units
        np.testing.assert_array_equal(np.asarray(local.eval_y_predicted).ravel(), model.predict(rows(1)))
        assert explained.explain_global(rows(1)).get_feature_importance_dict().keys() == set(local.features)
        save_explanation(local, tmp_path / "saved")
        again = load_explanation(tmp_path / "saved")
        np.testing.assert_array_equal(again.local_importance_values, local.local_importance_values)

    def test_picture_names_the_units(self) -> None:
        pytest.importorskip("matplotlib")
        from matplotlib import pyplot

        from fastexplain.explanation.plots import plot_beeswarm

        local = TabularExplainer(fitted(True), rows()).explain_local(rows(1))
        words = plot_beeswarm(local).get_xlabel()
        pyplot.close("all")
        assert "margin" in words

    def test_permutation_importance(self) -> None:
        model, X = fitted(), rows()
        y = X["age"] + 2.0 * (X["weight"] > 0)
        found = permutation_importance(model, X, y, n_repeats=3).importances_mean
        assert found[2] > found[1]
        assert PFIExplainer(model).explain_global(X, true_labels=y).get_feature_importance_dict()["weight"] > 0

    def test_kernel_shap_of_its_predict(self) -> None:
        X = rows().to_numpy()
        model = ToyForest().fit(X, X[:, 0])
        result = kernel_shap(model.predict, X[:5], X[:20])
        np.testing.assert_allclose(result.values.sum(axis=(1, 2)) + result.base_values, model.predict(X[:5]), atol=1e-9)
        assert KernelExplainer(model, X[:20]).explain_local(X[:2]).method == "shap_kernel"

    def test_subclass_with_its_own_predict_is_refused(self) -> None:
        class Halved(ToyForest):
            def predict(self, X: Any) -> np.ndarray:
                return 0.5 * super().predict(X)

        X = rows()
        with pytest.raises(ModelConversionError, match="Halved has a predict of its own"):
            load_model(Halved().fit(X, X["age"]))

    def test_command_line(self, tmp_path: Path) -> None:
        fitted().save(tmp_path / "model.toy")
        rows(1).to_csv(tmp_path / "rows.csv", index=False)
        out = tmp_path / "shap.parquet"
        arguments = ["explain", "--model", str(tmp_path / "model.toy"), "--data", str(tmp_path / "rows.csv")]
        assert main([*arguments, "--out", str(out)]) == 0
        values = pd.read_parquet(out)
        np.testing.assert_allclose(
            values[["phi_age", "phi_height", "phi_weight"]].sum(axis=1) + values["base_value"],
            fitted().predict(rows(1)),
            rtol=1e-9,
        )
