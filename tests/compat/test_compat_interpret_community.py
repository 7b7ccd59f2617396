"""interpret-community's modules, names, signatures and constants, as version 0.32 has them.

The lists are in fixtures/interpret_community_names.json, which fixtures/make_interpret_community_names.py wrote from
the package itself.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import logging
import pkgutil
import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import FIXTURES, run_python

import fastexplain
import fastexplain.compat.interpret_community as compat

THEIRS = json.loads((FIXTURES / "interpret_community_names.json").read_text())
SIGNATURES = {
    name: parameters
    for name, parameters in THEIRS["signatures"].items()
    # Explanations are made by explainers, or by the factories beside them; the mixins only tell them apart. The base
    # class of surrogates leaves the arguments of fit to the others.
    if not re.search(r"\.explanation\.explanation\.(\w*Mixin|BaseExpl|Feature|(Local|Global)Explanation$)", name)
    and not name.endswith("BaseExplainableModel.fit")
    # has the order of raiwidgets, where it went: its own test is below
    and not name.endswith(".ExplanationDashboard")
}
# Where one method has two names for its argument.
RENAMED = {"raw_to_output_maps": "feature_maps"}
# Left out, these choose better than interpret-community's default; docs/migration.md names them.
OTHER_DEFAULTS = {"nclusters": {"KernelExplainer", "DeepExplainer"}}
# True and False mean what they mean there; left out, long work shows progress where somebody can see it.
LEFT_OUT = {"show_progress"}
# A keyword that interpret-community needs, and takes among its ``**kwargs``.
REQUIRED = {"local_importance_values"}


def ours(name: str) -> ModuleType:
    return importlib.import_module(f"fastexplain.compat.{name}")


@pytest.mark.parametrize("module", THEIRS["names"])
def test_every_module_has_its_names(module: str) -> None:
    missing = [name for name in THEIRS["names"][module] if not hasattr(ours(module), name)]
    assert missing == []


@pytest.mark.parametrize("module", THEIRS["names"])
def test_public_names_are_listed(module: str) -> None:
    listed = set(getattr(ours(module), "__all__", []))
    assert {name for name in THEIRS["names"][module] if name != "__version__"} <= listed | {"__version__"}


def test_our_modules_are_theirs_and_no_more() -> None:
    walked = {module.name for module in pkgutil.walk_packages(compat.__path__, f"{compat.__name__}.")}
    public = {name.removeprefix("fastexplain.compat.") for name in walked if "._" not in name}
    assert public == set(THEIRS["names"]) - {"interpret_community"}


def resolve(name: str) -> Any:
    module, _, rest = next(
        (known, "", name[len(known) + 1 :])
        for known in sorted(THEIRS["names"], key=len, reverse=True)
        if name.startswith(f"{known}.")
    )
    value: Any = ours(module)
    for part in rest.split("."):
        value = getattr(value, part)
    return value


def plain(default: Any) -> Any:
    if isinstance(default, enum.Enum):
        return default.value
    return None if default in ([], ()) else default  # an empty list as a default would be shared by all calls


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature_takes_what_theirs_takes(name: str) -> None:
    value = resolve(name)
    parameters = list(inspect.signature(value.__init__ if inspect.isclass(value) else value).parameters.values())
    named = [p for p in parameters if p.name != "self" and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    theirs = SIGNATURES[name]
    assert [p.name for p in named[: len(theirs)]] == [RENAMED.get(parameter, parameter) for parameter, _, _ in theirs]
    for p, (_, default, keyword_only) in zip(named, theirs, strict=False):
        if default == {"required": True}:
            continue  # ours may have a default where the missing argument gets a message of its own
        if p.name in LEFT_OUT or name.rpartition(".")[2] in OTHER_DEFAULTS.get(p.name, ()):
            assert p.default is None, f"default of {p.name}"
        else:
            assert plain(p.default) == plain(default), f"default of {p.name}"
        assert (p.kind is p.KEYWORD_ONLY) is keyword_only, p.name
    for p in named[len(theirs) :]:
        assert p.default is not p.empty or p.name in REQUIRED, f"{p.name} is ours, and required"


@pytest.mark.parametrize("name", THEIRS["constants"])
def test_constants_have_the_same_members_and_values(name: str) -> None:
    cls = getattr(ours("interpret_community.common.constants"), name)
    members = {key: value for key, value in vars(cls).items() if not key.startswith("_")}
    found = {key: getattr(value, "value", value) for key, value in members.items()}
    assert {key: value for key, value in found.items() if isinstance(value, str | int | list)} == THEIRS["constants"][
        name
    ]


def test_serializable_params_are_the_names_of_members() -> None:
    from fastexplain.compat.interpret_community.common.constants import ExplainParams

    assert ExplainParams.get_serializable() == set(THEIRS["constants"]["ExplainParams"])
    assert ExplainParams.get_private(ExplainParams.CLASSES) == "_classes"


def test_enums_equal_their_strings() -> None:
    from fastexplain.compat.interpret_community.common import constants

    assert constants.ModelTask.Classification == "classification"
    assert constants.ShapValuesOutput("teacher_probability") is constants.ShapValuesOutput.TEACHER_PROBABILITY
    assert constants.ExplainableModelType.TREE_EXPLAINABLE_MODEL_TYPE == "tree_explainable_model_type"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("interpret_community", "TabularExplainer"),
        ("interpret_community.adapter", "ExplanationAdapter"),
        ("interpret_community.common.policy", "SamplingPolicy"),
        ("interpret_community.explanation", "load_explanation"),
        ("interpret_community.explanation.explanation", "save_explanation"),
        ("interpret_community.lime", "LIMEExplainer"),
        ("interpret_community.mimic.models", "SGDExplainableModel"),
        ("interpret_community.mimic", "MimicExplainer"),
        ("interpret_community.permutation", "PFIExplainer"),
        ("interpret_community.shap", "KernelExplainer"),
    ],
)
def test_names_are_the_objects_of_the_root(module: str, name: str) -> None:
    assert getattr(ours(module), name) is getattr(fastexplain, name)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = """
