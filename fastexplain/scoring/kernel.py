"""Kernel SHAP as a `Method`: a background, and a model as a formula, or one that is given when it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.background import Background
from fastexplain.engine.formulas.find import FormulaMemory
from fastexplain.engine.formulas.known import FormulaModel, Game
from fastexplain.engine.kernel.kernel_shap import (
    KernelShapResult,
    formula_kernel_shap,
    remembering_kernel_shap,
    subset_kernel_shap,
)
from fastexplain.engine.links import resolve_link
from fastexplain.engine.predict import PredictFunction
from fastexplain.exceptions import ArtifactError, PredictionError
from fastexplain.models.agreement import disagreement
from fastexplain.models.trees.structure import MAX_FEATURES
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.decisions import CLASS_RULES, VALUE_RULES, answers_of, class_rules, no_answers
from fastexplain.scoring.fields import Fields
from fastexplain.scoring.formulas.function import StoredFunction
from fastexplain.scoring.formulas.parts import formula_from, formula_parts
from fastexplain.scoring.formulas.reader import FormulaReader
from fastexplain.scoring.method import Attributed, Floats, Method
from fastexplain.scoring.tables import InTable, TableForm

__all__ = ["MOST_SAMPLES", "KernelMethod", "KernelOptions", "Players", "least_samples"]

# Coalitions of one row: more are no one's wish, and memory is taken for them.
MOST_SAMPLES = 2**20
# Largest part of a prediction by which a predictor may differ from the model that was explained.
_SAME_MODEL = 1e-4


@dataclass(frozen=True)
class KernelOptions:
    """How coalitions are played, and what the outputs are.

    Attributes
    ----------
    nsamples : "auto" or int
    link : str
    tol : float
    seed : int
    doubles : bool
        The only output is the probability of the second class; values are of both.
    probabilities : bool
        The outputs are the probabilities of the classes.
    rule : str
        Of `CLASS_RULES` or `VALUE_RULES`.
    """

    nsamples: int | str
    link: str
    tol: float
    seed: int
    doubles: bool
    probabilities: bool
    rule: str

    @property
    def game(self) -> dict[str, Any]:
        """As the engine takes them."""
        return {"link": self.link, "n_samples": self.nsamples, "tol": self.tol, "seed": self.seed}


@dataclass(frozen=True)
class Players:
    """Who plays: columns of the model for each.

    Attributes
    ----------
    columns : list of int arrays
        A player may have none.
    places : int array
        Which value is each player's; players after the last have none. Values without a player are 0.
    n_values : int
    """

    columns: list[NDArray[np.intp]]
    places: NDArray[np.intp]
    n_values: int

    @classmethod
    def single(cls, n_columns: int) -> Players:
        """One for each column."""
        every = np.arange(n_columns)
        return cls([every[i : i + 1] for i in range(n_columns)], every, n_columns)

    @property
    def are_columns(self) -> bool:
        """Whether every column is a player, and in order."""
        plain = len(self.columns) == self.n_values == len(self.places)
        return plain and all(columns.tolist() == [i] for i, columns in enumerate(self.columns))

    def only(self, columns: NDArray[np.intp]) -> Players:
        """Some columns as the only players; values of the others are 0."""
        return Players([self.columns[i] for i in columns], columns, self.n_values)

    def placed(self, values: Floats) -> Floats:
        """Values (n_rows, n_players, n_outputs) at their places."""
        if len(self.places) == self.n_values == values.shape[1]:
            return values
        out = np.zeros((len(values), self.n_values, values.shape[2]))
        out[:, self.places] = values[:, : len(self.places)]
        return out


class KernelMethod(Method):
    """Values of any model's outputs, against a background.

    Parameters
    ----------
    model : FormulaModel or None
        None: a black box, which needs `predictor`.
    path : str
        As the explainer names the formula.
    background : Background
        Rows as `model` takes them.
    outputs : float64 array of shape (n_background, n_outputs)
        What the model itself predicted for them.
    players : Players
    options : KernelOptions
    predictor : callable, optional
        Rows -> outputs, of a black box.
    subset : int array, optional
        Columns that play; all others are the explained row's own in every coalition.
    table : TableForm, optional
        What `predictor` takes; default: arrays of float64.
    task, classes, encoding
        As in `Method`.
    """

    kind = "kernel"

    def __init__(
        self,
        model: FormulaModel | None,
        path: str,
        background: Background,
        outputs: Floats,
        players: Players,
        options: KernelOptions,
        *,
        task: str,
        classes: list[Any] | None,
        encoding: RowEncoding,
        predictor: Callable[[Any], Any] | None = None,
        table: TableForm | None = None,
        subset: NDArray[np.intp] | None = None,
    ) -> None:
        self.model, self.path, self.background, self.outputs = model, path, background, outputs
        self.players, self.options, self.predictor, self.table = players, options, predictor, table
        self.task, self.classes, self.encoding, self.subset = task, classes, encoding, subset
        self._game: Game | None = None
        self._memory = FormulaMemory()

    @property
    def needs_predictor(self) -> bool:
        return self.model is None and self.predictor is None

    def take_predictor(self, predictor: Callable[[Any], Any]) -> None:
        """Compute with a black box: a function of rows as the model took them that returns what the model did.

        Raises
        ------
        ValueError
            The method has a formula.
        TypeError
            `predictor` can neither be called nor predict.
        PredictionError
            It raises, or is not the model that was explained, by some rows of the background.
        """
        if self.model is not None:
            super().take_predictor(predictor)
        self.predictor = predictor
        self._check_predictor()

    def attribute(self, matrix: NDArray[np.floating[Any]], n_threads: int | None) -> Attributed:
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if not len(rows):
            return self._nothing()
        if self.subset is not None:
            result, outputs = self._of_subset(rows, n_threads)
        else:
            result, outputs = self._asked(rows, n_threads) if self.model is None else self._known(rows, n_threads)
        predictions, probabilities = self._answers(rows, outputs)
        values, errors = (self.players.placed(part) for part in (result.values, result.standard_errors))
        base = result.base_values
        if self._both:
            values, errors = np.concatenate([-values, values], axis=2), np.concatenate([errors, errors], axis=2)
            base = np.concatenate([1.0 - base, base])
        return Attributed(values, base, predictions, probabilities, errors if errors.any() else None)

    def predicted(self, matrix: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], Floats | None] | None:
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        if not len(rows):
            nothing = self._nothing()
            return nothing.predictions, nothing.probabilities
        return self._answers(rows, self._outputs(rows))

    def _answers(self, rows: Floats, outputs: Floats) -> tuple[NDArray[Any], Floats | None]:
        return answers_of(self, self.model, rows, outputs, self.options.rule, self.options.probabilities)

    def _outputs(self, rows: Floats) -> Floats:
        if self.model is not None:
            return self.model.predict(rows)
        return self._call()(rows.copy(), len(rows), self.outputs.shape[1])

    @property
    def _both(self) -> bool:
        return self.options.doubles and self.options.link == "identity"

    def _known(self, rows: Floats, n_threads: int | None) -> tuple[KernelShapResult, Floats]:
        assert self.model is not None
        if self._game is None:
            self._game = self.model.bind(self.background.data, self.background.weights, self.players.columns)
        return formula_kernel_shap(
            self.model,
            self._game,
            rows,
            self.background,
            self.outputs,
            self.players.columns,
            self.path,
            n_threads=n_threads,
            **self.options.game,
        )

    def _of_subset(self, rows: Floats, n_threads: int | None) -> tuple[KernelShapResult, Floats]:
        """Of some columns: each row has a background of its own."""
        assert self.subset is not None
        result = subset_kernel_shap(
            self._black_box() if self.model is None else StoredFunction(self.model).predict,
            rows,
            self.background.data,
            self.subset,
            weights=self.background.weights,
            n_threads=n_threads,
            show_progress=False,
            **self.options.game,
        )
        base = resolve_link(self.options.link)(self.background.weights @ self.outputs)
        return result._replace(base_values=base), self._outputs(rows)

    def _black_box(self) -> Any:
        """What is asked in place of the model."""
        if self.predictor is None:
            raise PredictionError(
                "The model is a black box that answers otherwise on the rows that are kept, and no function was given "
                "in its place: save the explainer, and load it with predictor=."
            )
        return self.predictor if self.table is None else InTable(self._function(), self.table)

    def _asked(self, rows: Floats, n_threads: int | None) -> tuple[KernelShapResult, Floats]:
        groups = None if self.players.are_columns else [c.tolist() for c in self.players.columns]
        result = remembering_kernel_shap(
            self._memory,
            self._black_box(),
            rows,
            self.background.data,
            groups=groups,
            weights=self.background.weights,
            n_threads=n_threads,
            show_progress=False,
            **self.options.game,
        )
        return result, self._outputs(rows)

    def _function(self) -> Callable[[Any], Any]:
        return PredictFunction(self.predictor).function

    def _call(self) -> PredictFunction:
        call = PredictFunction(self.predictor)
        return call if self.table is None else PredictFunction.named(InTable(call.function, self.table), call.name)

    def _check_predictor(self) -> None:
        rows = self.background.data[:8].copy()
        call = self._call()
        found = disagreement(
            call(rows, len(rows), self.outputs.shape[1]), self.outputs[: len(rows)], _SAME_MODEL, floor=1e-9
        )
        if found is not None:
            raise PredictionError(f"{call.name} is not the model that was explained: {found}.")

    def _nothing(self) -> Attributed:
        """Of no rows."""
        base = resolve_link(self.options.link)(self.background.weights @ self.outputs)
        base = np.concatenate([1.0 - base, base]) if self._both else base
        values = np.empty((0, self.players.n_values, len(base)))
        return Attributed(values, base, *no_answers(self, self.outputs.shape[1], self.options.probabilities))

    def parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        options = self.options
        formula, arrays = (None, {}) if self.model is None else formula_parts(self.model)
        arrays = {f"formula.{name}": array for name, array in arrays.items()}
        arrays |= {
            "background.rows": self.background.data,
            "background.weights": self.background.weights,
            "background.outputs": self.outputs,
        }
        if self.subset is None and not self.players.are_columns:
            columns = self.players.columns
            arrays["players.columns"] = np.concatenate(columns).astype(np.int64)
            arrays["players.ends"] = np.cumsum([len(each) for each in columns], dtype=np.int64)
            arrays["players.places"] = self.players.places.astype(np.int64)
        content = {
            "formula": formula,
            "path": self.path,
            "n_outputs": int(self.outputs.shape[1]),
            "n_values": int(self.players.n_values),
            "subset": None if self.subset is None else self.subset.tolist(),
            "plays_raw": self.n_raw is not None,
            "nsamples": None if options.nsamples == "auto" else int(options.nsamples),
            "link": options.link,
            "tol": float(options.tol),
            "seed": int(options.seed),
            "doubles": bool(options.doubles),
            "probabilities": bool(options.probabilities),
            "rule": options.rule,
            "table": None if self.table is None else self.table.as_json(),
        }
        return content, arrays

    @classmethod
    def from_parts(cls, content: Fields, encoding: RowEncoding) -> KernelMethod:
        fields, task = content.object("model"), content.text("task", ("classification", "regression"))
        finite = fields.present("formula")  # what a black box makes of missing values is its own affair
        rows = fields.array("background.rows", "float64", (None, encoding.n_features), finite=finite)
        weights = fields.array("background.weights", "float64", (len(rows),))
        outputs = fields.array("background.outputs", "float64", (len(rows), fields.integer("n_outputs", 1)))
        if not len(rows) or not ((weights >= 0).all() and abs(weights.sum() - 1.0) < 1e-6):
            raise ArtifactError(f"The arrays 'background...' hold {len(rows)} rows whose weights do not add up to 1.")
        model = None
        if fields.present("formula"):
            model = formula_from(FormulaReader(fields.object("formula"), "formula"))
            if (model.n_features, model.n_outputs) != (encoding.n_features, outputs.shape[1]):
                raise fields.error(
                    "formula",
                    f"is of {model.n_features} columns and {model.n_outputs} outputs; expected {encoding.n_features} "
                    f"and {outputs.shape[1]}.",
                )
        n_outputs, players = outputs.shape[1], _players(fields, encoding.n_features)
        n_classes = max(2, n_outputs) if task == "classification" else None
        method = cls(
            model,
            fields.text("path"),
            Background(rows, weights),
            outputs,
            players,
            _options(fields, task, n_outputs, model, len(players.columns)),
            task=task,
            classes=content.labels_or_none("classes", n_classes),
            encoding=encoding,
        )
        if fields.present("subset"):
            subset = fields.integers("subset", 0, encoding.n_features - 1)
            if not subset or len(set(subset)) != len(subset) or not players.are_columns:
                raise fields.error("subset", f"is {list(subset)}; expected different columns that play alone.")
            method.subset = np.array(subset, dtype=np.intp)
            method.players = players.only(method.subset)
        if fields.present("table"):
            method.table = _table(fields, encoding)
        if fields.flag("plays_raw"):
            method.n_raw = method.players.n_values
        elif method.players.n_values != encoding.n_features:
            raise fields.error("n_values", f"is {method.players.n_values}; the model takes {encoding.n_features}.")
        return method

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_game": None}


def least_samples(n_players: int) -> int:
    """Coalitions that games of so many players need: two for each, or all."""
    return max(2, min(2 * n_players, (1 << min(n_players, 30)) - 2))


def _options(fields: Fields, task: str, n_outputs: int, model: FormulaModel | None, n_players: int) -> KernelOptions:
    tol = fields.number("tol")
    if tol < 0:
        raise fields.error("tol", f"is {tol!r}; expected a number of at least 0.")
    doubles, probabilities = fields.flag("doubles"), fields.flag("probabilities")
    rule = fields.text("rule", tuple(CLASS_RULES) if task == "classification" else VALUE_RULES)
    if task == "classification" and rule not in class_rules(model, n_outputs, probabilities):
        raise fields.error("rule", f"is {rule!r}, of a model with {n_outputs} outputs that has no such rule.")
    if doubles and (n_outputs != 1 or not probabilities):
        raise fields.error("doubles", f"is true, of a model with {n_outputs} outputs.")
    return KernelOptions(
        fields.integer("nsamples", least_samples(n_players), MOST_SAMPLES) if fields.present("nsamples") else "auto",
        fields.text("link", ("identity", "logit")),
        tol,
        fields.integer("seed", 0, 2**64 - 1),
        doubles,
        probabilities,
        rule,
    )


def _table(fields: Fields, encoding: RowEncoding) -> TableForm:
    form = fields.object("table")
    names, dtypes = form.texts("names", encoding.n_features), form.items("dtypes")
    if len(dtypes) != len(names) or not all(isinstance(dtype, str) for dtype in dtypes):
        raise form.error("dtypes", f"has {len(dtypes)} entries for {len(names)} columns, or such that are no text.")
    rows = fields.array("background.rows", "float64", (None, encoding.n_features), finite=False)
    for i, labels in encoding.categories.items():
        if not np.isin(rows[:, i][~np.isnan(rows[:, i])], np.arange(len(labels))).all():
            raise ArtifactError(f"The array 'background.rows' holds other numbers than labels' in column {i}.")
    return TableForm(names, tuple(dtypes), encoding.categories)


def _players(fields: Fields, n_columns: int) -> Players:
    n_values = fields.integer("n_values", 1, MAX_FEATURES)
    if not fields.has_array("players.columns"):
        if n_values != n_columns:
            raise fields.error("n_values", f"is {n_values}; the model takes {n_columns} columns.")
        return Players.single(n_columns)
    columns = fields.array("players.columns", "int64", (n_columns,))
    ends = fields.array("players.ends", "int64", (None,))
    places = fields.array("players.places", "int64", (None,))
    if not np.array_equal(np.sort(columns), np.arange(n_columns)):
        raise ArtifactError(f"The array 'players.columns' must hold each of 0..{n_columns - 1} once.")
    if not len(ends) or ends[-1] != n_columns or ends[0] < 0 or (np.diff(ends) < 0).any():
        raise ArtifactError(f"The array 'players.ends' must rise from 0 to {n_columns}.")
    if len(places) > len(ends) or len(np.unique(places)) != len(places):
        raise ArtifactError(
            f"The array 'players.places' has {len(places)} entries of {len(ends)} players, or twice one."
        )
    if len(places) and not (places.min() >= 0 and places.max() < n_values):
        raise ArtifactError(f"The array 'players.places' holds indices outside of 0..{n_values - 1}.")
    split = [each.astype(np.intp) for each in np.split(columns, ends[:-1])]
    return Players(split, places.astype(np.intp), n_values)
