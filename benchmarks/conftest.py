"""pytest set-up of the benchmark suites: they are named ``time_*``, and import their neighbours."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("python_functions", "time_*")
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # last: an installed fastexplain comes before the checkout's
