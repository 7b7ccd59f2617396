"""Finds the loader of a fitted model by the dotted names of its classes, importing no library until one is needed.

A library is one file with a `TreeModel` and a ``load`` function, and one `register` line here, or anywhere else before
its first model is explained.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.class_registry import ClassRegistry, Match, class_names, imported
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.check import check_conversion, check_own_methods, probe_rows
from fastexplain.models.trees.forest import Forest
from fastexplain.rows.fitted import rows_as_fitted
from fastexplain.rows.matrix import with_pandas_categories

__all__ = [
    "is_bare",
    "load_model",
    "read_model_file",
    "readable_files",
    "register",
    "register_file",
    "rows_for_library",
    "tree_match",
]


@dataclass(frozen=True)
class _Library:
    """How models of some classes are loaded.

    Attributes
    ----------
    loader : str
        "module:function" that turns a model into a `TreeModel`.
    library : str
        As messages give it.
    bare : bool
        The model has none of scikit-learn's methods.
    refused : bool
        The loader only raises, with the reason: explainers take another way.
    pandas_categories : bool
        Of tables, the library reads the categories of pandas only.
    """

    loader: str
    library: str
    bare: bool = False
    refused: bool = False
    pandas_categories: bool = False


_LIBRARIES: ClassRegistry[_Library] = ClassRegistry()

# suffix -> name of the library, and "module:function" from a path to the library's model
_FILES: dict[str, tuple[str, str]] = {}

# Kinds of model that are no trees, or not loaded yet, for the message of UnsupportedModelError.
_EXPLAINED_BY: ClassRegistry[str] = ClassRegistry(
    {
        "catboost.": "KernelExplainer, as a black box, until CatBoost's trees can be loaded",
        "keras.": "DeepExplainer (DeepLIFT)",
        "sklearn.linear_model.": "LinearExplainer (linear SHAP)",
        "torch.nn.": "DeepExplainer (DeepLIFT)",
    }
)

# What to explain in place of models that wrap one.
_WRAPPED: ClassRegistry[str] = ClassRegistry(
    {
        "sklearn.model_selection.": " Explain the model inside: best_estimator_.",
        "sklearn.pipeline.": " TabularExplainer(model, rows) explains pipelines, by their last step where that can be.",
    }
)


def register(
    name: str,
    loader: str,
    library: str | None = None,
    *,
    bare: bool = False,
    refused: bool = False,
    pandas_categories: bool = False,
) -> None:
    """Say which function loads the models of a class.

    Parameters
    ----------
    name : str
        Dotted name of the class, ``"xgboost.core.Booster"``, or a prefix of such names that ends with a dot.
    loader : str
        ``"fastexplain.models.trees.xgboost:load"``: a function from a fitted model to a `TreeModel`.
    library : str, optional
        As messages give it; default: the first part of `name`.
    bare : bool, default False
        The models have none of scikit-learn's methods, as a Booster: predictions are made of their raw output.
    refused : bool, default False
        The function raises `UnsupportedModelError` with the reason, and explainers that choose by themselves do not
        choose trees.
    pandas_categories : bool, default False
        Of tables, the library's ``predict`` reads columns of category type from pandas only: it gets other tables that
        have such columns as pandas tables.
    """
    library = library or name.partition(".")[0]
    _LIBRARIES.register(name, _Library(loader, library, bare, refused, pandas_categories))


def register_file(suffix: str, library: str, reader: str) -> None:
    """Say which function reads model files of a suffix, for the command line.

    Parameters
    ----------
    suffix : str
        With its dot, in lower case.
    library : str
        As messages give it.
    reader : str
        ``"fastexplain.models.trees.xgboost:read_file"``: a function from a `pathlib.Path` to the library's own model,
        which raises a ValueError that names the file where it is damaged.
    """
    _FILES[suffix] = (library, reader)


_SKLEARN = "fastexplain.models.trees.sklearn_trees:load"
_HIST = "fastexplain.models.trees.sklearn_hist:load"
_LIGHTGBM = "fastexplain.models.trees.lightgbm:load"
_XGBOOST = "fastexplain.models.trees.xgboost:load"

register("lightgbm.basic.", _LIGHTGBM, "LightGBM", bare=True, pandas_categories=True)
register("lightgbm.sklearn.", _LIGHTGBM, "LightGBM", pandas_categories=True)
register("sklearn.ensemble._bagging.", _SKLEARN, "scikit-learn", refused=True)
register("sklearn.ensemble._forest.", _SKLEARN, "scikit-learn")
register("sklearn.ensemble._gb.", _SKLEARN, "scikit-learn")
register("sklearn.ensemble._hist_gradient_boosting.", _HIST, "scikit-learn")
register("sklearn.ensemble._iforest.", _SKLEARN, "scikit-learn", refused=True)
register("sklearn.ensemble._stacking.", _SKLEARN, "scikit-learn", refused=True)
register("sklearn.ensemble._voting.", _SKLEARN, "scikit-learn", refused=True)
register("sklearn.ensemble._weight_boosting.", _SKLEARN, "scikit-learn", refused=True)
register("sklearn.tree._classes.", _SKLEARN, "scikit-learn")
register("xgboost.core.", _XGBOOST, "XGBoost", bare=True, pandas_categories=True)
register("xgboost.sklearn.", _XGBOOST, "XGBoost", pandas_categories=True)

register_file(".txt", "LightGBM", "fastexplain.models.trees.lightgbm:read_file")
register_file(".json", "XGBoost", "fastexplain.models.trees.xgboost:read_file")
register_file(".ubj", "XGBoost", "fastexplain.models.trees.xgboost:read_file")


def load_model(model: Any, *, check: bool = True) -> TreeModel:
    """Convert a fitted model and check the result against the library's own raw prediction.

    The result is a snapshot: a model that is fitted again, or otherwise changed, must be loaded again.

    Parameters
    ----------
    model : object
        A fitted scikit-learn, LightGBM or XGBoost tree model, or a `TreeModel` (returned as it is).
    check : bool, default True
        Compare with the library's own prediction on probe rows built from the model's own thresholds.

    Returns
    -------
    TreeModel

    Raises
    ------
    UnsupportedModelError
        No loader knows the class, or the model uses an option that is not supported; the message says which.
    ModelConversionError
        The converted model and the library disagree, a subclass of a library's class predicts otherwise, or the model
        is damaged.
    """
    if isinstance(model, TreeModel):
        return model
    found = _LIBRARIES.match(model)
    if found is None:
        raise UnsupportedModelError(_unsupported(model))
    tree_model: TreeModel = imported(found.value.loader)(model)
    tree_model.is_bare = found.value.bare
    if check:
        forest = tree_model.forest
        known = _agreeing.rows(forest)
        rows = probe_rows(forest) if known is None else known
        try:
            if known is None:
                check_conversion(tree_model, rows)
                _agreeing.keep(forest, rows)
        finally:  # a subclass's own method may be why they differ, and says more
            check_own_methods(tree_model, found.cls, rows)
    return tree_model


class _Agreeing:
    """The forest that was last found to agree with its library, and the rows it was asked about.

    Loaders give a forest for a second time only for the same bytes of a model (XGBoost's), which the library would be
    asked about again.
    """

    def __init__(self) -> None:
        self._kept: tuple[weakref.ref[Forest], NDArray[np.float64]] | None = None

    def rows(self, forest: Forest) -> NDArray[np.float64] | None:
        kept = self._kept
        return kept[1] if kept is not None and kept[0]() is forest else None

    def keep(self, forest: Forest, rows: NDArray[np.float64]) -> None:
        self._kept = weakref.ref(forest), rows


_agreeing = _Agreeing()


def tree_match(model: Any) -> Match[_Library] | None:
    """The registered name that fits a model whose trees can be explained; None for any other model."""
    found = _LIBRARIES.match(model)
    return None if found is None or found.value.refused else found


def is_bare(model: Any) -> bool:
    """Whether a model is one of trees that has none of scikit-learn's methods, as a Booster."""
    found = _LIBRARIES.find(model)
    return found is not None and found.bare


def rows_for_library(model: Any, rows: Any) -> Any:
    """Rows for a model's own methods, in the form that it was fitted on, with categories as its library reads them."""
    if model is None:
        return rows
    rows = rows_as_fitted(model, rows)
    if not hasattr(rows, "columns"):
        return rows
    found = _LIBRARIES.find(model)
    return with_pandas_categories(rows) if found is not None and found.pandas_categories else rows


def readable_files() -> dict[str, str]:
    """Suffix of a model file -> the library that writes it."""
    return {suffix: library for suffix, (library, _) in _FILES.items()}


def read_model_file(path: Path) -> Any:
    """Read a library's own model file, by its suffix, after checking it for damage.

    Returns
    -------
    object
        The library's own model.

    Raises
    ------
    ValueError
        The suffix is not one of `readable_files`, or the file is damaged: a `ModelConversionError` says where.
    UnsupportedModelError
        The model uses an option that is not supported.
    MissingDependencyError
        The library is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _FILES:
        raise ValueError(f"{path}: expected a file ending in one of {', '.join(_FILES)}.")
    return imported(_FILES[suffix][1])(path)


def _unsupported(model: Any) -> str:
    name, instead, method = class_names(model)[0], _WRAPPED.find(model) or "", _EXPLAINED_BY.find(model)
    if method is not None:
        return f"{name} is not a supported tree model. It is explained by {method}.{instead}"
    others = sorted({each.library for each in _LIBRARIES.values()} - {"scikit-learn"})
    return (
        f"{name} is not a supported tree model. Supported: scikit-learn decision trees, forests and gradient "
        f"boosting, {', '.join(others)}. Any other model with predict is explained by KernelExplainer (Kernel SHAP)."
        f"{instead}"
    )
