"""`BaseExplainableModel`, the interface of surrogates, and what the four surrogates of this package share."""

from __future__ import annotations

import abc
import logging
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.probability import expit
from fastexplain.explainers.mimic.surrogates._scaling import scaled_to
from fastexplain.explainers.options import ExplainableModelType, ShapValuesOutput
from fastexplain.explainers.shared.checks import plain_output

__all__ = ["RANDOM_STATE", "BaseExplainableModel", "Surrogate", "SurrogateValues"]

Float = NDArray[np.float64]

# Seed of every surrogate unless another is given: interpret-community's.
RANDOM_STATE = 123


class SurrogateValues(NamedTuple):
    """Local values of a surrogate.

    Attributes
    ----------
    values : float64 array of shape (n_rows, n_features, n_outputs), or list of csr (n_rows, n_features)
        The list, one matrix per output, for sparse rows.
    base_values : float64 array of shape (n_outputs,)
    """

    values: Float | list[Any]
    base_values: Float

    @property
    def is_sparse(self) -> bool:
        """Whether the values are a list of csr matrices."""
        return isinstance(self.values, list)


class BaseExplainableModel(abc.ABC):
    """A model that can be fitted to another one's outputs, and explains itself: what `MimicExplainer` trains.

    Subclass it for a surrogate of your own. The explainer makes it with ``classification=`` (whether the teacher is a
    classifier), ``multiclass=True`` where the teacher has more than two classes, and its
    ``explainable_model_args``; then calls `fit` with labels that are the teacher's class indices (multi-class), soft
    logits of class 1 (binary) or outputs (regression).
    """

    available_explanations: ClassVar[list[str]] = ["global", "local"]
    explainer_type: ClassVar[str] = "model"
    _method: str = "custom"
    # threads of an explanation, as MimicExplainer was told
    n_threads: int | None = None
    # set before fit where the surrogate will not be explained: what only explanations need may be left out
    _only_predicts: bool = False

    def __init__(self, **kwargs: Any) -> None:
        if kwargs:
            raise TypeError(f"{type(self).__name__} got unexpected keyword arguments: {', '.join(sorted(kwargs))}.")

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger("fastexplain").getChild(type(self).__name__)

    @abc.abstractmethod
    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
        """Train on rows (n_rows, n_features) and labels (n_rows,)."""

    @abc.abstractmethod
    def predict(self, dataset: Any, **kwargs: Any) -> NDArray[Any]:
        """Predict labels of rows."""

    @abc.abstractmethod
    def predict_proba(self, dataset: Any, **kwargs: Any) -> Float:
        """Class probabilities of rows, (n_rows, n_classes); of a multi-class surrogate."""

    @abc.abstractmethod
    def explain_global(self, **kwargs: Any) -> Any:
        """One importance per feature."""

    @abc.abstractmethod
    def explain_local(self, evaluation_examples: Any, **kwargs: Any) -> Any:
        """Local values (n_rows, n_features); of a multi-class surrogate, a list of them, one per class."""

    @property
    @abc.abstractmethod
    def expected_values(self) -> Any:
        """What local values are added to: ``[e]``, ``[-e, e]`` (binary) or one per class."""

    @property
    @abc.abstractmethod
    def model(self) -> Any:
        """The fitted model inside."""

    @staticmethod
    def explainable_model_type() -> ExplainableModelType | None:
        """Kind of the model; None where it is neither."""
        return None


