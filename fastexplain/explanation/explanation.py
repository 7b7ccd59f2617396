"""What explainers return: ordinary, picklable objects over one array, with interpret-community's members."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from fastexplain.explanation._display import html_table, shortened
from fastexplain.explanation.aggregation import mean_abs
from fastexplain.explanation.ranking import rank, ranked_names, ranked_values

if TYPE_CHECKING:
    import os

    import pandas as pd
    import pyarrow as pa

    from fastexplain.explanation.plots import ExplanationPlots

__all__ = ["Explanation", "GlobalExplanation", "GlobalLocalExplanation", "LocalExplanation"]

_FOR_CLASSIFIERS = frozenset({"classes", "num_classes", "per_class_values", "per_class_rank", "_per_class_values"})

Predictions = tuple[NDArray[Any] | None, NDArray[Any] | None]


class Context(TypedDict, total=False):
    """Keywords that every explanation takes besides its numbers; `Explanation` says what they mean."""

    features: Sequence[Any] | None
    classes: Sequence[Any] | None
    model_task: str | None
    model_type: str | None
    method: str
    path: str | None
    units: str
    init_data: Any
    eval_data: Any
    feature_columns: Sequence[int] | None
    predict: Callable[[], Predictions] | None
    is_raw: bool
    is_engineered: bool
    id: str | None


class Explanation:
    """Attributions of a model's outputs to its features: what all explanations share.

    Made by explainers; see `LocalExplanation` and `GlobalExplanation` for the numbers. A binary classifier with one
    raw output (a booster's margin of class 1) is shown with both classes, class 0 being the negative of class 1.

    Parameters
    ----------
    n_features : int
    base_values : array of shape (n_outputs,)
    features : sequence, optional
        Names; the indices 0, 1, ... stand in where there are none.
    classes : sequence, optional
        Labels of a classifier, in the order of its outputs.
    model_task : {"classification", "regression"}, optional
        Default: classification if `classes` are given.
    model_type : str, optional
        Class of the explained model.
    method : str
        How the values came about, e.g. ``"shap_tree"``.
    path : str, optional
        The computation that ran, where the method has several, e.g. ``"odd_gp"``.
    units : str
        The explained output, e.g. ``"margin"`` or ``"probability"``.
    init_data, eval_data : array-like, optional
        What the explainer was built on, and the explained rows. Kept as they are, without a copy.
    feature_columns : sequence of int, optional
        Column of `eval_data` that each feature stands for, where only some are explained.
    predict : callable, optional
        Returns the model's own (predictions, class probabilities or None) of `eval_data`; called on first use.
    is_raw, is_engineered : bool
        Whether the features are those before, or after, a data transformation.
    id : str, optional
        Default: a new uuid4.

    Raises
    ------
    ValueError
        The number of features or classes differs from that of the values; the message gives both.
    """

    def __init__(self, n_features: int, base_values: NDArray[np.floating[Any]], **context: Unpack[Context]) -> None:
        self.base_values = np.array(base_values, dtype=np.float64, ndmin=1)
        self._n_features = n_features
        features, classes = context.get("features"), context.get("classes")
        self._features = list(range(n_features)) if features is None else list(features)
        self._classes = None if classes is None else list(classes)
        self._model_task = context.get("model_task") or ("regression" if classes is None else "classification")
        self._model_type = context.get("model_type")
        self._method = context.get("method", "unknown")
        self._path = context.get("path")
        self._units = context.get("units", "model output")
        self._init_data = context.get("init_data")
        self._eval_data = context.get("eval_data")
        self._feature_columns = context.get("feature_columns")
        self._predict = context.get("predict")
        self._predictions: Predictions | None = None
        self._is_raw = context.get("is_raw", False)
        self._is_eng = context.get("is_engineered", False)
        self._id = context.get("id") or str(uuid.uuid4())
        self._check_names()

    def _check_names(self) -> None:
        if self._model_task not in ("classification", "regression"):
            raise ValueError(f"model_task must be 'classification' or 'regression'; got {self._model_task!r}.")
        if len(self._features) != self._n_features:
            raise ValueError(f"features has {len(self._features)} names; the values have {self._n_features} features.")
        if self._classes is None:
            return
        if self._model_task != "classification":
            raise ValueError(f"classes are given ({self._classes!r}), but model_task is 'regression'.")
        if len(self._classes) != self._n_classes:
            raise ValueError(f"classes has {len(self._classes)} labels; the values have {self._n_classes} classes.")

    # Names and facts

    @property
    def id(self) -> str:
        """Identity of the explanation (uuid4); a global explanation made from a local one has the same."""
        return self._id

    @property
    def method(self) -> str:
        """How the values came about, e.g. ``"shap_tree"``."""
        return self._method

    @property
    def path(self) -> str | None:
        """The computation that ran, where the method has several; None where it has one."""
        return self._path

    @property
    def units(self) -> str:
        """The output that the values add up to: ``"margin"``, ``"probability"`` or ``"model output"``."""
        return self._units

    @property
    def model_task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self._model_task

    @property
    def model_type(self) -> str | None:
        """Class of the explained model, as ``str(type(model))``."""
        return self._model_type

    @property
    def features(self) -> list[Any]:
        """Names of the features, or their indices where there are none."""
        return self._features

    @property
    def num_features(self) -> int:
        """Number of features."""
        return self._n_features

    @property
    def classes(self) -> list[Any] | None:
        """Labels of the classes, in the order of the class-first lists; classifiers only."""
        self._needs_classes("classes")
        return self._classes

    @property
    def num_classes(self) -> int:
        """Number of classes; classifiers only."""
        self._needs_classes("num_classes")
        return self._n_classes

    @property
    def is_raw(self) -> bool:
        """Whether the features are those before a data transformation."""
        return self._is_raw

    @property
    def is_engineered(self) -> bool:
        """Whether the features are those after a data transformation."""
        return self._is_eng

    @property
    def expected_values(self) -> list[float]:
        """Base values as a list: one per class for a classifier ([-e, e] for one margin), else one per output."""
        base = self.base_values
        doubled: list[float] = (np.array([-base[0], base[0]]) if self._single_margin else base).tolist()
        return doubled

    # Data and predictions

    @property
    def init_data(self) -> Any:
        """Rows that the explainer was built on, as nested lists where they are an array or a data frame."""
        return _as_list(self._init_data)

    @property
    def eval_data(self) -> Any:
        """The explained rows, as nested lists where they are an array or a data frame."""
        return _as_list(self._eval_data)

    @property
    def eval_y_predicted(self) -> list[Any] | None:
        """The model's own predictions of the explained rows, computed on first use; None if they are not known."""
        predictions = self._eval_y_predicted
        return None if predictions is None else list(predictions.tolist())

    @property
    def eval_y_predicted_proba(self) -> list[list[float]] | None:
        """The model's own class probabilities, (n_rows, n_classes), computed on first use; None if it has none."""
        probabilities = self._resolved()[1]
        return None if probabilities is None else list(probabilities.tolist())

    @property
    def _eval_y_predicted(self) -> NDArray[Any] | None:
        return self._resolved()[0]

    def _resolved(self) -> Predictions:
        """The predictions; the model is let go once it has made them."""
        if self._predictions is None:
            self._predictions = (None, None) if self._predict is None else self._predict()
            self._predict = None
        return self._predictions

    # Pictures

    @property
    def plot(self) -> ExplanationPlots:
        """Pictures of this explanation: ``plot.bar()``, ``plot.beeswarm()``, ``plot.waterfall(row)``."""
        from fastexplain.explanation.plots import ExplanationPlots

        return ExplanationPlots(self)

    # Plumbing

    @property
    def _single_margin(self) -> bool:
        """Whether one raw output stands for two classes."""
        is_classifier = self._model_task == "classification"
        return is_classifier and len(self.base_values) == 1 and (self._classes is None or len(self._classes) != 1)

    @property
    def _n_classes(self) -> int:
        return 2 if self._single_margin else len(self.base_values)

    @property
    def _class_first(self) -> bool:
        """Whether lists have a leading axis of classes (or of a regression's several outputs)."""
        return self._model_task == "classification" or len(self.base_values) > 1

    def _needs_classes(self, name: str) -> None:
        if self._model_task != "classification":
            raise AttributeError(_absent(type(self), name))

    def _context(self) -> Context:
        return Context(
            features=self._features,
            classes=self._classes,
            model_task=self._model_task,
            model_type=self._model_type,
            method=self._method,
            path=self._path,
            units=self._units,
            init_data=self._init_data,
            eval_data=self._eval_data,
            feature_columns=self._feature_columns,
            # through this object, so that a local and a global explanation of the same rows predict once
            predict=self._resolved,
            is_raw=self._is_raw,
            is_engineered=self._is_eng,
            id=self._id,
        )

    def __getstate__(self) -> dict[str, Any]:
        # A pickle holds the predictions in place of the model, which is often far larger and needs its library.
        self._resolved()
        return self.__dict__.copy()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(_absent(type(self), name))

    def _importances_for_display(self) -> tuple[str, NDArray[np.float64]] | None:
        """Heading and one number per feature for the HTML view; None where there are none."""
        return None

    def _summary(self) -> list[tuple[str, str]]:
        """What `repr` and the HTML view say, in order."""
        facts = [("method", self._method), ("task", self._model_task), ("units", self._units)]
        facts.append(("features", f"{self._n_features} {shortened(self._features)}"))
        if self._model_task == "classification":
            labels = "" if self._classes is None else f" {shortened(self._classes)}"
            facts.append(("classes", f"{self._n_classes}{labels}"))
        return facts

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in self._summary())})"

    def _repr_html_(self) -> str:
        facts = " · ".join(f"{html.escape(key)}: {html.escape(value)}" for key, value in self._summary())
        text = f"<div><b>{type(self).__name__}</b><br><small>{facts}</small>"
        shown = self._importances_for_display()
        if shown is not None:
            text += html_table(self._features, *shown)
        return text + "</div>"


