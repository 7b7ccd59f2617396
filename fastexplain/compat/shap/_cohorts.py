"""Groups of rows, each with its explanation: shap's Cohorts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastexplain.compat.shap._installed import shap_class

if TYPE_CHECKING:
    from fastexplain.compat.shap._explanation import Explanation

__all__ = ["Cohorts", "make_cohorts"]


class Cohorts(shap_class("Cohorts", object)):  # type: ignore[misc]
    """Explanations of groups of rows, by name.

    Slices, operations and members are those of each explanation: ``cohorts.abs.mean(0)`` are Cohorts too.

    Parameters
    ----------
    **cohorts : Explanation

    Attributes
    ----------
    cohorts : dict of str to Explanation
    """

    def __init__(self, **cohorts: Any) -> None:
        self.cohorts = cohorts

    @property
    def cohorts(self) -> dict[str, Any]:
        """Explanations by name."""
        return self._cohorts

    @cohorts.setter
    def cohorts(self, cohorts: dict[str, Any]) -> None:
        if not isinstance(cohorts, dict):
            raise TypeError(f"cohorts must be a dictionary of names and Explanations; got {cohorts!r}.")
        for name, explanation in cohorts.items():
            if not hasattr(explanation, "base_values"):
                raise TypeError(f"Cohort {name!r} is a {type(explanation).__name__}; expected an Explanation.")
        self._cohorts = cohorts

    def __getitem__(self, item: Any) -> Cohorts:
        return Cohorts(**{name: explanation[item] for name, explanation in self.cohorts.items()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"Cohorts have no attribute {name!r}.")
        members = {key: getattr(explanation, name) for key, explanation in self.cohorts.items()}
        if members and all(callable(member) for member in members.values()):
            return lambda *args, **kwargs: _gathered({k: call(*args, **kwargs) for k, call in members.items()})
        return _gathered(members)

    def __call__(self, *args: Any, **kwargs: Any) -> Cohorts:
        raise ValueError("No methods to call: name one first, such as cohorts.mean(0).")

    def __repr__(self) -> str:
        sizes = {name: explanation.shape for name, explanation in self.cohorts.items()}
        return f"Cohorts({sizes})"


def _gathered(members: dict[str, Any]) -> Any:
    """Cohorts of explanations; a dict of anything else."""
    return Cohorts(**members) if all(hasattr(m, "base_values") for m in members.values()) else members


def make_cohorts(explanation: Explanation, cohorts: Any) -> Cohorts:
    """What `Explanation.cohorts` returns; see there.

    Raises
    ------
    ValueError
        The explanation has several outputs.
    TypeError
        `cohorts` is neither a number nor labels.
    """
    if np.ndim(explanation.values) != 2:
        raise ValueError(
            f"Cohorts cannot be calculated on multiple outputs at once. These values have shape {explanation.shape}; "
            "choose one output: explanation[..., output].cohorts(2)."
        )
    if isinstance(cohorts, list | tuple | np.ndarray) or hasattr(cohorts, "to_numpy"):
        labels = np.asarray(cohorts)
        if len(labels) != len(explanation):
            raise ValueError(f"{len(labels)} labels for {len(explanation)} rows.")
    elif isinstance(cohorts, int | np.integer) and not isinstance(cohorts, bool):
        labels = _leaf_names(explanation, int(cohorts))
    else:
        raise TypeError(f"cohorts must be a whole number, or a label for each row; got {cohorts!r}.")
    return Cohorts(**{str(label): explanation[labels == label] for label in np.unique(labels)})


def _leaf_names(explanation: Explanation, n_cohorts: int) -> Any:
    """For each row the conditions on its way through a decision tree that is fitted to the values."""
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_leaf_nodes=n_cohorts, random_state=0)
    tree.fit(explanation.data, explanation.values)
    nodes = tree.tree_
    names = explanation.feature_names or [f"Feature {j}" for j in range(explanation.shape[1])]
    conditions: dict[int, list[str]] = {0: []}

    def condition(i: int, sign: str) -> str:
        return f"{names[nodes.feature[i]]} {sign} {nodes.threshold[i]:.6g}"

    for i in range(nodes.node_count):  # parents come before their children
        left, right = int(nodes.children_left[i]), int(nodes.children_right[i])
        if left >= 0:
            conditions[left] = [*conditions[i], condition(i, "<=")]
            conditions[right] = [*conditions[i], condition(i, ">")]
    leaves = tree.apply(np.asarray(explanation.data))
    return np.array([" & ".join(conditions[int(leaf)]) or "all rows" for leaf in leaves])
