"""Fitted models that Kernel SHAP explains, of every formula that a scoring explainer keeps as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import (
    calibration,
    ensemble,
    gaussian_process,
    kernel_ridge,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
)

from tests.scoring.models import BINARY, COUNTS, MARGIN, THREE, X

Make = Callable[[], Any]
SEVERAL = np.stack([MARGIN, X[:, 0] ** 2], axis=1)
# Rows of small whole numbers, for models of counts and categories.
CODES = np.abs(np.rint(X)).astype(np.float64).clip(0, 2)
# More columns than are enumerated: coalitions are sampled.
WIDE = np.random.default_rng(5).normal(size=(120, 18))
WIDE_MARGIN = WIDE[:, 0] - WIDE[:, 1] * WIDE[:, 2] + np.sin(WIDE[:, 3:8].sum(axis=1))


def fitted(estimator: Any, y: Any, rows: Any = X) -> Make:
    def make() -> Any:
        with warnings.catch_warnings():  # of SVC's probabilities, and networks that are not done
            warnings.simplefilter("ignore")
            return estimator.fit(rows, y)

    return make


def svc(**options: Any) -> Any:
    return svm.SVC(random_state=0, **options)


def mlp(kind: str, **options: Any) -> Any:
    return getattr(neural_network, kind)(hidden_layer_sizes=(6, 4), max_iter=60, random_state=0, **options)


SUPPORT: dict[str, Make] = {
    "svc binary": fitted(svc(probability=True), BINARY),
    "svc three": fitted(svc(probability=True), THREE),
    "svc polynomial": fitted(svc(probability=True, kernel="poly", degree=2), THREE),
    "svc sigmoid": fitted(svc(kernel="sigmoid"), BINARY),
    "svc linear": fitted(svc(kernel="linear"), BINARY),
    "svc decisions binary": fitted(svc(), BINARY),
    "svc decisions three": fitted(svc(), THREE),
    "svc linear three": fitted(svc(kernel="linear"), THREE),
    "svr": fitted(svm.SVR(), MARGIN),
    "svr polynomial": fitted(svm.SVR(kernel="poly"), MARGIN),
    "one class": fitted(svm.OneClassSVM(nu=0.2), None),
}
SMOOTH: dict[str, Make] = {
    "gaussian process": fitted(
        gaussian_process.GaussianProcessRegressor(
            gaussian_process.kernels.RBF(1.5) + gaussian_process.kernels.WhiteKernel(0.1), normalize_y=True
        ),
        MARGIN,
    ),
    "kernel ridge": fitted(kernel_ridge.KernelRidge(kernel="rbf", gamma=0.2), SEVERAL),
    "neighbors three": fitted(neighbors.KNeighborsClassifier(5), THREE),
    "neighbors by distance": fitted(neighbors.KNeighborsRegressor(4, weights="distance"), SEVERAL),
    "mlp binary": fitted(mlp("MLPClassifier"), BINARY),
    "mlp three": fitted(mlp("MLPClassifier", activation="tanh"), THREE),
    "mlp regression": fitted(mlp("MLPRegressor", activation="logistic"), MARGIN),
}
ADDITIVE: dict[str, Make] = {
    "gaussian bayes": fitted(naive_bayes.GaussianNB(), THREE),
    "bernoulli bayes": fitted(naive_bayes.BernoulliNB(), BINARY),
    "logistic": fitted(linear_model.LogisticRegression(), BINARY),
    "softmax": fitted(linear_model.LogisticRegression(max_iter=2000), THREE),
    "log link": fitted(linear_model.PoissonRegressor(), COUNTS),
    "voting": fitted(
        ensemble.VotingClassifier(
            [("bayes", naive_bayes.GaussianNB()), ("logistic", linear_model.LogisticRegression())],
            voting="soft",
            weights=[2, 1],
        ),
        BINARY,
    ),
    "calibrated": fitted(calibration.CalibratedClassifierCV(svm.SVC(), ensemble=True, cv=3), BINARY),
}
OF_TREES: dict[str, Make] = {
    "forest": fitted(ensemble.RandomForestClassifier(6, max_depth=4, random_state=0), BINARY),
    "boosting": fitted(ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0), MARGIN),
    "voting trees": fitted(
        ensemble.VotingRegressor(
            [
                ("forest", ensemble.RandomForestRegressor(5, max_depth=4, random_state=0)),
                ("ridge", linear_model.Ridge()),
            ]
        ),
        MARGIN,
    ),
}
OF_CODES: dict[str, Make] = {
    "multinomial bayes": fitted(naive_bayes.MultinomialNB(), THREE, CODES),
    "complement bayes": fitted(naive_bayes.ComplementNB(), THREE, CODES),
    "categorical bayes": fitted(naive_bayes.CategoricalNB(), BINARY, CODES),
}
KERNEL_MODELS = {**SUPPORT, **SMOOTH, **ADDITIVE, **OF_TREES, **OF_CODES}


def rows_of(name: str) -> Any:
    return CODES if name in OF_CODES else X


def scaled(model: Any, y: Any) -> Make:
    return fitted(pipeline.make_pipeline(preprocessing.StandardScaler(), model), y)
