"""Models get rows in the form that they were fitted on: no other library warns through our calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import fastexplain
from fastexplain.rows.fitted import rows_as_fitted

ARRAY = np.random.default_rng(0).normal(size=(80, 4))
FRAME = pd.DataFrame(ARRAY, columns=list("abcd"))
Y = (ARRAY[:, 0] + ARRAY[:, 1] > 0).astype(int)

MODELS: dict[str, Callable[[], Any]] = {
    "linear": LogisticRegression,
    "forest": lambda: RandomForestClassifier(3),
    "hist": lambda: HistGradientBoostingClassifier(max_iter=3),
    "neighbors": KNeighborsClassifier,
    "svm": SVC,
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "pipeline of trees": lambda: make_pipeline(StandardScaler(), RandomForestClassifier(3)),
}
USES: dict[str, Callable[[Any, Any], Any]] = {
    "tabular": lambda model, X: fastexplain.TabularExplainer(model, X).explain_local(X[:3]).eval_y_predicted,
    "kernel": lambda model, X: fastexplain.KernelExplainer(model, X[:10]).explain_local(X[:2]),
    "permutation": lambda model, X: fastexplain.permutation_importance(model, X, Y),
    "pfi": lambda model, X: fastexplain.PFIExplainer(model).explain_global(X, true_labels=Y),
    "mimic": lambda model, X: fastexplain.MimicExplainer(
        model, X, fastexplain.LinearExplainableModel, fidelity=False
    ).explain_local(X[:3]),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("fitted_on", "rows"), [(FRAME, ARRAY), (ARRAY, FRAME)], ids=["array", "frame"])
def test_names_that_were_there_or_not_at_fitting_raise_no_warning(
    fitted_on: Any, rows: Any, model: str, use: str
) -> None:
    fitted = MODELS[model]().fit(fitted_on, Y)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="X (has feature names|does not have valid feature names)")
        USES[use](fitted, rows)


def test_rows_get_the_form_of_fitting() -> None:
    named, nameless = LogisticRegression().fit(FRAME, Y), LogisticRegression().fit(ARRAY, Y)
    pd.testing.assert_frame_equal(rows_as_fitted(named, ARRAY), FRAME)
    np.testing.assert_array_equal(rows_as_fitted(nameless, FRAME), ARRAY)
    assert rows_as_fitted(named, FRAME) is FRAME
    assert rows_as_fitted(nameless, ARRAY) is ARRAY
    wide = ARRAY[:, :3]
    assert rows_as_fitted(named, wide) is wide
    words = FRAME.astype(object)
    assert rows_as_fitted(nameless, words) is words
    assert rows_as_fitted(lambda rows: rows, ARRAY) is ARRAY
