"""What shap's TreeExplainer takes: models, rows, limits."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap._inputs import is_frame, masked_background
from fastexplain.compat.shap.explainers._function import MAX_SAMPLES
from fastexplain.engine.background import Background
from fastexplain.exceptions import BackgroundWarning, UnsupportedModelError
from fastexplain.models import TreeModel, load_model
from fastexplain.models.class_registry import class_names
from fastexplain.models.trees.sklearn_isolation import load_isolation_paths

__all__ = [
    "all_background",
    "covered_by",
    "is_isolation_forest",
    "labels_of",
    "limited",
    "loaded",
    "perturbation",
    "rows_as_named",
    "without_dmatrix",
]

_PERTURBATIONS = ("auto", "interventional", "tree_path_dependent")


def loaded(model: Any) -> TreeModel:
    """The model's trees; of an IsolationForest, whose score is no sum of them, those of the mean path length.

    Raises
    ------
    InvalidModelError
        There are none that are supported.
    """
    try:
        if is_isolation_forest(model):
            return load_isolation_paths(model)
        return load_model(model)
    except UnsupportedModelError as error:
        from fastexplain.compat.shap.utils._exceptions import InvalidModelError

        raise InvalidModelError(f"Model type not yet supported by TreeExplainer: {error}") from error


def is_isolation_forest(model: Any) -> bool:
    """Whether a model is scikit-learn's IsolationForest."""
    return class_names(model)[0] == "sklearn.ensemble._iforest.IsolationForest"


def perturbation(given: str, data: Any) -> str:
    """How features are hidden, "interventional" or "tree_path_dependent".

    Raises
    ------
    InvalidFeaturePerturbationError
        There is no such way.
    """
    if given not in _PERTURBATIONS:
        from fastexplain.compat.shap.utils._exceptions import InvalidFeaturePerturbationError

        raise InvalidFeaturePerturbationError(f"feature_perturbation must be one of {_PERTURBATIONS}; got {given!r}.")
    if given == "interventional" and data is None:
        warnings.warn(
            "In the future, passing feature_perturbation='interventional' without background rows will be an error. "
            "Hidden features follow the trees' covers now ('tree_path_dependent'): pass data, or "
            "feature_perturbation='auto'.",
            FutureWarning,
            stacklevel=4,
        )
        return "tree_path_dependent"
    if given == "auto":
        return "tree_path_dependent" if data is None else "interventional"
    return given


def all_background(data: Any) -> Background:
    """All background rows, with a warning where shap would keep some of them."""
    background = masked_background(data, None)
    n_rows = len(background.weights)
    if n_rows > MAX_SAMPLES and not hasattr(data, "max_samples"):
        warnings.warn(
            f"All {n_rows} background rows are used, where shap keeps a sample of {MAX_SAMPLES} of them: its values "
            f"differ. Pass shap.sample(data, {MAX_SAMPLES}) for them.",
            BackgroundWarning,
            stacklevel=4,
        )
    return background


def rows_as_named(rows: Any, trees: TreeModel) -> Any:
    """Rows under the names that the model knows: where a table's are others, it is read by position, with a warning."""
    known = trees.feature_names
    if known is None or not is_frame(rows) or len(known) != rows.shape[1]:
        return rows
    names = list(rows.columns)
    if not all(isinstance(name, str) for name in names):
        return rows
    # LightGBM writes an underscore for a space
    unknown = [name for name in names if name not in known and name.replace(" ", "_") not in known]
    if not unknown:
        return rows
    at = names.index(unknown[0])
    warnings.warn(
        f"The model was not fitted on columns of these names: they are read by position, as in shap. {unknown[0]!r} "
        f"is read as {known[at]!r}.",
        UserWarning,
        stacklevel=4,
    )
    return rows.set_axis(list(known), axis=1)


def without_dmatrix(X: Any) -> Any:
    """The cells of an xgboost.DMatrix, NaN where nothing is stored; anything else as it is."""
    if not hasattr(X, "get_data") or not hasattr(X, "num_row"):
        return X
    stored = X.get_data().tocoo()
    cells = np.full(stored.shape, np.nan, dtype=stored.dtype)
    cells[stored.row, stored.col] = stored.data
    return cells


def covered_by(trees: TreeModel, rows: Any, weights: NDArray[np.float64]) -> TreeModel:
    """The same model, with covers from background rows."""
    recounted = copy.copy(trees)
    prepared = trees.prepare(trees.dense(rows))
    recounted.forest = trees.forest.covered_by(prepared, weights)
    return recounted


def labels_of(y: Any, trees: TreeModel) -> NDArray[np.float64]:
    """Labels as numbers: of two classes 0 and 1, as they are or by the model's classes."""
    labels = np.atleast_1d(np.asarray(y))
    if trees.task == "classification" and not np.isin(labels, (0, 1)).all():
        known = list(trees.classes or ())
        if not np.isin(labels, known).all():
            raise ValueError(f"y holds labels other than 0 and 1, or those of the model, {known}.")
        labels = labels == known[-1]
    return labels.astype(np.float64)


def limited(trees: TreeModel, tree_limit: int) -> TreeModel:
    """The model of the first trees alone; of LightGBM, which counts rounds, of the first rounds."""
    forest = trees.forest
    if trees.library == "LightGBM" and forest.n_leaf_outputs < forest.n_outputs:
        tree_limit *= forest.n_outputs
    first = copy.copy(trees)
    first.forest = forest.first_trees(tree_limit)
    return first
