"""`ScoringExplainer`: predictions with their reasons, from arrays alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.feature_map import FeatureMap
from fastexplain.scoring.exceptions import MissingRawTransformationsException
from fastexplain.scoring.expression import Condition
from fastexplain.scoring.method import Attributed, Floats, Method
from fastexplain.scoring.reasons import ReasonTable, reasons_of
from fastexplain.scoring.schema import FeatureSchema, GivenRows
from fastexplain.scoring.scores import Scores, check_top, strongest

if TYPE_CHECKING:
    from fastexplain.scoring.preprocessing.table import Preprocessing

__all__ = ["ScoringExplainer", "ScoringParts"]


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
    reasons : ReasonTable
        Groups, codes and texts of `ScoringExplainer.reason_codes`.
    """

    method: Method
    schema: FeatureSchema
    preprocessing: Preprocessing | None = None
    feature_map: FeatureMap | None = None
    raw_features: list[Any] | None = None
    engineered_features: list[Any] | None = None
    subset: NDArray[np.int64] | None = None
    reasons: ReasonTable = field(default_factory=ReasonTable)


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
    def id(self) -> str | None:
        """Of the artifact that it was loaded from, for whatever is computed with it to name; None if it was not."""
        return self._id

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
        values = self._attributed(self._matrix(given), get_raw, None).values
        if given.single:
            values = values[0]
        if self.model_task != "classification":
            return _listed(values)
        if values.shape[-1] == 1 and len(self.classes or (0, 1)) == 2:
            values = np.concatenate([-values, values], axis=-1)
        listed: list[Any] = np.moveaxis(values, -1, 0).tolist()
        return listed

    def score(
        self,
        rows: Any,
        *,
        top_k: int | None = None,
        by: str = "absolute",
        where: str | None = None,
        get_raw: bool | None = None,
        n_threads: int | None = None,
    ) -> Scores:
        """Predictions, and the values that they are made of, in one pass.

        Parameters
        ----------
        rows : array, table, dict or list
            A NumPy array or list of rows, columns in order; a pandas, polars or Arrow table, or dicts of names and
            values, matched by name; a single row.
        top_k : int, optional
            Only so many values of each row and output: the strongest, in order. Of equal ones the first feature's comes
            first.
        by : {"absolute", "positive", "negative"}, default "absolute"
            What is strong: the size, the largest values, or the smallest.
        where : str, optional
            Only rows for which this holds are explained; all are predicted. It compares ``prediction``, ``class``,
            ``probability`` (of two classes the second one's, else that of the predicted class) and
            ``probability['label']`` with numbers or labels in quotes; ``and``, ``or``, ``not`` and brackets join
            comparisons: ``"probability > 0.8 and not class == 'good'"``.
        get_raw : bool, optional
            As in `explain`.
        n_threads : int, optional
            Default `fastexplain.get_num_threads`.

        Returns
        -------
        Scores

        Raises
        ------
        ValueError, TypeError
            The rows do not fit, `top_k` is not positive, or `where` is not understood, with its place.
        """
        check_top(top_k, by)
        matrix = self._matrix(self._parts.schema.rows(rows))
        if where is None:
            scores = Scores.of(self._attributed(matrix, get_raw, n_threads))
        else:
            scores = self._chosen(matrix, Condition(where), get_raw, n_threads)
        return scores if top_k is None else strongest(scores, top_k, by)

    def _chosen(
        self, matrix: NDArray[np.floating[Any]], condition: Condition, get_raw: bool | None, n_threads: int | None
    ) -> Scores:
        """Scores of all rows, with the values of those for which a condition holds."""
        early = self._parts.method.predicted(matrix)
        if early is not None:
            chosen = np.flatnonzero(condition.holds(*early, self.classes))
            some = Scores.of(self._attributed(matrix[chosen], get_raw, n_threads), chosen)
            return some._replace(predictions=early[0], probabilities=early[1])
        result = self._attributed(matrix, get_raw, n_threads)
        chosen = np.flatnonzero(condition.holds(result.predictions, result.probabilities, self.classes))
        return Scores.of(result.over(lambda numbers: numbers[chosen]), chosen)

    def with_reasons(
        self, *, groups: Mapping[str, Sequence[Any]] | None = None, texts: Mapping[Any, Any] | None = None
    ) -> ScoringExplainer:
        """A copy that knows groups, codes and texts of reasons, which travel in its artifact.

        Parameters
        ----------
        groups : mapping of str to sequence, optional
            Name of a group -> its features, by name or index: a one-hot block, or columns that say the same. A group is
            one reason.
        texts : mapping, optional
            Feature or group -> its text, or a pair of code and text. ``{value}`` in a text becomes the row's value.

        Raises
        ------
        ValueError
            A feature is not known, or in two groups.
        TypeError
            Groups or texts are no mapping, or a group's name is no text.
        """
        table = ReasonTable(groups or {}, texts or {})
        table.resolved(self._value_names(None))
        copied = type(self)._of(replace(self._parts, reasons=table))
        return copied

    def reason_codes(
        self,
        rows: Any,
        k: int = 4,
        *,
        against: Any,
        groups: Mapping[str, Sequence[Any]] | None = None,
        texts: Mapping[Any, Any] | None = None,
        get_raw: bool | None = None,
    ) -> list[Any]:
        """What speaks against an outcome, the strongest reason first.

        Parameters
        ----------
        rows : array, table, dict or list
            As in `score`.
        k : int, default 4
            At most so many reasons of each row. What helped is never a reason, so there may be fewer.
        against : label, ``"high"`` or ``"low"``
            The outcome that reasons speak against: a class, or of a regression a high or a low number. A feature is a
            reason where its value made this outcome less likely than it is for the background.
        groups, texts : mapping, optional
            In place of those of `with_reasons`.
        get_raw : bool, optional
            As in `explain`.

        Returns
        -------
        list of list of Reason
            Of each row; a single list for a row without an axis of rows. Of equal contributions, the first feature's
            comes first.

        Raises
        ------
        ValueError
            `against` is no class, a feature is not known, or a regression has several targets.
        TypeError
            Groups or texts are no mapping, or a group's name is no text.
        """
        check_top(k, "absolute")
        known = self._parts.reasons
        table = ReasonTable(known.groups if groups is None else groups, known.texts if texts is None else texts)
        given = self._parts.schema.rows(rows)
        matrix = self._matrix(given)
        wrong_way = self._against(self._attributed(matrix, get_raw, None).values, against)
        found = reasons_of(table, self._value_names(get_raw), wrong_way, self._value_columns(given, matrix, get_raw), k)
        return found[0] if given.single else found

    def _value_columns(
        self, given: GivenRows, matrix: NDArray[np.floating[Any]], get_raw: bool | None
    ) -> Sequence[Any]:
        """What rows have of the features that have values, by column; nothing where that is not known."""
        parts, raw = self._parts, self._gives_raw(get_raw)
        if parts.preprocessing is None and raw and parts.feature_map is not None:
            return []  # the rows are engineered ones
        columns = list(matrix.T) if parts.preprocessing is not None and not raw else given.columns()
        return columns if parts.subset is None else [columns[i] for i in parts.subset.tolist()]

    def _against(self, values: Floats, against: Any) -> Floats:
        """How far each feature (n_rows, n_features) moved the score away from an outcome."""
        if self.model_task == "regression":
            if values.shape[2] != 1:
                raise ValueError(f"Reasons are those of one number; this model predicts {values.shape[2]} of each row.")
            if not isinstance(against, str) or against not in ("high", "low"):
                raise ValueError(f"against must be 'high' or 'low' of a regression; got {against!r}.")
            return np.asarray(-values[:, :, 0] if against == "high" else values[:, :, 0])
        n_outputs = values.shape[2]
        classes = list(range(max(2, n_outputs))) if self.classes is None else self.classes
        if np.ndim(against) or against not in classes:
            raise ValueError(f"against must be one of the classes {', '.join(map(repr, classes))}; got {against!r}.")
        index = classes.index(against)
        if n_outputs == 1:
            return np.asarray(-values[:, :, 0] if index == 1 else values[:, :, 0])
        return np.asarray(-values[:, :, index])

    def _value_names(self, get_raw: bool | None) -> list[Any]:
        """Names of the features that have values; indices where there are none."""
        parts = self._parts
        if self._gives_raw(get_raw) and parts.method.n_raw is not None:
            names, n = parts.raw_features, parts.method.n_raw
        elif self._gives_raw(get_raw) and parts.feature_map is not None:
            names, n = parts.raw_features, parts.feature_map.n_raw
        elif parts.preprocessing is not None:
            names, n = parts.engineered_features, parts.preprocessing.n_engineered
        else:
            names, n = self.features, parts.schema.n_features
        found = list(range(n)) if names is None else list(names)
        return found if parts.subset is None else [found[i] for i in parts.subset.tolist()]

    def explain_batch(self, rows: Any, out: Floats | None = None, *, get_raw: bool | None = None) -> Floats:
        """Local values as an array, written into the caller's where one is given.

        Parameters
        ----------
        rows : array, table, dict or list
            As in `score`.
        out : float64 array of shape (n_rows, n_features, n_outputs), optional
            May have strides.
        get_raw : bool, optional
            As in `explain`.

        Returns
        -------
        array of shape (n_rows, n_features, n_outputs)
            `out`, where it was given.

        Raises
        ------
        ValueError, TypeError
            The rows do not fit, or `out` is of another type or shape, or read-only.
        """
        if out is not None and not (isinstance(out, np.ndarray) and out.flags.writeable):
            what = "a read-only array" if isinstance(out, np.ndarray) else f"a {type(out).__name__}"
            raise TypeError(f"out is {what}; expected a float64 array to write into.")
        values = self._attributed(self._matrix(self._parts.schema.rows(rows)), get_raw, None).values
        if out is None:
            return values
        if out.shape != values.shape or out.dtype != np.float64:
            raise ValueError(f"out is {out.dtype} of shape {out.shape}; expected float64 of shape {values.shape}.")
        out[...] = values
        return out

    def _attributed(self, matrix: NDArray[np.floating[Any]], get_raw: bool | None, n_threads: int | None) -> Attributed:
        raw = self._gives_raw(get_raw)
        result = self._parts.method.attribute(matrix, n_threads)
        if raw and self._parts.feature_map is not None:
            result = result.over(self._parts.feature_map.mapped)
        subset = self._parts.subset
        return result if subset is None else result.over(lambda numbers: numbers[:, subset])

    def _gives_raw(self, get_raw: bool | None) -> bool:
        parts = self._parts
        if parts.method.n_raw is not None:
            if get_raw is False:
                raise ValueError("get_raw=False asks for the model's columns, but raw features play as a whole here.")
            return True
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
