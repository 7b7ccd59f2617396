"""`install_as`: other packages' import names for ours. Each test has an interpreter of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import run_python

import fastexplain


def printed(code: str, **environment: str) -> list[str]:
    return run_python(f"import sys, fastexplain\n{code}", **environment).split()


def test_unmodified_imports_give_the_same_objects() -> None:
    code = """
fastexplain.install_as("interpret_community")
import interpret_community.common.constants as c
from interpret_community import TabularExplainer
from interpret_community.shap import kernel_explainer, TreeExplainer
from interpret_community.shap.kernel_explainer import KernelExplainer
import interpret_community.shap.linear_explainer
import fastexplain.compat.interpret_community as ours
from fastexplain.compat.interpret_community.common.constants import ModelTask
assert TabularExplainer is fastexplain.TabularExplainer is interpret_community.TabularExplainer
assert KernelExplainer is fastexplain.KernelExplainer is kernel_explainer.KernelExplainer
assert TreeExplainer is fastexplain.TreeExplainer
assert c.ModelTask is ModelTask
assert interpret_community is ours and sys.modules["interpret_community.shap"] is ours.shap
assert interpret_community.shap.linear_explainer.LinearExplainer is fastexplain.LinearExplainer
"""
    assert printed(code) == []


def test_order_of_the_two_names_does_not_matter() -> None:
    code = """
import fastexplain.compat.interpret_community.common.policy as before
fastexplain.install_as("interpret_community")
import interpret_community.common.policy as policy
import interpret_community.common.exception as exception
import fastexplain.compat.interpret_community.common.exception as after
assert policy is before and exception is after
print(policy.__name__, policy.__spec__.name, policy.__spec__.loader.__class__.__name__)
"""
    name = "fastexplain.compat.interpret_community.common.policy"
    assert printed(code) == [name, name, "SourceFileLoader"]


def test_pickles_hold_our_own_names() -> None:
    code = """
fastexplain.install_as("interpret_community")
import pickle, subprocess
from interpret_community.common.policy import SamplingPolicy
data = pickle.dumps(SamplingPolicy(True))
load = f"import pickle, sys; print(pickle.loads({data!r}).allow_eval_sampling, 'interpret_community' in sys.modules)"
print(b"interpret_community" in data, subprocess.check_output([sys.executable, "-c", load], text=True))
"""
    assert printed(code) == ["False", "True", "False"]


def test_a_second_call_changes_nothing() -> None:
    code = """
first = fastexplain.install_as("interpret_community")
n = len(sys.meta_path)
import interpret_community.common
assert fastexplain.install_as("interpret_community") is first is interpret_community
assert len(sys.meta_path) == n
"""
    assert printed(code) == []


def test_shap_is_supported_too() -> None:
    code = """
fastexplain.install_as("shap")
fastexplain.install_as("interpret_community")
import shap, shap.maskers
from shap import KernelExplainer
import interpret_community
print(shap.__name__, shap.maskers.Independent.__module__, KernelExplainer.__module__)
"""
    names = ["fastexplain.compat.shap", "fastexplain.compat.shap.maskers", "fastexplain.compat.shap.explainers._kernel"]
    assert printed(code) == names


@pytest.fixture
def real_package(tmp_path: Path) -> Path:
    (tmp_path / "interpret_community").mkdir()
    (tmp_path / "interpret_community" / "__init__.py").write_text("REAL = True\n")
    (tmp_path / "interpret_community" / "part.py").write_text("")
    return tmp_path


def test_an_installed_package_is_hidden_and_comes_back(real_package: Path) -> None:
    code = f"""
sys.path.insert(0, {str(real_package)!r})
from fastexplain.compat.install import uninstall
fastexplain.install_as("interpret_community")
import interpret_community, interpret_community.common.policy
assert not hasattr(interpret_community, "REAL")
try:
    import interpret_community.part
except ModuleNotFoundError as error:
    print(error.name)
uninstall("interpret_community")
uninstall("interpret_community")
assert not [name for name in sys.modules if name.startswith("interpret_community")]
import interpret_community, interpret_community.part
print(interpret_community.REAL)
"""
    assert printed(code) == ["interpret_community.part", "True"]


def test_a_package_that_is_imported_already_is_refused_unless_forced(real_package: Path) -> None:
    code = f"""
sys.path.insert(0, {str(real_package)!r})
import interpret_community.part
try:
    fastexplain.install_as("interpret_community")
except RuntimeError as error:
    print(error)
assert sys.modules["interpret_community"] is interpret_community
fastexplain.install_as("interpret_community", force=True)
assert "interpret_community.part" not in sys.modules
from interpret_community import TabularExplainer
assert TabularExplainer is fastexplain.TabularExplainer
"""
    message = run_python(f"import sys, fastexplain\n{code}")
    assert "interpret_community is already imported, from" in message
    assert str(real_package) in message
    assert "force=True" in message


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"no package 'interpret'; expected one of 'azureml.*', 'interpret_c.*', 'shap'"
    ):
        fastexplain.install_as("interpret")


def test_missing_submodules_are_module_not_found_errors() -> None:
    code = """
fastexplain.install_as("interpret_community")
for name in ("interpret_community.nothing", "interpret_community.tabular_explainer.nothing"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        print(error.name)
"""
    assert printed(code) == ["interpret_community.nothing", "interpret_community.tabular_explainer.nothing"]


def test_threads_that_install_and_import_agree() -> None:
    code = """
import threading, importlib
import fastexplain.explainers.tree  # CPython may see a deadlock where a package imports its own modules
names = ["common.constants", "common.policy", "common.metrics", "shap.tree_explainer", "widget", "version"]
start, failures = threading.Barrier(12), []
def work(i):
    start.wait()
    try:
        fastexplain.install_as("interpret_community")
        for k in range(len(names)):
            name = names[(i + k) % len(names)]
            prefix = "interpret_community" if i % 2 else "fastexplain.compat.interpret_community"
            importlib.import_module(f"{prefix}.{name}")
    except BaseException as error:
        failures.append(repr(error))
threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
[t.start() for t in threads]
[t.join(60) for t in threads]
assert not failures, failures
for name in names:
    assert sys.modules[f"interpret_community.{name}"] is sys.modules[f"fastexplain.compat.interpret_community.{name}"]
print(sum(type(finder).__name__ == "_Aliases" for finder in sys.meta_path))
"""
    assert printed(code) == ["1"]


def test_example_is_true() -> None:
    code = "import doctest, fastexplain.compat.install as m; print(*doctest.testmod(m))"
    assert run_python(code).split() == ["0", "4"]


def test_entry_points_of_the_old_package_lead_to_ours(tmp_path: Path) -> None:
    info = tmp_path / "interpret_community-0.32.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: interpret-community\nVersion: 0.32.0\n")
    points = "[interpret_ext_blackbox]\nOldTabularExplainer = interpret_community:TabularExplainer\n"
    (info / "entry_points.txt").write_text(points + "OldPFIExplainer = interpret_community.permutation:PFIExplainer\n")
    code = f"""
sys.path.insert(0, {str(tmp_path)!r})
fastexplain.install_as("interpret_community")
from interpret.ext.blackbox import OldPFIExplainer, OldTabularExplainer
assert OldTabularExplainer is fastexplain.TabularExplainer
assert OldPFIExplainer is fastexplain.PFIExplainer
"""
    assert printed(code) == []
