"""interpret-core's `show` of an explanation says what it lacks.

Before it asks the explanation for anything, `show` imports what draws in notebooks and browsers, none of which
interpret-core requires to be installed: it fails with the name of the first. A provider of ours, which it asks once
and which then gives way to interpret-core's own, names all of them and how to have them.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from fastexplain._optional import optional
from fastexplain.exceptions import MissingDependencyError

__all__ = ["offer_provider"]

# What `show` imports, by name of the module.
_DRAWS = ("IPython", "plotly", "dash", "dash_cytoscape", "flask", "gevent", "requests")
_offered = False


def offer_provider() -> None:
    """Let `show` ask our provider first, once in a process, and only where no one has chosen a provider."""
    global _offered
    if _offered:
        return
    interpret: Any = sys.modules["interpret"]
    known = getattr(interpret, "get_visualize_provider", None)
    if known is None:
        return  # it is being imported
    _offered = True
    if known() is None:
        interpret.set_visualize_provider(_FirstProvider())


class _FirstProvider:
    """Shows with interpret-core's own provider, or says what that needs."""

    def render(self, explanation: Any, key: Any = -1, **options: Any) -> None:
        """Show an explanation, of whatever library.

        Raises
        ------
        MissingDependencyError
            Something that `show` imports is not installed; the message names all of it.
        """
        own = optional("interpret.provider", "interpret", "interpret.show").AutoVisualizeProvider()
        try:
            own.render(explanation, key=key, **options)
        except ModuleNotFoundError as error:
            missing = [name for name in _DRAWS if not _is_there(name)]
            if not missing:
                raise
            raise MissingDependencyError(
                f"interpret.show needs {', '.join(missing)}: pip install 'fastexplain[interpret]'. "
                "explanation.visualize() needs plotly alone, and explanation.plot matplotlib."
            ) from error
        sys.modules["interpret"].set_visualize_provider(own)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False
