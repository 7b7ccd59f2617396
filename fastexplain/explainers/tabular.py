"""`TabularExplainer`: chooses the method by the model's type, and explains rows with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.explainers.raw.pipelines import ModelParts, taken_apart, without_map
from fastexplain.explainers.shared.base import BaseExplainer, explainer_repr
from fastexplain.explainers.shared.dispatch import explainer_kind
from fastexplain.explainers.tree import TreeExplainer
from fastexplain.explanation import GlobalExplanation, LocalExplanation
from fastexplain.models.trees.registry import tree_match

if TYPE_CHECKING:
    from fastexplain.explainers.kernel import KernelExplainer

__all__ = ["TabularExplainer"]

_logger = logging.getLogger("fastexplain")


class TabularExplainer:
    """Explains any fitted model of tabular data, by the method that fits the model's type.

    ==================================================== ================= =============================
    model                                                explainer         values add up to
    ==================================================== ================= =============================
    trees of scikit-learn, LightGBM, XGBoost             `TreeExplainer`   raw output: margin,
                                                                           or a forest's probability
    scikit-learn linear models, ``(coef, intercept)``    `LinearExplainer` margin, or prediction
    torch and Keras networks                             `DeepExplainer`   the network's output
    pipelines that end in one of these                   that of the       as the last step's
                                                         last step
    all else with predict: kernel machines,              `KernelExplainer` probability, or prediction
    scikit-learn MLPs, ensembles of any; functions
    ==================================================== ================= =============================

    The choice is in `method` and in the log (logger ``fastexplain``, level INFO). It follows from the type alone: an
    error of the chosen method is raised, and no other is tried in its place. A search (GridSearchCV) is explained by
    its best model.

    A pipeline's steps before the last act as `transformations`, so that explanations are of the columns which the
    pipeline takes: a column gets the sum over the columns that were made of it. Where a step makes columns of several
    columns (PCA, polynomial features), or the last step has no explainer of its own, the pipeline is explained as a
    whole, by Kernel SHAP; `choice` says why. `KernelExplainer` itself explains any pipeline as a whole.

    Parameters
    ----------
    model : object
        The fitted model, or a function of rows.
    initialization_examples : array-like or table of shape (n_rows, n_features), or None
        Rows like those that the model was fitted on: the background of all methods but path-dependent Tree SHAP, which
        takes its background from the trees themselves; there, they may be None, and only give names and column types of
        single rows. Not copied.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that explanations are cut down to. The values are those of the full explanation,
        except with Kernel SHAP, where all other features stay at the explained row's own values.
    features : sequence of str, optional
        Names; default: those of the examples' table, else those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels to show for a classifier's classes, in the model's order; default: those that the model knows.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and explanations are then those of
        the raw features. Tuples are ``(columns, transformer or None)``; see `RawFeatures`.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does. Each column that it makes is then shared out
        equally among those that it is made of.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Checked against the model where it knows its task; decides where it does not, as a network with one output.
    use_gpu : bool, default False
        Must be False: networks run on the device where their weights are, all else on the CPU.
    aggregate : {"sum", "group"}, default "sum"
        With `transformations`: "sum" adds up the values of the columns that a raw feature became; "group" gives the
        exact Shapley value of the raw feature as one player, with `KernelExplainer` and `LinearExplainer` only.
    feature_perturbation : {"interventional", "tree_path_dependent"}, optional
        Of tree models: "interventional" hides features behind the `initialization_examples`, all of them, as the other
        methods do; default: by the trees' covers, "tree_path_dependent", which only trees have.
    n_threads : int, optional
        Threads of each call; default `fastexplain.get_num_threads`.
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    seed : int, default 0
        Of whatever is drawn: background clusters and sampled coalitions.
    include_init_data : bool, default False
        Whether explanations and pickles keep `initialization_examples`: see `RowExplainer`.

    Attributes
    ----------
    model : object
        As given.
    explainer : TreeExplainer, LinearExplainer, DeepExplainer or KernelExplainer
        The chosen one.
    method : str
        ``"shap.tree"``, ``"shap.linear"``, ``"shap.deep"`` or ``"shap.kernel"``.
    path : str or None
        With Kernel SHAP, the computation that ran in the latest call; see `KernelExplainer`.
    choice : str or None
        What of a pipeline is explained, and why, in a sentence; None for other models.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    UnsupportedModelError
        The object predicts nothing, or is a model with an option that its method does not support; the message says
        what is expected.
    ModelConversionError
        A converted tree model does not reproduce the library's own predictions.
    ValueError
        A number of names or columns differs from the model's (the message gives both), `model_task` contradicts the
        model, `transformations` are not supported or do not fit the model, or `use_gpu` is True.
    RuntimeError
        `use_gpu` is True.

    Notes
    -----
    Lundberg and Lee 2017, "A unified approach to interpreting model predictions"; Lundberg et al. 2020, "From local
    explanations to global understanding with explainable AI for trees".
    """

    available_explanations: ClassVar[list[str]] = ["global", "local"]
    explainer_type: ClassVar[str] = "blackbox"

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Sequence[int | str] | None = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        use_gpu: bool = False,
        *,
        n_threads: int | None = None,
        show_progress: bool | None = None,
        seed: int = 0,
        aggregate: str = "sum",
        include_init_data: bool = False,
        feature_perturbation: str | None = None,
    ) -> None:
        if use_gpu:
            from fastexplain.explainers.gpu_kernel import refuse_gpu

            refuse_gpu("Pass use_gpu=False.")
        options = {
            "explain_subset": explain_subset,
            "features": features,
            "classes": classes,
            "transformations": transformations,
            "allow_all_transformations": allow_all_transformations,
            "aggregate": aggregate,
            "model_task": model_task,
            "n_threads": n_threads,
            "show_progress": show_progress,
            "include_init_data": include_init_data,
            "feature_perturbation": feature_perturbation,
        }
        self.model = model
        self.explainer, self.choice = _chosen(model, initialization_examples, options, seed)
        self.explain_subset = explain_subset
        self.transformations = transformations
        self.allow_all_transformations = allow_all_transformations
        self.aggregate = aggregate
        self.features = self.explainer.features
        self.classes = self.explainer.classes
        self.n_threads = n_threads
        self.show_progress = show_progress
        self._method = self.explainer.method

    @property
    def initialization_examples(self) -> Any:
        """As the user has them; of an explainer that was pickled, only what `RowExplainer` says."""
        return self.explainer.initialization_examples

    @property
    def method(self) -> str:
        """The chosen method, e.g. ``"shap.tree"``; after a call of Kernel SHAP with the path that ran."""
        return self.explainer.method

    @property
    def path(self) -> str | None:
        """The computation that ran in the latest call, where the method has several; None before the first."""
        return getattr(self.explainer, "path", None)

    @property
    def raw_features(self) -> list[Any] | None:
        """Names of the features before `transformations`; None without these, or where there are no names."""
        return self.explainer.raw_features

    @property
    def engineered_features(self) -> list[Any] | None:
        """Names of the features after `transformations`; None without these, or where there are no names."""
        return self.explainer.engineered_features

    def __repr__(self) -> str:
        whose = f"{explainer_repr(self.explainer)[:-1]}, chosen by TabularExplainer>"
        return whose if self.choice is None else f"{whose}\n{self.choice}"

    def explain_local(self, evaluation_examples: Any) -> LocalExplanation:
        return self.explainer.explain_local(evaluation_examples)

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: Any = None,
        include_local: bool = True,
        batch_size: int = 100,
    ) -> GlobalExplanation:
        return self.explainer.explain_global(evaluation_examples, sampling_policy, include_local, batch_size)

    # the same methods: their documentation has one place
    explain_local.__doc__ = BaseExplainer.explain_local.__doc__
    explain_global.__doc__ = BaseExplainer.explain_global.__doc__


def _chosen(model: Any, examples: Any, options: dict[str, Any], seed: int) -> tuple[BaseExplainer, str | None]:
    """The explainer of a model, and, for a pipeline, the sentence that says what of it is explained, and why."""
    parts = taken_apart(model)
    if parts.pipeline is None:
        return _made(explainer_kind(parts.last), model, examples, options, seed), None
    why = _why_whole(parts, examples, options)
    if why is None:
        try:
            explainer = _made(explainer_kind(parts.last), model, examples, options, seed)
        except (UnsupportedModelError, ModelConversionError) as error:
            why = f"its last step cannot be explained alone ({error})"
        else:
            return explainer, f"{parts.explained[0].upper()}{parts.explained[1:]}."
    sentence = f"The {parts.pipeline} is explained as a whole: {why.rstrip('.')}."
    _logger.info("%s", sentence)
    return _made("kernel", model, examples, options, seed), sentence


def _why_whole(parts: ModelParts, examples: Any, options: dict[str, Any]) -> str | None:
    """Why a pipeline's last step is not explained alone; None if it is."""
    last = type(parts.last).__name__
    if isinstance(parts.last, str) or parts.last is None:
        return "it has no last step that predicts"
    kind = explainer_kind(parts.last)
    if kind == "kernel" or (kind == "tree" and tree_match(parts.last) is None):
        return f"its last step, {last}, is a model that Kernel SHAP explains"
    grouped = options["aggregate"] == "group"
    if grouped and kind != "linear":
        return "aggregate='group' asks for columns of the rows as players"
    if examples is None:
        return None
    given = {name: options[name] for name in ("transformations", "features", "allow_all_transformations")}
    return without_map(parts, examples, by_column=grouped, **given)


