"""`LIMEExplainer`: local linear models of any model's predictions, by the lime package."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.engine.arguments import whole_number
from fastexplain.engine.progress import progress
from fastexplain.explainers.lime.coded_rows import CodedRows
from fastexplain.explainers.raw.raw_features import raw_features
from fastexplain.explainers.shared.background import rows_of
from fastexplain.explainers.shared.base import Attribution, BaseExplainer
from fastexplain.explainers.shared.black_box import BlackBox, black_box
from fastexplain.explainers.shared.checks import check_subset, distinct_names
from fastexplain.rows.arrays import dense
from fastexplain.rows.kinds import is_sparse
from fastexplain.rows.tables import column_labels, count_columns, count_rows, slice_rows, unwrapped_rows

__all__ = ["LIMEExplainer"]

# Initialization examples that the model is asked for, to see how many outputs it has.
_ROWS_TO_ASK = 100
# Squares of larger differences are infinite.
_LARGEST = 1e150


class LIMEExplainer(BaseExplainer):
    """Explains any model or function by LIME: a weighted linear model around each row.

    Values are the coefficients of the linear model in units of each feature's standard deviation; they add up to no
    output, so that there are no expected values. `KernelExplainer` gives values that do. In a sparse row, features
    that are not stored stay at 0, and have the value 0; values of the others are in the same units as those of dense
    rows.

    Parameters
    ----------
    model : object or callable
        The fitted model, or a function of rows.
    initialization_examples : array-like, table or sparse matrix of shape (n_rows, n_features)
        Means, standard deviations and frequencies of the rows that are made up are theirs, of all of them.
    is_function : bool, default False
        Call the model itself although it has a predict. A plain function needs no such hint.
    explain_subset : sequence of int or str, optional
        Features, by index or name, that are varied and explained; all others stay at the explained row's own values.
    nclusters : int, default 10
        Has no effect: interpret-community's explainer works from the statistics of so many cluster centres, which lie
        closer together than the rows, so that its values are too small.
    features : sequence of str, optional
        Names; default: those of the examples' table, else those of the rows' table, else those that the model knows.
    classes : sequence, optional
        Labels of the classes, in the order of the model's outputs. Required for a classifier.
    verbose : bool, default False
        Let lime print each local model's fit.
    categorical_features : sequence of int or str, default ()
        Columns whose values are labels: all that hold text or categories, and numbers that stand for labels. Of the
        transformed rows, where there are `transformations`.
    show_progress : bool, optional
        A progress bar where standard error is a terminal, and in notebooks; None shows it once the work has taken a
        second.
    transformations : ColumnTransformer, Pipeline, FeatureUnion, DataFrameMapper or list of tuple, optional
        Fitted, and applied to all rows before the model sees them: rows, `features` and explanations are then those of
        the raw features, whose values are the sums of their columns'.
    allow_all_transformations : bool, default False
        Whether a transformer of several columns may mix them, as PCA does.
    model_task : {"unknown", "classification", "regression"}, default "unknown"
        Unknown: as the model says; a function with one output does regression, one with several classification.
    num_features : int, default 10
        Features of a local model, those with the largest coefficients; all others have the value 0. lime's default.
    num_samples : int, default 5000
        Rows made up around each explained row. lime's default.
    seed : int, default 0
        Of these rows: the same for every explained row, so that its values do not depend on the rows beside it.
    n_threads : int, optional
        Has no effect: lime works in one thread.
    include_init_data : bool, default False
        Whether explanations and pickles keep `initialization_examples`: see `RowExplainer`.

    Attributes
    ----------
    model : object
        As given.
    explainer : lime.lime_tabular.LimeTabularExplainer or None
        None where examples are sparse: each row has an explainer of the columns that it stores.
    method : str
        ``"lime"``.
    features, classes : list or None
        As resolved at construction.

    Raises
    ------
    MissingDependencyError
        lime is not installed.
    UnsupportedModelError
        The model has nothing to call.
    ValueError
        Examples are missing or not 2-D, classes are missing or not as many as the model's, a categorical feature does
        not exist, a column holds text and is not among them, or `model_task` contradicts the model.

    Notes
    -----
    Ribeiro, Singh and Guestrin 2016, "Why should I trust you?".
    """

    _method = "lime"
    _title = "LIME"
    _samples = True
    _predicts_at_once = True

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        is_function: bool = False,
        explain_subset: Sequence[int | str] | None = None,
        nclusters: int = 10,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        verbose: bool = False,
        categorical_features: Sequence[int | str] = (),
        show_progress: bool | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        *,
        num_features: int = 10,
        num_samples: int = 5000,
        seed: int = 0,
        n_threads: int | None = None,
        include_init_data: bool = False,
    ) -> None:
        optional("lime.lime_tabular", "lime", "LIMEExplainer")
        if initialization_examples is None:
            raise ValueError("LIMEExplainer needs initialization_examples: rows are made up by their statistics.")
        self.nclusters, self.seed, self.verbose = whole_number(nclusters, "nclusters"), seed, verbose
        self.num_features = whole_number(num_features, "num_features")
        self.num_samples = whole_number(num_samples, "num_samples")
        initialization_examples = unwrapped_rows(initialization_examples, keep_weights=True)
        raw = raw_features(
            transformations, initialization_examples, features, allow_all_transformations, explain_subset
        )
        examples = initialization_examples if raw is None else raw.transform_examples(initialization_examples)
        rows = rows_of(examples)
        names = (distinct_names(features, "features") if raw is None else None) or column_labels(rows)
        self.categorical_features = _columns(categorical_features, names, count_columns(rows))
        self._coded = CodedRows(rows, self.categorical_features)
        some_rows = slice_rows(rows, 0, min(count_rows(rows), _ROWS_TO_ASK))
        self._box, _ = black_box(model, is_function, model_task, None, some_rows)
        _check_classes(self._box, classes, is_function)
        super().__init__(
            model,
            rows,
            self._box.explained(count_columns(rows), "identity"),
            explain_subset=explain_subset,
            features=features,
            classes=classes,
            raw=raw,
            n_threads=n_threads,
            show_progress=show_progress,
            include_init_data=include_init_data,
        )
        self._training = self._coded.numbers(rows)
        if is_sparse(self._training):
            self._training = self._training.tocsc()
        self.explainer = None if is_sparse(self._training) else self._lime(self._varied_of(None))

    def __getstate__(self) -> dict[str, Any]:
        """All but lime's explainer, which holds functions that do not pickle and is made again from the rest."""
        return {name: value for name, value in super().__getstate__().items() if name != "explainer"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.explainer = None if is_sparse(self._training) else self._lime(self._varied_of(None))

    def _varied_of(self, row: Any) -> NDArray[np.intp]:
        """Columns that are varied: those of the subset, or all; of a sparse row, those that it stores."""
        if self._subset is not None:
            return self._subset
        return np.arange(self._training.shape[1]) if row is None else np.sort(row.indices).astype(np.intp)

    def _lime(self, varied: NDArray[np.intp]) -> Any:
        """Lime's own explainer, of the columns that are varied, which are dense.

        What lime does with sparse rows is in other units: it multiplies them by the standard deviations where it
        divides dense rows by these.
        """
        make = optional("lime.lime_tabular", "lime", "LIMEExplainer").LimeTabularExplainer
        return make(
            _dense(self._training[:, varied]),
            feature_names=[str(i) for i in range(len(varied))],
            class_names=self.classes,
            categorical_features=[i for i, j in enumerate(varied.tolist()) if j in self.categorical_features],
            verbose=self.verbose,
            mode="classification" if self._n_labels() > 1 else "regression",
            discretize_continuous=False,
            random_state=self.seed,
        )

    def _n_labels(self) -> int:
        """Outputs that get a local model each."""
        return self._box.n_columns

    def _attribute_all(self, X: Any, show_progress: bool | None) -> Attribution:
        return self._attribute(X, show_progress)

    def _attribute(self, X: Any, show_progress: bool | None) -> Attribution:
        self._check_columns(X)
        if count_columns(X) != self._training.shape[1]:
            raise ValueError(
                f"evaluation_examples has {count_columns(X)} columns; the model has {self._training.shape[1]} features."
            )
        n_varied = count_columns(X) if self._subset is None else len(self._subset)
        values = np.zeros((count_rows(X), n_varied, self._n_labels()))
        with progress(len(values), "LIMEExplainer", show_progress) as bar:
            for i in range(len(values)):
                row = self._coded.numbers(slice_rows(X, i, i + 1))
                _check_size(_dense(row)[0], i)
                self._explain_row(row, values[i])
                bar(1)
        result = Attribution(values, None)
        return result.both_classes() if self._box.doubles else result

    def _explain_row(self, row: Any, out: NDArray[np.float64]) -> None:
        """Write the coefficients of each output's local model, 0 for features that it leaves out."""
        stored_only = is_sparse(row)
        varied = self._varied_of(row if stored_only else None)
        if not len(varied):
            return
        # a generator of its own: calls in other threads draw from theirs
        explainer: Any = self._lime(varied) if stored_only else copy.copy(self.explainer)
        explainer.random_state = np.random.RandomState(self.seed)

        def outputs(numbers: Any) -> NDArray[np.float64]:
            rows = self._coded.rows(_with_columns(row, varied, numbers))
            found = np.asarray(self._box.outputs(rows), dtype=np.float64)
            return found.reshape(len(found), -1) if self._n_labels() > 1 else found.reshape(-1)

        with warnings.catch_warnings():
            if self._box.units != "probability":  # margins do not add up to 1, and need not
                warnings.filterwarnings("ignore", message=r"\s*Prediction probabilties do not sum to 1")
            found = explainer.explain_instance(
                _dense(row[:, varied])[0],
                outputs,
                labels=range(self._n_labels()),
                num_features=self.num_features,
                num_samples=self.num_samples,
            ).as_map()
        places = varied if self._subset is None else np.arange(len(varied))
        for k in range(self._n_labels()):
            # lime keeps the only output of a regression under 1
            for feature, weight in found[k if self._n_labels() > 1 else 1]:
                out[places[feature], k] = weight


def _check_size(row: NDArray[np.float64], i: int) -> None:
    """Raise ValueError for numbers whose distances from others are not finite, or missing."""
    missing = np.flatnonzero(np.isnan(row))
    if len(missing):
        raise ValueError(
            f"evaluation_examples is missing (NaN) in row {i}, column {missing[0]}; LIME weighs rows by distances, "
            "which missing values do not have. Fill them in; or use KernelExplainer(model, rows), which takes what the "
            "model takes."
        )
    too_large = np.flatnonzero(np.abs(row) > _LARGEST)
    if len(too_large):
        j = too_large[0]
        raise ValueError(
            f"evaluation_examples holds {row[j]:g} in row {i}, column {j}; LIME weighs rows by squared distances, so "
            f"that numbers must not exceed {_LARGEST:g}. Scale the column, or leave the row out."
        )


def _with_columns(row: Any, varied: NDArray[np.intp], numbers: NDArray[np.float64]) -> Any:
    """Copies of a row with other numbers in the varied columns; sparse rows as CSR."""
    n_rows = len(numbers)
    if not is_sparse(row):
        if len(varied) == row.shape[1] and np.array_equal(varied, np.arange(len(varied))):
            return numbers
        mixed = np.repeat(row, n_rows, axis=0)
        mixed[:, varied] = numbers
        return mixed
    import scipy.sparse

    kept = ~np.isin(row.indices, varied)
    columns = np.concatenate([varied, row.indices[kept]])
    cells = np.hstack([numbers, np.tile(row.data[kept], (n_rows, 1))])
    ends = np.arange(n_rows + 1) * len(columns)
    mixed = scipy.sparse.csr_matrix((cells.ravel(), np.tile(columns, n_rows), ends), shape=(n_rows, row.shape[1]))
    mixed.sort_indices()
    return mixed


def _columns(given: Sequence[int | str], names: list[Any] | None, n_features: int) -> list[int]:
    if not len(given):
        return []
    try:
        found = check_subset(given, names, n_features)
    except ValueError as error:
        raise ValueError(str(error).replace("explain_subset", "categorical_features")) from None
    assert found is not None
    return [int(j) for j in found]


def _check_classes(box: BlackBox, classes: Any, is_function: bool) -> None:
    if classes is None and box.task == "classification":
        raise ValueError("LIME Explainer requires classes to be specified if using a classification model")
    if classes is not None and box.task != "classification":
        if is_function:
            raise ValueError("Classes is specified but function was predict, not predict_proba.")
        raise ValueError("Classes is specified but model does not define predict_proba, only predict.")


def _dense(numbers: Any) -> NDArray[np.float64]:
    return np.asarray(dense(numbers))
