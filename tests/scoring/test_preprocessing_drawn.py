"""Transformers and rows drawn at random: the table gives scikit-learn's bits, or refuses what scikit-learn refuses."""

from __future__ import annotations

from drawn_transformers import SETTINGS, column_transformers, fitted, frames, rows_like
from fitted_transformers import assert_same
from hypothesis import given
from hypothesis import strategies as st


@SETTINGS
@given(data=st.data())
def test_drawn_transformers_give_the_same_bits(data: st.DataObject) -> None:
    frame, kinds = data.draw(frames())
    transformer = fitted(data.draw(column_transformers(frame, kinds)), frame)
    assert_same(transformer, frame, frame)
    assert_same(transformer, frame, data.draw(rows_like(kinds)))