def _made(kind: str, model: Any, examples: Any, options: dict[str, Any], seed: int) -> BaseExplainer:
    make, takes_seed = _EXPLAINERS[kind]
    perturbation = options["feature_perturbation"]
    own = {name: value for name, value in options.items() if name != "feature_perturbation"}
    if kind == "tree":
        own |= {} if perturbation is None else {"feature_perturbation": perturbation}
    elif perturbation not in (None, "interventional"):
        raise ValueError(
            f"feature_perturbation={perturbation!r} is for tree models; with this {type(model).__name__} hidden "
            "features follow the initialization_examples. Leave it out, or pass 'interventional'."
        )
    return make(model, examples, **own, **({"seed": seed} if takes_seed else {}))


def _tree(model: Any, initialization_examples: Any, **options: Any) -> TreeExplainer:
    return TreeExplainer(model, initialization_examples=initialization_examples, **options)


def _linear(model: Any, initialization_examples: Any, **options: Any) -> BaseExplainer:
    from fastexplain.explainers.linear import LinearExplainer

    return LinearExplainer(model, initialization_examples, **options)


def _deep(model: Any, initialization_examples: Any, **options: Any) -> BaseExplainer:
    from fastexplain.explainers.deep import DeepExplainer

    return DeepExplainer(model, initialization_examples, check_additivity=False, **options)


def _kernel(model: Any, initialization_examples: Any, **options: Any) -> KernelExplainer:
    from fastexplain.explainers.kernel import KernelExplainer

    return KernelExplainer(model, initialization_examples, **options)


# Kind of explainer -> what makes it (each loads its engine when used), and whether anything in it is drawn at random.
_EXPLAINERS: dict[str, tuple[Callable[..., BaseExplainer], bool]] = {
    "tree": (_tree, False),
    "linear": (_linear, False),
    "deep": (_deep, True),
    "kernel": (_kernel, True),
}
