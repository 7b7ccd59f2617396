"""Frames, and transformers of them, drawn at random: every option, container and type that preprocessing is stored for.

Values come of small pools, so that rows meet categories, edges and missing values exactly.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, reject, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

__all__ = ["KINDS", "SETTINGS", "column_transformers", "fitted", "frames", "rows_like"]

SETTINGS = settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking a ColumnTransformer takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

BIG = 2**53
_FLOATS = (0.0, -0.0, 1.0, 2.0, 0.1, -1.5, 1e-3, 1e6, 3.25, math.nan)
_INTEGERS = (0, 1, 2, -1, 7, 100, BIG, BIG + 1)
_SMALL = (0, 1, 2, -1, 7, 100)
_TEXTS = ("a", "b", "c", "", "längere", "nan", "1")
_POOLS: dict[str, tuple[Any, ...]] = {
    "float64": _FLOATS,
    "float32": _FLOATS,
    "int64": _INTEGERS,
    "int8": _SMALL,
    "uint8": (0, 1, 2, 7, 100),
    "bool": (False, True),
    "text": _TEXTS,
    "gaps": ("a", "b", "c", None, math.nan),
    "numbers": (0, 1, 2.5, True, BIG + 1, math.nan),
    "category": _TEXTS,
    "codes": _SMALL,
    "Int64": _SMALL,
}
KINDS = tuple(_POOLS)
# What rows hold beyond what was seen: every kind may get something new.
_NEW: dict[str, tuple[Any, ...]] = {
    "float64": (math.inf, -math.inf, 1e300, float(BIG), 0.5),
    "float32": (math.inf, -math.inf, 1e30, 0.5),
    "int64": (BIG + 2, -BIG - 1, 2**62, 3),
    "int8": (3, -128),
    "uint8": (3, 255),
    "bool": (),
    "text": ("new", None, math.nan),
    "gaps": ("new", "nan"),
    "numbers": (3, None, "1"),
    "category": ("new", None),
    "codes": (3,),
    "Int64": (3,),  # what scikit-learn does of NA depends on the way; explainers pass None
}
NUMERIC = ("float64", "float32", "int64", "int8", "uint8", "bool", "Int64")


def _column(kind: str, values: list[Any]) -> Any:
    if kind in ("category", "codes"):
        return pd.Categorical(values)
    if kind in ("text", "gaps", "numbers"):
        return pd.Series(values, dtype=object)
    if kind == "Int64":
        return pd.array([None if value is None else int(value) for value in values], dtype="Int64")
    return np.array(values, dtype=kind)


@st.composite
def frames(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, max_columns: int = 5) -> tuple[pd.DataFrame, list[str]]:
    """A frame to fit on, and the kinds of its columns."""
    drawn = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=max_columns))
    n_rows = draw(st.integers(3, 12))
    columns = {}
    for i, kind in enumerate(drawn):
        values = draw(st.lists(st.sampled_from(_POOLS[kind]), min_size=n_rows, max_size=n_rows))
        columns[f"{kind}_{i}"] = _column(kind, values)
    return pd.DataFrame(columns), drawn


def rows_like(kinds: list[str]) -> st.SearchStrategy[pd.DataFrame]:
    """Rows with the columns of `frames`, and now and then a value that was never seen."""

    @st.composite
    def rows(draw: st.DrawFn) -> pd.DataFrame:
        n_rows = draw(st.integers(1, 5))
        odd = draw(st.booleans())
        columns = {}
        for i, kind in enumerate(kinds):
            pool = _POOLS[kind] + (_NEW[kind] if odd else ())
            values = draw(st.lists(st.sampled_from(pool), min_size=n_rows, max_size=n_rows))
            columns[f"{kind}_{i}"] = _column(kind, values)
        return pd.DataFrame(columns)

    return rows()


def _either(**options: tuple[Any, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in options.items()})


_IMPUTERS = st.one_of(
    _either(strategy=("mean", "median"), add_indicator=(False, True), keep_empty_features=(False, True)),
    _either(strategy=("mean", "most_frequent"), missing_values=(0, -1, 0.1, 1), add_indicator=(False, True)),
    _either(strategy=("most_frequent",), add_indicator=(False, True), keep_empty_features=(False, True)),
    _either(strategy=("constant",), fill_value=(None, 0, 1, -1), add_indicator=(False, True)),
).map(lambda options: SimpleImputer(**options))
_LABEL_IMPUTERS = st.one_of(
    _either(strategy=("most_frequent",), add_indicator=(False, True), missing_values=(math.nan, None, pd.NA)),
    _either(strategy=("constant",), fill_value=(None, "a", "none"), missing_values=(math.nan, None, "a", pd.NA)),
).map(lambda options: SimpleImputer(**options))
_SCALERS = st.one_of(
    _either(with_mean=(True, False), with_std=(True, False)).map(lambda options: StandardScaler(**options)),
    _either(feature_range=((0, 1), (-1, 0.1)), clip=(False, True)).map(lambda options: MinMaxScaler(**options)),
    st.just(None).map(lambda _: MaxAbsScaler()),
    _either(with_centering=(True, False), with_scaling=(True, False)).map(lambda options: RobustScaler(**options)),
    st.just(None).map(lambda _: FunctionTransformer()),
)
_SPARSE_SCALERS = st.one_of(
    st.just(None).map(lambda _: StandardScaler(with_mean=False)),
    st.just(None).map(lambda _: MaxAbsScaler()),
    st.just(None).map(lambda _: RobustScaler(with_centering=False)),
)
_BINS = _either(
    n_bins=(2, 3),
    encode=("onehot", "onehot-dense", "ordinal"),
    strategy=("uniform", "quantile"),
    dtype=(None, np.float32, np.float64),
).map(lambda options: KBinsDiscretizer(**options))
_ONE_HOT = _either(
    drop=(None, None, "first", "if_binary"),
    min_frequency=(None, 2, 0.3),
    max_categories=(None, None, 2, 3),
    handle_unknown=("error", "ignore", "infrequent_if_exist"),
    sparse_output=(True, False),
    dtype=(np.float64, np.float32, np.int8),
).map(lambda options: OneHotEncoder(**options))
_ORDINAL = _either(
    handle_unknown=("error", "use_encoded_value"),
    encoded_missing_value=(math.nan, -2, 30),
    min_frequency=(None, 2, 0.3),
    max_categories=(None, 2),
    dtype=(np.float64, np.float32),
    unknown=(-1, 50, math.nan),
).map(lambda options: _ordinal(**options))


def _ordinal(unknown: float, **options: Any) -> OrdinalEncoder:
    if options["handle_unknown"] == "use_encoded_value":
        options["unknown_value"] = unknown
    return OrdinalEncoder(**options)


def _named(steps: list[Any]) -> Any:
    return steps[0] if len(steps) == 1 else Pipeline([(f"s{i}", step) for i, step in enumerate(steps)])


@st.composite
def _of_numbers(draw: st.DrawFn) -> Any:
    steps = draw(st.lists(st.one_of(_IMPUTERS, _SCALERS), max_size=3))
    last = draw(st.one_of(st.none(), st.none(), _BINS, _ONE_HOT, _ORDINAL))
    if last is not None:
        steps = [*steps, last]
        if draw(st.booleans()):
            steps.append(draw(_SPARSE_SCALERS))
    return _with_output(draw, _named(steps or ["passthrough"]))


@st.composite
def _of_labels(draw: st.DrawFn, imputed: bool) -> Any:
    steps = draw(st.lists(_LABEL_IMPUTERS, max_size=1)) if imputed else []
    steps.append(draw(st.one_of(_ONE_HOT, _ORDINAL)))
    if draw(st.booleans()):
        steps.append(draw(st.one_of(_SCALERS, _SPARSE_SCALERS)))
    return _named(steps)


def _with_output(draw: st.DrawFn, transformer: Any) -> Any:
    """Now and then a transformer that returns frames."""
    if not isinstance(transformer, str) and draw(st.integers(0, 5)) == 0:
        transformer.set_output(transform="pandas")
    return transformer


def _spec(draw: st.DrawFn, frame: pd.DataFrame, chosen: list[int], by_name: bool) -> Any:
    """The columns as a ColumnTransformer may be told them."""
    named = ("names", "selector") if by_name else ()
    how = draw(st.sampled_from((*named, "indices", "mask", "slice", "negative")))
    names = [frame.columns[i] for i in chosen]
    if how == "indices":
        return chosen
    if how == "negative":
        return [i - frame.shape[1] for i in chosen]
    if how == "mask":
        return [i in chosen for i in range(frame.shape[1])]
    if how == "slice":
        return slice(chosen[0], chosen[0] + 1)
    if how == "selector":
        return make_column_selector(pattern=f"^{names[0]}$")
    return names


@st.composite
def column_transformers(draw: st.DrawFn, frame: pd.DataFrame, kinds: list[str], by_name: bool = True) -> Any:
    """An unfitted ColumnTransformer of a frame, or a union or a pipeline around one."""
    numeric = [i for i, kind in enumerate(kinds) if kind in NUMERIC]
    labels = [i for i, kind in enumerate(kinds) if kind not in NUMERIC]
    parts = []
    # either frames between transformers or imputed labels: pandas 3 makes text of labels, unless all of them are None,
    # so that what scikit-learn makes of a row would depend on the others
    frames_between = draw(st.booleans())
    for k in range(draw(st.integers(1, 3))):
        of_labels = bool(labels) and (not numeric or draw(st.booleans()))
        pool = labels if of_labels else numeric
        chosen = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=len(pool), unique=True))
        part = draw(_of_labels(not frames_between) if of_labels else _of_numbers())
        part = draw(st.sampled_from((part, part, part, part, "drop")))
        parts.append((f"t{k}", part, _spec(draw, frame, chosen, by_name)))
    whole = ColumnTransformer(
        parts,
        remainder=draw(st.sampled_from(("drop", "drop", "passthrough"))),
        sparse_threshold=draw(st.sampled_from((0.0, 0.3, 1.0))),
        transformer_weights=draw(st.sampled_from((None, None, {"t0": 0.1}))),
        verbose_feature_names_out=draw(st.booleans()),
    )
    whole = _with_output(draw, whole) if frames_between else whole
    then = draw(st.sampled_from(("nothing", "nothing", "scale", "impute", "union", "columns")))
    if then == "scale":
        return Pipeline([("columns", whole), ("then", draw(st.one_of(_SCALERS, _SPARSE_SCALERS)))])
    if then == "impute":
        return Pipeline([("columns", whole), ("none", None), ("then", draw(_IMPUTERS))])
    if then == "union":
        return FeatureUnion([("one", whole), ("two", draw(_of_numbers()))])
    if then == "columns":
        last = ColumnTransformer([("first", draw(_SCALERS), [0])], remainder="passthrough")
        return Pipeline([("columns", whole), ("then", last)])
    return whole


def fitted(transformer: Any, frame: Any) -> Any:
    """The transformer after fit; the example is dropped where scikit-learn refuses to fit it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            transformer.fit(frame)
            transformer.transform(frame)
        except Exception:
            reject()
    if _leaves_out_a_column(transformer):
        reject()
    return transformer


def _leaves_out_a_column(transformer: Any) -> bool:
    """Whether a part makes nothing of a column; what it would refuse there is not refused by a table."""
    if isinstance(transformer, OneHotEncoder):
        return 0 in transformer._n_features_outs
    if isinstance(transformer, SimpleImputer):
        return bool(pd.isna(np.asarray(transformer.statistics_, dtype=object)).any())
    parts = getattr(transformer, "steps", None) or getattr(transformer, "transformer_list", None)
    parts = parts or getattr(transformer, "transformers_", ())
    return any(_leaves_out_a_column(part[1]) for part in parts)
