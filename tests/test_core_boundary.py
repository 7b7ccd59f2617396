"""The compiled core's bindings: whatever they are given, the answer is right or an error, never a crash or a hang."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TESTS

if importlib.util.find_spec("fastexplain._core") is None:
    pytest.skip("this install has no compiled core", allow_module_level=True)

import core_calls

import fastexplain
from fastexplain import _core
from fastexplain.models import Forest

STUB = Path(fastexplain.__file__).with_name("_core.pyi")
# All calls of a member take a second or two; one call that hangs is found after this.
SECONDS = 180
# No spoilt call has anything to do that takes this long.
SECONDS_PER_CALL = 20


def test_every_member_has_a_case() -> None:
    assert sorted(core_calls.CALLS) == core_calls.members()


@pytest.mark.parametrize("member", core_calls.members())
def test_spoilt_arguments_are_refused_or_harmless(member: str) -> None:
    """In a process of its own: a crash is a failure here, and names the call."""
    path = os.pathsep.join(p for p in (str(TESTS), os.environ.get("PYTHONPATH")) if p)
    command = [sys.executable, "-c", f"import core_calls; core_calls.main({member!r})"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as expired:
        text = expired.stdout.decode() if isinstance(expired.stdout, bytes) else expired.stdout or ""
        pytest.fail(f"hangs at {text.splitlines()[-1:]}")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"exit code {done.returncode} at {lines[-1:]}\n{done.stderr[-2000:]}"
    records = [json.loads(line) for line in lines]
    calls, outcomes = records[0::2], records[1::2]
    assert calls.pop() == {"call": "done"}
    wrong = [
        (call["call"], outcome) for call, outcome in zip(calls, outcomes, strict=True) if not _as_promised(outcome)
    ]
    assert not wrong, wrong[:5]
    read_only = {
        call["call"].split()[1]
        for call, outcome in zip(calls, outcomes, strict=True)
        if call["call"].endswith("read-only") and outcome["error"] is not None
    }
    assert read_only == core_calls.OUTPUTS.get(member, set())


def _as_promised(outcome: dict[str, Any]) -> bool:
    error, name = outcome["error"], outcome["must_name"]
    if outcome["seconds"] > SECONDS_PER_CALL:
        return False
    if error is None:
        return name is None
    kind, _, text = error.partition(": ")
    if name is None:
        return kind in ("AttributeError", "MemoryError", "RuntimeError", "TypeError", "ValueError")
    return kind in ("TypeError", "ValueError") and name.lower() in text.lower()


def refused(function: Any, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        function(**arguments)


def test_tree_shap_refuses_rows_and_values_of_another_shape() -> None:
    explain, arguments = core_calls.CALLS["TreeShap.explain"][1]()
    refused(explain, {**arguments, "X": np.zeros((5, 2))}, r"X has shape \(5, 2\); expected \(5, 3\)")
    refused(explain, {**arguments, "X": np.zeros((5, 4))}, r"X has shape \(5, 4\); expected \(5, 3\)")
    refused(
        explain, {**arguments, "values": np.empty((5, 3, 1))}, r"values has shape \(5, 3, 1\); expected \(5, 3, 2\)"
    )
    refused(
        explain, {**arguments, "values": np.empty((5, 2, 2))}, r"values has shape \(5, 2, 2\); expected \(5, 3, 2\)"
    )


def test_indices_out_of_range_are_named_with_their_place() -> None:
    confusion, arguments = core_calls.CALLS["confusion"][0]()
    predicted = arguments["predicted"].copy()
    predicted[1, 2] = 3
    refused(confusion, {**arguments, "predicted": predicted}, r"predicted\[1, 2\] is 3; expected 0 \.\. 2")
    refused(confusion, {**arguments, "codes": np.full(4, -1, np.int32)}, r"codes\[0\] is -1; expected 0 \.\. 2")


def test_a_coalition_beyond_the_last_of_its_size_is_refused() -> None:
    fill, arguments = core_calls.CALLS["fill_coalitions"][0]()
    for index in (15, 2**62, 2**63 - 1):
        indices = np.array([5, index, 9])
        refused(fill, {**arguments, "index": indices}, rf"index\[1\] is {index}; expected 0 \.\. 14")


def test_the_middle_size_of_66_players_is_numbered() -> None:
    assert _core.pairs_of_size(66, 33) == 3609714217008132870
    masks = np.empty((1, 66), dtype=np.uint8)
    size = np.array([33], dtype=np.int32)
    _core.fill_coalitions(size, np.array([3609714217008132869]), 1, masks, 1)
    assert masks.sum() == 33
    refused(
        _core.fill_coalitions,
        {"size": size, "index": np.array([3609714217008132870]), "seed": 1, "masks": masks, "n_threads": 1},
        "3609714217008132869, the pairs of size 33 among 66 players",
    )


@pytest.mark.parametrize("n_threads", [0, -1, -(10**30)])
def test_fewer_than_one_thread_is_refused(n_threads: int) -> None:
    expand, arguments = core_calls.CALLS["expand"][0]()
    refused(expand, {**arguments, "n_threads": n_threads}, f"n_threads must be at least 1; got {n_threads}")


def test_any_number_of_threads_gives_the_same_answer() -> None:
    answers = []
    for n_threads in (1, 3, 10**9, 10**30):
        explain, arguments = core_calls.CALLS["TreeShap.explain"][1]()
        explain(**{**arguments, "n_threads": n_threads})
        answers.append(arguments["values"])
    assert all(np.array_equal(answers[0], answer) for answer in answers)


def test_scores_that_have_no_order_are_refused() -> None:
    """NaN would send a sort astray."""
    roc_auc, arguments = core_calls.CALLS["roc_auc"][1]()
    arguments["scores"][1, 17] = np.nan
    refused(roc_auc, arguments, r"scores\[1, 17\] is nan; expected a number")


def test_a_forest_that_is_no_tree_is_refused() -> None:
    def with_(**changes: Any) -> Any:
        forest = core_calls.forest()
        for name, (place, value) in changes.items():
            getattr(forest, name)[place] = value
        return {"forest": forest, "float32_lanes": False, "n_threads": 1}

    shap = _core.TreeShap
    refused(shap, with_(children_left=(0, 5)), r"node 0 of tree 0 has child 5; expected 1 \.\. 4")
    refused(shap, with_(children_left=(2, 0)), r"node 2 of tree 0 has child 0; expected 1 \.\. 4")
    refused(shap, with_(children_left=(2, 1)), "node 1 of tree 0 has two parents")
    refused(shap, with_(children_right=(0, -1)), r"node 0 of tree 0 has child -1; expected 1 \.\. 4")
    refused(shap, with_(feature=(2, 3)), r"node 2 of tree 0 splits on feature 3; expected 0 \.\. 2")
    refused(shap, with_(threshold=(0, np.nan)), "node 0 of tree 0 has the threshold NaN")
    refused(shap, with_(category_set=(2, 1)), r"Forest.category_set\[2\] is 1; expected -1 \.\. 0")
    refused(shap, with_(tree_output=(1, 2)), r"Forest.tree_output\[1\] is 2; expected 0 \.\. 1")


def test_a_predictor_outlives_its_forest() -> None:
    """What it reads after its construction is its own, whatever becomes of the arrays that it was made of."""
    forest = core_calls.forest()
    predictor = _core.ReplacementPredictor(forest, forest.values.copy(), 0.25)
    first, second = np.empty((5, 2)), np.empty((5, 2))
    predictor.predict(core_calls.rows(), np.zeros(2), first, 1)
    for array in (forest.tree_output, forest.category_set_offsets, forest.category_set_members):
        array[...] = 10**6
    del forest
    predictor.predict(core_calls.rows(), np.zeros(2), second, 1)
    assert np.array_equal(first, second)


def test_misaligned_rows_are_explained() -> None:
    """As a field of a packed record is; the kernels themselves refuse them."""
    forest = Forest(
        n_features=1,
        n_outputs=1,
        tree_offsets=np.array([0, 3]),
        children_left=np.array([1, -1, -1]),
        children_right=np.array([2, -1, -1]),
        feature=np.array([0, -1, -1]),
        threshold=np.zeros(3),
        default_left=np.zeros(3, dtype=bool),
        cover=np.array([2.0, 1, 1]),
        values=np.array([0.0, 1, 3]),
        tree_output=np.zeros(1),
        base_offset=np.zeros(1),
    )
    X = np.linspace(-1, 1, 6)[:, None]
    misaligned = np.frombuffer(b"." + X.tobytes(), dtype=np.float64, offset=1).reshape(X.shape)
    assert not misaligned.flags.aligned
    assert np.array_equal(fastexplain.tree_shap(forest, misaligned).values, fastexplain.tree_shap(forest, X).values)
    background = np.zeros((2, 1))
    values = [fastexplain.kernel_shap(np.ravel, each, background).values for each in (misaligned, X)]
    assert np.array_equal(*values)


# ------------------------------------------------------------------------------------------------------------ the stub


def _parameters(definition: ast.FunctionDef) -> tuple[list[str], list[str]]:
    """Positional and keyword-only parameters, self excepted."""
    arguments = definition.args
    return [each.arg for each in arguments.args if each.arg != "self"], [each.arg for each in arguments.kwonlyargs]


def _of_module() -> dict[str, Any]:
    """Parameters by member, from the first line of its documentation; None for a property."""
    found: dict[str, Any] = {}
    for member in core_calls.members():
        owner, _, name = member.partition(".")
        value = getattr(_core, owner)
        if name:
            value = getattr(value, name)
        elif isinstance(value, type):
            value = value.__init__
        if isinstance(value, property):
            found[member] = None
            continue
        signature = value.__doc__.splitlines()[0]
        found[member] = _parameters(ast.parse(f"def {signature}: ...").body[0])
    return found


def _of_stub() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = _parameters(node)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for each in (each for each in node.body if isinstance(each, ast.FunctionDef)):
                name = node.name if each.name == "__init__" else f"{node.name}.{each.name}"
                found[name] = None if each.decorator_list else _parameters(each)
    return found


def test_the_stub_has_the_names_and_parameters_of_the_module() -> None:
    assert _of_stub() == _of_module()
