"""One row as a pandas series or a list: its values are those that a table of one row would hold."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from fastexplain import DecisionTreeExplainableModel, MimicExplainer, PFIExplainer, TabularExplainer
from fastexplain.rows.tables import as_table

N_ROWS = 200


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pandas.DataFrame(
        {
            "age": rng.integers(20, 60, N_ROWS),
            "income": rng.normal(size=N_ROWS),
            "member": rng.random(N_ROWS) < 0.5,
            "city": pandas.Categorical(rng.choice(["a", "b", "c"], N_ROWS)),
        }
    )


@pytest.fixture(scope="module")
def explainer(table):
    y = table["age"] * 0.1 + table["member"] * table["income"] + table["city"].cat.codes
    model = HistGradientBoostingRegressor(max_iter=10, categorical_features="from_dtype", random_state=0)
    return TabularExplainer(model.fit(table, y), table)


@pytest.mark.parametrize(
    ("column", "value"), [("age", 30.5), ("age", np.nan), ("age", 2**40 + 0.5), ("member", np.nan), ("city", "unknown")]
)
def test_series_keeps_a_value_that_its_column_type_cannot_hold(explainer, table, column, value):
    series = table.iloc[3].copy()
    series[column] = value
    frame = table.iloc[[3]].copy()
    frame[column] = pandas.Series([value], index=frame.index, dtype="category" if column == "city" else None)
    row, _ = as_table(series, table)
    assert row[column].tolist() == [value] or (np.isnan(value) and row[column].isna().all())
    assert np.array_equal(explainer.explain_local(series).values, explainer.explain_local(frame).values)


def test_series_gets_back_the_types_that_hold_its_values(table):
    row, single = as_table(table.iloc[3], table)
    assert single
    assert list(row.dtypes) == list(table.dtypes)


def test_unknown_label_of_a_series_stays_a_label(table):
    series = table.iloc[3].copy()
    series["city"] = "unknown"
    row, _ = as_table(series, table)
    assert row["city"].tolist() == ["unknown"]
    assert isinstance(row["city"].dtype, pandas.CategoricalDtype)


@pytest.mark.parametrize("container", [list, tuple])
def test_row_of_numbers_and_labels_is_the_row_of_a_table(explainer, table, container):
    row = container(table.iloc[3].tolist())
    assert np.array_equal(explainer.explain_local(row).values, explainer.explain_local(table[3:4]).values)


@pytest.mark.parametrize("kind", ["coo_matrix", "dia_matrix", "bsr_array", "lil_matrix"])
def test_sparse_rows_of_any_format_are_explained_in_batches(kind):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    rows = np.eye(6)[:, :3] * 2.0
    explainer = TabularExplainer((np.array([1.0, 2.0, 3.0]), 0.5), np.zeros((4, 3)))
    explanation = explainer.explain_global(getattr(scipy_sparse, kind)(rows), include_local=False)
    expected = explainer.explain_global(rows)
    np.testing.assert_allclose(explanation.global_importance_values, expected.global_importance_values)


@pytest.mark.parametrize("labels", [[10, 20, 30], [("a", 1), ("a", 2), ("b", 1)]])
def test_column_labels_that_are_no_strings_name_the_features(labels):
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(size=(60, 3)))
    frame.columns = pandas.Index(labels)
    y = frame.sum(axis=1).to_numpy()
    linear, trees = LinearRegression().fit(frame.to_numpy(), y), HistGradientBoostingRegressor(max_iter=3)
    trees.fit(frame.to_numpy(), y)
    pfi = PFIExplainer(linear, show_progress=False).explain_global(frame, true_labels=y)
    mimic = MimicExplainer(linear, frame, DecisionTreeExplainableModel).explain_local(frame[:2])
    plain = [TabularExplainer(model, frame).explain_local(frame[:2]) for model in (linear, trees)]
    assert [explanation.features for explanation in (pfi, mimic, *plain)] == [labels] * 4


@pytest.mark.parametrize("labels", [["a", "a", "b"], [0, 1, 1]])
def test_two_columns_of_one_name_are_refused(labels):
    rows = np.random.default_rng(0).normal(size=(50, 3))
    frame = pandas.DataFrame(rows)
    frame.columns = pandas.Index(labels)
    linear = LinearRegression().fit(rows, rows.sum(axis=1))
    for model in (linear, linear.predict):
        with pytest.raises(ValueError, match="more than one column named"):
            TabularExplainer(model, rows).explain_local(frame)
