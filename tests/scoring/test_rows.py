"""Rows in any container, matched by name, and what is said of those that do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastexplain
from fastexplain.scoring import ScoringExplainer, load, save, scoring_explainer

NAMES = ["age", "income", "debts"]
FRAME = pd.DataFrame(np.random.default_rng(5).normal(size=(40, 3)), columns=NAMES)
Y = FRAME["age"] * 2 - FRAME["debts"]


@pytest.fixture(scope="module")
def scorer() -> ScoringExplainer:
    model = RandomForestRegressor(5, random_state=0).fit(FRAME, Y)
    return scoring_explainer(fastexplain.TabularExplainer(model, FRAME))


def containers() -> dict[str, Any]:
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    reordered = FRAME[["debts", "age", "income"]]
    return {
        "array": FRAME.to_numpy(),
        "fortran": np.asfortranarray(FRAME.to_numpy()),
        "list": FRAME.to_numpy().tolist(),
        "pandas": FRAME,
        "pandas reordered": reordered,
        "polars": polars.from_pandas(FRAME),
        "polars reordered": polars.from_pandas(reordered),
        "arrow": pyarrow.Table.from_pandas(reordered),
        "records": reordered.to_dict("records"),
        "dict of columns": {name: reordered[name].tolist() for name in reordered},
        "dict of arrays": {name: reordered[name].to_numpy() for name in reordered},
    }


def test_containers_give_the_same_bits(scorer: ScoringExplainer) -> None:
    expected = scorer.score(FRAME.to_numpy())
    for name, rows in containers().items():
        scores = scorer.score(rows)
        assert_array_equal(scores.values, expected.values, err_msg=name)
        assert_array_equal(scores.predictions, expected.predictions, err_msg=name)


def test_single_rows(scorer: ScoringExplainer) -> None:
    expected = scorer.score(FRAME).values[:1]
    row = FRAME.iloc[0]
    for given in (row.to_numpy(), row.tolist(), tuple(row), row, row.to_dict(), dict(reversed(row.to_dict().items()))):
        assert_array_equal(scorer.score(given).values, expected)
        assert scorer.explain(given) == expected[0, :, 0].tolist()
    assert scorer.explain(FRAME[:1]) == expected[:, :, 0].tolist()


def test_no_rows(scorer: ScoringExplainer) -> None:
    for rows in (FRAME[:0], [], np.empty((0, 3))):
        scores = scorer.score(rows)
        assert scores.values.shape == (0, 3, 1)
        assert scores.predictions.shape == (0,)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 4)), "rows has 4 columns; expected 3. They are 'age', 'income', 'debts'"),
        (np.zeros(2), "The row has 2 values; expected 3"),
        ([1.0, 2.0], "The row has 2 values; expected 3"),
        ([[1.0, 2.0, 3.0], [1.0]], "Row 1 has 1 values; expected 3"),
        ([[1.0, 2.0, 3.0], 7], "Row 1 has the value 7; expected 3"),
        (np.zeros((1, 1, 3)), r"rows has shape \(1, 1, 3\)"),
        ({"age": 1.0, "income": 2.0}, "missing: 'debts'"),
        ({"age": 1.0, "income": 2.0, "depts": 3.0}, "missing: 'debts'; not known: 'depts'"),
        ({"age": 1.0, "income": 2.0, "debts": 3.0, "x": 0}, "not known: 'x'. Expected the 3 columns"),
        ({"age": [1.0], "income": [2.0, 3.0], "debts": [3.0]}, "differ in length: 'age' 1, 'income' 2, 'debts' 1"),
        ({"age": [1.0], "income": 2.0, "debts": [3.0]}, "'age', 'debts' hold a list .* and 'income' a single one"),
        ([{"age": 1.0, "income": 2.0, "debts": 3.0}, {"age": 1.0}], "in row 1; missing: 'income', 'debts'"),
        (FRAME.rename(columns={"age": "Age"}), "missing: 'age'; not known: 'Age'"),
        (FRAME[["age", "income"]], "missing: 'debts'"),
        (FRAME.assign(extra=1.0), "not known: 'extra'"),
        ({"age": "old", "income": 2.0, "debts": 3.0}, "'age'.*holds 'old' in row 0, which is not a number"),
        ([["1.5", "a", 3.0]], "'income'.*holds 'a' in row 0, which is not a number"),
        (np.array([[np.inf, 0.0, 0.0]]), "inf"),
        ({3: 1.0}, "missing: 'age', 'income', 'debts'; not known: 3"),
        (
            {"age": 10**400, "income": 2.0, "debts": 3.0},
            r"Column 0 \('age'\) holds a whole number of 1329 bits in row 0",
        ),
        ({"age": np.datetime64("2026-01-01", "ns"), "income": 2.0, "debts": 3.0}, "'age'.* is of type datetime64"),
        ({"age": [np.timedelta64(5, "ns")], "income": [2.0], "debts": [3.0]}, "'age'.* is of type timedelta64"),
        ({"age": np.zeros((2, 2)), "income": [2.0] * 2, "debts": [3.0] * 2}, r"Column 'age' has shape \(2, 2\)"),
        (FRAME.set_axis([2, 1, 0], axis=1), "not known: 2, 1, 0"),
        (FRAME.set_axis(pd.MultiIndex.from_product([["x"], NAMES]), axis=1), r"not known: \('x', 'age'\)"),
    ],
)
def test_rows_that_do_not_fit(scorer: ScoringExplainer, rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scorer.score(rows)


def test_columns_that_count_by_position(scorer: ScoringExplainer) -> None:
    expected = scorer.score(FRAME).values
    assert_array_equal(scorer.score(FRAME.set_axis(range(3), axis=1)).values, expected)


def test_names_that_are_no_text() -> None:
    frame = FRAME.set_axis([10, 20, 30], axis=1)
    model = RandomForestRegressor(3, random_state=0).fit(frame.to_numpy(), Y)
    scorer = scoring_explainer(fastexplain.TabularExplainer(model, frame, features=[10, 20, 30]))
    expected = scorer.score(frame.to_numpy()).values
    for given in (frame, frame[[30, 10, 20]]):
        assert_array_equal(scorer.score(given).values, expected)


def test_a_list_of_labelled_rows_is_matched_by_name(scorer: ScoringExplainer) -> None:
    rows = [FRAME.iloc[0], FRAME.iloc[1][::-1]]
    assert_array_equal(scorer.score(rows).values, scorer.score(FRAME[:2]).values)


def test_a_lazy_table_is_to_be_collected(scorer: ScoringExplainer) -> None:
    polars = pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"LazyFrame; expected .*collect a lazy"):
        scorer.score(polars.from_pandas(FRAME).lazy())


@pytest.mark.parametrize("names", [["my age", "income", "debts"], ["my_age", "income", "debts"]])
def test_blanks_in_names_and_what_lightgbm_writes(names: list[str]) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    frame = FRAME.set_axis(["my age", "income", "debts"], axis=1)
    model = lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=2, verbose=-1).fit(frame, Y)
    scorer = scoring_explainer(fastexplain.TabularExplainer(model, frame))
    expected = scorer.score(frame).values
    given = FRAME.set_axis(names, axis=1)
    reordered = given[given.columns[::-1]]
    for rows in (given, reordered, reordered.to_dict("records"), reordered.to_dict("list")):
        assert_array_equal(scorer.score(rows).values, expected)
    assert_array_equal(scorer.score(reordered.iloc[0].to_dict()).values, expected[:1])
    with pytest.raises(ValueError, match="missing: 'my age'; not known: 'my-age'"):
        scorer.score(frame.rename(columns={"my age": "my-age"}))


def test_features_under_other_names_than_the_models(tmp_path: Path) -> None:
    model = RandomForestRegressor(3, random_state=0).fit(FRAME, Y)
    explainer = fastexplain.TabularExplainer(model, FRAME, features=["Age", "Income", "Debts"])
    scorer = scoring_explainer(explainer)
    expected = explainer.explain_local(FRAME).values
    save(scorer, tmp_path / "named.zip")
    for each in (scorer, load(tmp_path / "named.zip")):
        assert each.features == ["Age", "Income", "Debts"]
        for rows in (FRAME, FRAME[NAMES[::-1]], FRAME.rename(columns=str.title), FRAME.to_dict("records")):
            assert_array_equal(each.score(rows).values, expected)
        with pytest.raises(ValueError, match="missing: 'Age', 'Debts'; not known: 'age', 'debts'"):
            each.score(FRAME.rename(columns={"income": "Income"}))


def test_a_pipelines_features_under_other_names(tmp_path: Path) -> None:
    columns = ColumnTransformer([("numbers", StandardScaler(), ["debts", "age"])], remainder="passthrough")
    model = make_pipeline(columns, LinearRegression()).fit(FRAME, Y)
    explainer = fastexplain.TabularExplainer(model, FRAME, features=["Age", "Income", "Debts"])
    scorer = scoring_explainer(explainer)
    save(scorer, tmp_path / "named.zip")
    for each in (scorer, load(tmp_path / "named.zip")):
        for rows in (FRAME, FRAME[NAMES[::-1]], FRAME.rename(columns=str.title).to_dict("records")):
            assert_array_equal(each.score(rows).values, explainer.explain_local(FRAME).values)


def test_sparse_rows_of_every_kind() -> None:
    sparse, lightgbm = pytest.importorskip("scipy.sparse"), pytest.importorskip("lightgbm")
    rows = sparse.random(40, 5, 0.4, format="csr", random_state=0)
    model = lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=2, verbose=-1).fit(rows, Y)
    scorer = scoring_explainer(fastexplain.TreeExplainer(model))
    expected = scorer.score(rows.toarray()).values
    for kind in ("csr", "csc", "coo", "lil", "dok"):
        assert_array_equal(scorer.score(rows.asformat(kind)).values, expected, err_msg=kind)


def test_what_holds_no_rows(scorer: ScoringExplainer) -> None:
    with pytest.raises(TypeError, match=r"rows is a builtins\.int; expected an array"):
        scorer.score(7)


def test_an_explainer_without_names() -> None:
    model = RandomForestRegressor(3, random_state=0).fit(FRAME.to_numpy(), Y)
    scorer = scoring_explainer(fastexplain.TreeExplainer(model))
    assert scorer.features is None
    with pytest.raises(ValueError, match="knows no names of its 3 columns"):
        scorer.score({"age": 1.0, "income": 2.0, "debts": 3.0})
    assert_array_equal(scorer.score(FRAME).values, scorer.score(FRAME.to_numpy()).values)


def test_categories_by_label() -> None:
    frame = FRAME.assign(colour=pd.Categorical(np.tile(["red", "green", "blue", "grey"], 10)))
    y = Y + (frame["colour"] == "red") * 3
    model = HistGradientBoostingRegressor(max_iter=5, categorical_features=["colour"], min_samples_leaf=2).fit(frame, y)
    explainer = fastexplain.TreeExplainer(model, initialization_examples=frame)
    scorer = scoring_explainer(explainer)
    expected = explainer.explain_local(frame).values
    assert_array_equal(scorer.score(frame).values, expected)
    records = frame.astype({"colour": object}).to_dict("records")
    assert_array_equal(scorer.score(records).values, expected)
    assert_array_equal(scorer.score(records[0]).values, expected[:1])
    unseen = scorer.score(records[0] | {"colour": "pink"})
    missing = scorer.score(records[0] | {"colour": None})
    assert_array_equal(unseen.values, missing.values)


def test_what_was_seen_is_noted(tmp_path: Path) -> None:
    colours = pd.Categorical(np.tile(["red", "green", None, "grey"], 10))
    names = [f"name {i}" for i in range(300)]
    frame = pd.concat([FRAME.assign(colour=colours)] * 8, ignore_index=True).iloc[:300].assign(name=names)
    columns = ColumnTransformer([("numbers", "passthrough", NAMES), ("labels", OneHotEncoder(), ["colour", "name"])])
    model = make_pipeline(columns, LinearRegression()).fit(frame, frame["age"])
    scorer = scoring_explainer(fastexplain.TabularExplainer(model, frame))
    save(scorer, tmp_path / "seen.zip")
    for each in (scorer, load(tmp_path / "seen.zip")):
        age, _, _, colour, name = each._parts.schema.features
        assert (age.lowest, age.highest, age.categories) == (FRAME["age"].min(), FRAME["age"].max(), None)
        assert colour.categories == ("green", "grey", "red")
        assert name.categories is None  # too many to tell


def test_columns_that_were_cut_down() -> None:
    model = RandomForestRegressor(3, random_state=0).fit(FRAME, Y)
    explainer = fastexplain.TreeExplainer(model, explain_subset=["debts", "age"])
    scores = scoring_explainer(explainer).score(FRAME)
    assert_array_equal(scores.values, explainer.explain_local(FRAME).values)
    assert_array_equal(scores.predictions, scoring_explainer(fastexplain.TreeExplainer(model)).score(FRAME).predictions)
