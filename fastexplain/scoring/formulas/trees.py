"""Tree ensembles among formulas: those whose explained output is the sum of their trees, on rows of numbers."""

from __future__ import annotations

from typing import Any

from fastexplain.engine.formulas.trees import TreesModel
from fastexplain.models.trees.stored import StoredTreeModel
from fastexplain.models.trees.structure import MAX_FEATURES
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.fields import Fields
from fastexplain.scoring.formulas.reader import FormulaReader, Parts
from fastexplain.scoring.tree_parts import tree_from_parts, tree_parts

__all__ = ["stored_trees", "takes_numbers", "trees_from", "trees_parts"]


def takes_numbers(model: TreesModel) -> bool:
    """Whether the ensemble splits by numbers alone, so that rows of numbers say all."""
    encoding = model.trees.encoding()
    return not encoding.categories and not encoding.checked_categories


def stored_trees(model: TreesModel) -> TreesModel:
    """The same without the library's model."""
    kept = StoredTreeModel.of(model.trees)
    return TreesModel(_with_plain_rows(kept))


def _with_plain_rows(kept: StoredTreeModel) -> StoredTreeModel:
    """Rows reach a formula as finite numbers, whatever the library makes of others."""
    return StoredTreeModel(
        kept.forest,
        RowEncoding(kept.library, kept.forest.n_features),
        kept.answers,
        task=kept.task,
        classes=None,
        n_classes=kept.n_classes,
        votes=kept.votes(),
        predicts_raw=kept.predicts_raw,
        logistic_slope=kept.logistic_slope,
        gives_probabilities=kept.gives_probabilities,
    )


def trees_parts(model: TreesModel) -> Parts:
    """As kind "tree" has them, with the task."""
    trees: Any = model.trees
    content, arrays = tree_parts(trees)
    return {"library": trees.library, "task": trees.task, **content}, arrays


def trees_from(reader: FormulaReader) -> TreesModel:
    """As `trees_parts` wrote it."""
    given, where = reader.fields.given, reader.fields.where
    encoding = RowEncoding(reader.fields.text("library"), reader.fields.integer("n_features", 0, MAX_FEATURES))
    whole = Fields({"task": given.get("task"), "model": given}, where, reader.fields.arrays_of(reader.prefix))
    return TreesModel(tree_from_parts(whole, encoding))
