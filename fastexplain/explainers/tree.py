"""`TreeExplainer`: exact Tree SHAP values of tree models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine import InterventionalTreeShap, TreeShapResult, tree_shap
from fastexplain.engine.background import as_background, has_weights
from fastexplain.engine.probability import scaled_to_probability, warn_of_rescaled_values
from fastexplain.engine.tree.outputs import explained_output
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.raw.pipelines import taken_apart
from fastexplain.explainers.raw.raw_features import raw_features
from fastexplain.explainers.shared.background import row_words, rows_of
from fastexplain.explainers.shared.base import Attribution, BaseExplainer, ExplainedModel
from fastexplain.explainers.shared.checks import check_task
from fastexplain.explainers.shared.later import model_has_changed
from fastexplain.explainers.shared.predictions import model_predictions
from fastexplain.explanation.explanation import RESCALED, RESCALED_MARGINS, Predictions
from fastexplain.models import TreeModel, load_model
from fastexplain.models.trees.check import answers_agree
from fastexplain.models.trees.registry import rows_for_library
from fastexplain.rows.tables import count_rows, unwrapped_rows

__all__ = ["TreeExplainer"]

# Probabilities that differ by less may be of either class, as libraries round them.
_TIED = 1e-6


class TreeExplainer(BaseExplainer):
    """Explains trees, forests and boosters by exact Tree SHAP: path-dependent, or against background rows.

    Values are in units of the model's raw output: margins for boosters, probabilities for forests of classification
    trees. Trees of scikit-learn, LightGBM and XGBoost; a search such as GridSearchCV is explained by its best model.

    Parameters
    ----------
    model : object
        The fitted model; of a pipeline, the last step is explained, and the steps before it act as `transformations`.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation.
    features : sequence of str, optional
        Names; default: those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows.
    shap_values_output : {"default", "probability"}, default "default"
        ``"default"``: the raw output. ``"probability"``: values of each class that add up, with its expected value, to
        the model's ``predict_proba``. Where the raw output is a margin, this is interpret-community's rescaling (see
        `scaled_to_probability`): expected values stay margins, and values are no Shapley values of the probability, as
        `KernelExplainer` has them; a `RescaledValuesWarning` says so. A forest's are as by default. With
        ``feature_perturbation="interventional"`` the margins of two classes are rescaled as by shap, one background row
        at a time, and the expected value is the mean probability.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and explanations are then those of
        the raw features. Tuples are ``(columns, transformer or None)``; see `RawFeatures`.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does. Each column that it makes is then shared out
        equally among those that it is made of.
    initialization_examples : array-like or table of shape (n_rows, n_features), optional
        Give names and column types of single rows; with ``feature_perturbation="interventional"`` they are the
        background, all of them.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Checked against the model, which knows its task.
    aggregate : {"sum", "group"}, default "sum"
        "sum" adds up the values of the columns that a raw feature became. "group" is refused: `KernelExplainer` has
        raw features as players, exactly where the output is the sum of the trees.
    feature_perturbation : {"tree_path_dependent", "interventional"}, default "tree_path_dependent"
        What hidden features follow: the cover of the trees' nodes, which is where the training rows went; or the
        `initialization_examples`, all rows of them. The latter starts from their mean output, and takes longer.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    include_init_data : bool, default False
        Whether explanations and pickles keep `initialization_examples`: see `RowExplainer`.

    Attributes
    ----------
    model : object
        As given.
    method : str
        ``"shap.tree"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model, or an option of it, is not supported; the message names what is.
    ModelConversionError
        The converted model does not reproduce the library's own predictions.
    ValueError
        A number of names or columns differs from the model's (the message gives both), `model_task` contradicts the
        model, `shap_values_output` is "probability" but the model predicts none,
        or `transformations` are not supported or do not fit the model.

    Notes
    -----
    Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees".
    """

    explainer_type: ClassVar[str] = "specific"
    _method = "shap.tree"
    _title = "exact path-dependent Tree SHAP"
    _background_words = "training rows, by the trees' covers"
    _against: InterventionalTreeShap | None = None

    def __init__(
        self,
        model: Any,
        explain_subset: Sequence[int | str] | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        shap_values_output: str = "default",
        transformations: Any = None,
        allow_all_transformations: bool = False,
        *,
        initialization_examples: Any = None,
        model_task: str = "unknown",
        n_threads: int | None = None,
        show_progress: bool | None = None,
        aggregate: str = "sum",
        include_init_data: bool = False,
        feature_perturbation: str = "tree_path_dependent",
    ) -> None:
        self.feature_perturbation = _checked_perturbation(feature_perturbation, initialization_examples)
        weights = _weights_of(initialization_examples)
        # rows that come with weights, as summaries have them, give names and types as well
        initialization_examples = None if initialization_examples is None else rows_of(initialization_examples)
        parts = taken_apart(model)
        raw = raw_features(
            transformations,
            initialization_examples,
            features,
            allow_all_transformations,
            explain_subset,
            aggregate,
            parts.steps,
        )
        if raw is not None and raw.aggregate == "group":
            raise UnsupportedModelError(
                "aggregate='group' is not available for trees: use KernelExplainer(aggregate='group'), which is exact "
                "where the output is the sum of the trees, or aggregate='sum'."
            )
        self._tree_model = load_model(parts.last)
        check_task(model_task, self._tree_model.task, self._tree_model.library)
        self._shap_values_output = _checked_output(shap_values_output, self._tree_model)
        of_margins = self._shap_values_output == "probability" and self._tree_model.units == "margin"
        self._by_pair = of_margins and self.feature_perturbation == "interventional"
        self._rescales = of_margins and not self._by_pair
        self._link_is_own = self._rescales and answers_agree(self._tree_model)
        if self._by_pair:
            explained_output(self._tree_model, "probability")  # of two classes, or an error
        if of_margins:
            base = "the base value is the mean probability" if self._by_pair else "the base value stays a margin"
            warn_of_rescaled_values(self._tree_model.library, "probability", base, stacklevel=2)
        examples = initialization_examples
        if raw is not None:
            examples = self._tree_model.dense(raw.transform_examples(raw.examples))
        if self.feature_perturbation == "interventional":
            self._title = "exact interventional Tree SHAP"
            self._background_words = row_words(count_rows(examples))
            self._against = InterventionalTreeShap(self._tree_model, examples, weights=weights, n_threads=n_threads)
        super().__init__(
            model,
            examples,
            _explained(self._tree_model, self._rescales, self._by_pair),
            explain_subset=explain_subset,
            features=features,
            classes=classes,
            raw=raw,
            parts=parts,
            n_threads=n_threads,
            show_progress=show_progress,
            include_init_data=include_init_data,
        )

    def _size(self) -> str:
        return f"{self._tree_model.forest.n_trees} trees, "

    def _attribute_all(self, X: Any, show_progress: bool | None) -> Attribution:
        if self.path == "pipeline":  # its other steps are fitted anew too: the old trees on their rows mean nothing
            _check_current(self._tree_model)
        rows = self._tree_model.dense(X)
        options: dict[str, Any] = {"n_threads": self.n_threads, "show_progress": show_progress}
        if self._against is None:
            result = tree_shap(self._tree_model, rows, **options)
        elif self._by_pair:
            return Attribution(*self._against.explain(rows, model_output="probability", **options)).both_classes()
        else:
            result = self._against.explain(rows, **options)
        if not self._rescales:
            return Attribution(*result)
        probabilities = self._probabilities(X, result)
        scaled = scaled_to_probability(result.values, result.base_values, probabilities)
        return Attribution(*scaled, probabilities=probabilities)

    def _probabilities(self, X: Any, result: TreeShapResult) -> NDArray[np.float64]:
        """Those of each class: by the link of the margins that the values add up to, where that is the model's own."""
        if self._link_is_own:
            return self._tree_model.answers.probabilities(result.values.sum(axis=1) + result.base_values)
        rows = rows_for_library(self._tree_model.model, X)
        return np.asarray(self._tree_model.model.predict_proba(rows), dtype=np.float64)

    def _predicting(self, result: Attribution) -> Callable[[Any], Predictions]:
        if result.probabilities is None:
            return super()._predicting(result)
        return partial(_with_probabilities, self._tree_model, result.probabilities)


