"""The compiled Tree SHAP kernel and the array function in front of it."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import TESTS, run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import naive_predict, naive_tree_shap
from numpy.testing import assert_allclose, assert_array_equal
from strategies import big_forest, forests, random_forest, rows_for, rows_of

import fastexplain
from fastexplain import tree_shap
from fastexplain.engine.backends import core
from fastexplain.models import Forest

# Sums of at most a few hundred terms of order 1 to 1e3: rounding stays far below this, a wrong weight far above.
RTOL, ATOL = 1e-9, 1e-9
# float32 lanes: 24 bits, a few dozen operations deep.
RTOL_FLOAT32, ATOL_FLOAT32 = 1e-4, 1e-4
# Eight Gauss-Legendre points against the exact rule, relative to the leaf values (notes of `tree_shap`).
EIGHT_POINTS_TOL = 1e-7

pytestmark = pytest.mark.skipif(core() is None, reason="this install has no compiled core")


@settings(max_examples=300)
@given(st.data(), forests())
def test_tree_shap_equals_naive(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    values, base_values = tree_shap(forest, X, dtype="float64")
    expected, expected_base = naive_tree_shap(forest, X)
    assert_allclose(values, expected, rtol=RTOL, atol=ATOL)
    assert_allclose(base_values, expected_base, rtol=RTOL, atol=ATOL)


@settings(max_examples=100)
@given(st.data(), forests())
def test_float32_lanes_are_close_to_naive(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    values, _ = tree_shap(forest, X, dtype="float32")
    assert_allclose(values, naive_tree_shap(forest, X)[0], rtol=RTOL_FLOAT32, atol=ATOL_FLOAT32)


@settings(max_examples=50)
@given(st.data(), forests(shapes=("chain",), max_depth=60, n_trees=1))
def test_depth_60_equals_naive(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    values, _ = tree_shap(forest, X, dtype="float64")
    assert_allclose(values, naive_tree_shap(forest, X)[0], rtol=RTOL, atol=ATOL)


@settings(max_examples=100)
@given(st.data(), forests())
def test_values_sum_to_raw_output(data: st.DataObject, forest: Forest) -> None:
    X = data.draw(rows_for(forest))
    values, base_values = tree_shap(forest, X, dtype="float64")
    assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), rtol=RTOL, atol=ATOL)


def test_unused_feature_gets_zero() -> None:
    forest = random_forest(np.random.default_rng(0), n_trees=10, n_features=5)
    unused = ~np.isin(np.arange(5), forest.feature)
    wider = dataclasses.replace(forest, n_features=7)
    values, _ = tree_shap(wider, np.random.default_rng(1).normal(size=(70, 7)))
    assert_array_equal(values[:, 5:], 0)
    assert_array_equal(values[:, :5][:, unused], 0)


def test_row_on_threshold_follows_model() -> None:
    stump = _stump(threshold=0.5, left=1.0, right=3.0)
    values, base_values = tree_shap(stump, np.array([[0.5], [np.nextafter(0.5, 1)]]))
    assert_array_equal(base_values, [2.0])
    assert_array_equal(values[:, 0, 0], [-1.0, 1.0])


@pytest.mark.parametrize(("default_left", "expected"), [(True, -1.0), (False, 1.0)])
def test_missing_value_takes_default_branch(default_left: bool, expected: float) -> None:
    stump = _stump(threshold=0.5, left=1.0, right=3.0, default_left=default_left)
    values, _ = tree_shap(stump, np.array([[math.nan]]))
    assert values[0, 0, 0] == expected


def test_float32_input_rounds_before_comparing() -> None:
    threshold = float(np.float32(0.1))
    above_in_float64 = np.nextafter(threshold, 1)
    stump = _stump(threshold=threshold, left=1.0, right=3.0, float32_input=True)
    assert tree_shap(stump, np.array([[above_in_float64]])).values[0, 0, 0] == -1.0
    stump = _stump(threshold=threshold, left=1.0, right=3.0)
    assert tree_shap(stump, np.array([[above_in_float64]])).values[0, 0, 0] == 1.0


def test_more_thresholds_than_16_bits_hold() -> None:
    forest = random_forest(
        np.random.default_rng(3), n_trees=20, n_features=2, n_leaves=3000, max_depth=40, thresholds=None
    )
    X = np.concatenate([rows_of(forest, 30), np.array([[math.nan, 0.0], [math.inf, -math.inf]])])
    inner = forest.children_left >= 0
    assert len(np.unique(forest.threshold[inner])) > 2**15
    on = np.random.default_rng(0).choice(forest.threshold[inner], size=(30, 2))
    X = np.concatenate([X, on])
    values, base_values = tree_shap(forest, X)
    assert_allclose(values.sum(axis=1) + base_values, forest.predict(X), rtol=RTOL, atol=ATOL)
    assert_allclose(values[:3], naive_tree_shap(forest, X[:3])[0], rtol=RTOL, atol=ATOL)


def test_hundreds_of_categorical_nodes_in_a_tree() -> None:
    forest = random_forest(
        np.random.default_rng(4), n_trees=3, n_features=3, n_leaves=400, max_depth=30, p_categorical=0.7
    )
    X = rows_of(forest, 100)
    values, base_values = tree_shap(forest, X)
    assert_allclose(values.sum(axis=1) + base_values, naive_predict(forest, X), rtol=RTOL, atol=ATOL)
    assert_allclose(values[:5], naive_tree_shap(forest, X[:5])[0], rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 65, 257, 1000, 5000])
def test_thread_count_does_not_change_bits(n_threads: int, dtype: str, n_rows: int) -> None:
    forest = big_forest()
    X = rows_of(forest, n_rows)
    one = tree_shap(forest, X, dtype=dtype, n_threads=1).values
    assert_array_equal(tree_shap(forest, X, dtype=dtype, n_threads=n_threads).values, one)


@pytest.mark.parametrize("n_threads", [1, 4])
def test_a_row_alone_has_the_bits_that_it_has_among_others(n_threads: int) -> None:
    forest = big_forest()
    X = rows_of(forest, 600)
    together = tree_shap(forest, X).values
    for i in (0, 63, 64, 255, 256, 599):  # rows at the ends of words and tiles
        assert_array_equal(tree_shap(forest, X[i : i + 1], n_threads=n_threads).values, together[i : i + 1])


_DIGEST = """
import hashlib, numpy as np
from strategies import big_forest, rows_of
from fastexplain import tree_shap
from fastexplain.engine.backends import describe
forest = big_forest()
values, base_values = tree_shap(forest, rows_of(forest, 500), dtype={dtype!r})
print(describe()["isa"], hashlib.sha256(values.tobytes() + base_values.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_rows", [1, 2, 3, 4])
def test_calls_of_a_few_rows_have_the_bits_of_one_call(n_rows: int, dtype: str) -> None:
    # up to three rows go one by one, with the quadrature points in the lanes
    for seed, changes in enumerate([{}, {"n_outputs": 1, "n_leaves": 90, "max_depth": 30}, {"p_categorical": 0.9}]):
        forest = big_forest(seed, **changes)
        rows = rows_of(forest, 24)
        together = tree_shap(forest, rows, dtype=dtype, n_threads=1).values
        apart = [tree_shap(forest, rows[i : i + n_rows], dtype=dtype, n_threads=1).values for i in range(0, 24, n_rows)]
        assert_array_equal(np.concatenate(apart).view(np.int64), together.view(np.int64))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_instruction_set_does_not_change_bits(isas: list[str], dtype: str) -> None:
    digests = set()
    for isa in isas:
        ran, digest = run_python(_DIGEST.format(dtype=dtype), FASTEXPLAIN_ISA=isa).split()
        assert ran == isa  # the forced one really ran
        digests.add(digest)
    assert len(digests) == 1


def test_unknown_instruction_set_is_refused() -> None:
    code = "import fastexplain._core as c\ntry: c.active_isa()\nexcept RuntimeError as e: print(e)"
    message = run_python(code, FASTEXPLAIN_ISA="sse9")
    assert "sse9" in message
    assert "baseline" in message


def long_paths() -> tuple[Forest, np.ndarray]:
    forest = random_forest(
        np.random.default_rng(5), n_trees=5, n_features=60, shapes=("chain",), max_depth=50, thresholds=None
    )
    return forest, np.random.default_rng(6).normal(size=(40, 60))


@pytest.mark.parametrize("backend", ["native", "numba"])
def test_more_than_sixteen_features_on_a_path_are_exact(backend: str) -> None:
    forest, X = long_paths()
    values, base_values = tree_shap(forest, X, backend=backend)
    assert_allclose(values.sum(axis=1) + base_values, forest.predict(X), rtol=RTOL, atol=ATOL)


def test_eight_points_are_close_beyond_sixteen_features() -> None:
    forest, X = long_paths()
    exact = tree_shap(forest, X).values
    few = tree_shap(forest, X, exact=False).values
    assert not np.array_equal(few, exact)
    assert_allclose(few, exact, rtol=0, atol=EIGHT_POINTS_TOL * np.abs(forest.values).max())


def test_a_row_that_goes_against_every_split_is_exact() -> None:
    # One path of 40 features, each split passed by 1 row in 20: the integrand is nearly t^40, too much for 8 points.
    n = 40
    inner = np.arange(n + 1) < n
    forest = Forest(
        n_features=n,
        n_outputs=1,
        tree_offsets=[0, 2 * n + 1],
        children_left=np.concatenate([np.where(inner, n + 1 + np.arange(n + 1), -1), np.full(n, -1)]),
        children_right=np.concatenate([np.where(inner, np.arange(n + 1) + 1, -1), np.full(n, -1)]),
        feature=np.concatenate([np.where(inner, np.arange(n + 1), -1), np.full(n, -1)]),
        threshold=np.full(2 * n + 1, 0.5),
        default_left=np.zeros(2 * n + 1),
        cover=np.concatenate([0.05 ** np.arange(n + 1), 0.95 * 0.05 ** np.arange(n)]),
        values=np.eye(2 * n + 1)[n],
        tree_output=[0],
        base_offset=[0.0],
    )
    values, base_values = tree_shap(forest, np.ones((1, n)))
    # all n features are alike: each gets the n-th part of 1 - base
    assert_allclose(values[0, :, 0], (1.0 - base_values[0]) / n, rtol=RTOL)
    few = tree_shap(forest, np.ones((1, n)), exact=False).values
    assert abs(few.sum() - 1.0) > 1e-3


def test_leaf_values_beyond_float32_are_refused_or_widened() -> None:
    huge = _stump(left=1e39, right=-1e39)
    with pytest.raises(ValueError, match=r"reach 1e\+39; use dtype='float64'"):
        tree_shap(huge, np.zeros((1, 1)), dtype="float32")
    widened = dataclasses.replace(huge, float32_model=True)
    assert tree_shap(widened, np.zeros((1, 1))).values[0, 0, 0] == 1e39


def test_thousands_of_levels() -> None:
    forest = random_forest(
        np.random.default_rng(7), n_trees=1, n_features=6, shapes=("chain",), max_depth=5000, thresholds=None
    )
    X = np.random.default_rng(8).normal(size=(10, 6))
    values, base_values = tree_shap(forest, X)
    assert_allclose(values.sum(axis=1) + base_values, forest.predict(X), rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.repeat(X, 3, axis=0)[::3],
        lambda X: X[::-1].copy()[::-1],
    ],
    ids=["fortran", "every-other-column", "every-third-row", "negative-stride"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layout_of_rows_does_not_change_bits(arrange, dtype) -> None:
    forest = big_forest()
    with np.errstate(over="ignore"):
        X = rows_of(forest, 100).astype(dtype)
    assert_array_equal(tree_shap(forest, arrange(X)).values, tree_shap(forest, X).values)


@pytest.mark.parametrize("exact", [False, True])
def test_numba_backend_gives_the_same_values(exact: bool) -> None:
    forest = big_forest()
    X = rows_of(forest, 200)
    native = tree_shap(forest, X, backend="native", exact=exact)
    numba = tree_shap(forest, X, backend="numba", exact=exact)
    assert_allclose(numba.values, native.values, rtol=RTOL, atol=ATOL)
    assert_array_equal(numba.base_values, native.base_values)


def test_backend_variable_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    import fastexplain.engine.tree.numba_tree_shap as numba_tree_shap

    calls = []
    original = numba_tree_shap.tree_shap_path_dependent
    monkeypatch.setattr(
        numba_tree_shap, "tree_shap_path_dependent", lambda *a, **k: calls.append(1) or original(*a, **k)
    )
    monkeypatch.setenv("FASTEXPLAIN_BACKEND", "numba")
    forest = big_forest()
    tree_shap(forest, rows_of(forest, 3))
    assert calls == [1]
    tree_shap(forest, rows_of(forest, 3), backend="native")
    assert calls == [1]


@pytest.mark.parametrize("backend", ["cuda", "Native"])
def test_unknown_backend_is_refused(backend: str) -> None:
    with pytest.raises(ValueError, match=f"native, numba; got '{backend}'"):
        tree_shap(_stump(), np.zeros((1, 1)), backend=backend)


def test_numba_serves_where_no_core_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastexplain.engine import backends

    monkeypatch.setattr(backends, "core", lambda: None)
    assert backends.select_backend() == "numba"
    with pytest.raises(fastexplain.MissingDependencyError, match="no compiled core"):
        backends.select_backend("native")


def test_no_rows_give_no_values() -> None:
    values, base_values = tree_shap(big_forest(), np.empty((0, 9)))
    assert values.shape == (0, 9, 3)
    assert base_values.shape == (3,)


def test_forest_without_trees_gives_its_offset() -> None:
    empty = np.empty(0)
    forest = Forest(
        n_features=2, n_outputs=1, tree_offsets=[0], children_left=empty, children_right=empty, feature=empty,
        threshold=empty, default_left=empty, cover=empty, values=np.empty((0, 1)), tree_output=empty,
        base_offset=[0.25],
    )  # fmt: skip
    values, base_values = tree_shap(forest, np.zeros((3, 2)))
    assert_array_equal(values, np.zeros((3, 2, 1)))
    assert_array_equal(base_values, [0.25])


def test_wrong_width_names_both_widths() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\); expected \(n_rows, 9\)"):
        tree_shap(big_forest(), np.zeros((4, 3)))


@pytest.mark.parametrize("dtype", ["int32", "float16", "nonsense", "complex128"])
def test_lanes_of_another_width_are_refused(dtype: str) -> None:
    with pytest.raises(ValueError, match=dtype):
        tree_shap(_stump(), np.zeros((1, 1)), dtype=dtype)


@pytest.mark.parametrize("n_threads", [0, -2, 1.5, "two"])
def test_number_of_threads_is_checked(n_threads: object) -> None:
    with pytest.raises(ValueError, match="n_threads must be a positive whole number"):
        tree_shap(_stump(), np.zeros((1, 1)), n_threads=n_threads)


def test_result_is_a_named_tuple() -> None:
    result = tree_shap(_stump(), np.zeros((2, 1)))
    assert result._fields == ("values", "base_values")
    assert result.values.dtype == np.float64


_MEMORY = """
import numpy as np
from conftest import peak_bytes
from strategies import random_forest
from fastexplain import tree_shap

forest = random_forest(np.random.default_rng(0), n_trees=3, n_features=4)
X = np.random.default_rng(1).normal(size=(3_000_000, 4))
tree_shap(forest, X[:1000], dtype="{dtype}", n_threads=2)
before = peak_bytes()
values = tree_shap(forest, X, dtype="{dtype}", n_threads=2).values
print(peak_bytes() - before - values.nbytes)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_memory_beyond_the_values_does_not_grow_with_the_rows(dtype: str) -> None:
    # A copy of the rows, even as codes of two bytes, would take 24 MB.
    assert int(run_python(_MEMORY.format(dtype=dtype))) < 12e6


def test_results_do_not_share_memory_with_the_model() -> None:
    forest = _stump()
    tree_shap(forest, np.zeros((1, 1))).base_values[:] = 7
    assert_array_equal(tree_shap(forest, np.zeros((1, 1))).base_values, [2.0])


def test_an_explained_forest_pickles() -> None:
    forest = big_forest()
    X = rows_of(forest, 10)
    values = tree_shap(forest, X).values
    again = pickle.loads(pickle.dumps(forest))
    assert_array_equal(tree_shap(again, X).values, values)


def test_seeds_of_numpy_are_left_alone() -> None:
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    forest = big_forest()
    tree_shap(forest, rows_of(forest, 10))
    assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_calls_from_several_threads_at_once() -> None:
    forest = big_forest()
    X = rows_of(forest, 3000)
    expected = tree_shap(forest, X).values
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(tree_shap(forest, X, n_threads=3).values)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    for result in results:
        assert_array_equal(result, expected)


def test_other_python_threads_run_meanwhile() -> None:
    forest = big_forest(n_trees=400)
    X = np.repeat(rows_of(forest, 500), 20, axis=0)
    ticks = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.002):
            ticks.append(time.monotonic())

    ticker = threading.Thread(target=tick)
    ticker.start()
    begin = time.monotonic()
    tree_shap(forest, X, n_threads=1)
    end = time.monotonic()
    done.set()
    ticker.join()
    inside = [t for t in ticks if begin < t < end]
    assert len(inside) > 5 or end - begin < 0.05


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_explains_too() -> None:
    code = """
import os, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking while the pool's threads run: that is the point
import numpy as np
from strategies import big_forest, rows_of
from fastexplain import tree_shap
forest = big_forest()
X = rows_of(forest, 2000)
expected = tree_shap(forest, X, n_threads=3).values
child = os.fork()
if child == 0:
    same = np.array_equal(tree_shap(forest, X, n_threads=3).values, expected)
    os._exit(0 if same else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(code).strip() == "0"


def test_ctrl_c_stops_a_long_call() -> None:
    code = """
import signal
import numpy as np
from strategies import big_forest, rows_of
from fastexplain import tree_shap
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
forest = big_forest(n_trees=500)
X = np.repeat(rows_of(forest, 500), 2000, axis=0)
tree_shap(forest, X[:10])
print("ready", flush=True)
try:
    tree_shap(forest, X)
    print("finished")
except KeyboardInterrupt:
    print("interrupted")
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    time.sleep(0.5)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert output.strip() == "interrupted"
    assert time.monotonic() - sent < 20  # the whole call would take minutes


def _stump(
    threshold: float = 0.5,
    left: float = 1.0,
    right: float = 3.0,
    default_left: bool = False,
    float32_input: bool = False,
) -> Forest:
    return Forest(
        n_features=1,
        n_outputs=1,
        tree_offsets=[0, 3],
        children_left=[1, -1, -1],
        children_right=[2, -1, -1],
        feature=[0, -1, -1],
        threshold=[threshold, 0, 0],
        default_left=[default_left, False, False],
        cover=[10, 5, 5],
        values=[0.0, left, right],
        tree_output=[0],
        base_offset=[0.0],
        float32_input=float32_input,
    )