class Surrogate(BaseExplainableModel):
    """A scikit-learn style estimator with local values by this package's engine.

    Attributes
    ----------
    multiclass : bool
    """

    def __init__(
        self, estimator: Any, multiclass: bool, random_state: Any, classification: bool, shap_values_output: Any
    ) -> None:
        super().__init__()
        self.multiclass = multiclass
        self.random_state = random_state
        self._estimator = estimator
        self._classification = classification
        self._shap_values_output = plain_output(shap_values_output)

    def fit(self, dataset: Any, labels: Any, **kwargs: Any) -> Any:
        """Train on rows and labels.

        Parameters
        ----------
        dataset : array-like, table or csr of shape (n_rows, n_features)
        labels : array of shape (n_rows,)
        **kwargs
            Passed to the estimator's fit.
        """
        self._estimator.fit(dataset, labels, **kwargs)
        return self

    def predict(self, dataset: Any, **kwargs: Any) -> NDArray[Any]:
        """Predict labels: class indices of a multi-class surrogate, else the teacher's output or soft logit."""
        return np.asarray(self._estimator.predict(dataset, **kwargs))

    def predict_proba(self, dataset: Any, **kwargs: Any) -> Float:
        """Class probabilities of rows.

        Raises
        ------
        Exception
            The surrogate is no multi-class classifier.
        """
        if not self.multiclass:
            raise Exception("predict_proba not supported for regression or binary classification dataset")
        return np.asarray(self._estimator.predict_proba(dataset, **kwargs), dtype=np.float64)

    def explain_local(self, evaluation_examples: Any, probabilities: Any = None, **kwargs: Any) -> Any:
        """Shapley values of rows.

        Parameters
        ----------
        evaluation_examples : array-like, table or csr of shape (n_rows, n_features), or one row (n_features,)
        probabilities : array of shape (n_rows,) or (n_rows, n_outputs), optional
            With ``shap_values_output="teacher_probability"``: what the values are scaled to.

        Returns
        -------
        array of shape (n_rows, n_features), or a list of them, one per class, of a multi-class surrogate
            csr for csr rows.

        Raises
        ------
        ValueError
            Teacher's probabilities are needed, but not given.
        """
        values = self.attribute(evaluation_examples, probabilities).values
        if isinstance(values, list):
            return values if self.multiclass else values[0]
        return [values[:, :, k] for k in range(values.shape[2])] if self.multiclass else values[:, :, 0]

    @property
    def expected_values(self) -> list[float]:
        """Base values: ``[e]``, ``[-e, e]`` for two classes, one per class for more; of scaled values, their expit."""
        base = self._base_values()
        if self._classification and not self.multiclass:
            base = np.concatenate([-base, base])
        scaled = self._shap_values_output != ShapValuesOutput.DEFAULT
        if self._classification and scaled and not self._gives_probabilities:
            base = expit(base)
        listed: list[float] = base.tolist()
        return listed

    @property
    def model(self) -> Any:
        """The fitted estimator."""
        return self._estimator

    def attribute(self, X: Any, probabilities: Any = None) -> SurrogateValues:
        """Local values of all outputs, as `MimicExplainer` takes them; scaled where the output says so."""
        rows = X.reshape(1, -1) if getattr(X, "ndim", 2) == 1 else X
        raw = self._raw_values(rows)
        if self._shap_values_output == ShapValuesOutput.DEFAULT:
            return raw
        return scaled_surrogate(self, raw, rows, probabilities, self._shap_values_output, self._classification)

    @property
    def _gives_probabilities(self) -> bool:
        """Whether the raw output is a probability already."""
        return False

    @abc.abstractmethod
    def _raw_values(self, rows: Any) -> SurrogateValues:
        """Values in units of the estimator's raw output."""

    @abc.abstractmethod
    def _base_values(self) -> Float:
        """Base values of the raw output, (n_outputs,)."""


def scaled_surrogate(
    surrogate: BaseExplainableModel,
    raw: SurrogateValues,
    rows: Any,
    probabilities: Any,
    output: str,
    classification: bool,
) -> SurrogateValues:
    """Local values that add up to probabilities: the surrogate's own, or the teacher's.

    Parameters
    ----------
    raw : SurrogateValues
        In units of the raw output.
    probabilities : array of shape (n_rows,) or (n_rows, n_classes), optional
        The teacher's; of two classes, that of class 1 counts. A regression's outputs.
    output : {"probability", "teacher_probability"}

    Raises
    ------
    ValueError
        The output is the teacher's, but `probabilities` is None; or the surrogate has no probabilities of its own.
    """
    base, n_outputs = raw.base_values, len(raw.base_values)
    if output == ShapValuesOutput.TEACHER_PROBABILITY:
        if probabilities is None:
            raise ValueError("Probabilities not specified for output type 'teacher_probability'")
        given = np.asarray(probabilities, dtype=np.float64).reshape(len(probabilities), -1)
        target = given if n_outputs > 1 else given[:, -1:]
    elif not classification:
        return raw
    else:
        target = _own_probabilities(surrogate, rows, n_outputs)
    if classification and not getattr(surrogate, "_gives_probabilities", False):
        base = expit(base)
    return SurrogateValues(scaled_to(raw.values, base, target), base)


def _own_probabilities(surrogate: BaseExplainableModel, rows: Any, n_outputs: int) -> Float:
    if n_outputs == 1:
        return expit(np.asarray(surrogate.predict(rows), dtype=np.float64))[:, None]
    return surrogate.predict_proba(rows)
