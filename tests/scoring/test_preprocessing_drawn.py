"""Transformers and rows drawn at random: the table gives scikit-learn's bits, or refuses what scikit-learn refuses."""

from __future__ import annotations

import pandas as pd
from drawn_transformers import SETTINGS, column_transformers, fitted, frames, rows_like
from fitted_transformers import assert_same
from hypothesis import given
from hypothesis import strategies as st

ARRAYS = ("float64", "float32", "int64", "int8", "bool", "text", "gaps", "numbers")


@SETTINGS
@given(data=st.data())
def test_drawn_transformers_give_the_same_bits(data: st.DataObject) -> None:
    frame, kinds = data.draw(frames())
    transformer = fitted(data.draw(column_transformers(frame, kinds)), frame)
    assert_same(transformer, frame, frame)
    assert_same(transformer, frame, data.draw(rows_like(kinds)))


@SETTINGS
@given(data=st.data())
def test_drawn_transformers_of_arrays_give_the_same_bits(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(ARRAYS))
    frame, kinds = data.draw(frames((kind,)))
    transformer = fitted(data.draw(column_transformers(frame, kinds, by_name=False)), frame.to_numpy())
    assert_same(transformer, frame, frame, pd.DataFrame.to_numpy)
    assert_same(transformer, frame, data.draw(rows_like(kinds)), pd.DataFrame.to_numpy)