import sys
import fastexplain.compat.interpret_community.mimic.models
import fastexplain.compat.interpret_community.common.constants
import fastexplain.compat.interpret_community.shap
heavy = {"lightgbm", "lime", "matplotlib", "mlflow", "numba", "pandas", "sklearn", "torch", "xgboost"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run_python(code).strip() == "[]"


def test_version_is_that_of_the_interface() -> None:
    assert compat.__version__ == "0.32.0"


def test_log_file_gets_what_explainers_chose(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "explain.log"
    code = """
import numpy as np
from fastexplain.compat.interpret_community import TabularExplainer
TabularExplainer((np.ones(2), 0.0), np.zeros((3, 2)))
"""
    run_python(code, INTERPRET_C_LOGS=str(path))
    assert "TabularExplainer" in path.read_text() or "LinearExplainer" in path.read_text()
    code = "import fastexplain.compat.interpret_community, logging; print(logging.getLogger('fastexplain').handlers)"
    assert run_python(code, INTERPRET_C_LOGS="").strip() == "[]"
    assert not [h for h in logging.getLogger("fastexplain").handlers if isinstance(h, logging.FileHandler)]


def test_the_dashboard_warns_and_says_what_there_is() -> None:
    from fastexplain.compat.interpret_community.widget import ExplanationDashboard

    with pytest.warns(DeprecationWarning, match=r"shows nothing.*explanation\.plot\.bar\(\)"):
        ExplanationDashboard(object(), datasetX=[[1.0]], trueY=[0])


def test_the_dashboard_is_called_as_each_package_that_had_it_allows() -> None:
    from fastexplain.compat.interpret_community.widget import ExplanationDashboard

    explanation, model, x_test, y_test = object(), object(), [[1.0]], [0]
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((explanation,), {}),
        ((explanation, model, x_test), {}),  # azureml.contrib.interpret
        ((explanation, model, x_test, y_test), {}),
        ((explanation, model), {"dataset": x_test, "true_y": y_test, "use_cdn": False}),  # interpret_community 0.15
        ((explanation, model, x_test, y_test, ["no", "yes"], ["a"], "0.0.0.0", 5000, "en"), {}),  # raiwidgets 0.36
    ]
    for args, keywords in calls:
        with pytest.warns(DeprecationWarning, match="shows nothing"):
            ExplanationDashboard(*args, **keywords)
    theirs = THEIRS["signatures"]["interpret_community.widget.explanation_dashboard.ExplanationDashboard"]
    with pytest.warns(DeprecationWarning, match="shows nothing"):
        ExplanationDashboard(**{name: None for name, _, _ in theirs})
    with pytest.raises(TypeError, match="positional arguments"):
        ExplanationDashboard(*range(10))


def test_gpu_kernel_explainer_says_what_to_use() -> None:
    from fastexplain.compat.interpret_community.shap import GPUKernelExplainer

    with pytest.raises(RuntimeError, match=r"no GPU path.*Use KernelExplainer"):
        GPUKernelExplainer(lambda X: X, np.zeros((3, 2)))


def test_dcg_adds_discounted_gains() -> None:
    from fastexplain.compat.interpret_community.common.metrics import dcg

    # gains 2**3 - 1, 2**2 - 1, 0 at discounts log2(2), log2(3), log2(4)
    assert dcg(["a", "b", "x"], {"a": 3, "b": 2}) == pytest.approx(7 + 3 / np.log2(3))
    assert dcg(["a", "b", "x"], {"a": 3, "b": 2}, top_values=1) == pytest.approx(7)


def test_ndcg_is_one_for_the_true_order_and_less_for_others() -> None:
    from fastexplain.compat.interpret_community.common.metrics import ndcg

    order = list(range(20))
    assert ndcg(order, order) == 1.0
    # interpret_community 0.32
    assert ndcg(order[::-1], order) == pytest.approx(0.014470245409381174, rel=1e-12)
    assert ndcg(["c", "a", "b"], ["a", "b", "c"], top_values=2) == pytest.approx(0.602429878085605, rel=1e-12)
    with pytest.raises(ValueError, match="0 items"):
        ndcg([], [])


def test_model_summary_gathers_parts() -> None:
    from fastexplain.compat.interpret_community.common import ModelSummary

    summary = ModelSummary()
    summary.add_from_get_model_summary("first", ([{"a": 1}], {"rows": 2}))
    summary.add_from_get_model_summary("second", ([{"b": 1}], {"rows": 3}))
    assert summary.get_artifacts() == [{"a": 1}, {"b": 1}]
    assert summary.get_metadata_dictionary() == {"first": {"rows": 2}, "second": {"rows": 3}}


def test_explainers_count_as_base_explainers() -> None:
    from fastexplain.compat.interpret_community.common.base_explainer import (
        BaseExplainer,
        GlobalExplainer,
        LocalExplainer,
    )

    explainer = fastexplain.TabularExplainer((np.ones(2), 0.0), np.zeros((3, 2)))
    assert isinstance(explainer, BaseExplainer)
    assert issubclass(fastexplain.PFIExplainer, GlobalExplainer)
    assert not issubclass(fastexplain.PFIExplainer, LocalExplainer)
    assert not issubclass(fastexplain.PFIExplainer, BaseExplainer)

    class Mine(BaseExplainer):
        def explain_global(self) -> str:  # type: ignore[override]
            return self._identity

        def explain_local(self, evaluation_examples: Any) -> Any:  # type: ignore[override]
            return evaluation_examples

    assert Mine().explain_global() == str(Mine()) == "Mine"
    assert isinstance(Mine(), BaseExplainer)
    with pytest.raises(TypeError, match="abstract"):
        GlobalExplainer()  # type: ignore[abstract]


def test_decorators_wrap_rows() -> None:
    from fastexplain.compat.interpret_community.dataset.dataset_wrapper import DatasetWrapper
    from fastexplain.compat.interpret_community.dataset.decorator import (
        init_tabular_decorator,
        tabular_decorator,
        wrap_dataset,
    )

    class Explainer:
        @init_tabular_decorator
        def __init__(self, model: Any, initialization_examples: Any, option: int = 0) -> None:
            self.examples, self.option = initialization_examples, option

        @tabular_decorator
        def explain_local(self, evaluation_examples: Any, top: int = 0) -> Any:
            return evaluation_examples, top

    explainer = Explainer(None, np.eye(3), option=4)
    assert isinstance(explainer.examples, DatasetWrapper)
    assert explainer.option == 4
    wrapped = wrap_dataset(np.ones((2, 3)))
    assert explainer.explain_local(wrapped, top=2) == (wrapped, 2)
    assert wrap_dataset(wrapped) is wrapped


def test_wrappers_are_ml_wrappers_own_where_installed(tmp_path: Path) -> None:
    package = tmp_path / "ml_wrappers"
    for folder, names in {"model": "WrappedClassificationModel WrappedPytorchModel WrappedRegressionModel _wrap_model "
                          "wrap_model", "dataset": "CustomTimestampFeaturizer"}.items():  # fmt: skip
        (package / folder).mkdir(parents=True)
        (package / folder / "__init__.py").write_text("".join(f"class {name}: pass\n" for name in names.split()))
    (package / "__init__.py").write_text("class DatasetWrapper: pass\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import fastexplain.compat.interpret_community.common.model_wrapper as models
import fastexplain.compat.interpret_community.dataset.dataset_wrapper as datasets
import ml_wrappers
assert datasets.DatasetWrapper is ml_wrappers.DatasetWrapper
print(models.wrap_model.__module__, datasets.CustomTimestampFeaturizer.__module__)
"""
    assert run_python(code).split() == ["ml_wrappers.model", "ml_wrappers.dataset"]
    (package / "__init__.py").write_text("import package_that_is_missing\n")
    with pytest.raises(AssertionError, match="package_that_is_missing"):
        run_python(code)


def test_error_metrics_are_those_to_be_small() -> None:
    from fastexplain.compat.interpret_community.permutation.metric_constants import MetricConstants, error_metrics

    assert {str(metric.value) for metric in error_metrics} == {
        "mean_absolute_error",
        "mean_squared_error",
        "mean_squared_log_error",
        "median_absolute_error",
    }
    assert MetricConstants.F1_SCORE == "f1_score"
    assert len(MetricConstants) == 11


def test_unknown_names_are_attribute_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for module in ("interpret_community", "interpret_community.mimic", "interpret_community.shap"):
            with pytest.raises(
                AttributeError, match=f"module 'fastexplain.compat.{module}' has no attribute 'Nothing'"
            ):
                ours(module).Nothing  # noqa: B018
    assert "TabularExplainer" in dir(compat)
