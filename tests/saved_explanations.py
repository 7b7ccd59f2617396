"""Explanations of every kind, for the tests of files, and what it means that two are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse

from fastexplain.explanation import (
    Explanation,
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    PermutationExplanation,
    SparseLocalExplanation,
)
from fastexplain.explanation.numbers.fidelity import FidelityReport

N_ROWS = 6
NAMES = ["age", "b.m.i", "größe"]
CLASSES = ["a", "b", "c"]
_random = np.random.default_rng(0)
ONE = _random.normal(size=(N_ROWS, 3, 1))
THREE = _random.normal(size=(N_ROWS, 3, 3))
ROWS = _random.normal(size=(N_ROWS, 3))
ROWS[0, 0], ROWS[1, 1], ROWS[2, 2] = np.nan, np.inf, -np.inf
STORED = scipy.sparse.csr_matrix(np.where(_random.random((N_ROWS, 3)) < 0.5, ONE[..., 0], 0.0))
NOTHING = scipy.sparse.csr_matrix((N_ROWS, 3))
FRAME = pd.DataFrame(
    {
        "age": [1, 2, 3, 4, 5, 6],
        "b.m.i": pd.Categorical(list("xyxyxy"), categories=["y", "x"], ordered=True),
        "größe": pd.date_range("2020-02-28", periods=N_ROWS),
    }
)
MIXED = np.array([["p", 1.5, None], ["q", np.nan, True]] * 3, dtype=object)
MEMBERS = (
    *("id", "method", "path", "units", "model_task", "model_type", "model_id", "features", "num_features", "is_raw"),
    *("is_engineered", "classes", "num_classes", "base_values", "expected_values", "fidelity", "is_local_sparse"),
    *("num_examples", "local_importance_values", "global_importance_values", "global_importance_rank"),
    *("per_class_values", "per_class_rank", "eval_y_predicted", "eval_y_predicted_proba", "init_data", "eval_data"),
    *("importances", "metric", "baseline_score"),
)
RANKED = (
    *("get_local_importance_rank", "get_ranked_local_names", "get_ranked_local_values", "get_ranked_global_names"),
    *("get_ranked_global_values", "get_feature_importance_dict", "get_ranked_per_class_names"),
    "get_ranked_per_class_values",
)
ARRAYS = ("values", "standard_errors", "_importances", "importance_errors", "_init_data", "_eval_data")


def predictions() -> tuple[Any, Any]:
    return np.array(list("abcabc")), np.full((N_ROWS, 3), 1 / 3)


def regression(**context: Any) -> LocalExplanation:
    return LocalExplanation(ONE, [7.0], features=NAMES, **context)


def three_classes(**context: Any) -> LocalExplanation:
    return LocalExplanation(THREE, [0.1, 0.2, np.nan], features=NAMES, classes=CLASSES, **context)


MAKERS: dict[str, Callable[[], Explanation]] = {
    "regression": lambda: regression(eval_data=ROWS, init_data=ROWS[:2], is_raw=True, model_id="m7"),
    "regression_global": lambda: regression(eval_data=ROWS, predict=lambda: (ROWS[:, 1], None)).to_global(),
    "regression_row": lambda: LocalExplanation(ONE[:1], [7.0], single_row=True, eval_data=ROWS[0]),
    "several_outputs": lambda: LocalExplanation(THREE, [1, 2, 3], predict=lambda: (ROWS, None)).to_global(),
    "binary_margin": lambda: LocalExplanation(
        ONE, [0.25], classes=["no", "yes"], units="margin", path="odd_gp", method="shap_tree"
    ).to_global(),
    "binary_row": lambda: LocalExplanation(ONE[:1], [0.25], classes=[0, 1], single_row=True, eval_data=ROWS[:1]),
    "binary_both": lambda: LocalExplanation(THREE[..., :2], [0.25, 0.75], classes=[0, 1]),
    "classes_global": lambda: three_classes(predict=predictions, standard_errors=np.abs(THREE)).to_global(),
    "classes_frame": lambda: three_classes(predict=predictions, eval_data=FRAME, init_data=FRAME[:2]),
    "without_base_values": lambda: LocalExplanation(ONE, None, features=NAMES, method="lime"),
    "given_importances": lambda: GlobalLocalExplanation(
        ONE, [1.0], importances=[3.0, -1.0, np.nan], importance_errors=[0.1, 0.2, 0.3]
    ),
    "given_means": lambda: GlobalLocalExplanation(THREE, [1, 2, 3], classes=CLASSES, global_importances=[3, 2, 1]),
    "float32": lambda: LocalExplanation(ONE.astype(np.float32), [1.0], eval_data=ROWS.astype(np.float32)),
    "not_a_number": lambda: LocalExplanation(np.where(ONE > 0, np.nan, np.inf), [-np.inf]),
    "no_rows": lambda: LocalExplanation(ONE[:0], [1.0], eval_data=ROWS[:0]),
    "fewer_rows": lambda: LocalExplanation(ONE[:2], [1.0], eval_data=ROWS).to_global(),
    "some_columns": lambda: regression(eval_data=np.hstack([ROWS, ROWS]), feature_columns=[0, 2, 5]),
    "same_names": lambda: LocalExplanation(ONE, [1.0], features=[1, "1", "1_2"], eval_data=ROWS),
    "global_only": lambda: GlobalExplanation(
        np.abs(THREE[0]), [1, 2, 3], features=NAMES, classes=CLASSES, eval_data=FRAME, predict=predictions
    ),
    "global_of_a_margin": lambda: GlobalExplanation(np.abs(THREE[:1, 0]), [1.0], classes=[0, 1]),
    "global_as_a_whole": lambda: GlobalExplanation(
        ONE[0, :, 0], features=NAMES, classes=[0, 1], n_classes=2, method="mimic.linear", eval_data=STORED
    ),
    "global_given_means": lambda: GlobalExplanation(THREE[0], [1, 2, 3], global_importances=[3, 2, 1]),
    "permutation": lambda: PermutationExplanation(
        THREE[0], [0.1, 0.2, 0.3], metric="r2", baseline_score=0.5, features=NAMES, method="pfi", eval_data=ROWS
    ),
    "sparse": lambda: SparseLocalExplanation([STORED], [0.5], eval_data=STORED, init_data=STORED).to_global(),
    "sparse_margin": lambda: SparseLocalExplanation([STORED], [0.5], classes=[0, 1]).to_global(),
    "sparse_classes": lambda: SparseLocalExplanation([NOTHING, STORED, -STORED], [1, 2, 3], classes=CLASSES),
    "sparse_of_zeros": lambda: SparseLocalExplanation([NOTHING], [0.5], eval_data=NOTHING).to_global(),
    "mixed_data": lambda: regression(eval_data=MIXED, init_data=MIXED[:, 0]),
    "text_data": lambda: regression(eval_data=np.array([["a", "bcd"]] * N_ROWS)),
    "flags": lambda: regression(eval_data=ROWS > 0, init_data=np.arange(6, dtype=np.int32)),
    "reference": lambda: regression(eval_data="data set 7"),
    "fidelity": lambda: regression(fidelity=FidelityReport("regression", 5, r2=0.5)),
}


def assert_same(found: Explanation, expected: Explanation) -> None:
    """Raise AssertionError unless two explanations have the same class, members and types of arrays."""
    assert type(found) is type(expected)
    for name in MEMBERS:
        same = equal(getattr(found, name, "absent"), getattr(expected, name, "absent"))
        assert same, f"{name}: {getattr(found, name)!r} is not {getattr(expected, name)!r}"
    for name in RANKED:
        assert hasattr(found, name) == hasattr(expected, name), name
        if hasattr(expected, name):
            assert equal(_called(found, name), _called(expected, name)), name
    for name in ARRAYS:
        a, b = getattr(found, name, None), getattr(expected, name, None)
        assert type(a) is type(b), f"{name}: {type(a)} is not {type(b)}"
        assert equal(a, b), f"{name}: {a!r} is not {b!r}"
        if isinstance(a, np.ndarray):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), name
    assert found._feature_columns == expected._feature_columns


def _called(explanation: Explanation, name: str) -> Any:
    try:
        return getattr(explanation, name)()
    except AttributeError as error:
        return str(error)


def equal(a: Any, b: Any) -> bool:
    """Equality to the last bit, through lists, arrays, sparse matrices and frames; NaN equals NaN."""
    if scipy.sparse.issparse(a) and scipy.sparse.issparse(b):
        parts = ("data", "indices", "indptr")
        return a.shape == b.shape and all(np.array_equal(getattr(a, p), getattr(b, p)) for p in parts)
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
        return True
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.shape == b.shape and equal(a.tolist(), b.tolist())
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return bool(a == b) or (a != a and b != b)
