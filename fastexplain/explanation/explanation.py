"""What explainers return: ordinary, picklable objects over one array, with interpret-community's members."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastexplain.exceptions import PredictionError
from fastexplain.explanation.conversions import Conversions
from fastexplain.explanation.interpret.keywords import expected_to_base, in_own_words, plain_list
from fastexplain.explanation.interpret.members import InterpretMembers
from fastexplain.explanation.interpret.quacks import FeatureImportanceExplanation
from fastexplain.explanation.plots.html import html_view, shortened
from fastexplain.rows.kept import compact_rows
from fastexplain.rows.names import check_distinct

if TYPE_CHECKING:
    from fastexplain.explanation.numbers.fidelity import FidelityReport

__all__ = ["RESCALED", "RESCALED_MARGINS", "Context", "Explanation", "Predictions"]

# Units of values that are no Shapley values of what they add up to, the probability; interpret-community's base value
# is then a probability with surrogates, and with trees still a margin.
RESCALED = "probability (rescaled)"
RESCALED_MARGINS = "probability (rescaled margins)"

# why members that the class has are absent on an object
_ABSENT = {
    **dict.fromkeys(
        ("classes", "num_classes", "per_class_values", "per_class_rank", "_per_class_values"),
        "is for classifiers; this explanation's model_task is 'regression'.",
    ),
    **dict.fromkeys(
        ("base_values", "expected_values"), "does not exist for this method: its importances add up to no output."
    ),
    **dict.fromkeys(
        ("eval_data", "eval_y_predicted", "eval_y_predicted_proba"),
        "is absent: this explanation was made without data sets.",
    ),
    "init_data": "is absent: rows that the explainer was built on are kept only if it is made with "
    "include_init_data=True.",
    "model_id": "is absent: this explanation was made without one.",
}
# arrays as the model gives them; lists, or a dataset's id, where an explanation was built by hand
Predictions = tuple[Any, Any]


class Context(TypedDict, total=False):
    """Keywords that every explanation takes besides its numbers; `Explanation` says what they mean."""

    features: Sequence[Any] | None
    classes: Sequence[Any] | None
    model_task: str | None
    model_type: str | None
    method: str
    path: str | None
    units: str
    background: str | None
    init_data: Any
    eval_data: Any
    check_rows: Callable[[], None] | None
    feature_columns: Sequence[int] | None
    predict: Callable[[], Predictions] | None
    is_raw: bool
    is_engineered: bool
    id: str | None
    n_classes: int | None
    fidelity: FidelityReport | None
    model_id: str | None
    predictions: Predictions | None


_OWN_KEYWORDS = frozenset(Context.__annotations__)


class _Once:
    """A model's predictions, made on the first call; explanations of the same rows share them through it.

    The model is let go once it has made them.
    """

    def __init__(self, predict: Callable[[], Predictions]) -> None:
        self._predict: Callable[[], Predictions] | None = predict
        self._known: Predictions = (None, None)

    def __call__(self) -> Predictions:
        predict = self._predict  # read once: another thread may be done in between
        if predict is not None:
            try:
                self._known = predict()
            except AttributeError as error:
                # members that are absent raise AttributeError, so the model's own would look like one of those
                raise PredictionError(f"The model's prediction of the explained rows raised: {error}") from error
            self._predict = None
        return self._known


class Explanation(Conversions, InterpretMembers, FeatureImportanceExplanation):
    """Attributions of a model's outputs to its features: what all explanations share.

    Made by explainers; see `LocalExplanation` and `GlobalExplanation` for the numbers. A binary classifier with one
    raw output (a booster's margin of class 1) is shown with both classes, class 0 being the negative of class 1.

    Parameters
    ----------
    base_values : array of shape (n_outputs,), optional
        None where the method has none, as permutation importance; `expected_values` is then absent.
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
    background : str, optional
        What `base_values` are the mean of, in words, e.g. ``"100 of 26,048 rows"``.
    init_data, eval_data : array-like, optional
        What the explainer was built on, and the explained rows. Kept as they are, without a copy. Explainers give the
        first only if they are made with ``include_init_data=True``.
    check_rows : callable, optional
        Raises ValueError when `eval_data` are no longer the rows that were explained; called before each use of them.
    feature_columns : sequence of int, optional
        Column of `eval_data` that each feature stands for, where only some are explained.
    predict : callable, optional
        Returns the model's own (predictions, class probabilities or None) of `eval_data`; called on first use.
    is_raw, is_engineered : bool
        Whether the features are those before, or after, a data transformation.
    id : str, optional
        Default: a new uuid4.
    n_classes : int, optional
        Classes of a classifier whose values are not told apart by class. Default: one per output.
    fidelity : FidelityReport, optional
        How well the surrogate that was explained predicts the model.
    model_id : str, optional
        Name of the model in a registry.
    predictions : pair, optional
        Known predictions, and class probabilities or None, in place of `predict`.
    **context
        interpret-community's names of the above are understood too: ``explanation_id``, ``expected_values``,
        ``num_features``, ``num_classes``, ``classification``, ``eval_y_predicted``, ``eval_y_predicted_proba``. Other
        keywords go on to the next class among the bases.

    Raises
    ------
    ValueError
        The number of features or classes differs from that of the values; the message gives both.
    TypeError
        A keyword that no base knows; the message names it.
    """

    _n_features: int
    _check_rows: Callable[[], None] | None = None

    def __init__(self, base_values: ArrayLike | None = None, **context: Any) -> None:
        rest: dict[str, Any] = {}
        if not context.keys() <= _OWN_KEYWORDS:
            context, rest = in_own_words(context, _OWN_KEYWORDS)
        expected = rest.pop("expected_values", None)
        features, classes = context.get("features"), context.get("classes")
        self._features = list(range(self._n_features)) if features is None else plain_list(features)
        self._classes = None if classes is None else plain_list(classes)
        task = context.get("model_task") or ("regression" if classes is None else "classification")
        self._model_task = str(getattr(task, "value", task))
        self._model_type: str | None = context.get("model_type")
        self._method: str = context.get("method") or "unknown"
        self._path: str | None = context.get("path")
        self._units: str = context.get("units", "model output")
        self._background: str | None = context.get("background")
        self._init_data = context.get("init_data")
        self._eval_data = context.get("eval_data")
        self._check_rows = context.get("check_rows")
        self._feature_columns = context.get("feature_columns")
        self._fidelity: FidelityReport | None = context.get("fidelity")
        predict = context.get("predict")
        self._predict = predict if predict is None or isinstance(predict, _Once) else _Once(predict)
        self._predictions: Predictions | None = context.get("predictions")
        self._is_raw = bool(context.get("is_raw"))
        self._is_eng = bool(context.get("is_engineered"))
        self._given_id: str | None = context.get("id") or None
        self._model_id: str | None = context.get("model_id")
        self._given_n_classes: int | None = context.get("n_classes")
        self._base_values: NDArray[np.float64] | None = None
        if base_values is not None:
            self._base_values = np.array(base_values, dtype=np.float64, ndmin=1)
        elif expected is not None:
            self._base_values = expected_to_base(expected, self._n_outputs, self._is_antisymmetric)
        self._check_names(features is not None, rest.pop("num_features", None), rest.pop("num_classes", None))
        super().__init__(**rest)
        if "interpret" in sys.modules:
            from fastexplain.explanation.interpret.show import offer_provider

            offer_provider()

    def _check_names(self, features_given: bool, num_features: int | None, num_classes: int | None) -> None:
        if self._model_task not in ("classification", "regression"):
            raise ValueError(f"model_task must be 'classification' or 'regression'; got {self._model_task!r}.")
        if len(self._features) != self._n_features:
            raise ValueError(
                "The number of feature names passed in must be the same as the number of columns in the data.  "
                f"Number of features: {self._n_features} feature names: {len(self._features)}"
            )
        if features_given:  # numbers are distinct
            check_distinct(self._features)
        if num_features is not None and num_features != self._n_features:
            raise ValueError(f"num_features is {num_features}; the values have {self._n_features} features.")
        if num_classes is not None and self._model_task == "classification":
            if self._n_outputs == 0 and self._given_n_classes is None:
                self._given_n_classes = num_classes
            elif num_classes != self._n_classes:
                raise ValueError(f"num_classes is {num_classes}; the values have {self._n_classes} classes.")
        if self._classes is None:
            return
        if self._model_task != "classification":
            raise ValueError(f"classes are given ({self._classes!r}), but model_task is 'regression'.")
        if len(self._classes) != self._n_classes:
            raise ValueError(
                "The number of classes passed in must be the same as the number of classes in the data.  "
                f"Number of classes: {self._n_classes} class labels: {len(self._classes)}"
            )

    # Names and facts

    @property
    def id(self) -> str:
        """Identity of the explanation (uuid4); a global explanation made from a local one has the same."""
        return self._id

    @property
    def _id(self) -> str:
        # made when asked for, since it would cost a service that explains single rows 4% of its time
        if self._given_id is None:
            # setdefault: of two threads that ask at once, both get the first one's
            self._given_id = str(self.__dict__.setdefault("_made_id", str(uuid.uuid4())))
        return self._given_id

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
        """The output that the values add up to: ``"margin"``, ``"probability"`` or ``"model output"``.

        ``"score"`` of permutation importance. ``"probability (rescaled margins)"`` and ``"probability (rescaled)"`` are
        those of ``shap_values_output="probability"``: Shapley values of the margin, stretched so that, with the base
        value, they add up to the probability. The base value of the former still is a margin.
        """
        return self._units

    @property
    def background(self) -> str | None:
        """What hidden features were drawn from, and `base_values` are the mean of, e.g. ``"100 of 26,048 rows"``.

        Values of another background are others, however exact: they explain the distance to its mean output. None where
        it is not known, or the method has none.
        """
        return self._background

    @property
    def fidelity(self) -> FidelityReport | None:
        """How well the surrogate predicts the model, on rows that it has not seen; None without a surrogate."""
        return self._fidelity

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
    def model_id(self) -> str:
        """Name of the model in a registry; absent where none was given."""
        if self._model_id is None:
            raise AttributeError(_absent(self, "model_id"))
        return self._model_id

    @property
    def is_raw(self) -> bool:
        """Whether the features are those before a data transformation."""
        return self._is_raw

    @property
    def is_engineered(self) -> bool:
        """Whether the features are those after a data transformation."""
        return self._is_eng

    @property
    def base_values(self) -> NDArray[np.float64]:
        """Mean output over the background, or over the trees' covers: float64 array of shape (n_outputs,)."""
        if self._base_values is None:
            raise AttributeError(f"{self._method} has no base values.")
        return self._base_values

    @property
    def expected_values(self) -> list[float]:
        """Base values as a list: one per class for a classifier ([-e, e] for one margin), else one per output."""
        base = self.base_values
        doubled: list[float] = (np.array([-base[0], base[0]]) if self._single_margin else base).tolist()
        return doubled

    @property
    def _expected_values(self) -> NDArray[np.float64]:
        return np.array(self.expected_values)

    # Data and predictions

    @property
    def init_data(self) -> Any:
        """Rows that the explainer was built on, if it was made with ``include_init_data=True``; else None.

        Nested lists where they are an array or a data frame; sparse matrices, data set wrappers and ids come back as
        they are. Like the other three data sets, absent where the explanation has no data set at all.
        """
        self._needs_datasets("init_data")
        return _as_list(self._init_data)

    @property
    def eval_data(self) -> Any:
        """The explained rows, as nested lists where they are an array or a data frame."""
        self._needs_datasets("eval_data")
        return _as_list(self._eval_data)

    @property
    def eval_y_predicted(self) -> list[Any] | None:
        """The model's own predictions of the explained rows, computed on first use; None if they are not known."""
        self._needs_datasets("eval_y_predicted")
        listed: list[Any] | None = _as_list(self._eval_y_predicted)
        return listed

    @property
    def eval_y_predicted_proba(self) -> list[list[float]] | None:
        """The model's own class probabilities, (n_rows, n_classes), computed on first use; None if it has none."""
        self._needs_datasets("eval_y_predicted_proba")
        listed: list[list[float]] | None = _as_list(self._eval_y_predicted_proba)
        return listed

    @property
    def _eval_data(self) -> Any:
        if self._check_rows is not None:
            self._check_rows()
        return self.__dict__["_eval_data"]

    @_eval_data.setter
    def _eval_data(self, rows: Any) -> None:
        self.__dict__["_eval_data"] = rows

    @property
    def _eval_y_predicted(self) -> Any:
        return self._resolved()[0]

    @property
    def _eval_y_predicted_proba(self) -> Any:
        return self._resolved()[1]

    @property
    def _has_datasets(self) -> bool:
        sources = (self._init_data, self.__dict__["_eval_data"], self._predict, self._predictions)
        return any(source is not None for source in sources)

    def _needs_datasets(self, name: str) -> None:
        if not self._has_datasets:
            raise AttributeError(_absent(self, name))

    def _resolved(self) -> Predictions:
        predict = self._predict  # read first: another thread may set the predictions, and then let this go
        if self._predictions is None:
            if predict is None:
                return None, None
            self._predictions = predict()
            self._predict = None
        return self._predictions

    # Plumbing

    def _set_n_features(self, n_features: int) -> None:
        known = self.__dict__.setdefault("_n_features", n_features)
        if known != n_features:
            raise ValueError(f"The numbers of features differ: {known} and {n_features}.")

    def _is_antisymmetric(self) -> bool:
        """Whether the values of the second of two classes are minus those of the first, as far as they are known."""
        return True

    @property
    def _single_margin(self) -> bool:
        """Whether one raw output stands for two classes."""
        is_classifier = self._model_task == "classification"
        return is_classifier and self._n_outputs == 1 and (self._classes is None or len(self._classes) != 1)

    @property
    def _n_outputs(self) -> int:
        """Outputs that the numbers are told apart by; 0 where they are of the model as a whole."""
        return 0 if self._base_values is None else len(self._base_values)

    @property
    def _n_classes(self) -> int:
        if self._given_n_classes is not None:
            return self._given_n_classes
        return 2 if self._single_margin else self._n_outputs

    @property
    def _class_first(self) -> bool:
        """Whether lists have a leading axis of classes (or of a regression's several outputs)."""
        return self._model_task == "classification" or self._n_outputs > 1

    def _needs_classes(self, name: str) -> None:
        if self._model_task != "classification":
            raise AttributeError(_absent(self, name))

    def _context(self) -> Context:
        return Context(
            features=self._features,
            classes=self._classes,
            model_task=self._model_task,
            model_type=self._model_type,
            method=self._method,
            path=self._path,
            units=self._units,
            background=self._background,
            init_data=self._init_data,
            eval_data=self.__dict__["_eval_data"],
            check_rows=self._check_rows,
            feature_columns=self._feature_columns,
            predict=self._predict,
            predictions=self._predictions,
            is_raw=self._is_raw,
            is_engineered=self._is_eng,
            id=self._id,
            n_classes=self._given_n_classes,
            fidelity=self._fidelity,
            model_id=self._model_id,
        )

    def __getstate__(self) -> dict[str, Any]:
        # A pickle holds the predictions in place of the model, which is often far larger and needs its library.
        self._resolved()
        self._given_id = self._id  # the same in every copy
        state = {**self.__dict__, "_eval_data": compact_rows(self._eval_data)}
        state.pop("_check_rows", None)  # the copy has rows of its own
        return state

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(_absent(self, name))

    def _summary(self) -> list[tuple[str, str]]:
        """What `repr` and the HTML view say, in order."""
        facts = [("method", self._method), ("task", self._model_task), ("units", self._units)]
        if self._background is not None:
            facts.append(("background", self._background))
        facts.append(("features", f"{self._n_features} {shortened(self._features)}"))
        if self._model_task == "classification":
            labels = "" if self._classes is None else f" {shortened(self._classes)}"
            facts.append(("classes", f"{self._n_classes}{labels}"))
        if self._fidelity is not None:
            facts.append(("fidelity", self._fidelity.summary()))
        return facts

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in self._summary())})"

    def _repr_html_(self) -> str:
        return html_view(self, self._summary())


