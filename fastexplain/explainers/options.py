"""Named choices that explainers take, by interpret-community's names; each equals its plain string."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "ExplainableModelType",
    "MetricConstants",
    "ModelTask",
    "ResetIndex",
    "SamplingPolicy",
    "ShapValuesOutput",
    "error_metrics",
]


class ModelTask(StrEnum):
    """What a model does, where it does not say so itself."""

    Classification = "classification"
    Regression = "regression"
    Unknown = "unknown"


class ShapValuesOutput(StrEnum):
    """What local values add up to.

    ``DEFAULT``: the raw output. ``PROBABILITY``: the explained model's probability. ``TEACHER_PROBABILITY``: with a
    surrogate, the probability of the model that it stands for.
    """

    DEFAULT = "default"
    PROBABILITY = "probability"
    TEACHER_PROBABILITY = "teacher_probability"


class ResetIndex(StrEnum):
    """Whether a data frame's index is a feature: never, for surrogate and teacher, or for the teacher only."""

    Ignore = "ignore"
    Reset = "reset"
    ResetTeacher = "reset_teacher"


class ExplainableModelType(StrEnum):
    """Kind of a surrogate."""

    TREE_EXPLAINABLE_MODEL_TYPE = "tree_explainable_model_type"
    LINEAR_EXPLAINABLE_MODEL_TYPE = "linear_explainable_model_type"


class MetricConstants(StrEnum):
    """Metrics of `PFIExplainer` that interpret-community names; all others go by scikit-learn's names."""

    MEAN_ABSOLUTE_ERROR = "mean_absolute_error"
    EXPLAINED_VARIANCE_SCORE = "explained_variance_score"
    MEAN_SQUARED_ERROR = "mean_squared_error"
    MEAN_SQUARED_LOG_ERROR = "mean_squared_log_error"
    MEDIAN_ABSOLUTE_ERROR = "median_absolute_error"
    R2_SCORE = "r2_score"
    AVERAGE_PRECISION_SCORE = "average_precision_score"
    F1_SCORE = "f1_score"
    FBETA_SCORE = "fbeta_score"
    PRECISION_SCORE = "precision_score"
    RECALL_SCORE = "recall_score"


# Those of which less is better.
error_metrics = frozenset(metric for metric in MetricConstants if metric.endswith("_error"))


@dataclass(frozen=True)
class SamplingPolicy:
    """Whether, and how, rows to be explained are replaced by representative ones, to save time.

    Parameters
    ----------
    allow_eval_sampling : bool, default False
        False: every row is explained.
    max_dim_clustering : int, default 50
        Columns beyond which rows are projected before clustering.
    sampling_method : {"hdbscan", "kmeans"}, default "hdbscan"

    Raises
    ------
    ValueError
        `sampling_method` is neither, or `max_dim_clustering` is not positive.
    """

    allow_eval_sampling: bool = False
    max_dim_clustering: int = 50
    sampling_method: str = "hdbscan"

    def __post_init__(self) -> None:
        if self.sampling_method not in ("hdbscan", "kmeans"):
            raise ValueError(f"sampling_method must be 'hdbscan' or 'kmeans'; got {self.sampling_method!r}.")
        if self.max_dim_clustering < 1:
            raise ValueError(f"max_dim_clustering must be positive; got {self.max_dim_clustering!r}.")
