"""Which output of a model is explained: raw, a probability, or a loss; see `tree_shap`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.models import Forest, TreeModel
from fastexplain.rows.arrays import plain_array

__all__ = ["MODEL_OUTPUTS", "Output", "check_name", "explained_output", "labels_of", "refuse_labels"]

MODEL_OUTPUTS = ("raw", "probability", "log_loss")


class Output(NamedTuple):
    """What becomes of a margin: ``"probability"``, ``"log_loss"`` or ``"squared_loss"``, by the slope of the link."""

    transform: str
    slope: float


def check_name(model_output: str) -> None:
    """Raise a ValueError where no output has this name."""
    if model_output not in MODEL_OUTPUTS:
        raise ValueError(f"model_output must be one of {', '.join(map(repr, MODEL_OUTPUTS))}; got {model_output!r}.")


def refuse_labels(y: Any) -> None:
    """Raise a ValueError where labels are given and no loss is explained."""
    if y is not None:
        raise ValueError("y is used by model_output='log_loss' only; leave it out, or ask for the loss.")


def explained_output(model: Forest | TreeModel, model_output: str) -> Output | None:
    """How the output follows from the raw one; None: it is the raw one.

    Raises
    ------
    ValueError
        The name is unknown, or the model has no such output of one margin.
    """
    check_name(model_output)
    if model_output == "raw":
        return None
    if isinstance(model, Forest):
        raise ValueError(
            f"model_output={model_output!r} needs to know the model's link, which a Forest does not hold; pass the "
            "fitted model, or what load_model makes of it."
        )
    return _probability(model) if model_output == "probability" else _loss(model)


def _probability(model: TreeModel) -> Output | None:
    if model.gives_probabilities:
        return None
    slope = model.logistic_slope
    if slope is not None:
        return Output("probability", slope)
    if model.task == "classification" and model.forest.n_outputs > 1:
        raise ValueError(
            f"model_output='probability' is for two classes; this model has {model.forest.n_outputs}, and a "
            "probability follows from all their margins together. Explain the margins (model_output='raw'), or the "
            "probabilities with KernelExplainer(model.predict_proba, background)."
        )
    raise ValueError(
        "model_output='probability' is for models whose raw output is the logit of a probability; this "
        f"{model.library} model's is not. Use model_output='raw'."
    )


def _loss(model: TreeModel) -> Output:
    if model.gives_probabilities:
        raise ValueError(
            "model_output='log_loss' is for models whose raw output is a margin; this model's trees vote with "
            "probabilities, which may be 0, where the loss is infinite. Use model_output='probability'."
        )
    slope = model.logistic_slope
    if slope is not None:
        return Output("log_loss", slope)
    if model.predicts_raw and model.forest.n_outputs == 1:
        return Output("squared_loss", 1.0)
    raise ValueError(
        f"model_output='log_loss' is for classifiers of two classes and for regressors of one target whose raw output "
        f"is the prediction; this {model.library} model is neither. Use model_output='raw'."
    )


def labels_of(model: Forest | TreeModel, output: Output | None, y: Any, n_rows: int) -> NDArray[np.float64]:
    """Labels of the rows as numbers, of the second class 1 and of the first 0; zeros where no loss is explained.

    Raises
    ------
    ValueError
        y is missing where a loss is explained, given where none is, of another length, or not of the model's labels.
    """
    if output is None or output.transform == "probability":
        refuse_labels(y)
        return np.zeros(n_rows)
    if y is None:
        raise ValueError("model_output='log_loss' needs y, the labels of the rows of X.")
    given = plain_array(y)
    if given.shape not in ((n_rows,), (n_rows, 1)):
        raise ValueError(f"y has shape {given.shape}; X has {n_rows} rows, so ({n_rows},) is expected.")
    given = given.reshape(n_rows)
    if output.transform == "log_loss":
        return _class_numbers(given, getattr(model, "classes", None) or [0, 1])
    try:
        labels = np.ascontiguousarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"y must hold the target's numbers; got dtype {given.dtype}.") from None
    if not np.isfinite(labels).all():
        bad = int(np.flatnonzero(~np.isfinite(labels))[0])
        raise ValueError(f"y holds {float(labels[bad])!r} at position {bad}; expected finite numbers.")
    return labels


def _class_numbers(given: NDArray[Any], classes: list[Any]) -> NDArray[np.float64]:
    numbers = np.full(len(given), -1.0)
    for number, label in enumerate(classes):
        numbers[given == label] = number
    if (numbers < 0).any():
        bad = int(np.flatnonzero(numbers < 0)[0])
        raise ValueError(f"y holds {given[bad]!r} at position {bad}; the model's classes are {classes!r}.")
    return numbers
