"""Settings and helpers that several test modules share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# Tests run side by side and solve small systems: BLAS threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# LightGBM's threads spin at barriers: where other work has the cores, a fit of 0.1 s takes 6 s.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest
import skips
from hypothesis import HealthCheck, settings

# Kernels are compiled or started on first use, and the machines of CI are shared: no deadline. Derandomised in CI, so
# that a red run can be repeated.
settings.register_profile(
    "fastexplain", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fastexplain")


TESTS = Path(__file__).parent
FIXTURES = TESTS / "fixtures"


def run_python(code: str, **environment: str) -> str:
    """Standard output of a fresh interpreter that runs `code` with the tests' folder importable."""
    path = os.pathsep.join(p for p in (str(TESTS), os.environ.get("PYTHONPATH")) if p)
    env = {**os.environ, "PYTHONPATH": path, **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=300)
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def peak_bytes() -> int:
    """Most memory that this process has held so far. Not getrusage's figure, which begins at that of the parent."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


@pytest.fixture(scope="session")
def isas() -> list[str]:
    """Instruction sets of the compiled core that this CPU has."""
    from fastexplain.engine.backends import describe

    return describe()["available_isas"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Why tests were skipped, with counts. In CI a reason that tests/skips.py does not list fails the run."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports]
    lines, complete = skips.summary(reasons)
    if lines:
        terminalreporter.section("skipped")
        terminalreporter.write("\n".join([*lines, ""]))
    if not complete and os.environ.get("CI"):
        terminalreporter.write_line("CI: tests were skipped for reasons that tests/skips.py does not list.", red=True)
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
