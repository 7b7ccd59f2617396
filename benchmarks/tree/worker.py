"""The child process that holds one competitor on one case, and times it when told to.

One process each, because two OpenMP runtimes in one process can crash it, because thread counts are mostly environment
variables read at import, and because peak memory belongs to a process. Commands come as JSON lines on stdin, answers go
out as JSON lines on stdout (whatever libraries print goes to stderr).
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # run as a script; last: an installed fastexplain comes before the checkout's

from benchmarks.common import THREAD_VARIABLES  # noqa: E402


class WorkerFailed(Exception):
    """The competitor raised, died or took too long; the message says which."""


# --- parent's side ---------------------------------------------------------------------------------------------------


class Worker:
    """A running child process.

    Parameters
    ----------
    folder : pathlib.Path
        A built case (`benchmarks.zoo.build`).
    competitor : str
        A key of `benchmarks.rivals.COMPETITORS`.
    n_threads : int
    timeout : float
        Seconds that one command may take before the child is stopped.
    environment : dict, optional
        Variables for the child besides the thread counts.
    """

    def __init__(
        self, folder: Path, competitor: str, n_threads: int, timeout: float, environment: dict[str, str] | None = None
    ) -> None:
        variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(n_threads)), **(environment or {})}
        # the checkout is appended, not prepended, by the child itself: an installed fastexplain comes first
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-W",
                "ignore",
                str(Path(__file__).resolve()),
                str(folder),
                competitor,
                str(n_threads),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=variables,
        )
        self._timeout = timeout
        self._stderr: deque[str] = deque(maxlen=20)
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises
        ------
        WorkerFailed
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        late = threading.Timer(self._timeout, self._process.kill)
        late.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            stopped = not late.is_alive()
            late.cancel()
        if not line:
            self._process.wait()
            self._drain.join(1.0)
            if stopped:
                raise WorkerFailed(f"stopped after {self._timeout:.0f} s in one call")
            raise WorkerFailed(f"died with exit code {self._process.returncode}: {' '.join(self._stderr)[-400:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._stderr.append(line.rstrip())


# --- child's side ----------------------------------------------------------------------------------------------------


def peak_rss() -> int:
    """Largest resident set since `reset_peak`, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM line; peak memory is only measured on Linux.")


def reset_peak() -> int:
    """Give freed memory back to the system, set the peak to what is resident now, and return that in bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # else the competitor would reuse free pages, and they would count as none
    Path("/proc/self/clear_refs").write_text("5")
    return peak_rss()


class _Child:
    def __init__(self, folder: Path, competitor: str, n_threads: int) -> None:
        from benchmarks.tree import rivals, zoo

        self.kind = rivals.COMPETITORS[competitor]
        self.kind.import_library()
        self.model, self.X = zoo.load(folder)
        self.n_threads = n_threads
        self.bound = -1

    def prepare(self) -> dict[str, Any]:
        """Make the competitor, noting time; memory counts from here on."""
        self.resident = reset_peak()
        start = time.perf_counter()
        self.competitor = self.kind(self.model, self.n_threads)
        seconds = time.perf_counter() - start
        return {
            "prepare_seconds": seconds,
            "single_threaded": self.competitor.single_threaded,
            "double": self.competitor.double,
            "isa": self.competitor.isa,
        }

    def time(self, rows: int, least: float = 0.0) -> dict[str, Any]:
        """Explain the first `rows` rows, again and again until `least` seconds have passed.

        Returns the median call; without the first where there are several, because this process has just been idle and
        its caches are cold.
        """
        self._bind(rows)
        calls: list[float] = []
        while not calls or sum(calls) < least:
            start = time.perf_counter()
            result = self.competitor.explain()
            calls.append(time.perf_counter() - start)
            del result
        return {"seconds": float(np.median(calls[1:] or calls))}

    def answer(self, rows: int, path: str) -> dict[str, Any]:
        """Explain and keep the values in a file; returns peak memory beyond model, rows and output."""
        self._bind(rows)
        start = time.perf_counter()
        result = self.competitor.explain()
        seconds = time.perf_counter() - start
        peak = peak_rss()
        values, base_value = self.competitor.values(result)
        np.save(path, values)
        return {
            "seconds": seconds,
            "base_value": base_value,
            "peak_bytes": max(0, peak - self.resident - values.nbytes),
        }

    def raw(self, rows: int, path: str) -> dict[str, Any]:
        """The library's own raw prediction, for the additivity check."""
        from benchmarks.tree import rivals

        np.save(path, np.asarray(rivals.raw_prediction(self.model, self.X[:rows], self.n_threads), dtype=np.float64))
        return {}

    def _bind(self, rows: int) -> None:
        if rows != self.bound:
            self.competitor.bind(np.ascontiguousarray(self.X[:rows]))
            self.bound = rows


def main() -> None:
    folder, competitor, n_threads = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # from here on, prints of libraries cannot break the protocol
    child: _Child | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if child is None:
                child = _Child(Path(folder), competitor, int(n_threads))
            answer = getattr(child, command.pop("do"))(**command)
        except Exception as error:  # the parent decides; nothing is hidden, the message reaches the table
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