def wanted_for_rows(explanation: Explanation) -> str:
    """What to do for local values, as the end of a sentence that says that an explanation has none."""
    if explanation.__dict__.get("_method") == "pfi":
        return (
            "permutation importances are of the model as a whole, and plot.bar() shows them. TabularExplainer and "
            "MimicExplainer explain rows."
        )
    return "call explain_local(rows), or explain_global(rows, include_local=True)."


def _absent(explanation: Explanation, name: str) -> str:
    """Why an explanation has no such attribute, for AttributeError."""
    from fastexplain.explanation.global_explanation import GlobalExplanation
    from fastexplain.explanation.local_explanation import LocalExplanation

    cls, facts = type(explanation), explanation.__dict__
    if not name.startswith("__"):
        if hasattr(GlobalExplanation, name) and not hasattr(cls, name):
            return f"{name} belongs to global explanations, and this one is local: call explain_global, or to_global()."
        has = hasattr(cls, name) or issubclass(cls, LocalExplanation)
        if (hasattr(LocalExplanation, name) or name == "values") and not has:
            return f"{name} needs local values, which this explanation lacks: {wanted_for_rows(explanation)}"
        if "per_class" in name and hasattr(cls, name) and facts.get("_model_task") == "classification":
            return f"{name} does not exist: {facts['_method']} measures the model as a whole."
        if name in _ABSENT:
            return f"{name} {_ABSENT[name]}"
    return f"{cls.__name__!r} object has no attribute {name!r}"


def _as_list(data: Any) -> Any:
    """Arrays and data frames as nested lists, as interpret-community's properties return them; the rest as it is."""
    if isinstance(data, np.ndarray):
        return data.tolist()
    if hasattr(data, "to_numpy"):  # pandas and polars, frames and series
        if hasattr(data, "rows") and any(dtype.is_temporal() for dtype in data.dtypes):
            return [list(row) for row in data.rows()]  # polars, whose dates and numbers have no common type
        return data.to_numpy().tolist()
    return data
