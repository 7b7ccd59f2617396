"""What interpret-core's `show` asks of an explanation: `data`, `visualize`, `selector`.

The dictionaries have interpret-community's keys. Every array is converted once, however many rows there are: its own
version, which made lists of all data for each row, took 41 s for 1,000 rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastexplain._optional import optional
from fastexplain.explanation.explanation import Explanation
from fastexplain.explanation.global_explanation import GlobalExplanation
from fastexplain.explanation.interpret.quacks import ExpectedValuesMixin, PerClassMixin, _DatasetsMixin
from fastexplain.explanation.local_explanation import LocalExplanation
from fastexplain.rows.arrays import dense, plain_rows

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["explained_rows", "explanation_data", "explanation_figure", "explanation_selector"]

MAX_BARS = 15
_LOCAL_COLUMNS = ["Actual", "Predicted", "PrScore", "AcScore", "Resid", "AbsResid"]
_GLOBAL_COLUMNS = ["Name", "Type", "# Unique", "% Non-zero"]


def explanation_data(explanation: Explanation, key: int | None = None) -> dict[str, Any]:
    """What `Explanation.data` returns; see there."""
    if key is None:
        return _overall(explanation)
    if isinstance(key, bool) or not isinstance(key, int | np.integer):
        raise ValueError(f"key must be None, -1 or the number of a row; got {key!r}.")
    if key == -1:
        return _everything(explanation)
    if not isinstance(explanation, LocalExplanation):
        data: dict[str, Any] = {"mli": []}
        _add_base_value(explanation, data)
        return data
    n_rows = explanation.num_examples
    if not 0 <= key < n_rows:
        raise ValueError(f"key {key} is out of range: the explanation has {n_rows} rows.")
    return _Rows(explanation, slice(key, key + 1)).specific()[0]


def _overall(explanation: Explanation) -> dict[str, Any]:
    data: dict[str, Any] = {"mli": []}
    if isinstance(explanation, GlobalExplanation):
        data["names"] = explanation.features
        data["scores"] = explanation.global_importance_values
        if ExpectedValuesMixin._does_quack(explanation):
            data["intercept"] = explanation.expected_values
    return data


def _everything(explanation: Explanation) -> dict[str, Any]:
    mli: list[dict[str, Any]] = []
    specific = None
    has_expected = ExpectedValuesMixin._does_quack(explanation)
    if isinstance(explanation, LocalExplanation):
        rows = _Rows(explanation, slice(None))
        specific = rows.specific()
        value: dict[str, Any] = {"scores": rows.listed_scores(), "perf": rows.performance}
        value["intercept"] = explanation.expected_values if has_expected else []
        mli.append({"explanation_type": "local_feature_importance", "value": value})
    if isinstance(explanation, GlobalExplanation):
        value = {"scores": explanation.global_importance_values, "feature_list": explanation.features}
        if has_expected:
            value["intercept"] = explanation.expected_values
        entry: dict[str, Any] = {"explanation_type": "global_feature_importance", "value": value}
        if not PerClassMixin._does_quack(explanation):
            entry["explanation_class_dimension"] = "single"
        mli.append(entry)
    return {"overall": {**_overall(explanation), "mli": mli}, "specific": specific, "mli": mli}


def _add_base_value(explanation: Explanation, data: dict[str, Any]) -> None:
    if ExpectedValuesMixin._does_quack(explanation):
        data["extra"] = {"names": ["Base Value"], "scores": explanation.expected_values, "values": [1]}


class _Rows:
    """Some rows of an explanation, every array converted once."""

    def __init__(self, explanation: LocalExplanation, rows: slice) -> None:
        self._explanation = explanation
        self._rows = range(explanation.num_examples)[rows]
        self._scores: Any = explanation._local_importance_values
        self._stored = _DatasetsMixin._is_reference(explanation)
        self.performance = self._performance(rows)

    def _performance(self, rows: slice) -> list[dict[str, Any] | None]:
        """Predictions row by row, in the place of the unknown true labels too, as in interpret-community."""
        predicted = None if self._stored else self._explanation._eval_y_predicted
        if predicted is None:
            return [None] * len(self._rows)
        array = np.asarray(predicted)
        if len(array) != self._explanation.num_examples:
            raise ValueError(f"There are {len(array)} predictions for {self._explanation.num_examples} rows.")
        array = array[rows]
        # of labels, whether they are equal; of numbers, the difference
        residuals = (array - array).tolist() if array.dtype.kind in "iufc" else [1] * len(array)
        return [
            {"actual": y, "predicted": y, "residual": residual, "actual_score": y, "predicted_score": y}
            for y, residual in zip(array.tolist(), residuals, strict=True)
        ]

    def specific(self) -> list[dict[str, Any]]:
        """One dictionary per row. `names` and `scores`, those of all rows, are the same objects in each."""
        explanation = self._explanation
        values = self._feature_values()
        shared: dict[str, Any] = {"mli": [], "type": "univariate", "names": explanation.features}
        shared["scores"] = self._scores
        if ExpectedValuesMixin._does_quack(explanation):
            shared["intercept"] = explanation.expected_values
        _add_base_value(explanation, shared)
        return [
            {**shared, "perf": self.performance[i], "values": None if values is None else values[row]}
            for i, row in enumerate(self._rows)
        ]

    def listed_scores(self) -> list[Any]:
        """Local values as nested lists: of sparse ones too, since a dashboard draws every one of them."""
        scores = self._scores
        if isinstance(scores, list):
            return [matrix.toarray().tolist() for matrix in scores]
        listed: list[Any] = (dense(scores)).tolist()
        return listed

    def _feature_values(self) -> Any:
        """The explained rows, which integers index, or None where they are not at hand."""
        data = self._explanation._eval_data
        if data is None or self._stored:
            return None
        data = explained_rows(data)
        if len(data.shape) == 1:
            data = data.reshape(1, -1)
        columns = self._explanation._feature_columns
        if columns is not None:
            data = data[:, list(columns)]
        # a sampling policy explains fewer rows than it is given
        return data if data.shape[0] == self._explanation.num_examples else None


def explained_rows(data: Any) -> Any:
    """An array, or a sparse matrix, of what holds rows."""
    for name in ("original_dataset", "dataset"):  # a data set wrapper
        if hasattr(data, name):
            data = getattr(data, name)
    return plain_rows(data)


def explanation_selector(explanation: Explanation) -> pd.DataFrame:
    """What `Explanation.selector` returns; see there."""
    pd = optional("pandas", "pandas", "An explanation's selector")
    if not isinstance(explanation, LocalExplanation):
        n = explanation.num_features
        columns: list[list[Any]] = [explanation.features, ["numeric"] * n, [np.nan] * n, [np.nan] * n]
        return pd.DataFrame(dict(zip(_GLOBAL_COLUMNS, columns, strict=True)))
    performance = _Rows(explanation, slice(None)).performance
    records: list[list[Any]] = []
    for row in performance:
        if row is None:
            records.append([None] * len(_LOCAL_COLUMNS))
            continue
        y = row["actual"]
        # actual and predicted are the same known predictions
        residual = row["residual"] if isinstance(y, int | float) and not isinstance(y, bool) else 0
        records.append([y, y, y, y, residual, residual])
    return pd.DataFrame(records, columns=_LOCAL_COLUMNS).round(3)


def explanation_figure(explanation: Explanation, key: int | None = None) -> Any:
    """What `Explanation.visualize` returns; see there."""
    if key in (None, -1) and not isinstance(explanation, GlobalExplanation):
        raise ValueError(
            "Only global explanation can be visualized with key=None. This one is local: give the number of a row, as "
            "in visualize(0), or call explain_global."
        )
    optional("plotly", "interpret", "Explanation.visualize")  # which interpret-core needs to draw, not to install
    plot = optional("interpret.visual.plot", "interpret", "Explanation.visualize")
    if isinstance(explanation, GlobalExplanation) and (key is None or key == -1):
        return _bars(plot, explanation.features, explanation._global_importance_values, "")
    row_or_feature = cast(int, key)
    if isinstance(explanation, LocalExplanation):
        return _row_figure(plot, explanation, row_or_feature)
    return _feature_figure(plot, cast(GlobalExplanation, explanation), row_or_feature)


def _row_figure(plot: Any, explanation: LocalExplanation, key: int) -> Any:
    data = explanation_data(explanation, key)
    scores, output = _row_scores(explanation, key)
    titles = [f"Row {key}"]
    if output is not None:
        labels = None if explanation.model_task == "regression" else explanation.classes
        kind = "Output" if explanation.model_task == "regression" else "Class"
        titles.append(f"{kind} {output if labels is None else labels[output]}")
    if data["perf"] is not None:
        predicted = data["perf"]["predicted"]
        titles.append(f"Predicted {predicted:.4g}" if isinstance(predicted, float) else f"Predicted {predicted}")
    return _bars(plot, explanation.features, scores, " | ".join(titles))


def _row_scores(explanation: LocalExplanation, row: int) -> tuple[NDArray[Any], int | None]:
    """Values of one row, and the class they are of: class 1 of two, else the one of the largest explained output."""
    if explanation.is_local_sparse:
        values = np.stack([matrix[row].toarray().ravel() for matrix in explanation.values], axis=1)
    else:
        values = explanation.values[row]
    n_outputs = values.shape[1]
    if n_outputs == 1:
        return values[:, 0], 1 if explanation._single_margin else None
    if n_outputs == 2 and explanation.model_task == "classification":
        return values[:, 1], 1
    base = explanation._base_values
    best = int(np.argmax(values.sum(axis=0) + (0.0 if base is None else base)))
    return values[:, best], best


def _feature_figure(plot: Any, explanation: GlobalExplanation, key: int) -> Any:
    """Importance of one feature for each class, or for the model as a whole."""
    if not 0 <= key < explanation.num_features:
        raise ValueError(f"key {key} is out of range: the explanation has {explanation.num_features} features.")
    name = str(explanation.features[key])
    if PerClassMixin._does_quack(explanation):
        labels = explanation.classes or list(range(explanation.num_classes))
        return _bars(plot, labels, explanation._per_class_values[:, key], name)
    return _bars(plot, [name], explanation._global_importance_values[[key]], name)


def _bars(plot: Any, names: Any, scores: NDArray[Any], title: str) -> Any:
    """interpret-core's horizontal bars of the largest scores by size, the largest on top."""
    top = np.argsort(-np.abs(scores), kind="stable")[:MAX_BARS][::-1]
    return plot.mli_plot_horizontal_bar(scores[top].tolist(), [str(names[i]) for i in top], title=title)
