"""Arguments of permutation importance, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from importance_cases import Array, data, run
from sklearn.linear_model import LinearRegression, LogisticRegression

import fastexplain


def test_bad_predictions_are_named() -> None:
    X, y = data()
    calls: list[int] = []

    def changing(Z: Array) -> Array:
        calls.append(1)
        return Z[:, :1] if len(calls) == 1 else Z[:, :2]

    def failing(Z: Array) -> Array:
        calls.append(1)
        if len(calls) > 3:
            raise KeyError("lost")
        return np.asarray(Z[:, 0])

    with pytest.raises(ValueError, match=r"<lambda> returned shape \(3,\) for 300 rows"):
        run(lambda Z: np.zeros(3), X, y)
    with pytest.raises(ValueError, match=r"<lambda> returned nan in row 0, output 0"):
        run(lambda Z: np.full(len(Z), np.nan), X, y)
    with pytest.raises(ValueError, match=r"changing returned 2 columns for \d+ rows after 1 columns"):
        run(changing, X, y)
    calls.clear()
    with pytest.raises(
        fastexplain.PredictionError, match=r"failing raised KeyError on rows of shape \(\d+, 5\) \(numpy ndarray\)"
    ) as caught:
        run(failing, X, y, chunk_bytes=4000)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ValueError, match=r"<lambda> returned a .* that does not hold numbers"):
        run(lambda Z: np.array(["a"] * len(Z)), X, y)


def test_bad_arguments_are_named() -> None:
    X, y = data()
    model = LinearRegression().fit(X, y)
    for message, options in {
        r"n_repeats must be a positive whole number; got 0": {"n_repeats": 0},
        r"Metric 'mse' is unknown\. Known: accuracy": {"metrics": "mse"},
        r"groups: no column is named 'z'": {"groups": {"g": ["z"]}},
        r"groups: column 9 does not exist; X has 5 columns": {"groups": [[9]]},
        r"column 'x1' is in 'x0, x1' and in 'x1, x2'": {"groups": [[0, 1], [1, 2]]},
        r"group 'g' has no columns": {"groups": {"g": []}},
        r"sample_weight has shape \(3,\); expected \(300,\)": {"sample_weight": [1, 2, 3]},
        r"sample_weight must be finite": {"sample_weight": -np.ones(300)},
        r"needs predict_proba, and LinearRegression has only predict": {"metrics": "neg_log_loss"},
        r"max_samples=1 leaves 1 of 300 rows": {"max_samples": 1},
        r"max_samples=301 is more than the 300 rows": {"max_samples": 301},
        r"seed must be a whole number": {"seed": -1},
        r"confidence_level must lie between 0 and 1": {"confidence_level": 95},
    }.items():
        with pytest.raises(ValueError, match=message):
            run(model, X, y, **options)
    with pytest.raises(ValueError, match=r"y has shape \(299,\); X has 300 rows"):
        run(model, X, y[1:])
    with pytest.raises(ValueError, match=r"y is missing in 1 places, first in row 2"):
        run(model, X, np.where(np.arange(300) == 2, np.nan, y))
    with pytest.raises(TypeError, match=r"model must be a fitted model with predict, or a function"):
        run(3, X, y)
    with pytest.raises(ValueError, match=r"X has shape \(300,\)"):
        run(model, X[:, 0], y)
    classifier = LogisticRegression().fit(X, np.digitize(y, [-1, 1]))
    with pytest.raises(ValueError, match=r"defined for two classes; y and the model have 3.*_macro"):
        run(classifier, X, np.digitize(y, [-1, 1]), metrics="f1")
    with pytest.raises(ValueError, match="Use 'roc_auc_ovr'"):
        run(classifier, X, np.digitize(y, [-1, 1]), metrics="roc_auc")


def test_some_columns_have_the_importances_of_a_full_call() -> None:
    rng = np.random.Generator(np.random.Philox(4))
    X = rng.normal(size=(200, 4))
    y = X @ [1.0, 2.0, 0.0, -1.0]

    def predict(rows: Any) -> Any:
        return rows @ [1.0, 2.0, 0.0, -1.0]

    full = fastexplain.permutation_importance(predict, X, y, metrics="r2")
    part = fastexplain.permutation_importance(predict, X, y, metrics="r2", columns=[3, "x1"])
    assert part.feature_names == ["x3", "x1"]
    assert np.array_equal(part.importances, full.importances[[3, 1]])
    assert np.array_equal(part.standard_errors, full.standard_errors[[3, 1]])


def test_columns_named_twice_or_beside_groups_are_refused() -> None:
    X = np.eye(5)
    with pytest.raises(ValueError, match="none twice"):
        fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], columns=[1, 1])
    with pytest.raises(ValueError, match="columns: column 7 does not exist"):
        fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], columns=[7])
    with pytest.raises(ValueError, match="groups or columns, not both"):
        fastexplain.permutation_importance(lambda rows: rows[:, 0], X, X[:, 0], columns=[1], groups=[[0, 1]])


def test_a_narrow_table_is_predicted_in_steps() -> None:
    """One call would let the bar jump from 0 to 100%; the steps are by number of rows, which changes no bits."""
    rows = np.random.default_rng(0).normal(size=(4000, 8))
    sizes: list[int] = []

    def predict(batch: Any) -> Any:
        sizes.append(len(batch))
        return batch[:, 0] * batch[:, 1]

    y = rows[:, 0] * rows[:, 1]
    result = fastexplain.permutation_importance(predict, rows, y, metrics="r2")
    assert len(sizes) > 16
    assert max(sizes) == 4000 * 8 * result.importances.shape[1] // 16
