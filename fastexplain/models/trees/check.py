"""Is the converted forest the same function as the user's model? Asked once, when a model is loaded."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError
from fastexplain.models.agreement import agrees, disagreement
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest

__all__ = ["answers_agree", "check_conversion", "check_own_methods", "probe_rows"]

N_PROBE_ROWS = 48
# Numbers in all probe rows together: fewer rows where there are very many features.
PROBE_NUMBERS = 1 << 24
# Relative to the largest leaf sum: the libraries' own rounding (XGBoost adds thousands of leaves in float32).
TOLERANCE = {True: 2e-5, False: 1e-9}


def probe_rows(forest: Forest, n_rows: int = N_PROBE_ROWS, seed: int = 0) -> NDArray[np.float64]:
    """Rows that exercise the routing: exactly on thresholds, next to them, missing, zero, every kind of category.

    Parameters
    ----------
    forest : Forest
    n_rows, seed : int

    Returns
    -------
    float64 array of shape (n_rows, n_features), in the model's own numeric encoding
    """
    rng = np.random.default_rng(seed)
    n_rows = max(2, min(n_rows, PROBE_NUMBERS // max(1, forest.n_features)))
    X = np.zeros((n_rows, forest.n_features))
    inner = forest.children_left >= 0
    categorical = forest._categorical_nodes()
    for f in np.unique(forest.feature[inner]):
        nodes = inner & (forest.feature == f)
        if (nodes & categorical).any():
            assert forest.category_set is not None
            sets = forest.category_set[nodes & categorical]
            known = np.unique(
                np.concatenate([forest._members(s) for s in np.unique(sets)[:64]] + [np.zeros(1, np.int32)])
            )
            X[:, f] = rng.choice(known, n_rows)
            continue
        thresholds = forest.threshold[nodes]
        # scikit-learn splits "missing or not" with an infinite threshold
        thresholds = thresholds[np.isfinite(thresholds)] if np.isfinite(thresholds).any() else np.zeros(1)
        at = rng.choice(thresholds, n_rows)
        step = np.spacing(at.astype(np.float32)).astype(np.float64) if forest.float32_input else np.spacing(at)
        wide = float(np.ptp(thresholds)) or 1.0
        X[:, f] = at + rng.choice([0.0, 1.0, -1.0], n_rows) * np.where(
            rng.random(n_rows) < 0.5, step, wide * rng.random(n_rows)
        )
    if forest.float32_input and not forest.allow_inf:  # a step beyond the largest threshold may leave float32
        limit = float(np.finfo(np.float32).max)
        X = np.clip(X, -limit, limit)
    if forest.allow_nan:
        X[rng.random(X.shape) < 0.1] = np.nan
    if not np.isnan(forest.missing_value):
        X[rng.random(X.shape) < 0.1] = forest.missing_value
    if forest.zero_is_missing is not None:
        X[rng.random(X.shape) < 0.1] = 0.0
    return X


def check_conversion(model: TreeModel, X: NDArray[np.float64]) -> None:
    """Compare the forest with the library's own raw prediction on rows as `probe_rows` makes them.

    Raises
    ------
    ModelConversionError
        They differ by more than the library's own rounding; the message names the row, the output and both values.
    """
    ours = model.forest.predict(X)
    theirs = np.asarray(model.raw_predict_prepared(X), dtype=np.float64)
    found = disagreement(ours, theirs, TOLERANCE[model.forest.float32_model], floor=1.0)
    if found is not None:
        raise ModelConversionError(
            f"The converted {model.library} model does not reproduce the library's own raw prediction: {found}. Please "
            "report the model's library version and parameters."
        )


def check_own_methods(model: TreeModel, known: type, X: NDArray[np.float64]) -> None:
    """Refuse a model that a user's subclass makes predict something else than the class of the library that it extends.

    Parameters
    ----------
    model : TreeModel
    known : type
        The library's class.
    X : float64 array of shape (n_rows, n_features)
        Prepared rows to compare on.

    Raises
    ------
    ModelConversionError
        Names the method.
    """
    for name in model.explained_methods:
        own = _own_method(model.model, name, known)
        if own is None or not hasattr(known, name):
            continue
        rows = model.rows_to_predict(X)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that the rows have no names
                theirs = np.asarray(getattr(known, name)(model.model, rows))
                ours = np.asarray(own(rows))
        except Exception as error:  # whatever the user's method raises
            raise _predicts_otherwise(model.model, name, known) from error
        if not _same(ours, theirs):
            raise _predicts_otherwise(model.model, name, known)


def answers_agree(model: TreeModel) -> bool:
    """Whether `TreeModel.answers` makes of raw outputs what the library's own ``predict`` and ``predict_proba`` do.

    Asked on `probe_rows`, up to the library's own rounding.
    """
    X = probe_rows(model.forest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the rows have no names
        theirs = model.own_outputs(X)
    if theirs is None:
        return True
    raw = model.raw_predict_prepared(X)
    of_classes = model.task == "classification" and not model.is_bare
    ours = model.answers.probabilities(raw) if of_classes else model.answers.outputs(raw)
    return agrees(ours, theirs.reshape(len(X), -1), TOLERANCE[model.forest.float32_model], floor=1.0)


def _same(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    if ours.shape != theirs.shape or theirs.dtype.kind not in "fc":
        return np.array_equal(ours, theirs)
    return ours.dtype.kind in "fiub" and np.allclose(ours, theirs, rtol=1e-6, atol=1e-9, equal_nan=True)


def _own_method(model: object, name: str, known: type) -> Callable[[Any], Any] | None:
    """The method of the instance, or of a class before the library's among its bases; None if neither has it."""
    before = type(model).__mro__[: type(model).__mro__.index(known)]
    library = known.__module__.partition(".")[0]
    classes = [cls for cls in before if cls.__module__.partition(".")[0] != library]
    if name in getattr(model, "__dict__", ()) or any(name in vars(cls) for cls in classes):
        method: Callable[[Any], Any] = getattr(model, name)
        return method
    return None


def _predicts_otherwise(model: object, name: str, known: type) -> ModelConversionError:
    return ModelConversionError(
        f"{type(model).__name__} has a {name} of its own that does not reproduce {known.__name__}.{name}, so that the "
        f"trees alone do not explain it. Explain the {known.__name__} inside, or the method as a black box: "
        f"KernelExplainer(model.{name}, rows)."
    )
