"""`DeepExplainer`: DeepLIFT attributions of neural networks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import as_background, has_weights
from fastexplain.engine.deep.deep_lift import deep_lift
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.explainers.raw.pipelines import taken_apart
from fastexplain.explainers.raw.raw_features import raw_features
from fastexplain.explainers.shared.background import BackgroundChoice, rows_of
from fastexplain.explainers.shared.base import Attribution, BaseExplainer, ExplainedModel
from fastexplain.explainers.shared.checks import check_examples, check_task, plain_task
from fastexplain.explainers.shared.dispatch import check_fitted, class_names
from fastexplain.explainers.shared.model_facts import fitted_classes, fitted_names
from fastexplain.explainers.shared.networks import as_rows, is_network, network_outputs
from fastexplain.explainers.shared.predictions import estimator_predictions, output_predictions, output_units
from fastexplain.rows.arrays import dense
from fastexplain.rows.tables import count_columns, count_rows

__all__ = ["DeepExplainer"]

# Largest sum of |f(x) - base value - sum of values| that check_additivity lets pass, as a share of the outputs' scale.
ADDITIVITY = 1e-2


class DeepExplainer(BaseExplainer):
    """Explains a neural network by DeepLIFT, averaged over background rows (Deep SHAP).

    The rescale rule: exact for a network that is linear along each feature's path, an approximation of Shapley values
    else. `KernelExplainer` gives Shapley values, at more cost. Values are in units of the network's own output.

    Parameters
    ----------
    model : torch.nn.Module, Keras model or scikit-learn MLP
        A network of a table's rows. A scikit-learn MLP gets DeepLIFT only here: `TabularExplainer` gives it to
        `KernelExplainer`, as interpret-community does. Of a pipeline, the last step is explained, and the steps before
        it act as `transformations`.
    initialization_examples : array-like, table or tensor of shape (n_rows, n_features)
        Background rows. Up to 100 are used as they are; of more, 100 are chosen that stand for all, as
        `KernelExplainer` chooses them. Something with ``.data`` and ``.weights``, such as
        `fastexplain.summarize_background` returns, is used as it is, however many rows it has.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation.
    nclusters : int, optional
        interpret-community's background in place of the above, there 10: more than ``10 * nclusters`` examples are
        summarised by the centres of so many clusters (k-means), weighted by the clusters' sizes. A `BackgroundWarning`
        says where their mean output is not that of the examples.
    features : sequence of str, optional
        Names; default: those of the examples' table, else those of the rows' table.
    classes : sequence, optional
        Labels of the classes, in the order of the network's outputs.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and explanations are then those of
        the raw features. Tuples are ``(columns, transformer or None)``; see `RawFeatures`.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does. Each column that it makes is then shared out
        equally among those that it is made of.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Unknown: several outputs are classes. One output needs the task: for classification its values are [-v, v].
    is_classifier : bool, optional
        The same by another name: True is ``model_task="classification"``.
    check_additivity : bool, default True
        Raise if values do not add up to the network's output.
    seed : int, default 0
        Of the rows that the background is chosen from, or the clusters.
    aggregate : {"sum", "group"}, default "sum"
        "sum" adds up the values of the columns that a raw feature became. "group" is refused: DeepLIFT plays no
        Shapley game.
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
        ``"shap.deep"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The model is no network, or has an operation without a rule.
    ValueError
        Examples are missing, a number of names differs from the model's, the task is not known, values do not add up,
        or `transformations` are not supported or do not fit the model, or `aggregate` is "group" with them.

    Notes
    -----
    Shrikumar et al. 2017, "Learning important features through propagating activation differences"; Lundberg and Lee
    2017, section 4.2.
    """

    explainer_type: ClassVar[str] = "specific"
    _method = "shap.deep"
    _title = "DeepLIFT"
    _samples = True
    _predicts_at_once = True

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Sequence[int | str] | None = None,
        nclusters: int | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        is_classifier: bool | None = None,
        check_additivity: bool = True,
        *,
        seed: int = 0,
        n_threads: int | None = None,
        show_progress: bool | None = None,
        aggregate: str = "sum",
        include_init_data: bool = False,
    ) -> None:
        if initialization_examples is None:
            raise ValueError("DeepExplainer needs initialization_examples: outputs are compared with theirs.")
        parts = taken_apart(model)
        raw = raw_features(
            transformations,
            as_rows(initialization_examples),
            features,
            allow_all_transformations,
            explain_subset,
            aggregate,
            parts.steps,
        )
        if raw is not None:
            if raw.aggregate == "group":
                raise ValueError(
                    "aggregate='group' needs Shapley values, and DeepLIFT's are none: it has no raw feature that plays "
                    "as a whole. Use aggregate='sum', or KernelExplainer(aggregate='group')."
                )
            initialization_examples = _dense(raw.transform_examples(as_rows(initialization_examples)))
        self.is_classifier, self.check_additivity, self.seed = is_classifier, check_additivity, seed
        self._network = parts.last
        rows = as_rows(rows_of(initialization_examples))
        choice = BackgroundChoice.of(as_rows(initialization_examples), nclusters, seed)
        self.nclusters = choice.nclusters
        explained = _explained(self._network, _task(model_task, is_classifier, classes), choice.probe)
        check_examples(rows, explained.n_features, transformed=raw is not None)
        outputs = _outputs(self._network, choice.probe)
        self._background = choice.rows(outputs)
        self._background_words = choice.words(self._background)
        choice.check(self._background, outputs, partial(_outputs, self._network), explained.name, stacklevel=2)
        super().__init__(
            model,
            rows,
            explained,
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
        return f"{count_rows(self._background.data)} background rows, "

    def _table(self, rows: Any) -> tuple[Any, bool]:
        return super()._table(as_rows(rows))

    def _engineered(self, X: Any) -> Any:
        return _dense(super()._engineered(X))

    def _attribute_all(self, X: Any, show_progress: bool | None) -> Attribution:
        self._check_columns(X)
        result = deep_lift(
            self._network,
            X,
            self._background.data,
            weights=self._background.weights,
            n_threads=self.n_threads,
            show_progress=show_progress,
        )
        if self.check_additivity:
            _check_additivity(result.values, result.base_values, result.completeness_errors)
        whole = Attribution(result.values, result.base_values)
        doubles = self._explained.units == "probability" and result.values.shape[2] == 1
        return whole.both_classes() if doubles else whole


def _dense(rows: Any) -> Any:
    """Rows without sparse matrices, which networks do not take."""
    if has_weights(rows):
        background = as_background(rows)
        return background._replace(data=_dense(background.data))
    return dense(rows)


def _task(model_task: Any, is_classifier: bool | None, classes: Any) -> str:
    """The task that the arguments agree on; "unknown" if none says."""
    task = plain_task(model_task)
    if is_classifier is not None:
        said = "classification" if is_classifier else "regression"
        if task not in ("unknown", said):
            raise ValueError(f"model_task is {task!r}, but is_classifier is {is_classifier!r}.")
        task = said
    return "classification" if task == "unknown" and classes is not None else task


def _outputs(model: Any, rows: Any) -> NDArray[np.float64]:
    """What is explained, of some rows: (n_rows, n_outputs)."""
    if is_network(model):
        outputs = network_outputs(model, rows)
    else:
        outputs = np.asarray(getattr(model, "predict_proba", model.predict)(rows), dtype=np.float64)
    return outputs.reshape(len(outputs), -1)


def _explained(model: Any, task: str, background: Any) -> ExplainedModel:
    if any(name.startswith("sklearn.neural_network._multilayer_perceptron.") for name in class_names(model)):
        check_fitted(model)
        return _explained_mlp(model, task)
    if not is_network(model):
        raise UnsupportedModelError(
            f"{class_names(model)[0]} is no network that DeepExplainer knows; expected a torch.nn.Module, a Keras "
            "model or a fitted scikit-learn MLP. KernelExplainer explains any model."
        )
    outputs = network_outputs(model, background)
    columns = outputs.reshape(len(outputs), -1)
    n_outputs = columns.shape[1]
    if task == "unknown":
        if outputs.ndim == 2 and n_outputs == 1:
            raise ValueError(
                "Please specify model_task to disambiguate model type since result of calling function is 2D array of "
                "one column: 'regression', or 'classification' if it is the score of class 1."
            )
        task = "classification" if n_outputs > 1 else "regression"
    units = output_units(columns, task)
    return ExplainedModel(
        name=type(model).__name__,
        n_features=count_columns(background),
        n_outputs=2 if n_outputs == 1 and units == "probability" else n_outputs,
        task=task,
        n_classes=max(2, n_outputs) if task == "classification" else None,
        units=units,
        predict=partial(output_predictions, partial(network_outputs, model), task, units),
    )


def _explained_mlp(model: Any, task: str) -> ExplainedModel:
    classes = fitted_classes(model)
    own_task = "regression" if classes is None else "classification"
    check_task(task, own_task, type(model).__name__)
    n_outputs = int(model.n_outputs_)
    return ExplainedModel(
        name=type(model).__name__,
        n_features=int(model.n_features_in_),
        n_outputs=2 if n_outputs == 1 and classes is not None else n_outputs,
        task=own_task,
        n_classes=None if classes is None else len(classes),
        units="model output" if classes is None else "probability",
        predict=partial(estimator_predictions, model, own_task),
        classes=classes,
        feature_names=fitted_names(model),
    )


def _check_additivity(
    values: NDArray[np.floating[Any]], base_values: NDArray[np.float64], errors: NDArray[np.float64]
) -> None:
    if not errors.size:
        return
    scale = max(1.0, float(np.abs(values.sum(axis=1) + base_values).max()))
    worst = float(np.abs(errors).max())
    if worst > ADDITIVITY * scale:
        raise ValueError(
            f"Values do not add up to the network's output: {worst:.3g} is missing, on a scale of {scale:.3g}. The "
            "network has an operation that DeepLIFT's rules do not describe. Use KernelExplainer, or accept the error "
            "with check_additivity=False."
        )
