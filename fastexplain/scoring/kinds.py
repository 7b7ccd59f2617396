"""Kinds of methods: the one table of what computes, and which scoring explainer stands for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from fastexplain.exceptions import ArtifactError
from fastexplain.models.class_registry import imported

if TYPE_CHECKING:
    from fastexplain.scoring.explainer import ScoringExplainer
    from fastexplain.scoring.method import Method

__all__ = ["KINDS", "explainer_class", "method_class"]


class _Kind(NamedTuple):
    method: str
    explainer: str


KINDS = {
    "tree": _Kind("fastexplain.scoring.tree:TreeMethod", "fastexplain.scoring.explainers:TreeScoringExplainer"),
    "linear": _Kind("fastexplain.scoring.linear:LinearMethod", "fastexplain.scoring.explainers:LinearScoringExplainer"),
    "deep": _Kind("fastexplain.scoring.deep:DeepMethod", "fastexplain.scoring.explainers:DeepScoringExplainer"),
    "kernel": _Kind("fastexplain.scoring.kernel:KernelMethod", "fastexplain.scoring.explainers:KernelScoringExplainer"),
}


def method_class(kind: str) -> type[Method]:
    """What computes, of a kind."""
    return cast("type[Method]", imported(_known(kind).method))


def explainer_class(kind: str) -> type[ScoringExplainer]:
    """The scoring explainer of a kind."""
    return cast("type[ScoringExplainer]", imported(_known(kind).explainer))


def _known(kind: str) -> _Kind:
    if kind not in KINDS:
        raise ArtifactError(
            f"content.kind is {kind!r}; this version of fastexplain knows {', '.join(map(repr, KINDS))}."
        )
    return KINDS[kind]
