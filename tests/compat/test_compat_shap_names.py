"""Names of `fastexplain.compat.shap`: ours, shap's own behind them, and what there is where shap is not installed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from conftest import run_python

import fastexplain.compat.shap as ours

shap = pytest.importorskip("shap")

# shap's names that are not among ours, or not taken over: none of tables
ABSENT: set[str] = set()
HIDDEN = """
import fastexplain.compat.shap._installed as installed
installed.installed_package = lambda name: None
import matplotlib; matplotlib.use("Agg")
import numpy as np
import fastexplain.compat.shap as shap
from fastexplain.exceptions import MissingDependencyError
def refused(get):
    try:
        get()
    except MissingDependencyError as error:
        return str(error)
"""


def test_dir_lists_shaps_names_and_no_helpers() -> None:
    names = set(dir(ours))
    assert set(shap.__all__) - names == ABSENT
    assert set(ours.__all__) <= names
    assert not names & {"Any", "TYPE_CHECKING", "importlib", "annotations", "typing"}


@pytest.mark.parametrize("name", sorted(set(shap.__all__) - {"GPUTreeExplainer"}))
def test_every_name_of_shap_is_there(name: str) -> None:
    mine, theirs = getattr(ours, name), getattr(shap, name)
    if name not in ours.__all__:
        assert mine is theirs
    elif inspect.isclass(mine):
        assert mine.__module__.startswith("fastexplain.")


@pytest.mark.parametrize("module", ["plots", "utils", "maskers", "datasets", "explainers"])
def test_modules_hand_over(module: str) -> None:
    mine, theirs = getattr(ours, module), getattr(shap, module)
    public = {name for name in dir(theirs) if not name.startswith("_")}
    assert public <= set(dir(mine))
    own = 0
    for name in public:
        if getattr(mine, name) is not getattr(theirs, name):
            assert getattr(mine, name).__module__.startswith("fastexplain.")
            own += 1
    # two more explainers in shap 0.51 than in 0.54
    assert own in {"plots": (0,), "utils": (2,), "maskers": (3,), "datasets": (0,), "explainers": (18, 20)}[module]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mine.nothing  # noqa: B018


def test_short_names_of_explainers() -> None:
    for name in ("Additive", "Deep", "Exact", "Kernel", "Linear", "Partition", "Permutation", "Sampling", "Tree"):
        assert getattr(ours.explainers, name) is getattr(ours, f"{name}Explainer")
    assert ours.explainers.GPUTree is ours.GPUTreeExplainer


@pytest.mark.parametrize("name", [name for name in shap.__all__ if name.endswith("Explainer")])
def test_constructors_take_shaps_arguments_in_shaps_order(name: str) -> None:
    if name in ("Explainer", "GPUTreeExplainer", "GradientExplainer", "CoalitionExplainer"):
        return
    theirs = inspect.signature(getattr(shap, name).__init__).parameters.values()
    mine = list(inspect.signature(getattr(ours, name)).parameters)
    positional = [p.name for p in theirs if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
    assert mine[: len(positional)] == positional
    assert {p.name for p in theirs if p.kind is p.KEYWORD_ONLY} <= set(mine)


def test_exceptions_are_caught_by_both_names() -> None:
    errors = ours.utils._exceptions
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), getattr(shap.utils._exceptions, name))
    for catch in (errors.DimensionError, shap.utils._exceptions.DimensionError, ValueError):
        with pytest.raises(catch):
            ours.KernelExplainer(lambda rows: rows[:, 0], [[1.0, 2.0]]).shap_values([[[1.0]]])


def test_nothing_of_shap_is_loaded_before_an_explanation() -> None:
    code = """
import sys
import numpy as np
import fastexplain.compat.shap as s
x = np.eye(3)
s.KernelExplainer(lambda rows: rows[:, 0] * rows[:, 1], x).shap_values(x)
print("shap" in sys.modules)
s.KernelExplainer(lambda rows: rows[:, 0] * rows[:, 1], x)(x)
print("shap" in sys.modules)
"""
    assert run_python(code).split() == ["False", "True"]


def test_install_as_reaches_both() -> None:
    """Under the name of shap there are our classes and shap's pictures, which take our explanations."""
    code = """
import fastexplain; fastexplain.install_as("shap")
import matplotlib; matplotlib.use("Agg")
import numpy as np
import shap, shap.plots, shap.datasets, shap.utils
from shap.explainers import Tree
from shap.utils._exceptions import DimensionError
from shap import Explanation, initjs, summary_plot
from shap.plots._force import force  # modules that we have not got
import shap.explainers.other, shap._cext
from shap.utils._masked_model import MaskedModel
for missing in ("shap.nothing", "shap.plots.nothing"):
    try:
        __import__(missing)
    except ModuleNotFoundError as error:
        assert str(error) == f"No module named {missing!r}"
    else:
        raise AssertionError(missing)
from fastexplain.compat.install import installed_package, uninstall
X = np.random.default_rng(0).normal(size=(20, 3))
e = shap.Explainer(lambda rows: rows[:, 0] * rows[:, 1], X)(X)
shap.plots.beeswarm(e, order=e.abs.max(0), show=False)
shap.summary_plot(e.values, X, show=False)
real = installed_package("shap")
import shap.links as links
assert links.__name__ == "fastexplain.compat.shap.links", links
assert force is real.plots.force and shap.explainers.other is real.explainers.other
assert MaskedModel is real.utils.MaskedModel and shap.explainers._tree.__name__.startswith("fastexplain")
print(shap.__name__, real.__name__, isinstance(e, real.Explanation), Tree.__module__.split(".")[0])
uninstall("shap")
import shap
print(shap.__name__, hasattr(shap, "_explanation"))
"""
    assert run_python(code).split() == [
        "fastexplain.compat.shap",
        "_installed_shap",
        "True",
        "fastexplain",
        "shap",
        "True",
    ]


