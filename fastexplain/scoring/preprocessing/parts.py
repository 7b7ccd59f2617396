"""A table of operations as a dict for JSON and a few arrays, and back: what is read is checked before it is used.

Vectors (edges, codes, numeric categories, columns of indices) lie one after another in two pools, the arrays
``numbers`` (float64) and ``integers`` (int64). A step gives the start and the length of its own. As each number of a
pool belongs to one vector only, no document makes more of the arrays than they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastexplain.exceptions import ArtifactError
from fastexplain.scoring.preprocessing import operations as ops
from fastexplain.scoring.preprocessing.categories import Category
from fastexplain.scoring.preprocessing.entries import RAW_TYPES, Entry, OneHot, Program, RawColumn
from fastexplain.scoring.preprocessing.scalars import (
    as_json,
    from_json,
    number_as_json,
    number_from_json,
    shown,
)

__all__ = ["OPERATIONS", "from_parts", "to_parts"]

_POOLS: dict[str, Any] = {"numbers": np.float64, "integers": np.int64}
_INT64 = np.iinfo(np.int64)

# Operations whose only parameters are numbers, by their names in JSON.
_PLAIN: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "number": (ops.Number, ()),
    "label": (ops.Label, ()),
    "round": (ops.Round, ()),
    "finite": (ops.Finite, ()),
    "present": (ops.Present, ()),
    "add": (ops.Add, ("value",)),
    "subtract": (ops.Subtract, ("value",)),
    "multiply": (ops.Multiply, ("value",)),
    "divide": (ops.Divide, ("value",)),
    "clip": (ops.Clip, ("low", "high")),
}
_NAMES = {kind: name for name, (kind, _) in _PLAIN.items()}
_NUMERIC = ("round", "add", "subtract", "multiply", "divide", "clip", "bins")


# Writing


def to_parts(table: Program) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The table as `from_parts` takes it."""
    pools = _Written()
    document = {
        "raw": [{"name": column.name, "type": column.type} for column in table.raw],
        "engineered": list(table.engineered_names),
        "dtype": table.dtype.name,
        "entries": [_entry_parts(entry, pools) for entry in table.entries],
    }
    return document, pools.arrays()


