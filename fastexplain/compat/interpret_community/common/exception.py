"""`ScenarioNotSupportedException` under interpret-community's name."""

from __future__ import annotations

from fastexplain.exceptions import ScenarioNotSupportedException

__all__ = ["ScenarioNotSupportedException"]
