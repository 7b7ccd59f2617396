"""Support vector machines predicted on coalitions: probabilities, votes, and kernels other than the RBF.

The distance, or the dot product, of a masked row and a support vector is a sum over columns, so that every kernel value
follows from one number per player and support vector. (Decision values of RBF kernels have a closed form, elsewhere.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.engine.formulas.additive import sigmoid
from fastexplain.engine.formulas.known import Columns, FormulaModel, Game, equal_weights, sums_by_player
from fastexplain.engine.formulas.masked_predictions import couple_probabilities, expand, padded
from fastexplain.engine.formulas.table_game import TableGame
from fastexplain.rows.arrays import dense

__all__ = ["SupportVectorModel", "support_vector_model", "support_vectors_formula"]

Float = NDArray[np.float64]

# kernel -> how the players' numbers become its value
TERMS = {"rbf": "product", "linear": "power", "poly": "power", "sigmoid": "tanh"}

PATHS = {"identity": "svm_kernel", "sigmoid": "svm_sigmoid", "votes": "svm_votes", "probabilities": "svc_platt"}


class SupportVectorModel(FormulaModel):
    """Kernel values of support vectors, their weighted sums (decisions), and a response of the decisions.

    Attributes
    ----------
    vectors : float64 array of shape (n_vectors, n_features)
    coefficients : float64 array of shape (n_decisions, n_vectors)
    offset : float64 array of shape (n_decisions,)
    kernel : {"rbf", "linear", "poly", "sigmoid"}
    response : {"identity", "sigmoid", "votes", "probabilities"}
        The decisions; 1 / (1 + exp(-f)) of one, for both classes; scikit-learn's one-versus-rest scores from
        one-versus-one decisions; libsvm's probabilities.
    platt : tuple of float64 arrays of shape (n_decisions,), or None
        Slopes and shifts of libsvm's probabilities.
    """

    def __init__(
        self,
        vectors: Float,
        coefficients: Float,
        offset: Float,
        *,
        kernel: str,
        gamma: float = 1.0,
        coef0: float = 0.0,
        degree: int = 1,
        response: str = "identity",
        n_classes: int = 2,
        platt: tuple[Float, Float] | None = None,
    ) -> None:
        self.vectors, self.coefficients, self.offset = vectors, coefficients, offset
        self.kernel, self.response = kernel, response
        self.n_features = vectors.shape[1]
        self.n_outputs = len(offset) if response == "identity" else n_classes
        self.path = PATHS[response]
        linear = kernel == "linear"
        self.gamma, self.coef0 = (1.0, 0.0) if linear else (gamma, 0.0 if kernel == "rbf" else coef0)
        self.degree = degree if kernel == "poly" else 1
        self.platt = platt

    def calibrated(self, slope: float, shift: float) -> SupportVectorModel:
        """The probabilities 1 / (1 + exp(-(slope f + shift))) of this model's one decision f."""
        return SupportVectorModel(
            self.vectors,
            slope * self.coefficients,
            slope * self.offset + shift,
            kernel=self.kernel,
            gamma=self.gamma,
            coef0=self.coef0,
            degree=self.degree,
            response="sigmoid",
        )

    def predict(self, X: Float) -> Float:
        return self.respond(self.decisions(X))

    def decisions(self, X: Float) -> Float:
        """The weighted sums of kernel values, (n_rows, n_decisions)."""
        kernels = np.empty((len(X), len(self.vectors)))
        for i, row in enumerate(X):  # a row at a time: bounded memory; few rows are asked for
            cells = self.cells(row[None])[0]
            kernels[i] = self._kernel(cells.sum(axis=0))
        return kernels @ self.coefficients.T + self.offset

    def bind(self, background: Float, weights: Float | None = None, groups: Columns | None = None) -> Game:
        return _Game(self, background, equal_weights(len(background), weights), groups)

    def cells(self, X: Float) -> Float:
        """What every column adds to the exponent or the dot product: (n_rows, n_features, n_vectors)."""
        if self.kernel == "rbf":
            return -self.gamma * (X[:, :, None] - self.vectors.T) ** 2
        return self.gamma * X[:, :, None] * self.vectors.T

    def respond(self, decisions: Float, n_threads: int | None = None, backend: str | None = None) -> Float:
        """Outputs (..., n_outputs) of decisions (..., n_decisions)."""
        if self.response == "identity":
            return decisions
        if self.response == "sigmoid":
            return np.concatenate([sigmoid(-decisions), sigmoid(decisions)], axis=-1)
        if self.response == "votes":
            return _votes(decisions, self.n_outputs)
        assert self.platt is not None
        return couple_probabilities(decisions, *self.platt, self.n_outputs, n_threads=n_threads, backend=backend)

    def _kernel(self, sums: Float) -> Float:
        if self.kernel == "rbf":
            return np.exp(sums)
        return np.tanh(sums + self.coef0) if self.kernel == "sigmoid" else (sums + self.coef0) ** self.degree


