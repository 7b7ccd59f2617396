"""Other packages' import names for our modules, so that code written against them runs as it is."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

__all__ = ["install_as", "installed_package", "uninstall"]

# name that code imports -> our package behind it
_PACKAGES = {
    "azureml.contrib.interpret": "fastexplain.compat.azureml_interpret",
    "azureml.interpret": "fastexplain.compat.azureml_interpret",
    "interpret_community": "fastexplain.compat.interpret_community",
    "shap": "fastexplain.compat.shap",
}
# Name that is asked for -> the names that are taken over with it.
_TOGETHER = {"azureml.interpret": ("azureml.contrib.interpret", "azureml.interpret")}

# Packages whose modules that we have not got are found in the one that is installed.
_HANDED_OVER = ("shap",)
_INSTALLED = "installed"
_ABOVE = "above"


class _Aliases(MetaPathFinder, Loader):
    """Finds ``<alias>.<rest>`` as ``<our package>.<rest>``: one module object under two names."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def ours(self, fullname: str) -> str | None:
        """Our module's name behind an alias, or None for names that are not aliases."""
        for alias, package in self.names.items():
            if fullname == alias:
                return package
            if fullname.startswith(f"{alias}."):
                return f"{package}.{fullname.removeprefix(f'{alias}.')}"
        return None

    def is_above(self, fullname: str) -> bool:
        """Whether the name is a package that an alias lies in, and that is not installed."""
        above = any(alias.startswith(f"{fullname}.") for alias in self.names)
        if not above:
            return False
        parent, _, _ = fullname.rpartition(".")
        path = getattr(sys.modules[parent], "__path__", None) if parent in sys.modules else None
        return PathFinder.find_spec(fullname, None if not parent else list(path or [])) is None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        ours = self.ours(fullname)
        if ours is None:
            return ModuleSpec(fullname, self, loader_state=_ABOVE, is_package=True) if self.is_above(fullname) else None
        if fullname in self.names:
            return ModuleSpec(fullname, self, is_package=True)
        # the import system gives the path of the parent, which is the other package's where it lies in one
        path = getattr(sys.modules.get(ours.rpartition(".")[0]), "__path__", path)
        # `path` is that of our parent package. Nothing may be imported here: the import system holds its global lock,
        # and another thread may hold a module's lock and wait for it.
        found = PathFinder.find_spec(ours, path)
        if found is None:
            theirs = _place_in_installed(fullname) is not None
            return ModuleSpec(fullname, self, loader_state=_INSTALLED) if theirs else None
        spec = ModuleSpec(fullname, self)
        # so that another thread finds sub-modules while this one loads the package
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None  # an empty module, which exec_module replaces

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None and module.__spec__.loader_state == _ABOVE:
            return  # it only holds what lies in it
        ours = self.ours(module.__name__)
        if ours is None:  # uninstalled between find and load
            raise ModuleNotFoundError(f"No module named {module.__name__!r}", name=module.__name__)
        if module.__spec__ is not None and module.__spec__.loader_state == _INSTALLED:
            alias, _, rest = module.__name__.partition(".")
            installed = installed_package(alias)
            ours = f"{installed.__name__ if installed else alias}.{rest}"
        # The import system takes what stands in sys.modules afterwards, and leaves our module's own __spec__ alone.
        sys.modules[module.__name__] = importlib.import_module(ours)


_aliases = _Aliases()
_lock = threading.RLock()  # importing the other package may import what asks for it


