"""Linear models, generalised linear models and naive Bayes as parts."""

from __future__ import annotations

from fastexplain.engine.formulas.additive import RESPONSES
from fastexplain.engine.formulas.linear import LinearModel
from fastexplain.engine.formulas.naive_bayes import (
    CategoryLikelihoods,
    CountLikelihoods,
    GaussianLikelihoods,
    NaiveBayes,
)
from fastexplain.models.trees.structure import MAX_FEATURES
from fastexplain.scoring.formulas.reader import FormulaReader, Parts

__all__ = ["bayes_from", "bayes_parts", "linear_from", "linear_parts"]

# Responses of one margin, which give both classes.
OF_ONE_MARGIN = ("sigmoid", "modified_huber")


def linear_parts(model: LinearModel) -> Parts:
    """``response(X @ coef.T + offset)``."""
    return {"response": model.response_name}, {"coef": model.coef, "offset": model.offset.copy()}


def linear_from(reader: FormulaReader) -> LinearModel:
    """As `linear_parts` wrote it."""
    response = reader.fields.text("response", tuple(RESPONSES))
    coef = reader.floats("coef", (1 if response in OF_ONE_MARGIN else None, None))
    return LinearModel(coef, reader.floats("offset", (len(coef),)), response)


def bayes_parts(model: NaiveBayes) -> Parts:
    """Log likelihoods by column, and a prior: `engine/formulas/naive_bayes.py` says what of them."""
    shares, arrays = model.log_likelihoods, {"log_prior": model.log_prior}
    if isinstance(shares, GaussianLikelihoods):
        return {"likelihoods": "gaussian"}, {**arrays, "mean": shares.mean, "variance": shares.variance}
    if isinstance(shares, CountLikelihoods):
        content = {"likelihoods": "counts", "threshold": shares.threshold}
        return content, {**arrays, "weights": shares.weights}
    tables = {f"table{i}": table for i, table in enumerate(shares.tables)}
    return {"likelihoods": "categories", "n_features": len(tables)}, {**arrays, **tables}


def bayes_from(reader: FormulaReader) -> NaiveBayes:
    """As `bayes_parts` wrote it."""
    fields = reader.fields
    kind = fields.text("likelihoods", ("gaussian", "counts", "categories"))
    prior = reader.floats("log_prior", (None,))
    if len(prior) < 2:
        raise reader.error("log_prior", f"has {len(prior)} entries; expected one for each class, two at least.")
    if kind == "gaussian":
        mean = reader.floats("mean", (len(prior), None))
        gaussian = GaussianLikelihoods(mean, reader.positive("variance", mean.shape))
        return NaiveBayes(gaussian, mean.shape[1], prior)
    if kind == "counts":
        weights = reader.floats("weights", (len(prior), None))
        threshold = fields.number("threshold") if fields.present("threshold") else None
        return NaiveBayes(CountLikelihoods(weights, threshold), weights.shape[1], prior)
    n_features = fields.integer("n_features", 1, MAX_FEATURES)
    tables = [reader.floats(f"table{i}", (None, len(prior))) for i in range(n_features)]
    return NaiveBayes(CategoryLikelihoods(tables), n_features, prior)
