"""Nearest neighbours as parts."""

from __future__ import annotations

from fastexplain.engine.formulas.neighbors import NeighborsModel
from fastexplain.scoring.formulas.reader import FormulaReader, Parts

__all__ = ["neighbors_from", "neighbors_parts"]


def neighbors_parts(model: NeighborsModel) -> Parts:
    """Training rows and their targets."""
    content = {
        "n_neighbors": int(model.n_neighbors),
        "power": float(model.power),
        "by_distance": bool(model.by_distance),
    }
    return content, {"rows": model.rows, "targets": model.targets}


def neighbors_from(reader: FormulaReader) -> NeighborsModel:
    """As `neighbors_parts` wrote it."""
    fields = reader.fields
    rows = reader.floats("rows", (None, None))
    power = fields.number("power")
    if not power > 0:
        raise fields.error("power", f"is {power!r}; expected a positive number.")
    return NeighborsModel(
        rows,
        reader.floats("targets", (len(rows), None)),
        fields.integer("n_neighbors", 1, len(rows)),
        power,
        fields.flag("by_distance"),
    )