def test_install_as_after_shap_was_imported() -> None:
    code = """
import matplotlib; matplotlib.use("Agg")
import shap as real
import fastexplain; fastexplain.install_as("shap", force=True)
import numpy as np, shap
e = shap.ExactExplainer(lambda rows: rows[:, 0], np.eye(3))(np.eye(3))
shap.plots.bar(e, show=False)
print(shap.__name__, real.__name__)
"""
    assert run_python(code).split() == ["fastexplain.compat.shap", "shap"]


def test_without_shap_everything_of_ours_works() -> None:
    code = (
        HIDDEN
        + """
X = np.random.default_rng(0).normal(size=(12, 4))
e = shap.Explainer(lambda rows: rows[:, 0] * rows[:, 1] + rows[:, 2], X, feature_names=list("abcd"))(X)
print(type(e).__mro__[1].__name__, e.abs.mean(0).shape, e[:, "a"].feature_names, len(e.cohorts(2).cohorts))
try:
    shap.KernelExplainer(lambda rows: rows[:, 0], X).shap_values(X[None])
except shap.utils._exceptions.DimensionError as error:
    print(type(error).__mro__[1].__name__)
assert "summary_plot" in dir(shap)
print(len(dir(shap.plots)), len(dir(shap.utils)), len(dir(shap.datasets)))
"""
    )
    assert run_python(code).split() == ["object", "(4,)", "a", "2", "DimensionError", "7", "2", "0"]


def test_without_shap_our_pictures_stand_in() -> None:
    code = (
        HIDDEN
        + """
import matplotlib.pyplot as plt
X = np.random.default_rng(0).normal(size=(12, 4))
e = shap.Explainer(lambda rows: rows[:, 0] * rows[:, 1] + rows[:, 2], X, feature_names=list("abcd"))(X)
for name, given in [("bar", e), ("bar", e[0]), ("beeswarm", e), ("waterfall", e[0]), ("force", e[0]),
                    ("scatter", e[:, "c"]), ("heatmap", e), ("decision", e)]:
    axes = getattr(shap.plots, name)(given, show=False)
    assert axes.has_data(), name
    text = " ".join(t.get_text() for t in axes.figure.findobj(plt.Text))
    assert "c" in text, (name, text)
    plt.close("all")
shap.plots.waterfall(e[0], max_display=2, show=False)
for call in (lambda: shap.plots.violin, lambda: shap.plots.bar(e, order=3), lambda: shap.plots.force(0.0, e.values),
             lambda: shap.summary_plot, lambda: shap.initjs, lambda: shap.datasets.adult, lambda: e.to_shap()):
    print(refused(call))
try:
    shap.plots.waterfall(e)
except shap.utils._exceptions.DimensionError as error:
    print(error)
"""
    )
    command = "needs shap: pip install 'fastexplain[shap]'"
    assert run_python(code).splitlines() == [
        f"shap.plots.violin {command}",
        f"shap.plots.bar with order {command}",
        f"shap.plots.force with several arguments {command}",
        f"shap.summary_plot {command}",
        f"shap.initjs {command}",
        f"shap.datasets {command}",
        f"Explanation.to_shap {command}",
        "shap.plots.waterfall takes values with 1 axes; these have shape (12, 4). Slice them: explanation[row], "
        "explanation[:, feature], explanation[..., output].",
    ]


def test_signatures_are_the_constructors() -> None:
    parameters: Any = inspect.signature(ours.KernelExplainer).parameters
    assert list(parameters)[:4] == ["model", "data", "feature_names", "link"]
    assert list(inspect.signature(ours.Explainer).parameters)[:4] == ["model", "masker", "link", "algorithm"]
