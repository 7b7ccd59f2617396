"""What an adapter's call returns: the numbers of shap's Explanation, which can be sliced as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Explanation"]


class Explanation:
    """Values of some rows, with what belongs to them.

    Slicing, ``explanation[rows, features, outputs]``, slices everything; features may be named.

    Parameters
    ----------
    values : array of shape (n_rows, n_features) or (n_rows, n_features, n_outputs)
    base_values : array of shape (n_rows,) or (n_rows, n_outputs), or None
    data : array of shape (n_rows, n_features), or None
        The explained rows.
    feature_names : sequence of str, optional
    error_std : array of the values' shape, optional
        Standard errors.
    compute_time : float, optional
        Seconds.
    """

    def __init__(
        self,
        values: Any,
        base_values: Any = None,
        data: Any = None,
        *,
        feature_names: Sequence[Any] | None = None,
        error_std: Any = None,
        compute_time: float | None = None,
        axes: tuple[str, ...] | None = None,
    ) -> None:
        self.values = np.asarray(values)
        self.base_values = base_values
        self.data = data
        self.feature_names = None if feature_names is None else list(feature_names)
        self.error_std = error_std
        self.compute_time = compute_time
        self._axes = ("row", "feature", "output")[: self.values.ndim] if axes is None else axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return tuple(self.values.shape)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, key: Any) -> Explanation:
        keys = dict(zip(self._axes, self._expanded(key), strict=True))
        names: Any = self.feature_names
        if names is not None and "feature" in keys:
            names = np.asarray(names, dtype=object)[keys["feature"]]
        base_axes = tuple(axis for axis in self._axes if axis != "feature")
        data_axes = tuple(axis for axis in self._axes if axis != "output")
        return Explanation(
            _sliced(self.values, self._axes, keys),
            _sliced(self.base_values, base_axes, keys),
            _sliced(self.data, data_axes, keys),
            feature_names=None if names is None else np.atleast_1d(np.asarray(names, dtype=object)).tolist(),
            error_std=_sliced(self.error_std, self._axes, keys),
            compute_time=self.compute_time,
            axes=tuple(axis for axis in self._axes if not isinstance(keys[axis], int | np.integer)),
        )

    def to_shap(self) -> Any:
        """As shap's own Explanation, for its plots.

        Raises
        ------
        MissingDependencyError
            shap is not installed.
        """
        from fastexplain._optional import optional

        shap = optional("shap", "shap", "Explanation.to_shap")
        return shap.Explanation(
            self.values, base_values=self.base_values, data=self.data, feature_names=self.feature_names
        )

    def __repr__(self) -> str:
        return f"Explanation(shape={self.shape}, feature_names={self.feature_names!r})"

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
        if isinstance(item, str):
            if axis != "feature" or self.feature_names is None or item not in self.feature_names:
                raise KeyError(f"No {axis} is named {item!r}; features are named {self.feature_names!r}.")
            return self.feature_names.index(item)
        return np.asarray(item) if isinstance(item, list) else item


def _sliced(array: Any, axes: tuple[str, ...], keys: dict[str, Any]) -> Any:
    """An array with some of the explanation's axes, sliced along them one by one."""
    if array is None:
        return None
    out: NDArray[Any] | Any = array
    position = 0
    for axis in axes[: np.ndim(array)]:
        out = out[(slice(None),) * position + (keys[axis],)]
        position += not isinstance(keys[axis], int | np.integer)
    return out
