"""What an explainer's call returns: the members, slices and operations of shap's Explanation.

Where shap is installed the class extends shap's, so that its pictures take ours. Nothing of shap's implementation is
used: every member is our own, and the class is the same without it.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import _saving
from fastexplain.compat.shap._installed import required_shap, shap_class

if TYPE_CHECKING:
    from fastexplain.compat.shap._cohorts import Cohorts

__all__ = ["Explanation", "OpHistoryItem"]

# The axes that an explanation's values can have, in this order. "partner" is the other feature of an interaction.
ROW, FEATURE, PARTNER, OUTPUT = "row", "feature", "partner", "output"

_EVERY = (ROW, FEATURE, PARTNER, OUTPUT)
# member -> the axes that it has, as far as the values have them
_AXES = {
    "values": _EVERY,
    "base_values": (ROW, OUTPUT),
    "data": (ROW, FEATURE),
    "display_data": (ROW, FEATURE),
    "instance_names": (ROW,),
    "feature_names": (FEATURE,),
    "output_names": (OUTPUT,),
    "error_std": _EVERY,
    "lower_bounds": _EVERY,
    "upper_bounds": _EVERY,
    "main_effects": (ROW, FEATURE, OUTPUT),
    "clustering": (ROW,),
}
_NAMES = {ROW: "instance_names", FEATURE: "feature_names", PARTNER: "feature_names", OUTPUT: "output_names"}
# Members that shap's constructor takes and nothing is done with.
_KEPT = ("output_indexes", "hierarchical_values", "compute_time")


@dataclass
class OpHistoryItem:
    """One operation that led to an explanation; pictures are labelled by them."""

    name: str
    prev_shape: tuple[int, ...]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    collapsed_instances: bool = False


class Explanation(shap_class("Explanation", object)):  # type: ignore[misc]
    """Values of some rows, with what belongs to them.

    Slicing, ``explanation[rows, features, outputs]``, slices everything; features and outputs may be named. An axis
    that is indexed by a number or a name is dropped. ``abs``, ``mean``, ``max``, ``min``, ``sum``, ``percentile``,
    ``sample``, ``hclust``, ``cohorts`` and arithmetic are as in shap.

    Parameters
    ----------
    values : array of shape (n_rows, n_features) or (n_rows, n_features, n_outputs), or Explanation
        Of one row without the axis of rows; of interactions with a second axis of features after the first.
    base_values : float, array of shape (n_rows,) or (n_rows, n_outputs), or None
    data : array or DataFrame of shape (n_rows, n_features), or None
        The explained rows.
    display_data : array or DataFrame of the data's shape, optional
        The rows as they are to be shown.
    instance_names, feature_names : sequence of str, optional
        Of one feature, a str.
    output_names : sequence of str or str, optional
        Default: "Output 0", "Output 1", ... where there is an axis of outputs.
    output_indexes, hierarchical_values : optional
        Kept as they are.
    lower_bounds, upper_bounds, error_std : array of the values' shape, optional
        Bounds and standard errors.
    main_effects : array of shape (n_rows, n_features) or (n_rows, n_features, n_outputs), optional
    clustering : linkage matrix, or one for each row, optional
    compute_time : float, optional
        Seconds.
    axes : tuple of str, optional
        Names of the values' axes, of "row", "feature", "partner", "output"; default: told from the shapes, as in shap.

    Attributes
    ----------
    op_history : list of OpHistoryItem
    """

    # Defaults of what an explanation has not got; they also keep shap's properties of these names out of the way.
    values: Any = None
    base_values: Any = None
    data: Any = None
    display_data: Any = None
    instance_names: Any = None
    feature_names: Any = None
    output_names: Any = None
    output_indexes: Any = None
    lower_bounds: Any = None
    upper_bounds: Any = None
    error_std: Any = None
    main_effects: Any = None
    hierarchical_values: Any = None
    clustering: Any = None
    compute_time: float | None = None

    def __init__(
        self,
        values: Any,
        base_values: Any = None,
        data: Any = None,
        display_data: Any = None,
        instance_names: Sequence[Any] | None = None,
        feature_names: Any = None,
        output_names: Any = None,
        output_indexes: Any = None,
        lower_bounds: Any = None,
        upper_bounds: Any = None,
        error_std: Any = None,
        main_effects: Any = None,
        hierarchical_values: Any = None,
        clustering: Any = None,
        compute_time: float | None = None,
        *,
        axes: tuple[str, ...] | None = None,
    ) -> None:
        if hasattr(values, "base_values"):  # an explanation, as in shap
            values, base_values, data = values.values, values.base_values, values.data
        self.op_history: list[OpHistoryItem] = []
        self.values = np.asarray(values)
        self.base_values = np.asarray(base_values) if isinstance(base_values, list | tuple) else base_values
        self.data, self.display_data = _plain(data), _plain(display_data)
        self.lower_bounds, self.upper_bounds, self.error_std = lower_bounds, upper_bounds, error_std
        self.main_effects, self.clustering = main_effects, clustering
        self.output_indexes, self.hierarchical_values, self.compute_time = (
            output_indexes,
            hierarchical_values,
            compute_time,
        )
        self._axes = _told_axes(self.values, self.base_values, output_names, feature_names) if axes is None else axes
        self.instance_names, self.feature_names = _listed(instance_names), _listed(feature_names)
        if output_names is None and OUTPUT in self._axes:
            output_names = [f"Output {i}" for i in range(self.values.shape[-1])]
        self.output_names = _listed(output_names)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, _plain(value) if name in ("data", "display_data") else value)

    # Shape and slices

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return tuple(np.shape(self.values))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in ("values", "base_values", "data")}
        return "\n\n".join(f".{name} =\n{value!r}" for name, value in shown.items() if value is not None)

    def __getitem__(self, key: Any) -> Explanation:
        keys = dict(zip(self._axes, self._expanded(key), strict=True))
        sliced = self._with(
            **{name: _sliced(getattr(self, name), self._member_axes(name), keys) for name in _AXES},
            _axes=tuple(axis for axis in self._axes if not _drops(keys[axis])),
        )
        return sliced._after("__getitem__", self, args=(key if isinstance(key, tuple) else (key,),))

    def _member_axes(self, name: str) -> tuple[str, ...]:
        """Axes of a member: where it has fewer than the values, the last of those that it may have."""
        value = getattr(self, name)
        may_have = tuple(axis for axis in _AXES[name] if axis in self._axes)
        if name in _NAMES.values():
            lengths = [self.shape[self._axes.index(axis)] for axis in may_have]
            return may_have if isinstance(value, list) and lengths == [len(value)] else ()
        if name == "clustering":  # of all rows, or one for each
            return may_have if np.ndim(value) == 3 else ()
        ndim = 2 if hasattr(value, "tocsr") else np.ndim(value)
        return may_have[max(0, len(may_have) - ndim) :]

    def _expanded(self, key: Any) -> list[Any]:
        """One key for each axis: ellipses filled, names turned into positions."""
        given = list(key) if isinstance(key, tuple) else [key]
        dots = [i for i, item in enumerate(given) if item is Ellipsis]
        missing = len(self._axes) - (len(given) - len(dots))
        if missing < 0 or len(dots) > 1:
            raise IndexError(f"{len(given)} indices for an explanation of {len(self._axes)} axes: {key!r}.")
        at = dots[0] if dots else len(given)
        full = given[:at] + [slice(None)] * missing + given[at + len(dots) :]
        return [self._position(axis, item) for axis, item in zip(self._axes, full, strict=True)]

    def _position(self, axis: str, item: Any) -> Any:
        if hasattr(item, "apply") and hasattr(item, "_ops"):  # shap's chain of operations
            item = item.apply(self)
        if isinstance(item, Explanation):
            item = item.values
        if isinstance(item, str):
            names = getattr(self, _NAMES[axis])
            if not isinstance(names, list) or item not in names:
                raise KeyError(f"No {axis} is named {item!r}; {axis}s are named {names!r}.")
            return names.index(item)
        if isinstance(item, list) and any(isinstance(each, str) for each in item):
            item = [self._position(axis, each) for each in item]
        return np.asarray(item) if isinstance(item, list) else item

    # Operations

    @property
    def abs(self) -> Explanation:
        """Absolute values; the data stay as they are."""
        return self._with(values=np.abs(self.values))._after("abs", self)

    @property
    def identity(self) -> Explanation:
        """The explanation itself."""
        return self

    @property
    def argsort(self) -> Explanation:
        """Positions that sort the values, along the last axis."""
        return self._with(values=np.argsort(self.values), data=None)._after("argsort", self)

    @property
    def flip(self) -> Explanation:
        """Values in reverse order."""
        return self._with(values=np.flip(self.values), data=None)._after("flip", self)

    def mean(self, axis: int | None = None) -> Explanation:
        """Means along an axis, of values, data and base values."""
        return self._reduced("mean", np.mean, axis)

    def max(self, axis: int | None = None) -> Explanation:
        """Largest along an axis, of values, data and base values."""
        return self._reduced("max", np.max, axis)

    def min(self, axis: int | None = None) -> Explanation:
        """Smallest along an axis, of values, data and base values."""
        return self._reduced("min", np.min, axis)

    def sum(self, axis: int | None = None, grouping: dict[Any, Any] | None = None) -> Explanation:
        """Sums along an axis; or of the features that `grouping` gives one name, {feature: name}."""
        if grouping is None:
            return self._reduced("sum", np.sum, axis)
        if axis != 1 and len(self.shape) != 1:
            raise _dimension_error(f"grouping adds up features: axis must be 1, got {axis!r}.")
        return self._grouped(grouping)

    def percentile(self, q: float, axis: int | None = None) -> Explanation:
        """Percentiles along an axis, of values, data and base values."""
        return self._reduced("percentile", lambda array, axis: np.percentile(array, q, axis=axis), axis, args=(q,))

    def sample(self, max_samples: int, replace: bool = False, random_state: int = 0) -> Explanation:
        """At most so many rows, drawn at random: the rows that shap draws."""
        n_rows = self.shape[0]
        drawn = np.random.RandomState(random_state).choice(n_rows, size=min(max_samples, n_rows), replace=replace)
        sampled = self[drawn]
        sampled.op_history = sampled.op_history[:-1]
        return sampled._after("sample", self, args=(max_samples,))

    def hclust(self, metric: str = "sqeuclidean", axis: int = 0) -> NDArray[np.intp]:
        """Order of the rows (of the features with ``axis=1``) in which similar ones are neighbours."""
        from scipy.cluster import hierarchy
        from scipy.spatial.distance import pdist

        if len(self.shape) != 2:
            raise _dimension_error(f"hclust takes values of two axes; these have shape {self.shape}.")
        distances = pdist(self.values.T if axis == 1 else self.values, metric)
        tree = hierarchy.optimal_leaf_ordering(hierarchy.complete(distances), distances)
        return np.asarray(hierarchy.leaves_list(tree), dtype=np.intp)

    def hstack(self, other: Explanation) -> Explanation:
        """The features of both, side by side: same rows, same base values."""
        if len(self) != len(other) or not np.allclose(self.base_values, other.base_values, atol=1e-6):
            raise ValueError(
                f"hstack takes explanations of the same rows with the same base values; got {len(self)} rows and "
                f"{len(other)}, base values {self.base_values!r} and {other.base_values!r}."
            )
        names = None
        if isinstance(self.feature_names, list) and isinstance(other.feature_names, list):
            names = self.feature_names + other.feature_names
        both = {
            name: np.concatenate([getattr(self, name), getattr(other, name)], axis=1)
            for name in ("values", "data", "display_data", "error_std", "lower_bounds", "upper_bounds")
            if getattr(self, name) is not None and getattr(other, name) is not None
        }
        rest = dict.fromkeys(("data", "display_data", "error_std", "lower_bounds", "upper_bounds", "clustering"))
        return self._with(**{**rest, **both}, main_effects=None, feature_names=names)

    def cohorts(self, cohorts: Any) -> Cohorts:
        """Groups of rows: by a label for each row, or so many groups of similar values, found by a decision tree."""
        from fastexplain.compat.shap._cohorts import make_cohorts

        return make_cohorts(self, cohorts)

    def __add__(self, other: Any) -> Explanation:
        return self._combined("__add__", operator.add, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Explanation:
        return self._combined("__sub__", operator.sub, other)

    def __rsub__(self, other: Any) -> Explanation:
        return self._combined("__rsub__", lambda mine, given: given - mine, other)

    def __mul__(self, other: Any) -> Explanation:
        return self._combined("__mul__", operator.mul, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Explanation:
        return self._combined("__truediv__", operator.truediv, other)

    def _combined(self, name: str, operation: Callable[[Any, Any], Any], other: Any) -> Explanation:
        """Values and base values combined with a number's or an explanation's; the data stay as they are."""
        explained = hasattr(other, "base_values")
        values, base = (other.values, other.base_values) if explained else (other, other)
        combined = self._with(values=operation(self.values, values), error_std=None, lower_bounds=None)
        combined.upper_bounds = combined.main_effects = None
        if self.base_values is not None:
            combined.base_values = None if base is None else operation(self.base_values, base)
        return combined._after(name, self, args=(other,))

    def _reduced(
        self, name: str, reduce: Callable[..., Any], axis: int | None, args: tuple[Any, ...] = ()
    ) -> Explanation:
        """Values, data and base values reduced along an axis; what else has that axis is left out."""
        gone = self._axes if axis is None else (self._axes[axis],)
        of = {member: self._member_axes(member) for member in _AXES if member != "values"}
        changes: dict[str, Any] = {member: None for member, axes in of.items() if set(axes) & set(gone)}
        for member in ("data", "base_values"):
            if member in changes and _is_numeric(getattr(self, member)):
                position = None if axis is None else of[member].index(gone[0])
                changes[member] = reduce(getattr(self, member), axis=position)
        if ROW in gone and np.ndim(self.clustering) == 3 and not np.ptp(self.clustering, axis=0).any():
            changes["clustering"] = self.clustering[0]  # the same for all rows
        changes["values"] = reduce(self.values, axis=axis)
        reduced = self._with(**changes, _axes=tuple(kept for kept in self._axes if kept not in gone))
        kwargs = {} if axis is None else {"axis": axis}
        return reduced._after(name, self, args=args, kwargs=kwargs, collapsed_instances=ROW in gone)

    def _grouped(self, grouping: dict[Any, Any]) -> Explanation:
        if not isinstance(self.feature_names, list):
            raise ValueError("sum(grouping=...) needs feature_names; this explanation has none.")
        names = [grouping.get(name, name) for name in self.feature_names]
        groups = list(dict.fromkeys(names))
        members = np.array([[name == group for group in groups] for name in names], dtype=np.float64)
        changes: dict[str, Any] = {m: None for m in _AXES if FEATURE in self._member_axes(m)}
        at = self._axes.index(FEATURE)
        changes["values"] = np.moveaxis(np.moveaxis(self.values, at, -1) @ members, -1, at)
        if _is_numeric(self.data):
            changes["data"] = np.asarray(self.data) @ members
        return self._with(**{**changes, "feature_names": groups, "clustering": None})._after("sum", self)

    def _with(self, **changes: Any) -> Explanation:
        """A copy with other members."""
        new = copy.copy(self)
        for name, value in changes.items():
            setattr(new, name, value)
        return new

    def _after(self, name: str, before: Explanation, **details: Any) -> Explanation:
        """The same explanation, with one more operation in its history."""
        self.op_history = [*before.op_history, OpHistoryItem(name, before.shape, **details)]
        return self

    def __copy__(self) -> Explanation:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.op_history = list(self.__dict__.get("op_history", []))
        return new

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"op_history": [], **state})

    # Elsewhere

    def to_shap(self) -> Any:
        """As shap's own Explanation, of its own class.

        Raises
        ------
        MissingDependencyError
            shap is not installed.
        """
        shap = required_shap("Explanation.to_shap")
        members = {name: getattr(self, name) for name in (*_AXES, *_KEPT)}
        if members["data"] is not None and len(self._axes) and not np.ndim(members["data"]):
            members["data"] = None
        converted = shap.Explanation(**members)
        converted.op_history = list(self.op_history)
        return converted

    def save(self, out_file: Any) -> None:
        """Write the explanation to a file, without pickle: arrays and JSON in one NumPy archive.

        Parameters
        ----------
        out_file : path or binary file
        """
        members = {name: getattr(self, name) for name in (*_AXES, *_KEPT)}
        _saving.write(out_file, "Explanation", {**members, "axes": list(self._axes)})

    @classmethod
    def load(cls, in_file: Any) -> Explanation:
        """Read what `save` wrote; no code of the file runs. The operations that led to it are not kept."""
        members = _saving.read(in_file, "Explanation")
        axes = members.pop("axes", None)
        if not isinstance(axes, list) or set(axes) - set(_EVERY) or set(members) - {*_AXES, *_KEPT}:
            raise ValueError(f"{in_file!r} is damaged, or is not a file that `save` of {_saving.FORMAT} wrote.")
        return cls(**members, axes=tuple(axes))


def _told_axes(values: Any, base_values: Any, output_names: Any, feature_names: Any) -> tuple[str, ...]:
    """Names of the values' axes, told from the shapes of the other members as shap does."""
    listed = feature_names is not None and not isinstance(feature_names, str)
    if output_names is not None and not isinstance(output_names, str):
        # rows and features whose names serve as names of outputs too are no features and outputs
        features_last = base_values is None and listed and values.ndim == 2 and len(feature_names) == values.shape[1]
        n_outputs = int(not features_last)
    elif output_names is None and base_values is not None:
        n_outputs = int(np.ndim(base_values) > 1)
    else:
        n_outputs = 0
    tail: tuple[str, ...] = (OUTPUT,) if n_outputs and values.ndim else ()
    inner: int = values.ndim - len(tail)
    if inner > 3:
        raise _dimension_error(f"Values have shape {values.shape}; expected rows, features, features and outputs.")
    of_one_feature = isinstance(feature_names, str) or (listed and len(feature_names) != len(values))
    inner_axes: tuple[str, ...] = (ROW, FEATURE, PARTNER)[:inner]
    if inner == 1 and not of_one_feature:
        inner_axes = (FEATURE,)
    return inner_axes + tail


