"""What the benchmarks of all subjects share: the machine, thread counts of libraries, tables in Markdown."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

__all__ = ["README", "ROOT", "THREAD_VARIABLES", "fill", "machine"]

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "benchmarks" / "README.md"
# By these the libraries that are measured are told how many threads to use.
THREAD_VARIABLES = (
    "FASTEXPLAIN_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


def machine(cpus: int) -> dict[str, Any]:
    """CPU model, CPUs this process may use, vector instructions, system and Python: no names of hosts or people."""
    fields: dict[str, str] = {}
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", "").split()
    return {
        "cpu": fields.get("model name", platform.processor() or platform.machine()),
        "cpus": cpus,
        "vectors": [flag for flag in ("avx2", "fma", "avx512f") if flag in flags],
        "system": platform.system(),
        "python": platform.python_version(),
    }


def fill(path: Path, begin: str, end: str, body: str) -> None:
    """Put `body` between two marker lines of a Markdown file.

    Raises
    ------
    ValueError
        The file lacks the markers.
    """
    text = path.read_text()
    if begin not in text or end not in text:
        raise ValueError(f"{path.name} needs the lines {begin!r} and {end!r} around the place for the results.")
    before, after = text.split(begin)[0], text.split(begin)[1].split(end, 1)[1]
    path.write_text(f"{before}{begin}\n\n{body}\n\n{end}{after}")
