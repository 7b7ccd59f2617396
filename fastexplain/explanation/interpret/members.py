"""The members by which interpret-core shows an explanation; `interpret_data` makes what they return."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from fastexplain.explanation.explanation import Explanation

__all__ = ["InterpretMembers"]

# numbers of names for display, by class
_numbers: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)


class InterpretMembers:
    """`data`, `visualize`, `selector`, `name` and `explanation_type` of an `Explanation`."""

    _name: str | None = None

    @property
    def explanation_type(self) -> str:
        """``"global"`` or ``"local"``, as interpret-core's dashboard sorts explanations."""
        return "global" if hasattr(type(self), "global_importance_values") else "local"

    @property
    def name(self) -> str:
        """Name for display: the class and a number, which stays the same for this object."""
        if self._name is None:
            self._name = f"{type(self).__name__}_{next(_numbers[type(self).__name__])}"
        return self._name

    @property
    def selector(self) -> pd.DataFrame:
        """What interpret-core lists to choose from: rows with their predictions, or features if there are no rows.

        Returns
        -------
        pandas.DataFrame
            Columns Actual, Predicted, PrScore, AcScore, Resid and AbsResid, a row per explained row (true labels are
            unknown to an explanation: predictions stand in for them). Without local values Name, Type, # Unique and
            % Non-zero, a row per feature.

        Raises
        ------
        MissingDependencyError
            pandas is not installed.
        """
        from fastexplain.explanation.interpret.data import explanation_selector

        return explanation_selector(cast("Explanation", self))

    def data(self, key: int | None = None) -> dict[str, Any]:
        """The explanation as dictionaries, as interpret-core and dashboards read them.

        Parameters
        ----------
        key : int, optional
            None: of the model as a whole. -1: everything. i: of row i.

        Returns
        -------
        dict
            None: ``mli``, empty; of a global explanation ``names``, ``scores`` and ``intercept`` too. -1: ``overall``;
            ``specific``, one dictionary per row or None; ``mli``, entries of type ``local_feature_importance`` and
            ``global_feature_importance``. i: ``type``, ``names``, ``scores`` (of all rows), ``perf``, ``values``,
            ``intercept`` and ``extra``. ``perf`` is None where predictions are unknown, ``values`` where rows are, and
            members that need expected values are absent without them.

        Raises
        ------
        ValueError
            There is no such row.
        """
        from fastexplain.explanation.interpret.data import explanation_data

        return explanation_data(cast("Explanation", self), key)

    def visualize(self, key: int | None = None) -> Any:
        """Picture of the 15 largest importances, by interpret-core.

        Parameters
        ----------
        key : int, optional
            None: importances of the model. i: values of row i, of class 1 of two, or of the class with the largest
            explained output; without local values, importances of feature i.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ValueError
            `key` is None, but this explanation is local only; or there is no such row or feature.
        MissingDependencyError
            interpret-core is not installed.
        """
        from fastexplain.explanation.interpret.data import explanation_figure

        return explanation_figure(cast("Explanation", self), key)
