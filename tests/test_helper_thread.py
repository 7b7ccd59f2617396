"""Threads beside the caller's, also where the system starts no more of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fastexplain
from fastexplain.engine.helper_thread import HelperThread


def start_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the process is at its limit."""

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="new thread"):
        ThreadPoolExecutor(1).submit(int)


def test_work_is_done_in_order_beside_the_caller() -> None:
    seen: list[Any] = []
    with HelperThread("helper") as helper:
        futures = [helper.submit(seen.append, i) for i in range(5)]
        names = helper.submit(lambda: threading.current_thread().name)
        assert names.result().startswith("helper")
    assert all(future.done() for future in futures)
    assert seen == list(range(5))


def test_without_a_thread_the_caller_does_the_work_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start_none(monkeypatch)
    seen: list[Any] = []
    with HelperThread("helper") as helper:
        for i in range(3):
            helper.submit(seen.append, i)
        failed = helper.submit(int, "x")
    assert seen == [0, 1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        failed.result()


def product(rows: Any) -> Any:
    return np.prod(np.asarray(rows), axis=1)


def test_without_threads_the_numbers_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(12, 4))

    def numbers() -> list[Any]:
        importances = fastexplain.permutation_importance(product, X, product(X), metrics="mean_squared_error")
        return [fastexplain.kernel_shap(product, X[:3], X[3:]).values, importances.importances]

    expected = numbers()
    start_none(monkeypatch)
    for found, wanted in zip(numbers(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("n_started", [0, 1])
def test_numba_kernels_go_on_with_fewer_threads(n_started: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    from fastexplain.engine.numba.tools import for_each

    started: list[threading.Thread] = []
    really_start = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if len(started) == n_started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        really_start(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    seen: list[slice] = []
    tasks = [slice(i, i + 1) for i in range(20)]
    for_each(seen.append, tasks, 4)
    assert sorted(part.start for part in seen) == list(range(20))
