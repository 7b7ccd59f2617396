"""Content and arrays changed at random: an error of ours, or an explainer that scores; never another exception."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastexplain
from fastexplain.exceptions import ArtifactError
from fastexplain.scoring import ScoringExplainer, load, save, scoring_explainer
from fastexplain.scoring.artifact import read, write
from tests.scoring.kernel_models import KERNEL_MODELS
from tests.scoring.models import MODELS, X

STRANGE: list[Any] = [None, True, -1, 0, 1, 3, 2**31, 2**70, 1e300, -0.5]
STRANGE += ["", "tree", "nan", [], {}, [1], {"a": 1}, ["x", "x"]]
N_CHANGES = 150
FORESTS = ["lightgbm three", "xgboost binary", "forest regression"]
FORMULAS = ["svc three", "kernel ridge", "neighbors three", "mlp binary", "gaussian bayes", "voting", "forest"]
FORMULAS += ["voting trees"]


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything inside some JSON."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [each for key, value in inner for each in [(*path, key), *places(value, (*path, key))]]


def changed(content: Any, draw: random.Random) -> Any:
    content = copy.deepcopy(content)
    path = draw.choice(places(content))
    holder = content
    for key in path[:-1]:
        holder = holder[key]
    if draw.random() < 0.2 and isinstance(holder, dict):
        del holder[path[-1]]
    else:
        holder[path[-1]] = draw.choice(STRANGE)
    return content


def changed_arrays(arrays: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    arrays = dict(arrays)
    name = draw.choice(sorted(arrays))
    array = np.array(arrays[name])
    match draw.randrange(5):
        case 0:
            del arrays[name]
            return arrays
        case 1:
            array = array[:-1] if array.ndim else array
        case 2:
            array = array.astype(draw.choice(["float64", "float32", "int64", "int32", "bool"]))
        case 3:
            array = array[None] if draw.random() < 0.5 else array.ravel()
        case _:
            flat = array.reshape(-1)
            for _ in range(draw.choice([1, 3, len(flat)])):
                if len(flat):
                    flat[draw.randrange(len(flat))] = draw.choice([-1, 0, 1, 2, 127])
    arrays[name] = array
    return arrays


def scorer_of(name: str) -> ScoringExplainer:
    if name.startswith("deep"):
        return scoring_explainer(fastexplain.DeepExplainer(KERNEL_MODELS["mlp three"](), X[:20]))
    if name in KERNEL_MODELS:
        return scoring_explainer(fastexplain.KernelExplainer(KERNEL_MODELS[name](), X[:20]))
    scorer = scoring_explainer(fastexplain.TabularExplainer(MODELS[name](), X))
    return scorer.with_reasons(groups={"g": [0, 1]}, texts={2: ("R", "t")})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", [*FORESTS, "logistic three", *FORMULAS, "deep"])
def test_an_error_of_ours_or_an_explainer(tmp_path: Path, name: str) -> None:
    save(scorer_of(name), tmp_path / "good")
    good = read(tmp_path / "good")
    draw = random.Random(7)
    refused: list[str] = []
    for i in range(N_CHANGES):
        content, arrays = good.content, dict(good.arrays)
        if draw.random() < 0.6:
            content = changed(content, draw)
        else:
            arrays = changed_arrays(arrays, draw)
        write(tmp_path / f"{i}", content, arrays)
        try:
            loaded = load(tmp_path / f"{i}")
        except ArtifactError as error:
            refused.append(str(error))
            continue
        scores = loaded.score(X[:5])
        assert len(scores.predictions) == 5
    assert len(refused) > N_CHANGES // 3
    assert all(str(tmp_path) in message for message in refused)