class LocalExplanation(Explanation):
    """Attributions of single rows.

    Parameters
    ----------
    values : array of shape (n_rows, n_features, n_outputs)
        Kept without a copy.
    base_values : array of shape (n_outputs,)
    single_row : bool, default False
        The one explained row came as a 1-D array: lists lose their row axis.
    standard_errors : array of the values' shape, optional
        0 where values are exact.
    **context
        As in `Explanation`.

    Attributes
    ----------
    values : array of shape (n_rows, n_features, n_outputs)
        As the engine made them: one output where a binary classifier has one margin. For every row and output,
        ``values.sum(axis=1) + base_values`` is the raw output, if all features are explained.
    base_values : float64 array of shape (n_outputs,)
    standard_errors : float64 array of the values' shape, or None
        0 where values are exact; None where the method tells no error, as exact methods other than Kernel SHAP.

    Raises
    ------
    ValueError
        The shapes of values, base_values and standard_errors, or the numbers of names, contradict each other.
    """

    def __init__(
        self,
        values: NDArray[np.floating[Any]],
        base_values: NDArray[np.floating[Any]],
        *,
        single_row: bool = False,
        standard_errors: NDArray[np.float64] | None = None,
        **context: Unpack[Context],
    ) -> None:
        values = np.asarray(values)
        if values.ndim != 3:
            raise ValueError(f"values has shape {values.shape}; expected (n_rows, n_features, n_outputs).")
        if np.shape(base_values) != values.shape[2:]:
            raise ValueError(f"base_values has shape {np.shape(base_values)}; values have {values.shape[2]} outputs.")
        if single_row and len(values) != 1:
            raise ValueError(f"single_row is True, but values hold {len(values)} rows.")
        if standard_errors is not None and np.shape(standard_errors) != values.shape:
            raise ValueError(f"standard_errors has shape {np.shape(standard_errors)}; values have {values.shape}.")
        self.values = values
        self.standard_errors = standard_errors
        self._single_row = single_row
        super().__init__(values.shape[1], base_values, **context)

    @property
    def num_examples(self) -> int:
        """Number of explained rows."""
        return len(self.values)

    @property
    def is_local_sparse(self) -> bool:
        """Whether local values are sparse matrices; never so far."""
        return False

    @property
    def _local_importance_values(self) -> NDArray[Any]:
        """Class-first array, without a copy except where one margin becomes two classes."""
        values = self.values[0] if self._single_row else self.values
        if self._single_margin:
            return np.stack([-values[..., 0], values[..., 0]])
        return np.moveaxis(values, -1, 0) if self._class_first else values[..., 0]

    @property
    def local_importance_values(self) -> list[Any]:
        """Values as nested lists: rows x features, or classes x rows x features for a classifier.

        A binary classifier with one margin has [-v, v]. A row that came as a 1-D array has no row axis. `values` is
        the array, which costs no conversion.
        """
        listed: list[Any] = self._local_importance_values.tolist()
        return listed

    def get_local_importance_rank(self) -> list[Any]:
        """Feature indices by signed value, most positive first, nested as `local_importance_values`."""
        listed: list[Any] = rank(self._local_importance_values).tolist()
        return listed

    def get_ranked_local_names(self, top_k: int | None = None) -> list[Any]:
        """Feature names by signed value, most positive first.

        Parameters
        ----------
        top_k : int, optional
            How many features of each row; default all.

        Returns
        -------
        list
            Nested as `local_importance_values`.
        """
        return ranked_names(self._features, self._local_importance_values, top_k)

    def get_ranked_local_values(self, top_k: int | None = None) -> list[Any]:
        """Values in the order of `get_ranked_local_names`.

        Parameters
        ----------
        top_k : int, optional
            How many features of each row; default all.

        Returns
        -------
        list
            Nested as `local_importance_values`.
        """
        return ranked_values(self._local_importance_values, top_k)

    def intervals(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of confidence intervals of the values, arrays of their shape.

        Parameters
        ----------
        level : float, default 0.95
            Share of intervals that hold the true value: normal intervals from `standard_errors`.

        Raises
        ------
        ValueError
            There are no standard errors, or `level` is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1; got {level!r}.")
        if self.standard_errors is None:
            raise ValueError(f"Values of {self._method} have no standard errors.")
        half = NormalDist().inv_cdf(0.5 + level / 2) * self.standard_errors
        return self.values - half, self.values + half

    def to_global(self) -> GlobalLocalExplanation:
        """Average |value| over the rows; the result keeps these local values, and the id.

        Raises
        ------
        ValueError
            There are no rows.
        """
        return GlobalLocalExplanation(
            self.values, self.base_values, standard_errors=self.standard_errors, **self._context()
        )

    def to_arrow(self) -> pa.Table:
        """One column per feature and output; see `fastexplain.explanation.to_arrow`."""
        from fastexplain.explanation.parquet import to_arrow

        return to_arrow(self)

    def to_pandas(self) -> pd.DataFrame:
        """One column per feature and output; see `fastexplain.explanation.to_pandas`."""
        from fastexplain.explanation.parquet import to_pandas

        return to_pandas(self)

    def write_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write one Parquet file, which `read_parquet` reads; see `fastexplain.explanation.write_parquet`."""
        from fastexplain.explanation.parquet import write_parquet

        write_parquet(self, path)

    def _importances_for_display(self) -> tuple[str, NDArray[np.float64]] | None:
        if not len(self.values):
            return None
        if self._single_row and not self._class_first:
            return "value", self.values[0, :, 0].astype(np.float64)
        return "mean |value|", mean_abs(self.values).mean(axis=0)

    def _summary(self) -> list[tuple[str, str]]:
        return [("rows", f"{len(self.values):,}"), *super()._summary()]


class GlobalExplanation(Explanation):
    """Importance of each feature over many rows: the mean of |local value|.

    Parameters
    ----------
    importances : array of shape (n_outputs, n_features)
        Mean of |value| for each output.
    base_values : array of shape (n_outputs,)
    **context
        As in `Explanation`.

    Raises
    ------
    ValueError
        The shapes of importances and base_values, or the numbers of names, contradict each other.
    """

    _importances: NDArray[np.float64]

    def __init__(
        self,
        importances: NDArray[np.floating[Any]],
        base_values: NDArray[np.floating[Any]],
        **context: Unpack[Context],
    ) -> None:
        self._importances = np.asarray(importances, dtype=np.float64)
        if self._importances.ndim != 2 or np.shape(base_values) != self._importances.shape[:1]:
            raise ValueError(
                f"importances has shape {self._importances.shape} and base_values {np.shape(base_values)}; "
                "expected (n_outputs, n_features) and (n_outputs,)."
            )
        super().__init__(self._importances.shape[1], base_values, **context)

    @property
    def _per_class_values(self) -> NDArray[np.float64]:
        self._needs_classes("per_class_values")
        return np.repeat(self._importances, 2, axis=0) if self._single_margin else self._importances

    @property
    def _global_importance_values(self) -> NDArray[np.float64]:
        # Both classes of a single margin have the same |values|, so the mean over outputs is that over classes.
        means: NDArray[np.float64] = self._importances.mean(axis=0)
        return means

    @property
    def global_importance_values(self) -> list[float]:
        """Importance of each feature: mean |local value| over rows, then over classes."""
        listed: list[float] = self._global_importance_values.tolist()
        return listed

    @property
    def global_importance_rank(self) -> list[int]:
        """Feature indices, most important first."""
        listed: list[int] = rank(self._global_importance_values).tolist()
        return listed

    def get_ranked_global_names(self, top_k: int | None = None) -> list[Any]:
        """Feature names, most important first.

        Parameters
        ----------
        top_k : int, optional
            How many; default all.
        """
        return ranked_names(self._features, self._global_importance_values, top_k)

    def get_ranked_global_values(self, top_k: int | None = None) -> list[float]:
        """Importances, largest first.

        Parameters
        ----------
        top_k : int, optional
            How many; default all.
        """
        return ranked_values(self._global_importance_values, top_k)

    def get_feature_importance_dict(self, top_k: int | None = None) -> dict[Any, float]:
        """Feature name -> importance, most important first.

        Parameters
        ----------
        top_k : int, optional
            How many; default all.
        """
        return dict(zip(self.get_ranked_global_names(top_k), self.get_ranked_global_values(top_k), strict=True))

    @property
    def per_class_values(self) -> list[list[float]]:
        """Mean |local value| of each class, classes x features; classifiers only."""
        listed: list[list[float]] = self._per_class_values.tolist()
        return listed

    @property
    def per_class_rank(self) -> list[list[int]]:
        """Feature indices of each class, most important first; classifiers only."""
        listed: list[list[int]] = rank(self._per_class_values).tolist()
        return listed

    def get_ranked_per_class_names(self, top_k: int | None = None) -> list[list[Any]]:
        """Feature names of each class, most important first; classifiers only.

        Parameters
        ----------
        top_k : int, optional
            How many of each class; default all.
        """
        return ranked_names(self._features, self._per_class_values, top_k)

    def get_ranked_per_class_values(self, top_k: int | None = None) -> list[list[float]]:
        """Importances of each class, largest first; classifiers only.

        Parameters
        ----------
        top_k : int, optional
            How many of each class; default all.
        """
        return ranked_values(self._per_class_values, top_k)

    def _importances_for_display(self) -> tuple[str, NDArray[np.float64]] | None:
        return "mean |value|", self._global_importance_values


class GlobalLocalExplanation(GlobalExplanation, LocalExplanation):
    """A global explanation that keeps the local values it was made from.

    Parameters
    ----------
    values, base_values, standard_errors, **context
        As in `LocalExplanation`; the importances are computed from the values.

    Raises
    ------
    ValueError
        There are no rows, or the shapes contradict each other.
    """

    def __init__(
        self,
        values: NDArray[np.floating[Any]],
        base_values: NDArray[np.floating[Any]],
        *,
        standard_errors: NDArray[np.float64] | None = None,
        **context: Unpack[Context],
    ) -> None:
        LocalExplanation.__init__(self, values, base_values, standard_errors=standard_errors, **context)
        self._importances = mean_abs(self.values)

    def to_global(self) -> Self:
        """Return this explanation, which is global already."""
        return self


def _absent(cls: type[Explanation], name: str) -> str:
    """Why an explanation of this class has no such attribute, for AttributeError."""
    if not name.startswith("__"):
        if hasattr(GlobalExplanation, name) and not issubclass(cls, GlobalExplanation):
            return f"{name} belongs to global explanations, and this one is local: call explain_global, or to_global()."
        if (hasattr(LocalExplanation, name) or name == "values") and not issubclass(cls, LocalExplanation):
            return f"{name} needs local values, which this explanation lacks: call explain_global(include_local=True)."
        if name in _FOR_CLASSIFIERS:
            return f"{name} is for classifiers; this explanation's model_task is 'regression'."
    return f"{cls.__name__!r} object has no attribute {name!r}"


def _as_list(data: Any) -> Any:
    """Arrays and data frames as nested lists, as interpret-community's properties return them; the rest as it is."""
    if isinstance(data, np.ndarray):
        return data.tolist()
    if hasattr(data, "to_numpy"):  # pandas and polars, frames and series
        return data.to_numpy().tolist()
    return data
