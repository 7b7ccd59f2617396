"""`ScoringExplainer`: predictions with their reasons, from arrays alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.feature_map import FeatureMap
from fastexplain.scoring.exceptions import MissingRawTransformationsException
from fastexplain.scoring.method import Attributed, Floats, Method
from fastexplain.scoring.schema import FeatureSchema, GivenRows

if TYPE_CHECKING:
    from fastexplain.scoring.preprocessing.table import Preprocessing

__all__ = ["Scores", "ScoringExplainer", "ScoringParts"]


@dataclass(frozen=True)
class ScoringParts:
    """What a scoring explainer is made of.

    Attributes
    ----------
    method : Method
    schema : FeatureSchema
        Of the rows that are taken: raw ones with `preprocessing`, else those of the model.
    preprocessing : Preprocessing or None
        From the rows that are taken to the model's.
    feature_map : FeatureMap or None
        From the model's columns back to raw features.
    raw_features, engineered_features : list or None
        Names.
    subset : int64 array, or None
        Features that values are cut down to.
    """

    method: Method
    schema: FeatureSchema
    preprocessing: Preprocessing | None = None
    feature_map: FeatureMap | None = None
    raw_features: list[Any] | None = None
    engineered_features: list[Any] | None = None
    subset: NDArray[np.int64] | None = None


class Scores(Attributed):
    """Predictions of rows and what they are made of, as arrays; see `ScoringExplainer.score`."""


class ScoringExplainer:
    """Explains rows beside their predictions: what an explainer learnt, without its model, its library and its rows.

    Made by `TreeScoringExplainer` and its like, `scoring_explainer`, or `load`. It has scikit-learn's ``fit`` and
    ``predict``, so that it can end a pipeline. Safe to use from several threads, after a fork, and from a pickle.
    """

    _parts: ScoringParts
    _id: str | None = None

    @classmethod
    def _of(cls, parts: ScoringParts) -> ScoringExplainer:
        explainer = cls.__new__(cls)
        explainer._parts = parts
        return explainer

    @property
    def features(self) -> list[Any] | None:
        """Names of the columns that are taken; None if there are none."""
        names = self._parts.schema.names
        return None if names is None else list(names)

    @property
    def raw_features(self) -> list[Any] | None:
        """Names of the features before transformations; None where they are not known."""
        return self._parts.raw_features

    @property
    def engineered_features(self) -> list[Any] | None:
        """Names of the columns that the model takes, where rows are transformed; None where they are not known."""
        return self._parts.engineered_features

    @property
    def classes(self) -> list[Any] | None:
        """Labels of the classes, in the order of values and probabilities; None of regressions."""
        return self._parts.method.classes

    @property
    def model_task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self._parts.method.task

    def fit(self, X: Any = None, y: Any = None) -> ScoringExplainer:
        """Nothing is learnt: for scikit-learn's pipelines."""
        return self

    def predict(self, X: Any) -> list[Any]:
        """`explain`, for scikit-learn's pipelines."""
        return self.explain(X)

    def explain(self, evaluation_examples: Any, get_raw: bool | None = None) -> list[Any]:
        """Local values as nested lists.

        Parameters
        ----------
        evaluation_examples : array, table, dict or list
            Rows as `score` takes them.
        get_raw : bool, optional
            Values of raw features (True) or of the model's columns (False). Default: of raw features where the rows
            are raw ones.

        Returns
        -------
        list
            Rows x features; of a classifier, a list of these per class. One margin of two classes has [-v, v]. A row
            that came without an axis of rows has none.

        Raises
        ------
        MissingRawTransformationsException
            `get_raw` is True, and nothing says what the raw features are.
        ValueError, TypeError
            The rows do not fit.
        """
        given = self._parts.schema.rows(evaluation_examples)
        values = self._attributed(given, get_raw, None).values
        if given.single:
            values = values[0]
        if self.model_task != "classification":
            return _listed(values)
        if values.shape[-1] == 1:
            values = np.concatenate([-values, values], axis=-1)
        listed: list[Any] = np.moveaxis(values, -1, 0).tolist()
        return listed

    def score(self, rows: Any, *, get_raw: bool | None = None, n_threads: int | None = None) -> Scores:
        """Predictions, and the values that they are made of, in one pass.

        Parameters
        ----------
        rows : array, table, dict or list
            A NumPy array or list of rows, columns in order; a pandas, polars or Arrow table, or dicts of names and
            values, matched by name; a single row.
        get_raw : bool, optional
            As in `explain`.
        n_threads : int, optional
            Default `fastexplain.get_num_threads`.

        Returns
        -------
        Scores
            ``predictions`` (n_rows,), ``probabilities`` (n_rows, n_classes) or None, ``values`` (n_rows, n_features,
            n_outputs), ``base_values`` (n_outputs,), ``standard_errors`` of the values' shape, or None.
        """
        given = self._parts.schema.rows(rows)
        return Scores(*self._attributed(given, get_raw, n_threads))

    def explain_batch(self, rows: Any, out: Floats | None = None, *, get_raw: bool | None = None) -> Floats:
        """Local values as an array, written into the caller's where one is given.

        Parameters
        ----------
        rows : array, table, dict or list
            As in `score`.
        out : float64 array of shape (n_rows, n_features, n_outputs), optional
        get_raw : bool, optional
            As in `explain`.

        Returns
        -------
        array of shape (n_rows, n_features, n_outputs)
            `out`, where it was given.
        """
        values = self._attributed(self._parts.schema.rows(rows), get_raw, None).values
        if out is None:
            return values
        if out.shape != values.shape or out.dtype != np.float64:
            raise ValueError(f"out is {out.dtype} of shape {out.shape}; expected float64 of shape {values.shape}.")
        out[...] = values
        return out

    def _attributed(self, given: GivenRows, get_raw: bool | None, n_threads: int | None) -> Attributed:
        raw = self._gives_raw(get_raw)
        result = self._parts.method.attribute(self._matrix(given), n_threads)
        if raw and self._parts.feature_map is not None:
            result = result.over(self._parts.feature_map.mapped)
        subset = self._parts.subset
        return result if subset is None else result.over(lambda numbers: numbers[:, subset])

    def _gives_raw(self, get_raw: bool | None) -> bool:
        parts = self._parts
        if get_raw is None:
            return parts.preprocessing is not None
        if get_raw and parts.feature_map is None:
            raise MissingRawTransformationsException(
                "get_raw=True asks for raw features, and this explainer knows neither transformations nor feature "
                "maps; leave get_raw out, or build the scoring explainer with feature_maps=."
            )
        return get_raw

    def _matrix(self, given: GivenRows) -> NDArray[np.floating[Any]]:
        """Rows as the model's numbers."""
        parts = self._parts
        if parts.preprocessing is not None:
            if given.single:
                engineered = parts.preprocessing.transform_row(given.only_row())[None, :]
            else:
                engineered = parts.preprocessing.transform(given.columns())
            return parts.method.encoding.finished(engineered)
        if given.by_column:
            return parts.method.encoding.columns(given.data)
        return parts.method.encoding.matrix(parts.method.encoding.dense(given.data))

    def __repr__(self) -> str:
        method, schema = self._parts.method, self._parts.schema
        return f"<{type(self).__name__}: {method.kind}, {method.task}, {schema.n_features} features>"


def _listed(values: Floats) -> list[Any]:
    """Of a regression: rows x features, or a list of these per target where there are several."""
    if values.shape[-1] == 1:
        one: list[Any] = values[..., 0].tolist()
        return one
    several: list[Any] = np.moveaxis(values, -1, 0).tolist()
    return several
