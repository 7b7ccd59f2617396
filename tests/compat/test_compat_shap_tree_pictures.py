"""shap's own pictures of what our TreeExplainer returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor

import fastexplain.compat.shap as ours

shap = pytest.importorskip("shap")
pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

FRAME, TARGET = load_diabetes(return_X_y=True, as_frame=True)
FRAME, TARGET = FRAME[:60], TARGET[:60]
KIND = np.digitize(TARGET, [100, 180])
FOREST = RandomForestRegressor(n_estimators=4, max_depth=3, random_state=0).fit(FRAME, TARGET)
CLASSES = RandomForestClassifier(n_estimators=4, max_depth=3, random_state=0).fit(FRAME, KIND)
BOOSTING = GradientBoostingClassifier(n_estimators=4, max_depth=2, random_state=0).fit(FRAME, KIND > 0)


def with_categories() -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    table = FRAME.assign(sex=FRAME["sex"].gt(0).map({True: "w", False: "m"}).astype("category"))
    model = lightgbm.LGBMRegressor(n_estimators=4, n_jobs=1, verbose=-1).fit(table, TARGET)
    return ours.TreeExplainer(model, table[:20])(table)


EXPLANATIONS = {
    "path_dependent": lambda: ours.TreeExplainer(FOREST)(FRAME),
    "interventional": lambda: ours.TreeExplainer(FOREST, FRAME[:20])(FRAME),
    "class": lambda: ours.TreeExplainer(CLASSES, FRAME[:20])(FRAME)[..., 2],
    "probability": lambda: ours.TreeExplainer(BOOSTING, FRAME[:20], "probability")(FRAME),
    "categories": with_categories,
}
PICTURES: dict[str, Any] = {
    "bar": lambda e: shap.plots.bar(e, show=False),
    "beeswarm": lambda e: shap.plots.beeswarm(e, show=False),
    "heatmap": lambda e: shap.plots.heatmap(e, show=False),
    "waterfall": lambda e: shap.plots.waterfall(e[3], show=False),
    "scatter": lambda e: shap.plots.scatter(e[:, "bmi"], show=False),
    "summary": lambda e: shap.summary_plot(e.values, FRAME, show=False),
    "dependence": lambda e: shap.dependence_plot("bmi", e.values, FRAME, show=False),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("name", EXPLANATIONS)
def test_pictures(name: str, picture: str) -> None:
    explanation = EXPLANATIONS[name]()
    if name == "categories" and picture in ("beeswarm", "heatmap"):
        explanation.data = np.zeros(explanation.shape)  # shap colours by numbers only
    PICTURES[picture](explanation)
    figure = plt.gcf()
    figure.canvas.draw()
    assert any(axes.collections or axes.patches or axes.images for axes in figure.axes)
    texts = {text.get_text() for axes in figure.axes for text in (*axes.get_yticklabels(), axes.xaxis.label)}
    assert any("bmi" in text for text in texts)
    plt.close("all")


@pytest.mark.filterwarnings("ignore")
def test_pictures_of_interactions() -> None:
    explainer = ours.TreeExplainer(FOREST)
    explanation = explainer(FRAME[:20], interactions=True)
    assert explanation.shape == (20, 10, 10)
    shap.summary_plot(explainer.shap_interaction_values(FRAME[:20]), FRAME[:20], max_display=3, show=False)
    assert len(plt.gcf().axes) >= 3
    plt.close("all")
    shap.dependence_plot(("bmi", "s5"), explanation.values, FRAME[:20], show=False)
    assert plt.gcf().axes
    plt.close("all")
