"""Is the converted forest the same function as the user's model? Asked once, when a model is loaded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ModelConversionError
from fastexplain.models.trees.base import TreeModel
from fastexplain.models.trees.forest import Forest

__all__ = ["check_conversion", "probe_rows"]

N_PROBE_ROWS = 48
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


def check_conversion(model: TreeModel) -> None:
    """Compare the forest with the library's own raw prediction on `probe_rows`.

    Raises
    ------
    ModelConversionError
        They differ by more than the library's own rounding; the message names the row, the output and both values.
    """
    X = probe_rows(model.forest)
    ours = model.forest.predict(X)
    theirs = np.asarray(model.raw_predict_prepared(X), dtype=np.float64)
    if ours.shape != theirs.shape:
        raise ModelConversionError(f"Converted model has outputs {ours.shape}; {model.library} gives {theirs.shape}.")
    scale = max(1.0, float(np.abs(theirs).max(initial=0.0)))
    gap = np.abs(ours - theirs)
    tolerance = TOLERANCE[model.forest.float32_model] * scale
    if not (gap <= tolerance).all():
        row, output = np.unravel_index(int(np.nanargmax(np.where(np.isnan(gap), np.inf, gap))), gap.shape)
        raise ModelConversionError(
            f"The converted {model.library} model does not reproduce the library's own raw prediction: on probe row "
            f"{row}, output {output}, it gives {ours[row, output]!r} and the library {theirs[row, output]!r} "
            f"(tolerance {tolerance:.1e}). Please report the model's library version and parameters."
        )