def _with_probabilities(model: TreeModel, probabilities: NDArray[np.float64], X: Any) -> Predictions:
    _check_current(model)
    labels = np.asarray(model.model.predict(rows_for_library(model.model, X)))
    chosen = probabilities[labels[:, None] == np.asarray(model.model.classes_)[None, :]]
    # the values are of these probabilities, which the labels must not contradict
    if len(chosen) != len(labels) or (chosen < probabilities.max(axis=1) - _TIED).any():
        raise model_has_changed()
    return labels, probabilities


def _predictions(model: TreeModel, X: Any) -> Predictions:
    _check_current(model)
    return model_predictions(model, X)


def _check_current(model: TreeModel) -> None:
    if not model.is_current:
        raise model_has_changed()


def _outputs(model: TreeModel, by_pair: bool, X: Any, predictions: Predictions) -> NDArray[Any]:
    """What the values add up to, by the model as it is now."""
    if (model.gives_probabilities or by_pair) and np.ndim(predictions[1]) == 2:
        return np.asarray(predictions[1])
    return model.raw_predict(model.dense(X))


def _explained(model: TreeModel, rescales: bool, by_pair: bool) -> ExplainedModel:
    units = RESCALED if by_pair else RESCALED_MARGINS if rescales else model.units
    return ExplainedModel(
        name=model.library,
        n_features=model.forest.n_features,
        n_outputs=model.n_classes if (rescales or by_pair) and model.n_classes else model.forest.n_outputs,
        task=model.task,
        n_classes=model.n_classes,
        units=units,
        predict=partial(_predictions, model),
        outputs=None if rescales else partial(_outputs, model, by_pair),
        classes=model.classes,
        feature_names=None if model.feature_names is None else list(model.feature_names),
    )


