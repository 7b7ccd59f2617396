"""Sums of kernels as parts: Gaussian process regression, kernel ridge, and support vector machines."""

from __future__ import annotations

from fastexplain.engine.formulas.kernel_machine import KernelMachine, KernelSum, Part
from fastexplain.engine.formulas.support_vectors import PATHS, TERMS, SupportVectorModel
from fastexplain.models.trees.structure import MAX_OUTPUTS
from fastexplain.scoring.formulas.reader import FormulaReader, Parts

__all__ = ["kernel_sum_from", "kernel_sum_parts", "support_vectors_from", "support_vectors_parts"]

# Kernels that are added up in one Gaussian process, at most; and the degree of a polynomial kernel.
_MOST_KERNELS = 1000
_HIGHEST_DEGREE = 1000


def kernel_sum_parts(model: KernelMachine) -> Parts:
    """``offset + sum of coefficients exp(-sum of scale (x - vector)^2)``, one such sum per part."""
    total = model.kernel_sum
    arrays = {"offset": total.offset}
    for i, part in enumerate(total.parts):
        arrays |= {f"scale{i}": part.scale, f"vectors{i}": part.vectors, f"coefficients{i}": part.coefficients}
    return {"n_kernels": len(total.parts), "n_classes": model.n_classes}, arrays


def kernel_sum_from(reader: FormulaReader) -> KernelMachine:
    """As `kernel_sum_parts` wrote it."""
    n_kernels = reader.fields.integer("n_kernels", 1, _MOST_KERNELS)
    offset = reader.floats("offset", (None,))
    parts: list[Part] = []
    for i in range(n_kernels):
        width = parts[0].vectors.shape[1] if parts else None
        vectors = reader.floats(f"vectors{i}", (None, width))
        scale = reader.floats(f"scale{i}", (vectors.shape[1],))
        if not (scale >= 0).all():
            raise reader.error(f"scale{i}", "holds negative numbers.")
        parts.append(Part(scale, vectors, reader.floats(f"coefficients{i}", (len(vectors), len(offset)))))
    return KernelMachine(KernelSum(parts, offset), _n_classes(reader, len(offset), of_pairs=False))


def _n_classes(reader: FormulaReader, n_decisions: int, *, of_pairs: bool) -> int | None:
    """Classes whose pairs the decisions are; None where the decisions themselves are the outputs."""
    if not of_pairs and not reader.fields.present("n_classes"):
        return None
    n_classes = reader.fields.integer("n_classes", 2, MAX_OUTPUTS)
    if n_classes * (n_classes - 1) // 2 != n_decisions:
        raise reader.fields.error("n_classes", f"is {n_classes}, of a model with {n_decisions} decisions.")
    return n_classes


def support_vectors_parts(model: SupportVectorModel) -> Parts:
    """``coefficients @ kernel(x, vectors) + offset``, and what becomes of these decisions."""
    arrays = {"vectors": model.vectors, "coefficients": model.coefficients, "offset": model.offset}
    if model.platt is not None:
        arrays["platt_slope"], arrays["platt_shift"] = model.platt
    content = {
        "kernel": model.kernel,
        "gamma": float(model.gamma),
        "coef0": float(model.coef0),
        "degree": int(model.degree),
        "response": model.response,
        "n_classes": int(model.n_outputs) if model.response in ("votes", "probabilities") else None,
    }
    return content, arrays


def support_vectors_from(reader: FormulaReader) -> SupportVectorModel:
    """As `support_vectors_parts` wrote it."""
    fields = reader.fields
    response = fields.text("response", tuple(PATHS))
    vectors = reader.floats("vectors", (None, None))
    coefficients = reader.floats("coefficients", (1 if response == "sigmoid" else None, len(vectors)))
    n_classes = _n_classes(reader, len(coefficients), of_pairs=response in ("votes", "probabilities"))
    platt = None
    if response == "probabilities":
        shape = (len(coefficients),)
        platt = reader.floats("platt_slope", shape), reader.floats("platt_shift", shape)
    return SupportVectorModel(
        vectors,
        coefficients,
        reader.floats("offset", (len(coefficients),)),
        kernel=fields.text("kernel", tuple(TERMS)),
        gamma=fields.number("gamma"),
        coef0=fields.number("coef0"),
        degree=fields.integer("degree", 1, _HIGHEST_DEGREE),
        response=response,
        n_classes=2 if n_classes is None else n_classes,
        platt=platt,
    )