class _Written:
    """Pools while they are filled."""

    def __init__(self) -> None:
        self.vectors: dict[str, list[NDArray[Any]]] = {name: [] for name in _POOLS}

    def put(self, pool: str, vector: Any) -> dict[str, Any]:
        start = sum(map(len, self.vectors[pool]))
        self.vectors[pool].append(np.asarray(vector, dtype=_POOLS[pool]))
        return {"array": pool, "start": start, "length": len(vector)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {
            name: np.concatenate([np.empty(0, dtype=_POOLS[name]), *vectors])
            for name, vectors in self.vectors.items()
            if vectors
        }


def _entry_parts(entry: Entry, pools: _Written) -> dict[str, Any]:
    steps = [_step_parts(step, pools) for step in entry.steps]
    hot = entry.one_hot
    if hot is not None:
        last: dict[str, Any] = {"op": "one_hot", "width": hot.width}
        if not np.array_equal(hot.columns, _side_by_side(len(hot.columns), hot.width)):
            last["columns"] = pools.put("integers", hot.columns)
        if hot.off.any() or np.signbit(hot.off).any() or (hot.on != 1).any():
            last |= {"off": pools.put("numbers", hot.off), "on": pools.put("numbers", hot.on)}
        steps.append(last)
    return {"raw": entry.raw, "to": entry.to, "steps": steps}


def _step_parts(step: ops.Operation, pools: _Written) -> dict[str, Any]:
    if isinstance(step, ops.Impute | ops.IsMissing):
        missing: dict[str, Any] = {"missing": step.missing.what}
        if step.missing.what == "equal":
            missing["to"] = as_json(step.missing.value)
        if isinstance(step, ops.IsMissing):
            return {"op": "missing", **missing}
        return {"op": "impute", **missing, "value": as_json(step.value)}
    if isinstance(step, Category):
        of_numbers = isinstance(step.values, np.ndarray)
        pool = "numbers" if of_numbers and step.values.dtype.kind == "f" else "integers"  # type: ignore[union-attr]
        values = pools.put(pool, step.values) if of_numbers else [as_json(value) for value in step.values]
        return {"op": "category", "values": values, "nan": step.nan, "others": step.others}
    if isinstance(step, ops.Bins):
        return {"op": "bins", "edges": pools.put("numbers", step.edges)}
    if isinstance(step, ops.Codes):
        return {"op": "codes", "values": pools.put("numbers", step.values)}
    name = _NAMES[type(step)]
    return {"op": name} | {key: number_as_json(getattr(step, key)) for key in _PLAIN[name][1]}


# Reading


class _Field:
    """A value of the document, with its place for messages, and what is expected of it."""

    def __init__(self, value: Any, place: str) -> None:
        self.value = value
        self.place = place

    def refuse(self, problem: str) -> NoReturn:
        raise ArtifactError(f"{self.place} {problem}.", field=self.place)

    def expect(self, what: str) -> NoReturn:
        self.refuse(f"is {shown(self.value)}; expected {what}")

    def of(self, key: str) -> _Field:
        if not isinstance(self.value, Mapping):
            self.expect("an object")
        if key not in self.value:
            self.refuse(f"has no {key!r}")
        return _Field(self.value[key], f"{self.place}.{key}")

    def keys(self, *known: str) -> None:
        if not isinstance(self.value, Mapping):
            self.expect("an object")
        for key in self.value:
            if key not in known:
                self.refuse(f"has {shown(key)}; expected {', '.join(known)}")

    def items(self) -> list[_Field]:
        if not isinstance(self.value, list):
            self.expect("a list")
        return [_Field(item, f"{self.place}[{i}]") for i, item in enumerate(self.value)]

    def integer(self, low: int, high: int) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.expect(f"an integer from {low} to {high}" if low <= high else "none at all")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.expect("true or false")
        return self.value

    def one_of(self, known: Any) -> str:
        if not isinstance(self.value, str) or self.value not in known:
            self.expect(f"one of {', '.join(known)}")
        return self.value

    def number(self) -> float:
        return float(self._parsed(number_from_json))

    def scalar(self) -> Any:
        return self._parsed(from_json)

    def _parsed(self, parse: Callable[[Any], Any]) -> Any:
        try:
            return parse(self.value)
        except ValueError as error:
            self.refuse(str(error))


class _Read:
    """Pools while their vectors are taken, one after the other."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.pools: dict[str, NDArray[Any]] = {}
        self.taken = dict.fromkeys(_POOLS, 0)
        for name, dtype in _POOLS.items():
            if name not in arrays:
                continue
            array, field = arrays[name], _Field(None, f"array {name!r}")
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
                kind = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
                field.refuse(f"is {kind}; expected one dimension of {np.dtype(dtype)}")
            self.pools[name] = array
        for name in arrays:
            if name not in _POOLS:
                _Field(None, "arrays").refuse(f"have {shown(name)}; expected {' and '.join(_POOLS)}")

    def take(self, field: _Field, *pools: str) -> NDArray[Any]:
        field.keys("array", "start", "length")
        pool = field.of("array").one_of(pools)
        if pool not in self.pools:
            field.refuse(f"lies in the array {pool!r}, which is missing")
        start = field.of("start").integer(self.taken[pool], self.taken[pool])
        length = field.of("length").integer(0, len(self.pools[pool]) - start)
        self.taken[pool] += length
        return self.pools[pool][start : start + length]

    def refuse_rest(self) -> None:
        for name, pool in self.pools.items():
            if self.taken[name] != len(pool):
                problem = f"has {len(pool)} numbers; expected the {self.taken[name]} that the steps name"
                _Field(None, f"array {name!r}").refuse(problem)


def from_parts(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Program:
    """The table that `to_parts` wrote; ArtifactError, which names the place, for anything that does not fit."""
    root, pools = _Field(document, "preprocessing"), _Read(arrays)
    root.keys("raw", "engineered", "dtype", "entries")
    raw = [_raw_column(field) for field in root.of("raw").items()]
    names = [_engineered_name(field) for field in root.of("engineered").items()]
    entries: list[Entry] = []
    for field in root.of("entries").items():
        to = entries[-1].to + entries[-1].width if entries else 0
        entries.append(_entry(field, raw, to, pools))
    width = sum(entry.width for entry in entries)
    if width != len(names):
        root.of("engineered").refuse(
            f"has {len(names)} names; expected one for each of the {width} columns of the entries"
        )
    pools.refuse_rest()
    dtype = root.of("dtype").one_of(("float64", "float32"))
    return Program(tuple(raw), tuple(entries), tuple(names), np.dtype(dtype))


def _raw_column(field: _Field) -> RawColumn:
    field.keys("name", "type")
    name = field.of("name")
    if not (name.value is None or isinstance(name.value, str | int)) or isinstance(name.value, bool):
        name.expect("text, an integer or null")
    return RawColumn(name.value, field.of("type").one_of(RAW_TYPES))


def _engineered_name(field: _Field) -> str:
    if not isinstance(field.value, str):
        field.expect("text")
    return field.value


def _entry(field: _Field, raw: list[RawColumn], to: int, pools: _Read) -> Entry:
    field.keys("raw", "to", "steps")
    column = field.of("raw").integer(0, len(raw) - 1)
    field.of("to").integer(to, to)
    steps: list[ops.Operation] = []
    kind, n_indices = RAW_TYPES[raw[column].type], 0
    fields = field.of("steps").items()
    for i, step in enumerate(fields):
        name = step.of("op").one_of(OPERATIONS)
        _refuse_kind(step, name, kind)
        if name == "one_hot":
            if i + 1 < len(fields):
                step.refuse("is not the last step; nothing may follow one_hot")
            return Entry(column, tuple(steps), to, _one_hot(step, n_indices, pools))
        made = _STEPS[name](step, kind, n_indices, pools)
        n_indices = getattr(made, "n_indices", 0)
        kind = _kind_after(name, kind)
        steps.append(made)
    if kind != "number":
        field.refuse(f"ends with {_A[kind]}; expected a number")
    return Entry(column, tuple(steps), to)


_A = {"label": "a label", "integer": "an integer", "number": "a number", "index": "an index"}


def _refuse_kind(step: _Field, name: str, kind: str) -> None:
    takes_index, takes_number = name in ("codes", "one_hot"), name in _NUMERIC
    of_label = name == "finite" and kind == "label"
    if takes_index != (kind == "index") or (takes_number and kind != "number") or of_label:
        expected = "an index" if takes_index else "a number" if takes_number else "another value"
        step.refuse(f"is the operation {name!r} on {_A[kind]}; it takes {expected}")


def _kind_after(name: str, kind: str) -> str:
    if name in ("category", "bins"):
        return "index"
    if name == "label":
        return "label"
    return "number" if name in ("number", "missing", "codes") else kind


def _plain(step: _Field, kind: str, n_indices: int, pools: _Read) -> ops.Operation:
    cls, keys = _PLAIN[step.value["op"]]
    step.keys("op", *keys)
    values = [step.of(key).number() for key in keys]
    if cls is ops.Divide and values[0] == 0:
        step.of("value").expect("another number than 0")
    if cls is ops.Clip and not values[0] <= values[1]:
        step.refuse(f"has low {values[0]} and high {values[1]}; expected low <= high")
    made: ops.Operation = cls(*values)
    return made


def _missing(step: _Field, kind: str) -> ops.Missing:
    what = step.of("missing").one_of(("nan", "null", "equal"))
    if what != "equal":
        if "to" in step.value:
            step.refuse("has 'to', which only 'equal' takes")
        return ops.Missing(what)
    to = step.of("to")
    if kind == "integer" and isinstance(to.scalar(), float):  # equal to no integer, but to a number in their place
        return ops.Missing(what, to.scalar())
    return ops.Missing(what, _of_kind(to, kind))


def _of_kind(field: _Field, kind: str) -> Any:
    """A scalar of the kind."""
    value = field.scalar()
    if kind == "label":
        return value
    if isinstance(value, str | bool | None):
        field.expect("a number")
    if kind == "number":
        return value if isinstance(value, float) else field.number()
    return field.integer(_INT64.min, _INT64.max)


def _impute(step: _Field, kind: str, n_indices: int, pools: _Read) -> ops.Operation:
    step.keys("op", "missing", "to", "value")
    return ops.Impute(_missing(step, kind), _of_kind(step.of("value"), kind))


def _is_missing(step: _Field, kind: str, n_indices: int, pools: _Read) -> ops.Operation:
    step.keys("op", "missing", "to")
    return ops.IsMissing(_missing(step, kind))


def _category(step: _Field, kind: str, n_indices: int, pools: _Read) -> ops.Operation:
    step.keys("op", "values", "nan", "others")
    nan, others, values = step.of("nan").flag(), step.of("others").flag(), step.of("values")
    if kind == "label":
        labels = tuple(item.scalar() for item in values.items())
        if len(set(labels)) != len(labels) or any(label != label for label in labels):
            values.refuse("has NaN or one label twice; expected labels that differ, and NaN by 'nan'")
        return Category(labels, nan, others)
    numbers = pools.take(values, "numbers" if kind == "number" else "integers")
    if not (numbers[1:] >= numbers[:-1]).all() or np.isnan(numbers).any():
        values.refuse("does not ascend; expected numbers in ascending order, and NaN by 'nan'")
    return Category(numbers, nan, others)


def _bins(step: _Field, kind: str, n_indices: int, pools: _Read) -> ops.Operation:
    step.keys("op", "edges")
    edges = pools.take(step.of("edges"), "numbers")
    if not (edges[1:] >= edges[:-1]).all() or np.isnan(edges).any():
        step.of("edges").refuse("does not ascend; expected numbers in ascending order")
    return ops.Bins(edges)


def _codes(step: _Field, kind: str, n_indices: int, pools: _Read) -> ops.Operation:
    step.keys("op", "values")
    return ops.Codes(_vector(step.of("values"), n_indices, "index", "numbers", pools))


def _one_hot(step: _Field, n_indices: int, pools: _Read) -> OneHot:
    step.keys("op", "width", "columns", "off", "on")
    width = step.of("width").integer(0, n_indices)
    if "columns" in step.value:
        columns = _vector(step.of("columns"), n_indices, "index", "integers", pools)
        if ((columns < -1) | (columns >= width)).any():
            step.of("columns").refuse(f"leads out of the {width} columns; expected -1 to {width - 1}")
    else:
        columns = _side_by_side(n_indices, width)
    off, on = np.zeros(width), np.ones(width)
    if "off" in step.value or "on" in step.value:
        off = _vector(step.of("off"), width, "column", "numbers", pools)
        on = _vector(step.of("on"), width, "column", "numbers", pools)
    return OneHot(columns.astype(np.intp), off, on)


def _side_by_side(n_indices: int, width: int) -> NDArray[np.int64]:
    """Columns of indices that nothing else is said of: each its own, none for those beyond the width."""
    indices = np.arange(n_indices)
    return np.where(indices < width, indices, -1)


def _vector(field: _Field, length: int, per: str, pool: str, pools: _Read) -> NDArray[Any]:
    vector = pools.take(field, pool)
    if len(vector) != length:
        field.refuse(f"has {len(vector)} numbers; expected {length}, one for each {per}")
    return vector


_STEPS: dict[str, Callable[[_Field, str, int, _Read], ops.Operation]] = {
    **dict.fromkeys(_PLAIN, _plain),
    "impute": _impute,
    "missing": _is_missing,
    "category": _category,
    "bins": _bins,
    "codes": _codes,
}
OPERATIONS = (*_STEPS, "one_hot")