def install_as(name: str, *, force: bool = False) -> ModuleType:
    """Let ``import name`` give our drop-in of that package, in this process.

    Every sub-module is there under its old name, and is the same module object as under ours, so classes are the same
    objects and pickles hold our own names. Call it before anything imports the package; a second call changes nothing.
    An installed package of that name is left as it is on disk, and hidden; modules of shap's that we have not got are
    those of the shap that is installed.

    Parameters
    ----------
    name : {"interpret_community", "shap", "azureml.interpret"}
        With the last one comes ``azureml.contrib.interpret``, its former name. Other packages of ``azureml`` stay as
        they are.
    force : bool, default False
        Take over although the other package is imported already: its modules are dropped from ``sys.modules``. Code
        that holds them, or objects of their classes, keeps them.

    Returns
    -------
    module
        What ``import name`` gives from now on.

    Raises
    ------
    ValueError
        There is no drop-in of that name; the message lists those that exist.
    RuntimeError
        The other package is imported already, and `force` is False.

    Examples
    --------
    >>> import fastexplain
    >>> package = fastexplain.install_as("interpret_community")
    >>> from interpret_community.common.constants import ModelTask
    >>> ModelTask is fastexplain.ModelTask
    True
    """
    if name not in _PACKAGES:
        known = ", ".join(repr(known) for known in sorted(_PACKAGES) if known != "azureml.contrib.interpret")
        raise ValueError(f"install_as knows no package {name!r}; expected one of {known}.")
    for together in _TOGETHER.get(name, (name,)):
        ours = _install(together, force)
    return ours


def _install(name: str, force: bool) -> ModuleType:
    ours = importlib.import_module(_PACKAGES[name])
    with _lock:
        loaded = sys.modules.get(name)
        if loaded is not None and loaded is not ours:
            if not force:
                place = getattr(loaded, "__file__", None) or "an unknown place"
                raise RuntimeError(
                    f"{name} is already imported, from {place}. Call fastexplain.install_as({name!r}) before the first "
                    "import of it, or pass force=True to take over from here on."
                )
            _drop_modules(name)
        _aliases.names[name] = _PACKAGES[name]
        if _aliases not in sys.meta_path:
            sys.meta_path.insert(0, _aliases)  # before the finder of installed packages
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(importlib.import_module(parent), last, ours)
        sys.modules[name] = ours
    return ours


def uninstall(name: str) -> None:
    """Undo `install_as`: later imports of `name` find what is installed. Does nothing if it was not installed."""
    with _lock:
        for together in _TOGETHER.get(name, (name,)):
            if _aliases.names.pop(together, None) is not None:
                _drop_modules(together)


def installed_package(name: str) -> ModuleType | None:
    """The other package of that name, as it is on disk, whether `install_as` has taken its name over or not.

    Parameters
    ----------
    name : str

    Returns
    -------
    module or None
        None where it is not installed. While its name is ours, it is imported as ``_installed_<name>``.
    """
    with _lock:
        if name not in _aliases.names:
            known = name in sys.modules or PathFinder.find_spec(name) is not None
            return importlib.import_module(name) if known else None
        other = f"_installed_{name}"
        if other not in sys.modules:
            spec = PathFinder.find_spec(name)
            if spec is None or spec.origin is None:
                return None
            _load_beside(name, other, spec)
        return sys.modules[other]


def _place_in_installed(fullname: str) -> ModuleSpec | None:
    """Where the installed package has a module that ours has not got; nothing is imported."""
    alias, *parts = fullname.split(".")
    spec = PathFinder.find_spec(alias) if alias in _HANDED_OVER else None
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    return spec


def _load_beside(name: str, other: str, spec: ModuleSpec) -> None:
    """Import a package under another name; what it imports of itself by its own name is found there too."""
    beside = spec_from_file_location(other, spec.origin, submodule_search_locations=spec.submodule_search_locations)
    assert beside is not None
    assert beside.loader is not None
    module = module_from_spec(beside)
    ours = {key: module for key, module in sys.modules.items() if key == name or key.startswith(f"{name}.")}
    package = _aliases.names[name]
    _drop_modules(name)
    _aliases.names[name] = other
    sys.modules[name] = sys.modules[other] = module
    try:
        beside.loader.exec_module(module)
    except BaseException:
        _drop_modules(other)
        raise
    finally:
        _drop_modules(name)
        _aliases.names[name] = package
        sys.modules.update(ours)


def _drop_modules(name: str) -> None:
    for module in [module for module in list(sys.modules) if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]