class _Game(TableGame):
    def __init__(self, model: SupportVectorModel, background: Float, weights: Float, groups: Columns | None) -> None:
        self._model, self._groups = model, groups
        self._coefficients = padded(model.coefficients)
        super().__init__(
            background,
            weights,
            n_terms=self._coefficients.shape[1],
            n_outputs=model.n_outputs,
            width=len(model.offset) + model.n_outputs,
        )

    def tables(self, rows: Float) -> Float:
        sums = sums_by_player(self._model.cells(rows), self._groups)
        if self._model.kernel == "rbf":
            return padded(np.exp(sums))
        sums[:, 0] += self._model.coef0
        return padded(sums)

    def score(
        self, row: Float, background: Float, masks: NDArray[np.uint8], n_threads: int | None, backend: str | None
    ) -> Float:
        model = self._model
        decisions = expand(
            TERMS[model.kernel],
            row,
            background,
            self._coefficients,
            masks,
            degree=model.degree,
            n_threads=n_threads,
            backend=backend,
        )
        decisions += model.offset
        return model.respond(decisions, n_threads, backend)


def _votes(decisions: Float, n_classes: int) -> Float:
    """Votes of the pairs, and their summed decisions squeezed below half a vote, as scikit-learn counts them."""
    votes, confidence = np.zeros((2, *decisions.shape[:-1], n_classes))
    pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    for k, (i, j) in enumerate(pairs):
        decision = decisions[..., k]
        confidence[..., i] += decision
        confidence[..., j] -= decision
        votes[..., i] += decision >= 0
        votes[..., j] += decision < 0
    return np.asarray(votes + confidence / (3 * (np.abs(confidence) + 1)), dtype=np.float64)


def support_vectors_formula(owner: Any, method: str | None, background: Any) -> FormulaModel | None:
    """Loader: scikit-learn's SVC, NuSVC, SVR, NuSVR and OneClassSVM, where their output has no closed form."""
    model = support_vector_model(owner, method)
    return None if model is None or (model.response == "identity" and model.kernel == "rbf") else model


def support_vector_model(owner: Any, method: str | None) -> SupportVectorModel | None:
    """A fitted support vector machine of scikit-learn; None where the kernel is another, or the method."""
    kernel, degree = getattr(owner, "kernel", None), getattr(owner, "degree", 0)
    if kernel not in TERMS or not hasattr(owner, "_dual_coef_") or degree < 1 or int(degree) != degree:
        return None
    n_classes = len(owner.classes_) if hasattr(owner, "classes_") else 0
    response = _response(owner, method, n_classes)
    if response is None:
        return None
    coefficients, offset = _decisions(owner, n_classes)
    if method == "decision_function" and n_classes == 2:  # libsvm's first class is scikit-learn's negative one
        coefficients, offset = -coefficients, -offset
    platt = None
    if response == "probabilities":
        platt = np.asarray(owner._probA, dtype=np.float64), np.asarray(owner._probB, dtype=np.float64)
    return SupportVectorModel(
        _dense(owner.support_vectors_),
        coefficients,
        offset,
        kernel=kernel,
        gamma=float(owner._gamma),
        coef0=float(owner.coef0),
        degree=int(degree),
        response=response,
        n_classes=n_classes,
        platt=platt,
    )


def _response(owner: Any, method: str | None, n_classes: int) -> str | None:
    if method == "predict_proba":
        return "probabilities" if n_classes >= 2 and np.size(getattr(owner, "_probA", ())) else None
    if method == "decision_function":
        return "votes" if n_classes > 2 and owner.decision_function_shape == "ovr" else "identity"
    return "identity" if method == "predict" and type(owner).__name__ in ("SVR", "NuSVR") else None


def _decisions(owner: Any, n_classes: int) -> tuple[Float, Float]:
    """Coefficients (n_decisions, n_vectors) and offsets, in libsvm's own order and signs."""
    dual = _dense(owner._dual_coef_)
    offset = np.asarray(owner._intercept_, dtype=np.float64)
    if n_classes < 3:
        return dual, offset
    # Vectors are sorted by class; those of class i have their coefficient against class j in row j, or j - 1 if j > i.
    ends = np.cumsum(owner.n_support_)
    of_class = [slice(end - n, end) for n, end in zip(owner.n_support_, ends, strict=True)]
    coefficients = np.zeros((len(offset), dual.shape[1]))
    pairs = [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]
    for row, (i, j) in zip(coefficients, pairs, strict=True):
        row[of_class[i]] = dual[j - 1, of_class[i]]
        row[of_class[j]] = dual[i, of_class[j]]
    return coefficients, offset


def _dense(array: Any) -> Float:
    return np.ascontiguousarray(dense(array), dtype=np.float64)
