"""Installs torch for the tests, where there is a build without CUDA; a CUDA build is gigabytes that no test needs.

    python tests/install_torch.py "torch==2.13.0"

What pip would install is asked for first. Where that is a CUDA build, or nothing, the reason is left in the environment
for the tests to show (`NOTE`); FASTEXPLAIN_TORCH=cuda installs it all the same.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

NOTE = Path(sys.prefix) / ".torch-not-installed"


def pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pip", "install", "-q", *arguments], capture_output=True, text=True)


def planned(requirement: str) -> list[str] | str:
    """Names of the distributions that pip would install, or why it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = pip("--dry-run", "--report", str(report), requirement)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            return f"pip finds none for this Python ({(errors or ['no message'])[-1]})"
        return [item["metadata"]["name"].lower() for item in json.loads(report.read_text())["install"]]


def reason_against(requirement: str) -> str | None:
    """Why torch is not installed; None where it should be."""
    found = planned(requirement)
    if isinstance(found, str):
        return found
    cuda = [name for name in found if name.startswith(("nvidia-", "cuda-"))]
    if cuda and os.environ.get("FASTEXPLAIN_TORCH") != "cuda":
        return (
            f"pip would install the CUDA build of {requirement} (with {len(cuda)} packages of CUDA); "
            "FASTEXPLAIN_TORCH=cuda make test takes it"
        )
    return None


def main(requirement: str) -> int:
    NOTE.unlink(missing_ok=True)
    if importlib.util.find_spec("torch") is not None:
        return 0
    reason = reason_against(requirement)
    if reason is None:
        done = pip(requirement)
        if done.returncode == 0:
            return 0
        reason = f"pip failed to install {requirement}: {done.stderr.strip().splitlines()[-1]}"
    NOTE.write_text(reason)
    print(f"The tests that need torch will be skipped: {reason}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
