"""Explainers of any function, by `fastexplain.kernel_shap`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._threads import resolve_num_threads
from fastexplain.compat.shap._inputs import as_array, column_order, is_frame, row_values, shaped
from fastexplain.compat.shap.explainers._explainer import Explainer, Stopwatch
from fastexplain.engine.backends import select_backend
from fastexplain.engine.background import Background
from fastexplain.engine.kernel.coalition_games import BlackBoxGame, Request
from fastexplain.engine.kernel.kernel_shap import kernel_shap
from fastexplain.engine.kernel.masking import copied, make_builder
from fastexplain.engine.links import identity, resolve_link
from fastexplain.engine.predict import PredictFunction

__all__ = ["MAX_SAMPLES", "FunctionExplainer", "evaluations", "refuse_linearized", "refuse_outputs"]

# Of more plain rows shap's maskers take a sample.
MAX_SAMPLES = 100
# Memory of masked rows under way.
_CHUNK_BYTES = 64 * 2**20


class FunctionExplainer(Explainer):
    """A function, background rows and a link; a call gives an `Explanation`.

    Attributes
    ----------
    model : object
        As given.
    masker : object
        As given.
    data : Background
        ``data`` and ``weights``.
    expected_value : float or array of shape (n_outputs,)
        Link of the mean output over the background.
    vector_out : bool
        Whether the function returns 2-D outputs; values then have an axis of outputs.
    feature_names : list or None
    """

    # Whether values of 2-D outputs of one column lose that axis, as in shap; expected_value keeps it.
    _squeezes = False

    def __init__(
        self, model: Any, background: Background, link: Any, feature_names: Any, seed: int | None, n_threads: int | None
    ) -> None:
        rows = background.data
        if feature_names is None and is_frame(rows):
            feature_names = rows.columns
        self.model = model
        self.data = background
        self.link = resolve_link(link)
        self.feature_names = None if feature_names is None else list(feature_names)
        self.seed = 0 if seed is None else seed
        self.n_threads = n_threads
        self._predict = PredictFunction(model)
        raw = self._predict.function(copied(rows))
        self.vector_out = np.ndim(raw) == 2
        self._n_features = int(rows.shape[1])
        outputs = self._predict_checked(raw)
        expected = self.link(background.weights @ outputs)
        self.expected_value = expected if self.vector_out else float(expected[0])

    def _predict_checked(self, raw: Any) -> NDArray[np.float64]:
        """Outputs of the background as (n_background, n_outputs); the errors are those of the engine."""
        checked = PredictFunction(lambda rows: raw)
        checked.name = self._predict.name
        return checked(self.data.data, len(self.data.weights))

    def _prepared(self, rows: Any) -> tuple[Any, NDArray[np.intp] | None]:
        """Rows in the background's order of columns and form, and where each of their columns stands in it."""
        order = column_order(rows, self.data.data)
        if order is not None:
            rows = rows[list(self.data.data.columns)]
        return rows if is_frame(self.data.data) else as_array(rows), order

    def _solve(self, rows: Any, **options: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Values and standard errors, (n_rows, n_features, n_outputs), columns in the order of the rows'."""
        prepared, order = self._prepared(rows)
        result = kernel_shap(
            self.model,
            prepared,
            self.data.data,
            weights=self.data.weights,
            link=self.link,
            seed=self.seed,
            n_threads=self.n_threads,
            **options,
        )
        values, errors = result.values, result.standard_errors
        return (values, errors) if order is None else (values[:, order], errors[:, order])

    def _game(self, rows: Any) -> BlackBoxGame:
        """The games of prepared rows, one player per column."""
        backend = select_backend(None)
        builder = make_builder(rows, self.data.data, n_threads=resolve_num_threads(self.n_threads), backend=backend)
        players = [np.array([j], dtype=np.intp) for j in range(self._n_features)]
        return BlackBoxGame(
            builder, self._predict, players, self.data.weights, chunk_bytes=_CHUNK_BYTES, backend=backend
        )

    def _coalition_values(self, game: BlackBoxGame, row: int, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Links of the mean outputs of a row's coalitions: (n_masks, n_outputs)."""
        return self.link(game.evaluate([Request(row, masks)])[0])

    def _main_effects(self, rows: Any) -> NDArray[np.float64]:
        """Each feature's change of the mean output when it alone is known: (n_rows, n_features, n_outputs)."""
        prepared, order = self._prepared(rows)
        game = self._game(prepared)
        masks = np.concatenate([np.zeros((1, self._n_features), dtype=bool), np.eye(self._n_features, dtype=bool)])
        values = np.stack([self._coalition_values(game, row, masks) for row in range(game.n_rows)])
        effects = values[:, 1:] - values[:, :1]
        return effects if order is None else effects[:, order]

    def _has_output_axis(self, n_outputs: int) -> bool:
        return self.vector_out and not (self._squeezes and n_outputs == 1)

    def _values(self, X: Any, **options: Any) -> NDArray[Any]:
        """Values alone, in shap's shape."""
        rows, single = row_values(X)
        values, _ = self._solve(rows, **options)
        return shaped(values, self._has_output_axis(values.shape[-1]), single)

    def _explained(self, X: Any, *, main_effects: bool = False, **options: Any) -> Any:
        """Values with what belongs to them, by `kernel_shap`."""
        watch = Stopwatch()
        rows, single = row_values(X)
        values, errors = self._solve(rows, **options)
        return self._as_explanation(rows, single, watch, values, main_effects=main_effects, error_std=errors)

    def _as_explanation(
        self,
        rows: Any,
        single: bool,
        watch: Stopwatch,
        values: NDArray[Any],
        *,
        main_effects: bool | NDArray[Any] = False,
        partner: bool = False,
        error_std: Any = None,
        **members: Any,
    ) -> Any:
        """Values with an axis of outputs, as an `Explanation` in shap's shape."""
        outputs = self._has_output_axis(values.shape[-1])
        if error_std is not None:
            members["error_std"] = shaped(error_std, outputs, False)
        if isinstance(main_effects, np.ndarray):
            members["main_effects"] = main_effects
        elif main_effects:
            members["main_effects"] = shaped(self._main_effects(rows), outputs, False)
        axes = ("row", "feature", *(["partner"] if partner else []), *(["output"] if outputs else []))
        return self._explanation(rows, shaped(values, outputs, False), single, watch, axes=axes, **members)


def evaluations(nsamples: int | str) -> dict[str, Any]:
    """Options of `kernel_shap`: who asks for a number of evaluations gets them all."""
    return {"n_samples": nsamples} if isinstance(nsamples, str) else {"n_samples": nsamples, "tol": 0.0}


def refuse_linearized(link: Any, linearize_link: bool) -> None:
    """Raise for a link with ``linearize_link=True``."""
    if linearize_link and resolve_link(link) is not identity:
        raise ValueError(
            f"linearize_link=True is not supported for link {link!r}. Pass linearize_link=False: values then add up to "
            "link(output) - link(mean output), as KernelExplainer's do."
        )


def refuse_outputs(outputs: Any) -> None:
    """Raise for a choice of outputs."""
    if outputs is not None:
        raise ValueError(f"outputs={outputs!r} is not supported; slice the explanation: explanation[..., output].")
