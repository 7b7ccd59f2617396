"""Metrics of rankings under interpret-community's names."""

from __future__ import annotations

from fastexplain.compat.interpret_community._ranking_metrics import dcg, ndcg

__all__ = ["dcg", "ndcg"]
