"""What the axes of pictures say: on which scale values are, and of which output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from pictures import NAMES, VALUES, close_figures, multiclass, texts  # noqa: F401 - a fixture
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from sklearn.svm import LinearSVC

from fastexplain import (
    DecisionTreeExplainableModel,
    KernelExplainer,
    LinearExplainer,
    MimicExplainer,
    PFIExplainer,
    TreeExplainer,
)
from fastexplain.explanation import GlobalExplanation, LocalExplanation

X, Y = make_classification(120, 4, n_informative=3, n_redundant=1, random_state=0)
_, KINDS = make_classification(120, 4, n_informative=3, n_redundant=1, n_classes=3, random_state=0)
TARGET = 50.0 + make_regression(120, 4, random_state=0)[1]
LOG_ODDS = "log-odds of class yes"
# Where a picture says what its values are: what to draw, and what to read.
PLACES: dict[str, Any] = {
    "beeswarm": lambda plot: plot.beeswarm().get_xlabel(),
    "waterfall": lambda plot: plot.waterfall(1).get_xlabel(),
    "force": lambda plot: plot.force(1).get_xlabel(),
    "bar of a row": lambda plot: plot.bar(row=1).get_xlabel(),
    "scatter": lambda plot: plot.scatter(0).get_ylabel(),
    "heatmap": lambda plot: colour_bar_of(plot.heatmap()),
    "decision": lambda plot: plot.decision().get_xlabel(),
}
ONE_OUTPUT = "prediction, in the target's units"


def colour_bar_of(ax: Axes) -> str:
    figure: Any = ax.get_figure()
    return str(figure.axes[-1].get_ylabel())


def boosted() -> Any:
    return GradientBoostingClassifier(n_estimators=5, random_state=0).fit(X, Y)


def explained(kind: str) -> Any:
    classes = {"classes": ["no", "yes"]}
    rescaled = {"shap_values_output": "probability"}
    make: dict[str, Any] = {
        "booster": lambda: TreeExplainer(boosted(), **classes),
        "booster of three": lambda: TreeExplainer(GradientBoostingClassifier(n_estimators=5).fit(X, KINDS)),
        "forest": lambda: TreeExplainer(RandomForestClassifier(5, random_state=0).fit(X, Y), **classes),
        "rescaled": lambda: TreeExplainer(boosted(), **classes, **rescaled),
        "regression": lambda: TreeExplainer(RandomForestRegressor(5, random_state=0).fit(X, TARGET)),
        "regressions": lambda: TreeExplainer(RandomForestRegressor(5, random_state=0).fit(X, np.c_[TARGET, Y])),
        "counts": lambda: TreeExplainer(HistGradientBoostingRegressor(loss="poisson", max_iter=5).fit(X, Y)),
        "linear counts": lambda: LinearExplainer(PoissonRegressor().fit(X, Y), X),
        "logistic": lambda: LinearExplainer(LogisticRegression().fit(X, Y), X, **classes),
        "svm": lambda: LinearExplainer(LinearSVC().fit(X, Y), X, **classes),
        "kernel": lambda: KernelExplainer(boosted(), X[:20], **classes, show_progress=False),
        "kernel logit": lambda: KernelExplainer(boosted(), X[:20], **classes, link="logit", show_progress=False),
        "function": lambda: KernelExplainer(lambda rows: rows[:, 0] * rows[:, 1], X[:20], show_progress=False),
        "outliers": lambda: KernelExplainer(
            IsolationForest(n_estimators=5, random_state=0).fit(X), X[:20], show_progress=False
        ),
        "mimic": lambda: MimicExplainer(boosted(), X, DecisionTreeExplainableModel, **classes),
        "mimic rescaled": lambda: MimicExplainer(boosted(), X, DecisionTreeExplainableModel, **classes, **rescaled),
    }
    return make[kind]().explain_local(X[:9])


SCALES = [
    ("booster", "SHAP value (impact on {})", LOG_ODDS),
    ("forest", "SHAP value (impact on {})", "probability of class yes"),
    ("rescaled", "rescaled SHAP value (from the margin to the {})", "probability of class yes"),
    ("regression", "SHAP value (impact on {})", ONE_OUTPUT),
    ("regressions", "SHAP value (impact on {})", "prediction of output 0, in the target's units"),
    ("counts", "SHAP value (impact on {})", "log of the prediction"),
    ("linear counts", "SHAP value (impact on {})", "log of the prediction"),
    ("logistic", "SHAP value (impact on {})", LOG_ODDS),
    ("svm", "SHAP value (impact on {})", "margin of class yes"),
    ("kernel", "SHAP value (impact on {})", "probability of class yes"),
    ("kernel logit", "SHAP value (impact on {})", LOG_ODDS),
    ("function", "SHAP value (impact on {})", "model output"),
    ("outliers", "SHAP value (impact on {})", "model output"),
    ("mimic", "SHAP value of the surrogate (impact on {})", LOG_ODDS),
    ("mimic rescaled", "rescaled SHAP value of the surrogate (impact on {})", "probability of class yes"),
]


@pytest.mark.filterwarnings("ignore::fastexplain.RescaledValuesWarning", "ignore::fastexplain.PoorFidelityWarning")
@pytest.mark.parametrize(("kind", "label", "scale"), SCALES, ids=[scale[0] for scale in SCALES])
def test_every_picture_says_what_its_values_are(kind: str, label: str, scale: str) -> None:
    plot = explained(kind).plot
    for picture, read in PLACES.items():
        expected = label.format(scale)
        if picture == "decision":
            expected = f"{'from the margin to the ' if kind == 'rescaled' else ''}{scale}"
        assert read(plot).replace("\n", " ") == expected, picture


def test_the_class_is_named() -> None:
    plot = explained("booster of three").plot
    for read in PLACES.values():
        assert "margin of class " in read(plot).replace("\n", " ")
    assert plot.bar(class_index=2).get_xlabel() == "mean |SHAP value| (impact on margin of class 2)"
    assert plot.bar().get_xlabel() == "mean |SHAP value| (impact on margin, averaged over classes)"
    assert (
        explained("booster").plot.waterfall(class_index="no").get_xlabel()
        == "SHAP value (impact on log-odds of class no)"
    )


@pytest.mark.filterwarnings("ignore::fastexplain.RescaledValuesWarning", "ignore::fastexplain.PoorFidelityWarning")
@pytest.mark.parametrize("kind", [scale[0] for scale in SCALES])
def test_what_is_drawn_adds_up_to_what_is_printed(kind: str) -> None:
    explanation = explained(kind)
    ax = explanation.plot.waterfall(1)
    bars: Any = ax.patches
    first, last = min(bars, key=lambda bar: bar.get_y()), max(bars, key=lambda bar: bar.get_y())
    base, end = (next(text for text in texts(ax) if f"{word} = " in text) for word in ("base value", end_of(kind)))
    assert float(number_of(base)) == pytest.approx(first.get_x(), rel=1e-3, abs=1e-3)
    assert float(number_of(end)) == pytest.approx(last.get_x() + last.get_width(), rel=1e-3, abs=1e-3)
    assert ("(margin)" in base) is (kind == "rescaled")
    if kind in ("rescaled", "kernel", "forest"):  # what the model says of the row
        assert float(number_of(end)) == pytest.approx(explanation.eval_y_predicted_proba[1][1], abs=1e-3)


def end_of(kind: str) -> str:
    return {"mimic": "surrogate", "mimic rescaled": "sum"}.get(kind, "f(x)")


def number_of(text: str) -> str:
    return text.partition(" = ")[2].split()[0].replace("\N{MINUS SIGN}", "-").replace(",", "")


def test_importances_say_what_they_are() -> None:
    booster = TreeExplainer(boosted(), classes=["no", "yes"])
    assert booster.explain_global(X).plot.bar().get_xlabel() == "mean |SHAP value| (impact on log-odds)"
    streamed = booster.explain_global(X, include_local=False)
    assert streamed.plot.bar().get_xlabel() == "mean |SHAP value| (impact on margin)"
    permuted = PFIExplainer(boosted(), metric="accuracy").explain_global(X, true_labels=Y)
    assert permuted.plot.bar().get_xlabel() == "importance (how much accuracy gets worse)"
    own = GlobalExplanation(np.ones(3), method="mimic.tree", features=NAMES)
    assert own.plot.bar().get_xlabel() == "importance"


def test_without_predictions_a_margin_is_a_margin() -> None:
    alone = LocalExplanation(VALUES, [0.5], features=NAMES, classes=["no", "yes"], units="margin", method="shap_tree")
    assert alone.plot.beeswarm().get_xlabel() == "SHAP value (impact on margin of class yes)"
    assert multiclass(units="margin").plot.decision(class_index=1).get_xlabel() == "margin of class kind 1"


def test_a_subset_adds_up_to_no_output() -> None:
    explanation = TreeExplainer(boosted(), [0, 1], classes=["no", "yes"]).explain_local(X[:5])
    assert explanation.plot.beeswarm().get_xlabel() == "SHAP value (impact on margin of class yes)"
    assert "sum = " in " ".join(texts(explanation.plot.waterfall()))


def test_a_model_that_is_gone_does_not_spoil_the_picture() -> None:
    def gone() -> Any:
        raise ValueError("the model has changed")

    explanation = LocalExplanation(VALUES, [0.5], features=NAMES, classes=["no", "yes"], units="margin", predict=gone)
    assert explanation.plot.beeswarm().get_xlabel() == "value (impact on margin of class yes)"


def test_showing_an_explanation_asks_for_no_prediction() -> None:
    def asked() -> Any:
        raise AssertionError

    context: Any = {"features": NAMES, "classes": ["no", "yes"], "units": "margin", "predict": asked}
    for explanation in (LocalExplanation(VALUES[:1], [0.5], **context), LocalExplanation(VALUES, [0.5], **context)):
        assert "margin" in explanation._repr_html_() + repr(explanation)
