"""interpret-community's module and class names over fastexplain; ``docs/migration.md`` has what differs.

>>> import fastexplain
>>> _ = fastexplain.install_as("interpret_community")         # unmodified imports find these modules from here on
>>> from interpret_community import TabularExplainer
>>> TabularExplainer is fastexplain.TabularExplainer
True

The environment variable ``INTERPRET_C_LOGS=<file>`` writes the package's log, level INFO, to a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastexplain._lazy import lazy
from fastexplain.compat.interpret_community._logs import log_to_file
from fastexplain.compat.interpret_community.version import version as __version__

if TYPE_CHECKING:
    from fastexplain.explainers.tabular import TabularExplainer

__all__ = ["TabularExplainer", "__version__"]

__getattr__, __dir__ = lazy(__name__, {"TabularExplainer": "fastexplain.explainers.tabular"})

log_to_file()
