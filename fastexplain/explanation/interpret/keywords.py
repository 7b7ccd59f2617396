"""interpret-community's constructor keywords and class-first lists -> our own keywords and arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation.numbers.ranking import rank
from fastexplain.rows.kinds import is_sparse

__all__ = [
    "LocalValues",
    "expected_to_base",
    "global_values",
    "in_own_words",
    "is_classification",
    "local_values",
    "plain_list",
]

# Their names that mean one of ours; of two names for the same thing the first that is given counts.
_RENAMED = {"explanation_id": "id"}
_GLOBAL = frozenset({"global_importance_values", "global_importance_rank", "per_class_values", "per_class_rank"})
_PREDICTED = ("eval_y_predicted", "eval_ys_predicted")
_PROBABILITIES = ("eval_y_predicted_proba", "eval_ys_predicted_proba")


class LocalValues(NamedTuple):
    """Local values as our classes keep them.

    Attributes
    ----------
    values : array of shape (n_rows, n_features, n_outputs), or list of csr matrices, one per output
    single_row : bool
        There was no row axis.
    """

    values: Any
    single_row: bool

    @property
    def is_sparse(self) -> bool:
        """Whether the values are sparse matrices."""
        return isinstance(self.values, list)


def in_own_words(keywords: dict[str, Any], own: frozenset[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keywords that `Explanation` knows by its own names, and the rest.

    The rest keeps ``expected_values``, ``num_features`` and ``num_classes``, which can only be checked against the
    numbers, and whatever is unknown.
    """
    rest = {name: value for name, value in keywords.items() if name not in own}
    context = {name: value for name, value in keywords.items() if name in own}
    for theirs, ours in _RENAMED.items():
        if rest.get(theirs) is not None:
            context[ours] = rest[theirs]
        rest.pop(theirs, None)
    if "classification" in rest or context.get("model_task") in ("unknown", None):
        context["model_task"] = _task(rest.pop("classification", None), context.get("classes"), rest)
    predictions = tuple(_first(rest, names) for names in (_PREDICTED, _PROBABILITIES))
    if any(data is not None for data in predictions):
        context["predictions"] = predictions
    return context, rest


def is_classification(keywords: dict[str, Any]) -> bool:
    """Whether keywords of a constructor, by our names or theirs, describe a classifier."""
    task = keywords.get("model_task")
    if "classification" in keywords or task in ("unknown", None):
        return _task(keywords.get("classification"), keywords.get("classes"), keywords) == "classification"
    return bool(task == "classification")


def _task(flag: Any, classes: Any, keywords: dict[str, Any]) -> str:
    if flag is None:
        flag = classes is not None or keywords.get("num_classes") is not None
    return "classification" if flag else "regression"


def _first(keywords: dict[str, Any], names: Sequence[str]) -> Any:
    given = [keywords.pop(name, None) for name in names]
    return next((data for data in given if data is not None), None)


def local_values(given: Any, classification: bool) -> LocalValues:
    """Class-first local values, as `local_importance_values` shows them, in our own layout.

    Parameters
    ----------
    given : array-like or sparse
        Rows x features; for a classifier (or a regression of several outputs) classes x rows x features, or a list of
        one matrix per class. Without the axis of rows: one single row. An array is not copied, a list is, once.
    classification : bool
        Whether two axes mean classes x features (of a single row) and not rows x features.

    Raises
    ------
    ValueError
        The number of axes is not one of these, or matrices of a list differ in shape.
    TypeError
        The entries are not numbers.
    """
    if hasattr(given, "detach"):  # a torch tensor, which may need a gradient
        given = given.detach().cpu()
    if is_sparse(given):
        return LocalValues([given], False)
    if _is_list_of_sparse(given):
        return LocalValues(list(given), False)
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"local_importance_values holds {array.dtype} entries; expected numbers.")
    if array.dtype not in (np.float64, np.float32):
        array = array.astype(np.float64)
    if array.ndim == 1:
        return LocalValues(array[np.newaxis, :, np.newaxis], True)
    if array.ndim == 2 and classification:
        return LocalValues(array.T[np.newaxis], True)
    if array.ndim == 2:
        return LocalValues(array[:, :, np.newaxis], False)
    if array.ndim == 3:
        return LocalValues(np.moveaxis(array, 0, -1), False)
    raise ValueError(
        f"local_importance_values has shape {array.shape}; expected (n_rows, n_features) or (n_classes, n_rows, "
        "n_features)."
    )


def _is_list_of_sparse(given: Any) -> bool:
    is_list = isinstance(given, list | tuple) or (isinstance(given, np.ndarray) and given.dtype == object)
    return is_list and len(given) > 0 and is_sparse(given[0])


def expected_to_base(expected: Any, n_outputs: int, is_antisymmetric: Callable[[], bool]) -> NDArray[np.float64]:
    """Expected values, a number or a list that may be nested, as one base value per output.

    One value for two classes whose values are [-v, v] is that of class 1; [-e, e] for one margin is e.

    Raises
    ------
    ValueError
        Their number is not that of the outputs.
    """
    base = np.asarray(expected, dtype=np.float64).ravel()
    if n_outputs in (0, len(base)):
        return base
    if n_outputs == 1 and len(base) == 2 and base[0] == -base[1]:
        return base[1:]
    if n_outputs == 2 and len(base) == 1 and is_antisymmetric():
        return np.array([-base[0], base[0]])
    raise ValueError(f"expected_values has {len(base)} entries ({base.tolist()}); the values have {n_outputs} outputs.")


def global_values(keywords: dict[str, Any]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Take the keywords of global importances out: those of each class or of the model as a whole, and overall ones.

    Returns
    -------
    importances, global_importances
        As `GlobalExplanation` takes them; both None where there are none, the second where the first says it all.

    Raises
    ------
    ValueError
        A rank is not the order of its values.
    """
    if _GLOBAL.isdisjoint(keywords):
        return None, None
    overall, per_class = keywords.pop("global_importance_values", None), keywords.pop("per_class_values", None)
    values = []
    for name, given in (("global_importance_rank", overall), ("per_class_rank", per_class)):
        array = None if given is None else np.asarray(given, dtype=np.float64)
        _check_rank(name, keywords.pop(name, None), array)
        values.append(array)
    return (values[0], None) if values[1] is None else (values[1], values[0])


def _check_rank(name: str, given: Any, values: NDArray[np.float64] | None) -> None:
    if given is None:
        return
    if values is None:
        raise ValueError(f"{name} is given without the values that it ranks.")
    order = np.asarray(given)
    if order.shape != values.shape or not np.array_equal(np.sort(order, axis=-1), np.sort(rank(values), axis=-1)):
        raise ValueError(f"{name} must hold each feature's index once, in the shape {values.shape}; got {given!r}.")
    ranked = np.take_along_axis(values, order, axis=-1)
    if np.any(ranked[..., 1:] > ranked[..., :-1]):
        raise ValueError(f"{name} is not the order of the values, largest first: {given!r}.")


def plain_list(names: Any) -> list[Any]:
    """Names as a list of Python objects: entries of an array or an index are not NumPy scalars."""
    return list(names.tolist() if hasattr(names, "tolist") else names)
