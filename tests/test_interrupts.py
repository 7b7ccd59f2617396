"""Ctrl-C ends a long call at once, whatever it computes, and leaves everything in order."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fastexplain
from fastexplain.engine.numba import tools

X = np.random.default_rng(0).normal(size=(4000, 14))
# Each call would take half a minute or more. A machine under load answers late, but not that late.
LATEST = 8.0


def _neighbors(n_rows: int, **options: Any) -> np.ndarray:
    from sklearn.neighbors import KNeighborsRegressor

    model = KNeighborsRegressor().fit(X, X[:, 0])
    return fastexplain.kernel_shap(model, X[:n_rows], X[: 3 * n_rows], **options).values


def _products(n_rows: int, **options: Any) -> np.ndarray:
    from sklearn.kernel_ridge import KernelRidge

    model = KernelRidge(kernel="rbf").fit(X[:1000], X[:1000, 0])
    return fastexplain.kernel_shap(model, np.tile(X[:n_rows], (8, 1)), X[: 2 * n_rows], **options).values


def _networks(n_rows: int, **options: Any) -> np.ndarray:
    from sklearn.neural_network import MLPRegressor

    # at ease with what it has after a step or two
    model = MLPRegressor(hidden_layer_sizes=(300, 300), tol=1e9, n_iter_no_change=1, random_state=0).fit(
        X[:50], X[:50, 0]
    )
    return fastexplain.deep_lift(model, np.tile(X[:n_rows], (10, 1)), X[:n_rows], **options).values


def _interrupted(call: Callable[[], Any], after: float) -> float:
    """Seconds from Ctrl-C to KeyboardInterrupt."""
    sent: list[float] = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    # a shell's background jobs ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(after, send)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        return time.perf_counter() - sent[0]
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to itself")
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("backend", ["native", "numba"])
@pytest.mark.parametrize("call", [_neighbors, _products, _networks])
def test_ctrl_c_ends_a_long_call_and_the_next_one_is_right(
    call: Callable[..., np.ndarray], backend: str, n_threads: int
) -> None:
    options = {"backend": backend, "n_threads": n_threads}
    before = call(1, **options)
    assert _interrupted(lambda: call(1000, **options), 0.5) < LATEST
    assert call(1, **options).tobytes() == before.tobytes()


def test_ctrl_c_while_threads_start_stops_those_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[slice] = []

    def work(task: slice) -> None:
        done.append(task)
        time.sleep(0.01)

    class Interrupted(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **options: Any) -> Any:
            if done:
                raise KeyboardInterrupt
            future = super().submit(*arguments, **options)
            while not done:
                time.sleep(0.001)
            return future

    monkeypatch.setattr(tools, "ThreadPoolExecutor", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        tools.for_each(work, [slice(i, i + 1) for i in range(500)], 2)
    assert len(done) < 100


def test_compiled_work_is_cut_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[slice] = []

    def work(part: slice) -> None:
        parts.append(part)
        time.sleep(2e-4 * (part.stop - part.start))

    monkeypatch.setattr(tools, "CALL_SECONDS", 0.02)
    tools.for_each_part(work, 2000, 1)
    sizes = [part.stop - part.start for part in parts]
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0], parts[-1].stop) == (slice(0, 1), 2000)
    assert max(sizes) <= 100
    tools.for_each_part(work, 0, 2)
