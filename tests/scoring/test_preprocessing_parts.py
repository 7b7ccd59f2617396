"""The parts of a table: what was changed in them is refused by name, or makes another table that works."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fitted_transformers import columns_of, same_bits, table_of
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.preprocessing.table import Preprocessing

Parts = tuple[dict[str, Any], dict[str, NDArray[Any]]]


def frame(n: int = 30) -> pd.DataFrame:
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "a": random.normal(size=n).astype(np.float32),
            "b": np.where(random.random(n) < 0.2, np.nan, random.normal(size=n)),
            "c": random.choice(["x", "y", "z"], n).astype(object),
            "d": random.integers(0, 4, n),
            "e": random.choice(np.array(["u", None, np.nan], dtype=object), n),
        }
    )


def table() -> Preprocessing:
    """A table with every operation."""
    imputed = make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler(clip=True))
    scaled = make_pipeline(OneHotEncoder(drop="first", handle_unknown="ignore"), StandardScaler(with_mean=False))
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    filled = make_pipeline(SimpleImputer(strategy="constant", fill_value=2, missing_values=0), OneHotEncoder())
    parts = [
        ("a", StandardScaler(), ["a"]),
        ("b", imputed, ["b"]),
        ("c", scaled, ["c", "d"]),
        ("d", filled, ["d"]),
        ("e", ordinal, ["e"]),
        ("f", KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"), ["a"]),
        ("g", "passthrough", ["d"]),
        ("h", make_pipeline(ordinal, OneHotEncoder(), "passthrough"), ["c"]),
    ]
    return table_of(ColumnTransformer(parts).fit(frame()), frame())


TABLE = table()
PARTS: Parts = TABLE.to_parts()


def test_parts_hold_the_table() -> None:
    document, arrays = PARTS
    again = Preprocessing.from_parts(json.loads(json.dumps(document, allow_nan=False)), arrays)
    assert again.to_parts()[0] == document
    assert same_bits(again.transform(columns_of(frame())), TABLE.transform(columns_of(frame())))


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    document: dict[str, Any] = copy.deepcopy(PARTS[0])
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["entries", 0, "raw"], 5, r"preprocessing.entries\[0\].raw is 5; expected an integer from 0 to 4"),
        (["entries", 0, "raw"], True, "is True; expected an integer"),
        (["entries", 1, "to"], 0, r"entries\[1\].to is 0; expected an integer from 1 to 1"),
        (["entries", 0, "steps", 0, "op"], "eval", r"steps\[0\].op is 'eval'; expected one of number, label"),
        (["entries", 0, "steps", 0, "op"], "codes", "is the operation 'codes' on a number; it takes an index"),
        (["entries", 0, "steps", 1], {"op": "divide", "value": 0}, r"value is 0; expected another number than 0"),
        (["entries", 0, "steps", 1], {"op": "add", "value": "1"}, "value is '1'; expected a number, or 'NaN'"),
        (["entries", 0, "steps", 1], {"op": "add", "value": 10**400}, "is an integer of more than 150 digits"),
        (["entries", 0, "steps", 1], {"op": "add", "value": 1, "x": 2}, "has 'x'; expected op, value"),
        (["entries", 0, "steps"], [], None),
        (["raw", 0, "type"], "date", r"raw\[0\].type is 'date'; expected one of float64"),
        (["raw", 0, "type"], "label", "is the operation 'finite' on a label"),
        (["engineered"], ["a"], "has 1 names; expected"),
        (["engineered", 0], None, r"engineered\[0\] is None; expected text"),
        (["dtype"], "float16", "dtype is 'float16'; expected one of float64, float32"),
        (["entries"], {}, "entries is a dict of 0; expected a list"),
        (["entries", 0, "steps", 0], {}, r"steps\[0\] has no 'op'"),
    ],
)
def test_what_does_not_fit_is_named(path: list[Any], value: Any, message: str | None) -> None:
    document = changed(path, value)
    if message is None:
        Preprocessing.from_parts(document, PARTS[1])
        return
    with pytest.raises(ArtifactError, match=message):
        Preprocessing.from_parts(document, PARTS[1])


def step_with(op: str, key: str) -> dict[str, Any]:
    """A copy of a step, of those that the document has, and the document that it stands in."""
    document = copy.deepcopy(PARTS[0])
    steps = [step for entry in document["entries"] for step in entry["steps"]]
    return next({"document": document, "step": step} for step in steps if step["op"] == op and key in step)


@pytest.mark.parametrize(
    ("op", "key", "value", "message"),
    [
        ("one_hot", "width", 10**12, "width is 1000000000000; expected an integer from 0 to"),
        ("one_hot", "columns", {"array": "integers", "start": 0, "length": 10**15}, "expected an integer from"),
        ("codes", "values", {"array": "numbers", "start": 3, "length": 1}, "start is 3; expected an integer from"),
        ("codes", "values", {"array": "integers", "start": 0, "length": 1}, "array is 'integers'; expected one of"),
        ("category", "values", ["x", "x"], "one label twice"),
        ("category", "values", [1, True], "one label twice"),
        ("category", "values", [["x"]], r"values\[0\] is a list of 1; expected text, a number"),
        ("category", "values", [{"number": 3}], "is a dict of 1; expected text, a number"),
        ("category", "nan", 1, "nan is 1; expected true or false"),
        ("impute", "missing", "gone", "missing is 'gone'; expected one of nan, null, equal"),
        ("impute", "value", "none", "value is 'none'; expected a number"),
        ("clip", "low", 5, "has low 5.0 and high 1.0; expected low <= high"),
    ],
)
def test_a_step_that_does_not_fit_is_named(op: str, key: str, value: Any, message: str) -> None:
    found = step_with(op, key)
    found["step"][key] = value
    with pytest.raises(ArtifactError, match=message):
        Preprocessing.from_parts(found["document"], PARTS[1])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "lies in the array '(numbers|integers)', which is missing"),
        (
            {**PARTS[1], "numbers": PARTS[1]["numbers"].astype(np.float32)},
            r"array 'numbers' is float32 \(\d+,\); expected",
        ),
        ({**PARTS[1], "numbers": PARTS[1]["numbers"][:, None]}, "expected one dimension of float64"),
        ({**PARTS[1], "integers": PARTS[1]["integers"][:-1]}, "length is"),
        (
            {**PARTS[1], "integers": np.append(PARTS[1]["integers"], 1)},
            r"has \d+ numbers; expected the \d+ that the steps",
        ),
        ({**PARTS[1], "more": np.zeros(1)}, "arrays have 'more'; expected numbers and integers"),
        ({**PARTS[1], "integers": PARTS[1]["integers"] + 100}, "leads out of the"),
        ({**PARTS[1], "numbers": PARTS[1]["numbers"] * np.nan}, "does not ascend"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        Preprocessing.from_parts(PARTS[0], arrays)


ODD_VALUES = (
    None,
    True,
    -1,
    0,
    1,
    2**63,
    10**400,
    1.5,
    -0.0,
    "",
    "NaN",
    "x",
    [],
    {},
    [1],
    {"number": "NaN"},
    {"array": "numbers"},
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += [(value, key), *places(item)]
    return found


def mutated(random: np.random.Generator) -> Parts:
    """The parts after one to three changes: of the document, or of the arrays."""
    document, arrays = copy.deepcopy(PARTS[0]), {name: array.copy() for name, array in PARTS[1].items()}
    for _ in range(random.integers(1, 3)):
        everywhere = places(document)
        container, key = everywhere[random.integers(len(everywhere))]
        other, other_key = everywhere[random.integers(len(everywhere))]
        how = random.integers(6)
        if how == 0:
            del container[key]
        elif how == 1:
            container[key] = copy.deepcopy(other[other_key])
        elif how == 2 and isinstance(container, list):
            container.insert(key, copy.deepcopy(other[other_key]))
        elif how == 3:
            name = list(arrays)[random.integers(len(arrays))]
            changes = [np.nan, np.inf, -1.0, 1e300] if name == "numbers" else [-1, 7, 2**62]
            if arrays[name].dtype == PARTS[1][name].dtype:
                arrays[name][random.integers(len(arrays[name]))] = changes[random.integers(len(changes))]
        elif how == 4:
            name = list(arrays)[random.integers(len(arrays))]
            arrays[name] = [arrays[name][:-1], arrays[name][::2], arrays[name].view("u8"), arrays[name][None]][
                random.integers(4)
            ]
        else:
            container[key] = ODD_VALUES[random.integers(len(ODD_VALUES))]
    return document, arrays


ROWS: list[list[Any]] = [
    [0.5, None, "x", 1, None],
    [np.nan, 1.0, "new", 2**60, np.nan],
    [np.inf, -np.inf, None, -1, "u"],
    ["text", 1, 2, 3, 4],
]


def test_changed_parts_are_refused_or_work() -> None:
    random = np.random.default_rng(0)
    n_refused = n_worked = 0
    for _ in range(800):
        document, arrays = mutated(random)
        try:
            made = Preprocessing.from_parts(document, arrays)
        except ArtifactError:
            n_refused += 1
            continue
        n_worked += 1
        for row in ROWS:
            together, alone = (_made(made, row, way) for way in ("transform", "transform_row"))
            assert (together is None) == (alone is None)
            assert together is None or same_bits(together[0], alone)
    assert n_refused > 200
    assert n_worked > 50


def _made(table: Preprocessing, row: list[Any], way: str) -> Any:
    try:
        return table.transform_row(row) if way == "transform_row" else table.transform([[value] for value in row])
    except ValueError:  # what rows do not fit raises
        return None
