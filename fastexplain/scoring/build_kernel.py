"""From a `KernelExplainer` to a `KernelMethod`: what is known of its model, as data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background, as_background
from fastexplain.engine.formulas.find import encoded_players
from fastexplain.engine.formulas.known import KnownFormula, as_float64, is_numeric, known_formula
from fastexplain.engine.predict import PredictFunction
from fastexplain.exceptions import PredictionError, UnsupportedModelError
from fastexplain.explainers.kernel import KernelExplainer, partition
from fastexplain.explainers.mimic.explainer import MimicExplainer
from fastexplain.explainers.raw.pipelines import taken_apart
from fastexplain.explainers.tabular import TabularExplainer
from fastexplain.models.agreement import agrees
from fastexplain.rows.encoding import RowEncoding
from fastexplain.rows.kinds import is_pandas
from fastexplain.rows.tables import count_columns, slice_rows
from fastexplain.scoring.decisions import CLASS_RULES, VALUE_RULES, class_rules, predicted_values
from fastexplain.scoring.exceptions import InitDatasetMissingException
from fastexplain.scoring.formulas.parts import is_storable, stored
from fastexplain.scoring.kernel import MOST_SAMPLES, KernelMethod, KernelOptions, Players, least_samples
from fastexplain.scoring.method import Floats
from fastexplain.scoring.tables import TableForm

__all__ = ["Steps", "as_kernel_explainer", "black_box_method", "kernel_method", "rule_of"]

# Largest part of a prediction by which a rule may miss the model's own: rounding of another order of sums.
_ROUNDING = 1e-4


class Steps(NamedTuple):
    """Transformers of a pipeline that is explained as a whole: its columns play, and the last step has a formula.

    Attributes
    ----------
    pipeline : object
        Fitted; from the user's rows to those of the last step.
    encode : callable
        The same, as the formula was found with it.
    """

    pipeline: Any
    encode: Callable[[Any], Floats]


def as_kernel_explainer(original: Any, examples: Any = None) -> KernelExplainer:
    """A `KernelExplainer`, the one inside a `TabularExplainer`, or a new one of an explainer's model.

    Raises
    ------
    InitDatasetMissingException
        A new one is needed, and there are no rows to hide features behind.
    UnsupportedModelError
        The explainer is one of a surrogate.
    """
    explainer = original.explainer if isinstance(original, TabularExplainer) else original
    if isinstance(explainer, KernelExplainer):
        return explainer
    if isinstance(explainer, MimicExplainer):
        raise UnsupportedModelError(
            "A MimicExplainer explains by its surrogate, trees or a linear model: scoring_explainer(explainer) "
            "chooses that one's. KernelExplainer(model, rows) explains the model itself."
        )
    rows = explainer.initialization_examples if examples is None else examples
    if rows is None:
        raise InitDatasetMissingException(
            "An initialization dataset is required: the explainer has no rows to hide features behind. Pass "
            "initialization_examples."
        )
    return KernelExplainer(
        original.model,
        rows,
        features=None if explainer._raw is not None else explainer.features,
        classes=explainer.classes,
        transformations=explainer.transformations,
        allow_all_transformations=explainer.allow_all_transformations,
    )


def kernel_method(explainer: KernelExplainer) -> tuple[KernelMethod, Steps | None]:
    """What is kept of an explainer, and the steps that rows go through before, where its model is a pipeline.

    Raises
    ------
    UnsupportedModelError
        Rows hold other things than numbers, and nothing is known of the model; or an option has no counterpart.
    """
    _refuse_options(explainer)
    background = as_background(explainer._background.data, explainer._background.weights)
    predict = PredictFunction(explainer._box.target)
    outputs = explainer._box.outputs(background.data)
    seen = _formula(explainer, predict, background)
    steps = None
    if seen is not None and seen.columns_of is not None:
        pipeline = _pipeline(explainer)
        steps = None if pipeline is None else Steps(pipeline, seen.encode)
        seen = None if pipeline is None else seen
    if seen is None:
        return black_box_method(explainer), None
    rows = np.array(seen.encode(background.data), order="C")
    players = _players(explainer, seen, count_columns(background.data))
    options = _options(explainer, seen.model, rows, background.data, outputs, players)
    encoding = RowEncoding(explainer._box.name, rows.shape[1], allow_nan=False, allow_inf=False)
    method = KernelMethod(
        seen.model,
        seen.path,
        Background(rows, background.weights),
        outputs,
        players,
        options,
        task=explainer._explained.task,
        classes=explainer.classes,
        encoding=encoding,
    )
    if steps is not None or explainer._players is not None:
        method.n_raw = players.n_values
    return _with_subset(method, explainer), steps


def _with_subset(method: KernelMethod, explainer: KernelExplainer) -> KernelMethod:
    if explainer._subset is not None:
        method.background = method.background._replace(weights=explainer._background.weights)  # as of black boxes
        method.subset = np.asarray(explainer._subset, dtype=np.intp)
        method.players = method.players.only(method.subset)
    return method


def black_box_method(explainer: KernelExplainer) -> KernelMethod:
    """The method of a model of which nothing is known; it has the model itself until it is saved.

    Raises
    ------
    UnsupportedModelError
        Rows hold other things than numbers, in something else than a pandas table; or as `kernel_method`.
    """
    background = explainer._background  # its weights are divided by their sum in each call, as by the explainer
    outputs = explainer._box.outputs(background.data)
    data, name, table = background.data, explainer._box.name, None
    encoding = RowEncoding(name, count_columns(data))
    if is_numeric(data):
        rows = as_float64(data)
    else:
        encoding = _labels_of(explainer, data, name)
        rows = np.array(encoding.matrix(data), dtype=np.float64, order="C")
    if is_pandas(data):
        names, dtypes = tuple(str(label) for label in data.columns), tuple(str(dtype) for dtype in data.dtypes)
        table = TableForm(names, dtypes, encoding.categories)
    players = _players(explainer, None, rows.shape[1])
    method = KernelMethod(
        None,
        "black_box",
        Background(rows, background.weights),
        outputs,
        players,
        _options(explainer, None, rows, data, outputs, players),
        task=explainer._explained.task,
        classes=explainer.classes,
        encoding=encoding,
    )
    if explainer._players is not None:
        method.n_raw = players.n_values
    for form in (None, table) if is_numeric(data) else (table,):  # arrays, if it takes them
        method.table = form
        try:
            method.take_predictor(explainer._box.target)
        except PredictionError:
            method.predictor = None
        else:
            break
    return _with_subset(method, explainer)


def _labels_of(explainer: KernelExplainer, data: Any, name: str) -> RowEncoding:
    """Rows of a table with labels as numbers: those of the background, and of the examples."""
    if not is_pandas(data):
        raise UnsupportedModelError(
            f"{name} is a black box on rows that hold other things than numbers, in a {type(data).__name__}; expected "
            "a pandas table, whose columns have types."
        )
    examples = explainer.initialization_examples
    tables = [data, examples] if is_pandas(examples) and list(examples.columns) == list(data.columns) else [data]
    categories: dict[int, list[Any]] = {}
    for i, dtype in enumerate(data.dtypes):
        if getattr(dtype, "kind", "O") not in "fiub":
            known = [label for table in tables for label in table.iloc[:, i].dropna().unique().tolist()]
            own = list(dtype.categories) if str(dtype) == "category" else []
            categories[i] = list(dict.fromkeys([*own, *known]))
    names = tuple(str(label) for label in data.columns)
    return RowEncoding(name, len(names), names, categories=categories, unknown="error")


def _refuse_options(explainer: KernelExplainer) -> None:
    if explainer._subset is not None and explainer._raw is not None:
        raise UnsupportedModelError(
            "explain_subset with transformations plays a game that a scoring explainer does not. Leave one of them out."
        )
    owner = PredictFunction(explainer._box.target).owner
    if any("ThresholdClassifier" in cls.__name__ for cls in type(owner).__mro__):
        raise UnsupportedModelError(
            f"{type(owner).__name__} predicts by a threshold of its own, which a scoring explainer does not know. "
            "Explain the model inside, estimator_."
        )
    if explainer._grouped and explainer._players is None:
        raise UnsupportedModelError(
            "aggregate='group' with transformations that mix columns transforms every masked row; a scoring explainer "
            "does not. Use aggregate='sum'."
        )


def _formula(explainer: KernelExplainer, predict: PredictFunction, background: Background) -> KnownFormula | None:
    """What the explainer's own calls find, where an artifact can hold it."""

    def probed(rows: Any) -> Floats:
        return predict(rows, rows.shape[0])

    seen = known_formula(predict.owner, predict.method, probed, background.data, background.data)
    if seen is None or seen.model is None:
        return None
    if explainer._subset is not None and seen.columns_of is not None:
        return None  # columns of a pipeline that stay the row's own: as a black box
    plain = (
        seen.columns_of is None
        and explainer._subset is None
        and explainer._players is None
        and explainer.link == "identity"
    )
    plain = plain and explainer.link == "identity"
    closed = plain and seen.model.bind(seen.encode(slice_rows(background.data, 0, 1))).closed_form
    return replace(seen, model=stored(seen.model)) if is_storable(seen.model, in_closed_form=closed) else None


