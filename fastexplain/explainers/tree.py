"""`TreeExplainer`: exact Tree SHAP values of tree models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastexplain.engine import tree_shap
from fastexplain.explainers._base import Attribution, BaseExplainer, ExplainedModel
from fastexplain.explainers._checks import check_task
from fastexplain.explainers._dispatch import unwrapped
from fastexplain.explainers._predictions import model_predictions
from fastexplain.models import TreeModel, load_model

__all__ = ["TreeExplainer", "explained_units"]

# Classes whose raw output is a probability; all other classifiers add up margins.
_PROBABILITY_MODULES = ("sklearn.ensemble._forest", "sklearn.tree._classes")


class TreeExplainer(BaseExplainer):
    """Explains trees, forests and boosters by exact path-dependent Tree SHAP.

    Values are in units of the model's raw output: margins for boosters, probabilities for forests of classification
    trees. Trees of scikit-learn, LightGBM and XGBoost; a search such as GridSearchCV is explained by its best model.

    Parameters
    ----------
    model : object
        The fitted model.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation.
    features : sequence of str, optional
        Names; default: those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows.
    shap_values_output : {"default", "probability"}, default "default"
        ``"default"``: the raw output. ``"probability"`` only where the raw output is one, as for a forest.
    transformations : optional
        Must be None: mapping back to the columns before a transformation is not there yet.
    allow_all_transformations : bool, default False
        Has no effect without `transformations`.
    initialization_examples : array-like or table of shape (n_rows, n_features), optional
        Give names, column types of single rows, and the explanation's ``init_data``. They are no background: the
        trees' own covers are.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Checked against the model, which knows its task.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.
    show_progress : bool, default False
        Show a progress bar on long work; it stays away where stderr is not a terminal.

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
        model, `shap_values_output` is not available, or `transformations` are given.

    Notes
    -----
    Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees".
    """

    _method = "shap.tree"
    _title = "exact path-dependent Tree SHAP"

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
        show_progress: bool = False,
    ) -> None:
        self._tree_model = load_model(unwrapped(model))
        check_task(model_task, self._tree_model.task, self._tree_model.library)
        self._shap_values_output = _checked_output(shap_values_output, self._tree_model)
        super().__init__(
            model,
            initialization_examples,
            _explained(self._tree_model),
            explain_subset=explain_subset,
            features=features,
            classes=classes,
            transformations=transformations,
            allow_all_transformations=allow_all_transformations,
            n_threads=n_threads,
            show_progress=show_progress,
        )

    def _size(self) -> str:
        return f"{self._tree_model.forest.n_trees} trees, "

    def _attribute_all(self, X: Any, show_progress: bool) -> Attribution:
        return Attribution(*tree_shap(self._tree_model, X, n_threads=self.n_threads, show_progress=show_progress))


def _explained(model: TreeModel) -> ExplainedModel:
    return ExplainedModel(
        name=model.library,
        n_features=model.forest.n_features,
        n_outputs=model.forest.n_outputs,
        task=model.task,
        n_classes=model.n_classes,
        units=explained_units(model),
        predict=partial(model_predictions, model),
        classes=model.classes,
        feature_names=None if model.feature_names is None else list(model.feature_names),
    )


def _checked_output(shap_values_output: Any, model: TreeModel) -> str:
    output = str(getattr(shap_values_output, "value", shap_values_output))  # str enums too
    if output not in ("default", "probability"):
        raise ValueError(f"shap_values_output must be 'default' or 'probability'; got {shap_values_output!r}.")
    if output == "probability" and explained_units(model) != "probability":
        raise ValueError(
            f"shap_values_output='probability' is not supported yet for this {model.library} model, whose trees add up "
            f"a {explained_units(model)}. Use 'default', or KernelExplainer, which explains predict_proba itself."
        )
    return output


def explained_units(model: TreeModel) -> str:
    """What Tree SHAP values of a model add up to: ``"margin"``, ``"probability"`` or ``"model output"``."""
    if model.task == "regression":
        return "model output"
    modules = {cls.__module__ for cls in type(model.model).__mro__}
    return "margin" if modules.isdisjoint(_PROBABILITY_MODULES) else "probability"
