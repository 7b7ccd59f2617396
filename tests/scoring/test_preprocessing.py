"""The usual preprocessing as a table: the same bits as scikit-learn's, of many rows and of one, with NumPy alone."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import run_python
from fitted_transformers import assert_same, columns_of, same_bits, table_of
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.scoring.preprocessing.read import preprocessing_of

NUMERIC, CATEGORICAL = ["age", "income"], ["city", "plan"]


def people(n: int = 50, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = np.where(random.random(n) < 0.2, np.nan, random.normal(40, 12, n))
    return pd.DataFrame(
        {
            "age": age,
            "city": random.choice(["Oslo", "Rome", "Zürich"], n).astype(object),
            "income": random.integers(0, 90_000, n),
            "plan": random.choice(["basic", "plus"], n).astype(object),
        }
    )


def usual(handle_unknown: str = "ignore") -> Any:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = OneHotEncoder(handle_unknown=handle_unknown)
    return ColumnTransformer([("num", numbers, NUMERIC), ("cat", encoder, CATEGORICAL)])


def test_the_usual_pipeline_gives_the_same_bits() -> None:
    frame = people()
    assert_same(usual().fit(frame), frame, people(40, seed=1))


def test_names_and_parents_of_the_columns() -> None:
    frame = people()
    fitted = usual().fit(frame)
    table = table_of(fitted, frame)
    assert list(table.engineered_names) == list(fitted.get_feature_names_out())
    assert table.raw_names == list(frame.columns)
    assert table.parents.tolist() == [0, 2, 1, 1, 1, 3, 3]
    assert (table.n_raw, table.n_engineered) == (4, 7)


def test_columns_are_matched_by_name() -> None:
    frame = people()
    fitted = usual().fit(frame)
    turned = frame[frame.columns[::-1]]
    assert same_bits(table_of(fitted, turned).transform(columns_of(turned)), fitted.transform(frame))


def test_unknown_categories_are_named_with_what_is_known() -> None:
    frame = people()
    table = table_of(usual("error").fit(frame), frame)
    with pytest.raises(ValueError, match=r"'city': 'Bern' is not among the 3 categories.*: 'Oslo', 'Rome', 'Zürich'"):
        table.transform_row([30.0, "Bern", 10, "plus"])
    rows = frame.assign(city=["Bern", "Graz"] * 25)
    with pytest.raises(ValueError, match=r"Column 'city': 'Bern', 'Graz' are not among"):
        table.transform(columns_of(rows))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["old", "Rome", 1, "plus"], "Column 'age': 'old' is no number"),
        ([1.0, "Rome", np.inf, "plus"], "Column 'income': inf is infinite"),
        ([1.0, ["Rome"], 1, "plus"], r"Column 'city': \['Rome'\] is a list; expected a single label"),
        ([1.0, "Rome", 1], "There are 3 values; expected 4: 'age', 'city', 'income', 'plan'"),
        ([10**400, "Rome", 1, "plus"], "Column 'age': 10000"),
    ],
)
def test_a_bad_row_is_refused_alone_and_among_others(row: list[Any], message: str) -> None:
    frame = people()
    table = table_of(usual().fit(frame), frame)
    with pytest.raises(ValueError, match=message):
        table.transform_row(row)
    with pytest.raises(ValueError, match=message.replace("values", "columns")):
        table.transform([[value] for value in row])


def test_columns_of_different_lengths_are_refused() -> None:
    frame = people()
    columns = columns_of(frame)
    with pytest.raises(ValueError, match=r"differ in length: \[49, 50\]"):
        table_of(usual().fit(frame), frame).transform([columns[0][1:], *columns[1:]])


def test_no_rows_make_no_rows() -> None:
    frame = people()
    table = table_of(usual().fit(frame), frame)
    assert table.transform(columns_of(frame[:0])).shape == (0, 7)


def test_a_step_that_is_not_supported_is_named() -> None:
    from sklearn.preprocessing import PowerTransformer

    frame = people().fillna(0)
    inner = make_pipeline(StandardScaler(), PowerTransformer())
    fitted = ColumnTransformer([("num", inner, NUMERIC)]).fit(frame)
    with pytest.raises(
        UnsupportedModelError, match=r"Step 'num > powertransformer' \(PowerTransformer\) .*Supported are"
    ):
        table_of(fitted, frame)


def test_a_class_of_the_users_own_is_refused() -> None:
    class Halves(StandardScaler):  # type: ignore[misc]
        def transform(self, X: Any) -> Any:
            return super().transform(X) / 2

    frame = people()[NUMERIC]
    with pytest.raises(UnsupportedModelError, match="a class of its own, derived from StandardScaler"):
        table_of(Halves().fit(frame), frame)


def test_a_type_that_is_not_supported_is_named() -> None:
    with pytest.raises(UnsupportedModelError, match=r"Column 0 .* type datetime64\[ns\]"):
        preprocessing_of(StandardScaler(), ["when"], ["datetime64[ns]"])


@pytest.mark.parametrize("transformer", [usual(), make_pipeline(StandardScaler()), StandardScaler()], ids=repr)
def test_what_is_not_fitted_is_refused(transformer: Any) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        table_of(transformer, people())


def test_another_number_of_columns_is_refused() -> None:
    fitted = StandardScaler().fit(np.eye(3))
    with pytest.raises(ValueError, match="fitted on 3 columns; given are 2"):
        preprocessing_of(fitted, ["a", "b"], ["float64"] * 2)
    named = StandardScaler().fit(people()[NUMERIC])
    with pytest.raises(ValueError, match=r"columns that are missing: \['income'\]. Given are \['age', 'b'\]"):
        preprocessing_of(named, ["age", "b"], ["float64"] * 2)


def test_a_pickle_gives_the_same_bits() -> None:
    frame = people()
    table = table_of(usual().fit(frame), frame)
    again = pickle.loads(pickle.dumps(table))
    assert same_bits(again.transform(columns_of(frame)), table.transform(columns_of(frame)))


def test_numpy_alone_carries_a_table_out() -> None:
    frame = people()
    table = table_of(usual().fit(frame), frame)
    document, arrays = table.to_parts()
    listed = {name: array.tolist() for name, array in arrays.items()}
    row = [31.0, "Rome", 52_000, "plus"]
    code = f"""
import json, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("scipy", "sklearn", "pandas", "numba", "narwhals", "tqdm"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import numpy as np
from fastexplain.scoring.preprocessing.table import Preprocessing
arrays = {{name: np.array(values) for name, values in {listed!r}.items()}}
table = Preprocessing.from_parts(json.loads({json.dumps(document)!r}), arrays)
assert (table.transform([[value] for value in {row!r}])[0] == table.transform_row({row!r})).all()
print(table.transform_row({row!r}).tobytes().hex())
"""
    assert run_python(code).strip() == table.transform_row(row).tobytes().hex()
