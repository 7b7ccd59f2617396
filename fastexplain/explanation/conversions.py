"""What an explanation turns into, and what it is made of: raw features, pictures, tables, files, shap's object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import os

    import pandas as pd
    import pyarrow as pa

    from fastexplain.explanation.explanation import Explanation
    from fastexplain.explanation.local_explanation import LocalExplanation
    from fastexplain.explanation.plots import ExplanationPlots

__all__ = ["Conversions"]


class Conversions:
    """Members of an `Explanation` that other modules do the work of, loaded when they are used."""

    # Raw features

    def get_raw_explanation(
        self, feature_maps: list[Any], raw_feature_names: Sequence[Any] | None = None, eval_data: Any = None
    ) -> Explanation:
        """Explanation of the features before a transformation; see `fastexplain.explanation.get_raw_explanation`.

        Parameters
        ----------
        feature_maps : list of array or sparse matrix
            Of the transformation's steps, in order: weights >= 0 of shape (n_raw, n_engineered).
        raw_feature_names : sequence, optional
            Default: indices.
        eval_data : array-like, optional
            The explained rows before the transformation.

        Returns
        -------
        Explanation
            Of the same kind, with `is_raw` True; this explanation's `is_engineered` becomes True.

        Raises
        ------
        ValueError
            `feature_maps` is no list of such maps, or does not fit the explanation.
        """
        from fastexplain.explanation.numbers.feature_maps import get_raw_explanation

        return get_raw_explanation(cast("Explanation", self), feature_maps, raw_feature_names, eval_data)

    def get_raw_feature_importances(self, feature_maps: list[Any]) -> list[Any]:
        """Importances of the features before a transformation: sums of those of the columns made of them.

        Parameters
        ----------
        feature_maps : list of array or sparse matrix
            As in `get_raw_explanation`.

        Returns
        -------
        list
            Nested as `global_importance_values`; for an explanation that is only local, as `local_importance_values`.

        Raises
        ------
        ValueError
            `feature_maps` is no list of such maps, or does not fit the explanation.
        """
        from fastexplain.explanation.numbers.feature_maps import get_raw_feature_importances

        return get_raw_feature_importances(cast("Explanation", self), feature_maps)

    # Pictures

    @property
    def plot(self) -> ExplanationPlots:
        """Pictures of this explanation: ``plot.bar()``, ``plot.beeswarm()``, ``plot.waterfall(row)``."""
        from fastexplain.explanation.plots import ExplanationPlots

        return ExplanationPlots(cast("Explanation", self))

    # Tables and files

    def to_arrow(self, **options: Any) -> pa.Table:
        """A row for each explained row, or each feature; see `fastexplain.explanation.to_arrow`."""
        from fastexplain.explanation.files.parquet import to_arrow

        return to_arrow(cast("Explanation", self), **options)

    def to_pandas(self, **options: Any) -> pd.DataFrame:
        """`to_arrow` as a pandas data frame."""
        from fastexplain.explanation.files.parquet import to_pandas

        return to_pandas(cast("Explanation", self), **options)

    def to_parquet(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write one file, which `load_explanation` reads; see `fastexplain.explanation.write_parquet`."""
        from fastexplain.explanation.files.parquet import write_parquet

        write_parquet(cast("Explanation", self), path, **options)

    # shap

    @staticmethod
    def from_shap(
        explanation: Any, *, classes: Sequence[Any] | None = None, model_task: str | None = None, **context: Any
    ) -> LocalExplanation:
        """From shap's Explanation, or one of `fastexplain.compat.shap`.

        Parameters
        ----------
        explanation : shap.Explanation
            Values (n_rows, n_features) or (n_rows, n_features, n_outputs), or of one row of it. Kept without a copy.
        classes : sequence, optional
            Labels of a classifier; two labels for values of one output, which are class 1's margin. Default: the
            names of several outputs.
        model_task : {"classification", "regression"}, optional
            Default: classification for several outputs or with `classes`.
        **context
            As in `Explanation`, over what shap's object says.

        Raises
        ------
        ValueError
            Values have more axes, or base values differ from row to row.
        TypeError
            Values are not numbers.
        """
        from fastexplain.explanation.shap_interop import from_shap

        return from_shap(explanation, classes=classes, model_task=model_task, **context)