def _dimension_error(message: str) -> Exception:
    from fastexplain.compat.shap.utils._exceptions import DimensionError

    return DimensionError(message)


def _plain(rows: Any) -> Any:
    """A table's values; a list as an array; anything else as it is."""
    if hasattr(rows, "iloc"):
        return rows.to_numpy()
    return np.asarray(rows) if isinstance(rows, list) else rows


def _listed(names: Any) -> Any:
    return names if names is None or isinstance(names, str) else list(names)


def _drops(key: Any) -> bool:
    return isinstance(key, int | np.integer) and not isinstance(key, bool)


def _is_numeric(array: Any) -> bool:
    return array is not None and not hasattr(array, "tocsr") and np.asarray(array).dtype.kind in "fiub"


def _sliced(value: Any, axes: tuple[str, ...], keys: dict[str, Any]) -> Any:
    """A member with some of the explanation's axes, sliced along them one by one."""
    if value is None or not axes:
        return value
    if isinstance(value, list):  # names
        picked = np.asarray([*value, None], dtype=object)[:-1][keys[axes[0]]]
        return picked.tolist() if isinstance(picked, np.ndarray) else picked
    if hasattr(value, "tocsr"):
        kept = value.tocsr()[_at_least_1d(keys[axes[0]])][:, _at_least_1d(keys[axes[1]])]
        if not any(_drops(keys[axis]) for axis in axes):
            return kept
        return kept.toarray()[tuple(0 if _drops(keys[axis]) else slice(None) for axis in axes)]
    position = 0
    for axis in axes:
        value = value[(slice(None),) * position + (keys[axis],)]
        position += not _drops(keys[axis])
    return value


def _at_least_1d(key: Any) -> Any:
    return [key] if _drops(key) else key