def _pipeline(explainer: KernelExplainer) -> Any:
    """The fitted steps before the last one; None where rows were transformed before already."""
    steps = list(taken_apart(explainer.model).steps)
    if not steps or explainer._raw is not None:
        return None
    from sklearn.pipeline import Pipeline

    return Pipeline(steps)


def _players(explainer: KernelExplainer, seen: KnownFormula | None, n_columns: int) -> Players:
    given = explainer._players
    groups = Players.single(n_columns).columns
    if given is not None:
        groups = [np.array(columns, dtype=np.intp) for columns in partition(given, n_columns)]
    columns = groups if seen is None else encoded_players(seen, groups)
    if given is None:
        return Players(columns, np.arange(len(columns)), len(columns))
    return Players(columns, np.flatnonzero([len(each) > 0 for each in given]), len(given))


def _options(
    explainer: KernelExplainer,
    model: Any,
    rows: Floats,
    given: Any,
    outputs: NDArray[np.float64],
    players: Players,
) -> KernelOptions:
    least = least_samples(len(players.columns))
    if explainer.nsamples != "auto" and not least <= int(explainer.nsamples) <= MOST_SAMPLES:
        raise UnsupportedModelError(f"nsamples is {explainer.nsamples}; expected 'auto', or {least} to {MOST_SAMPLES}.")
    box, task = explainer._box, explainer._explained.task
    probabilities = task == "classification" and box.units == "probability"
    own_outputs = outputs if model is None else model.predict(rows)
    answers = explainer._explained.predict(given)
    rule = rule_of(box.name, model, rows, own_outputs, answers, task, box.classes, probabilities)
    return KernelOptions(
        explainer.nsamples, explainer.link, explainer.tol, explainer.seed, box.doubles, probabilities, rule
    )


