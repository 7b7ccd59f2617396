"""shap's PartitionExplainer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import links
from fastexplain.compat.shap._inputs import clustering_of, is_frame, masked_background, row_values, shaped
from fastexplain.compat.shap.explainers._explainer import Stopwatch
from fastexplain.compat.shap.explainers._function import (
    MAX_SAMPLES,
    FunctionExplainer,
    refuse_linearized,
    refuse_outputs,
)
from fastexplain.compat.shap.maskers import Partition
from fastexplain.engine.kernel.owen import OwenGame

__all__ = ["PartitionExplainer", "owen_game", "owen_values"]


class PartitionExplainer(FunctionExplainer):
    """``shap.PartitionExplainer``: Owen values along a hierarchy of features, always exact.

    Parameters
    ----------
    model : callable or fitted model
        A function of rows that returns (n_rows,) or (n_rows, n_outputs); a model as `fastexplain.kernel_shap` takes it.
    masker : `maskers.Partition`, array or DataFrame
        Plain rows are clustered by their correlation, as by `maskers.Partition`.
    output_names : sequence of str, optional
    link : link function, default `links.identity`
    linearize_link : bool, default True
        Must be False where the link is not the identity.
    feature_names : sequence of str, optional
    n_threads : int, optional

    Raises
    ------
    InvalidClusteringError
        The hierarchy is so deep that it has more than 2^17 coalitions.
    """

    _names_features = True

    def __init__(
        self,
        model: Any,
        masker: Any,
        *,
        output_names: Any = None,
        link: Any = links.identity,
        linearize_link: bool = True,
        feature_names: Any = None,
        n_threads: int | None = None,
    ) -> None:
        refuse_linearized(link, linearize_link)
        hierarchy = Partition(_rows(masker)) if clustering_of(masker) is None else masker
        linkage: Any = hierarchy.clustering
        self._owen = owen_game(linkage)
        super().__init__(
            model,
            masked_background(hierarchy, MAX_SAMPLES, hierarchies=True),
            link,
            feature_names,
            None,
            n_threads,
        )
        self.masker, self.output_names = masker, output_names

    def __call__(
        self,
        X: Any,
        *,
        max_evals: int | str = 500,
        fixed_context: int | None = None,
        main_effects: bool = False,
        error_bounds: bool = False,
        batch_size: int | str = "auto",
        outputs: Any = None,
        silent: bool = False,
    ) -> Any:
        """Owen values of each row, with what belongs to them.

        Parameters
        ----------
        X : array or DataFrame of shape (n_rows, n_features), or one row of shape (n_features,)
        max_evals, error_bounds, batch_size, silent
            Have no effect: all coalitions along the hierarchy are evaluated.
        fixed_context, outputs : optional
            Must be None.
        main_effects : bool, default False
            Give `Explanation.main_effects`: each feature's change of the mean output when it alone is known.

        Returns
        -------
        Explanation
        """
        refuse_outputs(outputs)
        if fixed_context is not None:
            raise ValueError(f"fixed_context={fixed_context!r} is not supported: Owen values average both contexts.")
        watch = Stopwatch()
        rows, single = row_values(X)
        values = owen_values(self, rows, self._owen)
        linkage = self._owen.linkage
        clustering = np.broadcast_to(linkage, (len(values), *linkage.shape))
        return self._as_explanation(rows, single, watch, values, main_effects=main_effects, clustering=clustering)

    def shap_values(self, X: Any) -> NDArray[Any]:
        """Owen values alone: (n_rows, n_features), with an axis of outputs if the function returns 2-D outputs."""
        rows, single = row_values(X)
        values = owen_values(self, rows, self._owen)
        return shaped(values, self._has_output_axis(values.shape[-1]), single)


def owen_values(explainer: FunctionExplainer, rows: Any, owen: OwenGame) -> NDArray[np.float64]:
    """Owen values (n_rows, n_features, n_outputs) of an explainer's function."""
    prepared, order = explainer._prepared(rows)
    game = explainer._game(prepared)
    values = np.empty((game.n_rows, len(owen.linkage) + 1, game.n_outputs))
    for row in range(game.n_rows):
        values[row] = owen.values(explainer._coalition_values(game, row, owen.masks))
    return values if order is None else values[:, order]


def owen_game(clustering: NDArray[np.float64]) -> OwenGame:
    """The coalitions of a hierarchy.

    Raises
    ------
    InvalidClusteringError
        They are too many.
    """
    try:
        return OwenGame(clustering)
    except ValueError as error:
        from fastexplain.compat.shap.utils._exceptions import InvalidClusteringError

        raise InvalidClusteringError(str(error)) from error


def _rows(masker: Any) -> Any:
    """The rows of an `Independent` masker, or plain rows."""
    return masker.data if not is_frame(masker) and hasattr(masker, "max_samples") else masker
