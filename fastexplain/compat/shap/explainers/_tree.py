"""shap's TreeExplainer."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap._inputs import (
    as_array,
    clustering_of,
    column_order,
    is_frame,
    is_impute,
    row_values,
    shaped,
)
from fastexplain.compat.shap.explainers._explainer import Explainer, Stopwatch
from fastexplain.compat.shap.explainers._tree_ensemble import TreeEnsemble
from fastexplain.compat.shap.explainers._tree_inputs import (
    all_background,
    covered_by,
    is_isolation_forest,
    labels_of,
    limited,
    loaded,
    perturbation,
    rows_as_named,
    without_dmatrix,
)
from fastexplain.compat.shap.explainers._tree_outputs import OUTPUTS, against_background
from fastexplain.engine.links import identity, resolve_link
from fastexplain.engine.tree.interactions import tree_shap_interactions
from fastexplain.engine.tree.path_attribution import path_attribution
from fastexplain.engine.tree.tree_shap import tree_shap
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models import TreeModel
from fastexplain.models.trees.registry import load_model

__all__ = ["TreeExplainer"]

# What `assert_additivity` lets pass, of an output and at all: shap's.
_ADDITIVE = 1e-2


class TreeExplainer(Explainer):
    """``shap.TreeExplainer``: exact values of scikit-learn's, LightGBM's and XGBoost's trees.

    Parameters
    ----------
    model : fitted tree model
        Of an IsolationForest, the mean length of a row's paths is explained, as by shap.
    data : array, DataFrame or `maskers.Independent`, optional
        Background rows: hidden features follow them ("interventional"). All rows are used, where shap keeps a sample of
        100: a BackgroundWarning says so, and ``shap.sample(data, 100)`` are the rows that it keeps. Without data hidden
        features follow the cover of the trees' nodes ("tree_path_dependent").
    model_output : {"raw", "probability", "log_loss", "predict", "predict_proba"}, default "raw"
        With background rows: what is explained. "raw" is the margin of boosted trees, and the mean of the leaves of
        forests. "probability" and "log_loss" of a single margin are explained as by shap: the margin's values of each
        background row are stretched to add up; these are no Shapley values of the probability, which
        `KernelExplainer` has. "log_loss" of regressors is the squared error. Other outputs that are no sum of trees are
        enumerated.
    feature_perturbation : {"auto", "interventional", "tree_path_dependent"}, default "auto"
        "tree_path_dependent" with data: the covers are the numbers of background rows that reach the nodes.
        "interventional" without data warns, and is "tree_path_dependent", as in shap.
    feature_names : sequence of str, optional
    approximate : optional
        Deprecated, and without effect; an argument of `shap_values` and of calls.
    link, linearize_link : optional
        The identity only.
    n_threads : int, optional

    Attributes
    ----------
    expected_value : float, or array of shape (n_outputs,)
        As in shap an array also for the single output of scikit-learn's models without background rows, and with
        ``model_output="log_loss"`` a function of the label.
    model : TreeEnsemble
        ``predict`` gives raw outputs, ``original_model`` is the model.
    data : Background or None

    Raises
    ------
    InvalidModelError
        The model is not a supported tree model; or `model_output` must be enumerated, and there are more than 14
        features.

    Notes
    -----
    `fastexplain.tree_shap`, with all background rows at once: many of them cost little more than a hundred.
    """

    def __init__(
        self,
        model: Any,
        data: Any = None,
        model_output: str = "raw",
        feature_perturbation: str = "auto",
        feature_names: Any = None,
        approximate: Any = None,
        link: Any = None,
        linearize_link: Any = None,
        *,
        n_threads: int | None = None,
    ) -> None:
        if approximate is not None:
            message = "approximate has no effect here; it is an argument of shap_values and of calls of the explainer."
            warnings.warn(message, DeprecationWarning, stacklevel=3)
        if link is not None and resolve_link(link) is not identity:
            raise ValueError(f"TreeExplainer takes the identity link only; got {link!r}. Use KernelExplainer.")
        if model_output not in OUTPUTS:
            raise ValueError(f"model_output must be one of {OUTPUTS}; got {model_output!r}.")
        model = model.original_model if isinstance(model, TreeEnsemble) else model
        self.masker, self.model_output, self.n_threads = data, model_output, n_threads
        self.feature_perturbation = perturbation(feature_perturbation, data)
        self._trees = loaded(model)
        self.data = None if data is None else all_background(data)
        rows: Any = None if self.data is None else self.data.data
        if feature_names is None and is_frame(rows):
            feature_names = rows.columns
        self.feature_names = None if feature_names is None else list(feature_names)
        if self.data is not None and self.feature_perturbation == "tree_path_dependent":
            self._trees = covered_by(self._trees, rows_as_named(rows, self._trees), self.data.weights)
        self.model = TreeEnsemble(self._trees, model, model_output)
        if self.feature_perturbation == "interventional":
            assert self.data is not None
            self._against = against_background(
                self._trees, model_output, rows_as_named(rows, self._trees), self.data.weights, n_threads
            )
            self._set_expected(self._against.expected(), plain=True)
            if self._against.takes_labels:
                self.expected_value = self._expected_loss
            return
        if model_output != "raw":
            raise ValueError(
                f"model_output={model_output!r} needs background rows: without them only 'raw' is explained. Pass data."
            )
        plain = self.data is not None or self._trees.library in ("LightGBM", "XGBoost")
        self._set_expected(self._trees.forest.expected_values(), plain)

    @staticmethod
    def supports_model_with_masker(model: Any, masker: Any) -> bool:
        """Whether the model is a supported tree model, and the masker plain rows or none."""
        if masker is not None and (clustering_of(masker) is not None or is_impute(masker)):
            return False
        if is_isolation_forest(model):
            return True
        try:
            load_model(model, check=False)
        except UnsupportedModelError:
            return False
        return True

    def shap_values(
        self,
        X: Any,
        y: Any = None,
        tree_limit: int | None = None,
        approximate: bool = False,
        check_additivity: bool = True,
        from_call: bool = False,
    ) -> NDArray[Any]:
        """Values of each row.

        Parameters
        ----------
        X : array, DataFrame or xgboost.DMatrix of shape (n_rows, n_features), or one row of shape (n_features,)
        y : array of shape (n_rows,), optional
            Labels, with ``model_output="log_loss"``.
        tree_limit : int, optional
            Values of the first trees alone (of LightGBM: of the first rounds), without background rows only. None, -1
            and 0: of all. `expected_value` stays that of all.
        approximate : bool
            Saabas' attributions, which are no Shapley values: the change of the mean output at each split of the row's
            path, credited to the split's feature. Exact values hardly take longer.
        check_additivity, from_call : bool
            Have no effect: every model is checked against its library when it is read.

        Returns
        -------
        array of shape (n_rows, n_features), or (n_rows, n_features, n_outputs) with several outputs
            Without the axis of rows for one row.
        """
        rows, single = row_values(without_dmatrix(X))
        labels = self._labels(y, rows)
        values = self._solve(rows_as_named(rows, self._trees), labels, tree_limit, approximate)
        return shaped(values, self._vector_out, single)

    def __call__(
        self,
        X: Any,
        y: Any = None,
        interactions: bool = False,
        check_additivity: bool = True,
        approximate: bool = False,
    ) -> Any:
        """Values of each row, with what belongs to them, as an `Explanation`.

        Arguments as in `shap_values`; with `interactions` the values are those of `shap_interaction_values`.
        """
        if interactions and approximate:
            raise NotImplementedError("Interactions are exact only: pass approximate=False.")
        watch = Stopwatch()
        rows, single = row_values(without_dmatrix(X))
        partner = ("partner",) if interactions else ()
        if interactions:
            values = self.shap_interaction_values(rows, y)
        else:
            values = self.shap_values(rows, y, approximate=approximate)
        axes = ("row", "feature", *partner, *(("output",) if self._vector_out else ()))
        if callable(self.expected_value):
            explanation = self._explanation(rows, values, single, watch, axes=axes, base_values=np.nan)
            labels, of_row = np.unique(np.reshape(y, -1), return_inverse=True)
            losses = np.array([self.expected_value(label) for label in labels])[of_row]
            explanation.base_values = losses[0] if single else losses
            return explanation
        base = self.expected_value if self._vector_out else np.reshape(self.expected_value, ())
        return self._explanation(rows, values, single, watch, axes=axes, base_values=base)

    def shap_interaction_values(self, X: Any, y: Any = None, tree_limit: int | None = None) -> NDArray[Any]:
        """Interaction values of each row and pair of features.

        Parameters
        ----------
        X, tree_limit
            As in `shap_values`.
        y : optional
            Must be None.

        Returns
        -------
        array of shape (n_rows, n_features, n_features), or (n_rows, n_features, n_features, n_outputs)
            Without the axis of rows for one row. Symmetric; rows of a matrix add up to the features' values.

        Raises
        ------
        ValueError
            `model_output` is not the raw output.
        """
        is_raw = self.feature_perturbation == "tree_path_dependent" or self._against.is_raw
        if not is_raw or y is not None:
            raise ValueError(
                f"Interaction values are of model_output='raw' without y; this explainer's is {self.model_output!r}."
            )
        rows, single = row_values(without_dmatrix(X))
        trees = self._limited_trees(tree_limit)
        background, weights = self._hidden_rows()
        values = tree_shap_interactions(
            trees, rows_as_named(rows, trees), background=background, weights=weights, n_threads=self.n_threads
        ).values
        return shaped(values, self._vector_out, single)

    def assert_additivity(self, phi: Any, model_output: Any) -> None:
        """Check that values and `expected_value` add up to outputs.

        Parameters
        ----------
        phi : array of shape (n_rows, n_features), or a list of them, one of each output
        model_output : array of shape (n_rows,) or (n_rows, n_outputs)

        Raises
        ------
        ExplainerError
            They miss an output by more than a hundredth.
        """
        values = np.stack(phi, axis=-1) if isinstance(phi, list) else np.asarray(phi)
        sums, outputs = np.sum(values, axis=1) + self.expected_value, np.asarray(model_output)
        wrong = ~np.isclose(sums, outputs, rtol=_ADDITIVE, atol=_ADDITIVE)
        if wrong.any():
            from fastexplain.compat.shap.utils._exceptions import ExplainerError

            raise ExplainerError(
                f"Values add up to {sums[wrong][0]:g}, where the output is {outputs[wrong][0]:g}. Are the rows those "
                "that the values and the outputs belong to?"
            )

    def _set_expected(self, expected: NDArray[np.float64], plain: bool) -> None:
        """Keep the expected value in shap's form: of a single output a number, unless it is not to be `plain`."""
        self._vector_out = len(expected) > 1
        self.expected_value = float(expected[0]) if plain and not self._vector_out else expected

    def _limited_trees(self, tree_limit: int | None) -> TreeModel:
        return self._trees if tree_limit in (None, -1, 0) else limited(self._trees, tree_limit)

    def _hidden_rows(self) -> tuple[Any, Any]:
        """Background rows and weights where hidden features follow them."""
        if self.feature_perturbation != "interventional":
            return None, None
        assert self.data is not None
        return rows_as_named(self.data.data, self._trees), self.data.weights

    def _expected_loss(self, y: Any) -> float:
        """Mean loss over the background rows, were the label of all of them `y`."""
        return float(self._against.expected(labels_of(y, self._trees)[0])[0])

    def _labels(self, y: Any, rows: Any) -> NDArray[np.float64] | None:
        """Labels of rows as numbers, where losses are explained; None elsewhere.

        Raises
        ------
        ExplainerError
            There are none.
        DimensionError
            They are not one of each row.
        ValueError
            There are some, and no loss is explained.
        """
        if self.feature_perturbation == "tree_path_dependent" or not self._against.takes_labels:
            if y is not None:
                raise ValueError(f"y is of model_output='log_loss'; this explainer's is {self.model_output!r}.")
            return None
        from fastexplain.compat.shap.utils._exceptions import DimensionError, ExplainerError

        if y is None:
            raise ExplainerError("model_output='log_loss' needs the labels of the rows: explainer.shap_values(X, y).")
        labels = labels_of(y, self._trees)
        if len(labels) != rows.shape[0]:
            raise DimensionError(f"There are {len(labels)} labels for {rows.shape[0]} rows.")
        return labels

    def _solve(
        self, rows: Any, labels: NDArray[np.float64] | None, tree_limit: int | None, approximate: bool
    ) -> NDArray[np.float64]:
        trees = self._limited_trees(tree_limit)
        if approximate:
            background, weights = self._hidden_rows()
            if background is not None:  # means over the background rows, as in shap
                trees = covered_by(trees, background, weights)
            return path_attribution(trees, rows).values
        if self.feature_perturbation == "tree_path_dependent":
            return tree_shap(trees, rows, n_threads=self.n_threads).values
        background, weights = self._hidden_rows()
        order = column_order(rows, background)
        if order is not None:
            rows = rows[list(background.columns)]
        rows = rows if is_frame(background) else as_array(rows)
        if trees is self._trees:
            values = self._against.values(rows, labels)
        elif self._against.is_raw:
            options: dict[str, Any] = {"dtype": np.float64, "n_threads": self.n_threads}
            values = tree_shap(trees, rows, background=background, weights=weights, **options).values
        else:
            raise ValueError(f"tree_limit is for model_output='raw'; this explainer's is {self.model_output!r}.")
        return values if order is None else values[:, order]