def rule_of(
    name: str,
    model: Any,
    rows: Floats,
    outputs: Floats,
    answers: tuple[NDArray[Any], Floats | None],
    task: str,
    classes: Sequence[Any] | None,
    probabilities: bool,
) -> str:
    """Which rule makes a model's own answers of outputs, by what it answers on some rows.

    Raises
    ------
    UnsupportedModelError
        None does: the model predicts by a threshold of its own, say.
    """
    predictions = np.asarray(answers[0])
    if task == "regression":
        for rule in VALUE_RULES:
            found = np.asarray(predicted_values(rule, outputs), dtype=np.float64)
            theirs = predictions.astype(np.float64)
            if agrees(found.reshape(len(found), -1), theirs.reshape(len(theirs), -1), _ROUNDING, floor=1e-300):
                return rule
    else:
        expected = _indices(predictions, classes)
        for rule in class_rules(model, outputs.shape[1], probabilities):
            if np.array_equal(CLASS_RULES[rule](model, rows, outputs), expected):
                return rule
    raise UnsupportedModelError(
        f"What {name} predicts follows from its outputs by no rule that a scoring explainer knows (the largest output, "
        "a margin above 0, a probability above 0.5), as with a threshold of its own. Explain a function that returns "
        "the outputs alone, such as lambda rows: model.predict_proba(rows) (or decision_function)."
    )


def _indices(predictions: NDArray[Any], classes: Sequence[Any] | None) -> NDArray[np.int64]:
    """Positions of predicted labels among the classes; predictions are positions where there are none."""
    if classes is None:
        return predictions.astype(np.int64)
    position = {label: i for i, label in enumerate(classes)}
    return np.array([position.get(label, -1) for label in predictions.tolist()], dtype=np.int64)
