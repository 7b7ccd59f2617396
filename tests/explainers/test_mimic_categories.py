"""MimicExplainer on tables whose column types say which columns hold categories."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer

from fastexplain import (
    DecisionTreeExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    MimicExplainer,
    PoorFidelityWarning,
    SGDExplainableModel,
)

pytest.importorskip("lightgbm")

ALL = [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel]
N = 240

rng = np.random.Generator(np.random.Philox(11))
PLAIN = pd.DataFrame(
    {
        "size": rng.normal(size=N),
        "city": rng.choice(["x", "y", "z"], size=N),
        "code": rng.choice([10, 20, 30], size=N),  # as a number, its middle would lie between the others
    }
)
TYPED = PLAIN.astype({"city": "category", "code": "category"})
NAMED = ["city", "code"]


@pytest.fixture(autouse=True)
def _poor_fits_are_expected() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoorFidelityWarning)
        yield


def answers(rows: Any) -> Any:
    table = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
    city, code = table["city"].astype(str), table["code"].astype(str)
    return (table["size"] + 3 * (city == "x") + 2 * (code == "20")).to_numpy(dtype=float)


def mimic(rows: Any, kind: Any, **options: Any) -> MimicExplainer:
    return MimicExplainer(answers, rows, kind, fidelity=False, show_progress=False, **options)


@pytest.mark.parametrize("kind", ALL)
def test_columns_of_category_type_are_as_if_named(kind: Any) -> None:
    expected = mimic(PLAIN, kind, categorical_features=NAMED)
    ours = mimic(TYPED, kind)
    found = ours.explain_global(TYPED)
    assert found.features == ["size", *NAMED]
    np.testing.assert_array_equal(found.local_importance_values, expected.explain_global(PLAIN).local_importance_values)
    np.testing.assert_array_equal(
        ours.explain_global().global_importance_values, expected.explain_global().global_importance_values
    )
    as_numbers = mimic(PLAIN, kind, categorical_features=["city"]).explain_global(PLAIN)
    assert not np.allclose(found.local_importance_values, as_numbers.local_importance_values)


def test_types_add_to_what_is_named() -> None:
    rows = TYPED.assign(code=PLAIN["code"])
    assert sorted(mimic(rows, LGBMExplainableModel, categorical_features=["code"])._rows.categories) == [1, 2]
    assert sorted(mimic(rows, LGBMExplainableModel)._rows.categories) == [1]
    assert sorted(mimic(TYPED, LGBMExplainableModel, categorical_features=["city"])._rows.categories) == [1, 2]


@pytest.mark.parametrize("kind", [LGBMExplainableModel, LinearExplainableModel])
def test_unseen_and_missing_categories_are_as_if_named(kind: Any) -> None:
    shown = PLAIN.head(3).copy()
    shown.loc[0, "city"], shown.loc[1, "city"] = "new", None
    typed = shown.astype({"city": "category", "code": TYPED["code"].dtype})
    expected = mimic(PLAIN, kind, categorical_features=NAMED).explain_local(shown)
    found = mimic(TYPED, kind).explain_local(typed)
    np.testing.assert_array_equal(found.local_importance_values, expected.local_importance_values)
    single = mimic(TYPED, kind).explain_local(typed.iloc[2])
    np.testing.assert_array_equal(single.local_importance_values, expected.local_importance_values[2])


@pytest.mark.parametrize("type_name", ["Categorical", "Enum"])
def test_categories_of_polars(type_name: str) -> None:
    polars = pytest.importorskip("polars")
    wanted = polars.Enum(["x", "y", "z"]) if type_name == "Enum" else polars.Categorical
    rows = polars.from_pandas(PLAIN).with_columns(polars.col("city").cast(wanted))
    expected = mimic(PLAIN, LGBMExplainableModel, categorical_features=["city"]).explain_local(PLAIN.head(9))
    found = mimic(rows, LGBMExplainableModel).explain_local(rows.head(9))
    np.testing.assert_array_equal(found.local_importance_values, expected.local_importance_values)


@pytest.mark.parametrize("kind", [LGBMExplainableModel, DecisionTreeExplainableModel])
def test_saved_and_pickled_surrogates_keep_them(kind: Any) -> None:
    explainer = mimic(TYPED, kind)
    expected = explainer.explain_local(TYPED.head(9)).local_importance_values
    copies = [pickle.loads(pickle.dumps(explainer))]
    if kind is LGBMExplainableModel:
        copies.append(MimicExplainer._load(answers, explainer._save()))
    for copy in copies:
        np.testing.assert_array_equal(copy.explain_local(TYPED.head(9)).local_importance_values, expected)


def test_labels_of_any_type_are_categories() -> None:
    rows = TYPED.assign(band=pd.cut(TYPED["size"], [-9, 0, 9]), flag=pd.Categorical(PLAIN["code"] > 15))
    explainer = mimic(rows, LGBMExplainableModel)
    assert explainer._rows.categories[3].labels == ["(-9, 0]", "(0, 9]"]
    assert explainer._rows.categories[4].labels is None  # 0 and 1 are codes
    expected = explainer.explain_local(rows.head(9)).local_importance_values
    assert (
        MimicExplainer._load(answers, explainer._save()).explain_local(rows.head(9)).local_importance_values == expected
    )


def test_labels_of_mixed_types_say_what_to_do() -> None:
    rows = TYPED.assign(mixed=pd.Categorical(["a", 1] * (N // 2)))
    with pytest.raises(ValueError, match=r"Column 'mixed' mixes int, str; .* Make them text.*: astype\(str\)"):
        mimic(rows, LGBMExplainableModel)
    as_text = rows.astype({"mixed": str}).astype({"mixed": "category"})
    assert 3 in mimic(as_text, LGBMExplainableModel)._rows.categories


def test_augmented_rows_keep_their_types() -> None:
    wide = pd.DataFrame({f"c{i}": pd.Categorical(rng.choice(list("xyz"), 12)) for i in range(30)})
    explainer = MimicExplainer(lambda rows: (rows["c3"] == "x").to_numpy(dtype=float), wide, LGBMExplainableModel)
    assert len(explainer._rows.categories) == 30
    assert explainer.explain_local(wide).num_features == 30


def test_categories_that_transformations_make() -> None:
    steps = ColumnTransformer([("keep", "passthrough", ["size", "city", "code"])]).set_output(transform="pandas")
    explainer = MimicExplainer(
        lambda rows: (rows["keep__city"] == "x").to_numpy(dtype=float),
        TYPED,
        LGBMExplainableModel,
        transformations=steps.fit(TYPED),
        fidelity=False,
    )
    assert sorted(explainer._rows.categories) == [1, 2]
    assert explainer.explain_local(TYPED.head(3)).features == ["size", *NAMED]
