"""Explanations sliced by lists of names, as shap's are."""

from __future__ import annotations

import numpy as np
import pytest

from fastexplain.compat import shap


def test_lists_of_names_choose_columns() -> None:
    values = np.arange(12.0).reshape(4, 3)
    explanation = shap.Explanation(values, base_values=np.zeros(4), data=values, feature_names=["a", "b", "c"])
    chosen = explanation[:, ["c", "a"]]
    assert np.array_equal(chosen.values, values[:, [2, 0]])
    assert chosen.feature_names == ["c", "a"]
    with pytest.raises(KeyError, match="named 'z'"):
        explanation[:, ["a", "z"]]
