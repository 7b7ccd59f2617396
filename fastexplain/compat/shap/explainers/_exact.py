"""shap's ExactExplainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._inputs import clustering_of, masked_background, row_values, shaped
from fastexplain.compat.shap.explainers._explainer import Stopwatch
from fastexplain.compat.shap.explainers._function import MAX_SAMPLES, FunctionExplainer, refuse_linearized
from fastexplain.compat.shap.explainers._partition import owen_game, owen_values
from fastexplain.engine.kernel.enumeration import interaction_values

__all__ = ["ExactExplainer"]


class ExactExplainer(FunctionExplainer):
    """``shap.ExactExplainer``: Shapley values by enumeration of all coalitions; Owen values with `maskers.Partition`.

    Parameters
    ----------
    model, link, linearize_link, feature_names, n_threads
        As in `PermutationExplainer`.
    masker : array, DataFrame, `maskers.Independent` or `maskers.Partition`
        Background rows; of more than 100 plain rows a sample, as in shap.

    Attributes
    ----------
    expected_value : float or array of shape (n_outputs,)
    """

    _squeezes = True
    _names_features = True

    def __init__(
        self,
        model: Any,
        masker: Any,
        link: Any = links.identity,
        linearize_link: bool = True,
        feature_names: Any = None,
        *,
        n_threads: int | None = None,
    ) -> None:
        refuse_linearized(link, linearize_link)
        self._clustering = clustering_of(masker)
        background = masked_background(masker, MAX_SAMPLES, hierarchies=True)
        super().__init__(model, background, link, feature_names, None, n_threads)
        self.masker = masker

    def __call__(
        self,
        X: Any,
        *,
        max_evals: int | str = 100000,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_size: int | str = "auto",
        interactions: bool | int = 1,
        silent: bool = False,
    ) -> Any:
        """Values of each row, with what belongs to them.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        max_evals : int or "auto", default 100000
            With interactions: most coalitions that are evaluated for a row. Else it has no effect: only features that
            differ from the background count, and where a background row differs in few, its own few coalitions are
            enumerated.
        main_effects : bool, default False
            Give `Explanation.main_effects`: each feature's change of the mean output when it alone is known.
        error_bounds, batch_size
            Have no effect.
        interactions : bool or int, default 1
            True or 2: values of shape (n_rows, n_features, n_features[, n_outputs]): the Shapley-Taylor index of each
            pair, half of it in each of its two places, and main effects on the diagonal. The whole matrix adds up to
            the output minus the mean output.
        silent : bool, default False

        Returns
        -------
        Explanation

        Raises
        ------
        ValueError
            A row differs from the background in too many features to enumerate: use KernelExplainer or
            PermutationExplainer. Or interactions of more than two features, or along a hierarchy, are asked for.
        """
        if interactions is True or interactions == 2:
            return self._interactions(X, max_evals)
        if interactions not in (False, 1):
            raise ValueError(
                f"interactions={interactions!r} is not supported; expected 1 (none), or 2 or True (pairs)."
            )
        if self._clustering is None:
            return self._explained(X, main_effects=main_effects, method="exact", show_progress=not silent)
        watch = Stopwatch()
        rows, single = row_values(X)
        values = owen_values(self, rows, owen_game(self._clustering))
        clustering = np.broadcast_to(self._clustering, (len(values), *self._clustering.shape))
        return self._as_explanation(rows, single, watch, values, main_effects=main_effects, clustering=clustering)

    def shap_values(self, X: Any, silent: bool = False) -> NDArray[Any]:
        """Values alone, of shape as in `PermutationExplainer.shap_values`."""
        if self._clustering is None:
            return self._values(X, method="exact", show_progress=not silent)
        rows, single = row_values(X)
        values = owen_values(self, rows, owen_game(self._clustering))
        return shaped(values, self._has_output_axis(values.shape[-1]), single)

    def _interactions(self, X: Any, max_evals: int | str) -> Any:
        if self._clustering is not None:
            raise ValueError("interactions=True is not supported with maskers.Partition. Use maskers.Independent.")
        watch = Stopwatch()
        rows, single = row_values(X)
        prepared, order = self._prepared(rows)
        game = self._game(prepared)
        values = np.zeros((game.n_rows, self._n_features, self._n_features, game.n_outputs))
        for row in range(game.n_rows):
            players = np.flatnonzero(game.differs(row).any(axis=0))
            masks = _all_masks(players, self._n_features, max_evals)
            pairs = interaction_values(self._coalition_values(game, row, masks))
            values[row][np.ix_(players, players)] = pairs
        if order is not None:
            values = values[:, order][:, :, order]
        return self._as_explanation(rows, single, watch, values, partner=True)


def _all_masks(players: NDArray[np.intp], n_features: int, max_evals: int | str) -> NDArray[np.bool_]:
    """All coalitions of some features; coalition s holds the i-th of them if s has bit i."""
    n = len(players)
    most = 2**20 if isinstance(max_evals, str) else min(max_evals, 2**20)
    if 2**n > most:
        raise ValueError(
            f"Interactions of a row take 2^{n} coalitions, and max_evals={max_evals!r}. Raise it (up to 2^20), or "
            "group features."
        )
    masks = np.zeros((2**n, n_features), dtype=bool)
    masks[:, players] = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return masks
