"""Artifacts of every released version stay readable, with the same numbers: tests/fixtures/artifacts keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastexplain.scoring import load

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "artifacts"
FILES = sorted(path.stem for path in FOLDER.glob("*.zip"))


def test_there_are_some() -> None:
    assert len(FILES) >= 5


@pytest.mark.parametrize("name", FILES)
def test_numbers_are_the_same(name: str) -> None:
    scorer = load(FOLDER / f"{name}.zip")
    known = json.loads((FOLDER / f"{name}.json").read_text())
    scores = scorer.score(known["rows"])
    np.testing.assert_allclose(scores.values, known["values"], rtol=1e-12, atol=1e-15)
    if scorer.model_task == "classification":
        assert scores.predictions.tolist() == known["predictions"]
        against = scorer.classes[-1] if scorer.classes else 1
    else:
        np.testing.assert_allclose(scores.predictions, known["predictions"], rtol=1e-12)
        against = "high"
    told = {reason.code for reasons in scorer.reason_codes(known["rows"], against=against) for reason in reasons}
    assert "R1" in told
