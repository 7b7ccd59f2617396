"""Errors recommend what leads to a result: each case fails, is told what to do, does it, and gets an explanation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.cluster import DBSCAN, KMeans, MeanShift
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fastexplain import (
    FastExplainError,
    KernelExplainer,
    LGBMExplainableModel,
    LinearExplainer,
    MimicExplainer,
    PFIExplainer,
    SGDExplainableModel,
    TabularExplainer,
    TreeExplainer,
    kernel_shap,
    tree_shap,
)

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

X, Y = make_classification(90, 5, n_informative=4, n_redundant=0, random_state=0)
Y3 = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
ROWS, FEW = X[:15], X[:2]
TABLE = pd.DataFrame({"size": X[:, 0], "kind": np.where(X[:, 1] > 0, "x", "y")})


def tree(**options: Any) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=3, random_state=0, **options)


def of_kind(rows: Any) -> Any:
    return (rows["kind"] == "x").to_numpy(dtype=float) + rows["size"].to_numpy()


class Case(NamedTuple):
    """What to do with a model: what fails, what the error recommends, and the same in code."""

    model: Any
    fails: Callable[[Any], Any]
    says: str
    instead: Callable[[Any], Any]


def black_box(model: Any) -> Any:
    return KernelExplainer(model, ROWS).explain_local(FEW)


def first_target(model: Any) -> Any:
    return black_box(lambda rows: model.predict_proba(rows)[0])


def one_label(model: Any) -> Any:
    return black_box(lambda rows: model.predict(rows) == 1)


PREDICTIONS = "KernelExplainer(model, rows) explains what it predicts"
PIPELINE = "TabularExplainer(model, rows) explains pipelines"

CASES: dict[str, Callable[[], Case]] = {
    "linear trees": lambda: Case(
        lightgbm.LGBMClassifier(n_estimators=3, linear_tree=True, verbose=-1, n_jobs=1).fit(X, Y),
        lambda model: TabularExplainer(model, ROWS),
        "explain what the model predicts: KernelExplainer(model, rows)",
        black_box,
    ),
    "linear trees, again": lambda: Case(
        lightgbm.LGBMClassifier(n_estimators=3, linear_tree=True, verbose=-1, n_jobs=1).fit(X, Y),
        lambda model: TreeExplainer(model),
        "Train with linear_tree=False",
        lambda model: TreeExplainer(model.set_params(linear_tree=False).fit(X, Y)).explain_local(FEW),
    ),
    "gblinear": lambda: Case(
        xgboost.XGBClassifier(booster="gblinear", n_estimators=3, n_jobs=1).fit(X, Y),
        lambda model: TabularExplainer(model, ROWS),
        "KernelExplainer(lambda rows: model.predict(rows, output_margin=True), rows)",
        lambda model: black_box(lambda rows: model.predict(rows, output_margin=True)),
    ),
    "gblinear, its booster": lambda: Case(
        xgboost.XGBClassifier(booster="gblinear", n_estimators=3, n_jobs=1).fit(X, Y).get_booster(),
        lambda model: TabularExplainer(model, ROWS),
        "a Booster's predict takes xgboost.DMatrix(rows)",
        lambda model: black_box(lambda rows: model.predict(xgboost.DMatrix(rows), output_margin=True)),
    ),
    "gblinear, again": lambda: Case(
        xgboost.XGBRegressor(booster="gblinear", n_estimators=3, n_jobs=1).fit(X, Y),
        lambda model: LinearExplainer(model, ROWS),  # its intercept_ lacks the base score
        PREDICTIONS,
        black_box,
    ),
    **{
        type(ensemble).__name__: lambda ensemble=ensemble: Case(  # type: ignore[misc]
            ensemble.fit(X, Y), TreeExplainer, PREDICTIONS, black_box
        )
        for ensemble in (
            BaggingClassifier(tree(), n_estimators=3),
            AdaBoostClassifier(tree(), n_estimators=3),
            IsolationForest(n_estimators=3),
            StackingClassifier([("a", tree())], cv=2),
            VotingClassifier([("a", tree())], voting="soft"),
        )
    },
    "boosting from a model": lambda: Case(
        GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2).fit(X, Y),
        lambda model: TabularExplainer(model, ROWS),
        "explain what the model predicts: KernelExplainer(model, rows)",
        black_box,
    ),
    "a forest of several targets": lambda: Case(
        RandomForestClassifier(3).fit(X, np.column_stack([Y, Y3])),
        lambda model: TabularExplainer(model, ROWS),
        "KernelExplainer(lambda rows: model.predict_proba(rows)[0], rows)",
        first_target,
    ),
    "several targets": lambda: Case(
        MultiOutputClassifier(tree()).fit(X, np.column_stack([Y, Y3])),
        lambda model: TabularExplainer(model, ROWS),
        "lambda rows: model.predict_proba(rows)[0] as the model",
        first_target,
    ),
    "several targets of a surrogate": lambda: Case(
        Ridge().fit(X, np.column_stack([Y, Y3])),
        lambda model: MimicExplainer(model, ROWS, LGBMExplainableModel),
        "lambda rows: model.predict(rows)[:, 0] as the model",
        lambda model: MimicExplainer(lambda rows: model.predict(rows)[:, 0], ROWS, LGBMExplainableModel).explain_local(
            FEW
        ),
    ),
    "a pipeline in tree_shap": lambda: Case(
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), tree()).fit(X.round(), Y),
        lambda model: tree_shap(model, ROWS),
        PIPELINE,
        lambda model: TabularExplainer(model, ROWS).explain_local(FEW),
    ),
    "a pipeline that mixes columns": lambda: Case(
        make_pipeline(PCA(2), tree()).fit(X, Y),
        lambda model: TreeExplainer(model, initialization_examples=ROWS),
        "Change this parameter to True",
        lambda model: TreeExplainer(model, initialization_examples=ROWS, allow_all_transformations=True).explain_local(
            FEW
        ),
    ),
    "a single transformer": lambda: Case(
        LogisticRegression().fit(StandardScaler().fit_transform(X), Y),
        lambda model: TabularExplainer(model, ROWS, transformations=StandardScaler().fit(X)),
        "make_pipeline(transformer)",
        lambda model: TabularExplainer(
            model, ROWS, transformations=make_pipeline(StandardScaler().fit(X))
        ).explain_local(FEW),
    ),
    "clusters with centres": lambda: Case(
        KMeans(2, n_init=1).fit(X),
        lambda model: TabularExplainer(model, ROWS),
        "lambda rows: model.transform(rows)",
        lambda model: black_box(lambda rows: model.transform(rows)),
    ),
    "clusters without": lambda: Case(
        MeanShift(bandwidth=2).fit(X),
        lambda model: TabularExplainer(model, ROWS),
        "lambda rows: model.predict(rows) == label",
        one_label,
    ),
    "clusters of these rows": lambda: Case(
        DBSCAN(eps=1.5).fit(X),
        lambda model: KernelExplainer(model, ROWS),
        "a classifier of them, trained on model.labels_",
        lambda model: TabularExplainer(tree().fit(X, model.labels_), ROWS).explain_local(FEW),
    ),
    "labels alone": lambda: Case(
        VotingClassifier([("a", tree())]).fit(X, Y),
        lambda model: TabularExplainer(model, ROWS),
        "lambda rows: model.predict(rows) == label",
        one_label,
    ),
    "labels alone in kernel_shap": lambda: Case(
        VotingClassifier([("a", tree())]).fit(X, Y),
        lambda model: kernel_shap(model, FEW, ROWS),
        "lambda rows: model.predict(rows) == label",
        one_label,
    ),
    "pairs of classes": lambda: Case(
        SVC(decision_function_shape="ovo").fit(X, np.digitize(X[:, 0], [-1, 0, 1])),
        lambda model: TabularExplainer(model, ROWS),
        "decision_function_shape='ovr'",
        lambda model: black_box(model.set_params(decision_function_shape="ovr")),
    ),
    "a model of another kind for trees": lambda: Case(
        SVC().fit(X, Y), TreeExplainer, "explained by KernelExplainer", black_box
    ),
    "a linear model for trees": lambda: Case(
        LogisticRegression().fit(X, Y),
        TreeExplainer,
        "explained by LinearExplainer",
        lambda model: LinearExplainer(model, ROWS).explain_local(FEW),
    ),
    "text for a surrogate": lambda: Case(
        of_kind,
        lambda model: MimicExplainer(model, TABLE, LGBMExplainableModel),
        "name them in categorical_features",
        lambda model: MimicExplainer(model, TABLE, LGBMExplainableModel, categorical_features=["kind"]).explain_local(
            TABLE.head(2)
        ),
    ),
    "probabilities of a surrogate": lambda: Case(
        LogisticRegression().fit(X, Y3),
        lambda model: MimicExplainer(model, X, SGDExplainableModel, shap_values_output="probability"),
        "explainable_model_args={'loss': 'log_loss'}",
        lambda model: MimicExplainer(
            model, X, SGDExplainableModel, {"loss": "log_loss"}, shap_values_output="probability"
        ).explain_local(FEW),
    ),
    "local values of permutation importance": lambda: Case(
        LogisticRegression().fit(X, Y),
        lambda model: PFIExplainer(model).explain_global(X, true_labels=Y).local_importance_values,
        "TabularExplainer and MimicExplainer explain rows",
        lambda model: TabularExplainer(model, ROWS).explain_local(FEW),
    ),
    "local values of a streamed explanation": lambda: Case(
        LogisticRegression().fit(X, Y),
        lambda model: TabularExplainer(model, ROWS).explain_global(X, include_local=False).local_importance_values,
        "call explain_local(rows), or explain_global(rows, include_local=True)",
        lambda model: TabularExplainer(model, ROWS).explain_global(FEW, include_local=True),
    ),
    "local values of a surrogate's own importances": lambda: Case(
        LogisticRegression().fit(X, Y),
        lambda model: MimicExplainer(model, X, LGBMExplainableModel).explain_global().values,
        "call explain_local(rows), or explain_global(rows, include_local=True)",
        lambda model: MimicExplainer(model, X, LGBMExplainableModel).explain_global(FEW, include_local=True),
    ),
    "a metric of two classes": lambda: Case(
        LogisticRegression().fit(X, Y3),
        lambda model: PFIExplainer(model, metric="recall").explain_global(X, true_labels=Y3),
        "'recall_weighted'",
        lambda model: PFIExplainer(model, metric="recall_weighted").explain_global(X, true_labels=Y3),
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_what_errors_recommend_works(name: str) -> None:
    model, fails, says, instead = CASES[name]()
    with pytest.raises((FastExplainError, ValueError, TypeError, AttributeError)) as told:
        fails(model)
    assert says in str(told.value)
    explanation = instead(model)
    values = getattr(explanation, "values", None)
    assert np.isfinite(explanation.global_importance_values if values is None else values).all()


def test_a_subclass_is_told_which_method_differs() -> None:
    class Reversed(RandomForestClassifier):
        def predict_proba(self, X: Any) -> Any:
            return super().predict_proba(X)[:, ::-1]

    model = Reversed(3, random_state=0).fit(X, Y)
    with pytest.raises(FastExplainError, match=r"Reversed has a predict_proba of its own.*model\.predict_proba, rows"):
        TabularExplainer(model, ROWS)
    explanation = KernelExplainer(model.predict_proba, ROWS).explain_local(FEW)
    np.testing.assert_allclose(explanation.values.sum(axis=1) + explanation.base_values, model.predict_proba(FEW))


def test_sparse_rows_go_into_tree_shap_as_the_library_reads_them() -> None:
    encoder = OneHotEncoder(handle_unknown="ignore").fit(X.round())
    rows = encoder.transform(X.round())
    assert scipy.sparse.issparse(rows)
    fitted = tree().fit(rows, Y)
    np.testing.assert_array_equal(tree_shap(fitted, rows).values, tree_shap(fitted, rows.toarray()).values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        missing = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(rows, Y)
    values, base_values = tree_shap(missing, rows)
    margins = missing.predict(rows, output_margin=True)  # cells that are not stored are missing to it, not 0
    np.testing.assert_allclose(values.sum(axis=1)[:, 0] + base_values, margins, atol=1e-5)