def _checked_perturbation(feature_perturbation: Any, examples: Any) -> str:
    if feature_perturbation not in ("tree_path_dependent", "interventional"):
        raise ValueError(
            f"feature_perturbation must be 'tree_path_dependent' or 'interventional'; got {feature_perturbation!r}."
        )
    if feature_perturbation == "interventional" and examples is None:
        raise ValueError(
            "feature_perturbation='interventional' needs initialization_examples: hidden features follow them."
        )
    return str(feature_perturbation)


def _weights_of(examples: Any) -> Any:
    """Weights that examples come with; None of plain rows."""
    examples = None if examples is None else unwrapped_rows(examples, keep_weights=True)
    return as_background(examples).weights if examples is not None and has_weights(examples) else None


def _checked_output(shap_values_output: Any, model: TreeModel) -> str:
    output = str(getattr(shap_values_output, "value", shap_values_output))  # str enums too
    if output == "teacher_probability":
        raise ValueError(
            "shap_values_output='teacher_probability' is for MimicExplainer, whose surrogate stands for a teacher; "
            "TreeExplainer takes 'default' or 'probability'."
        )
    if output not in ("default", "probability"):
        raise ValueError(f"shap_values_output must be 'default' or 'probability'; got {shap_values_output!r}.")
    if output == "probability" and model.task != "classification":
        raise ValueError(
            f"shap_values_output='probability' is for classifiers, but the {model.library} model does {model.task}; "
            "use 'default'."
        )
    if output == "probability" and not hasattr(model.model, "predict_proba"):
        raise ValueError(
            f"shap_values_output='probability' needs predict_proba, which {type(model.model).__name__} does not have. "
            "Use 'default', or the library's scikit-learn estimator."
        )
    return output
