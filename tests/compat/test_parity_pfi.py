"""PFIExplainer answers what interpret-community 0.32 does, with the sign that is right.

Importances are averages over random permutations: theirs of one, ours of several. Their types and shapes are compared
here as everything else is, and their values within the spread of our repeats.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from parity import Difference, Ours, answers, check, difference, ours, stored, theirs, unused, world

from fastexplain.explanation.permutation_explanation import PermutationExplanation

FILE = "pfi"
# One permutation is drawn from the distribution whose mean and spread many repeats tell: it stays within so many of its
# standard deviations. Sixty rows: some distributions have long tails.
DEVIATIONS, REPEATS = 5.0, 30
RANDOM = ("get_ranked_global_values()", "get_ranked_global_values(2)")

DIFFERENCES = (
    Difference(
        r".*",
        r"_?global_importance_values|get_ranked_global_values\(.*|get_feature_importance_dict\(.*|data\(.*",
        "means of five permutations; theirs is one",
        lambda ours, theirs: len(ours["global_importance_values"]) == len(theirs["global_importance_values"]),
    ),
    Difference(
        r"pfi_regression\.(default|plain)",
        r"global_importance_rank|get_ranked_global_names\(.*",
        "the most important feature comes first: the default metric of a regression is an error (contract, section 7)",
        lambda ours, theirs: ours["global_importance_rank"][0] == 1 and theirs["global_importance_rank"][-1] == 1,
    ),
    Difference(
        r"pfi_(classifier|multi).*",
        "num_classes",
        "as many as there are classes; theirs is None",
        lambda ours, theirs: ours["num_classes"] == len(ours["classes"]) and theirs["num_classes"] is None,
    ),
    Difference(
        r".*",
        "eval_data",
        "the rows as lists, as every other explanation has them; theirs is a wrapper around them",
        lambda ours, theirs: ours["eval_data"] == theirs["eval_data"]["wrapper"]["array"],
    ),
    Difference(
        r".*",
        r"eval_y_predicted(_proba)?",
        "the model's own predictions; theirs are None",
        lambda ours, theirs: len(ours["eval_y_predicted"]) == 60 and theirs["eval_y_predicted"] is None,
    ),
)


@pytest.mark.parametrize("name", theirs(FILE))
def test_answers_are_those_of_interpret_community(name: str) -> None:
    check(FILE, name, DIFFERENCES)


@pytest.mark.parametrize("name", theirs(FILE))
def test_types_of_importances_are_those_of_interpret_community(name: str) -> None:
    mine, their = answers(FILE, name), stored(FILE)[name]
    for member in ("global_importance_values", "_global_importance_values", *RANDOM):
        assert difference(mine[member], their[member], tolerance=math.inf) is None
    for member in ("get_feature_importance_dict()", "get_feature_importance_dict(2)"):
        mine_pairs, their_pairs = mine[member]["dict"], their[member]["dict"]
        assert len(mine_pairs) == len(their_pairs)
        assert difference([pair[1] for pair in mine_pairs], [pair[1] for pair in their_pairs], math.inf) is None


@pytest.fixture
def many_repeats(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Function from a stored explanation's name to ours with many repeats."""

    def explained(name: str) -> PermutationExplanation:
        plain = Ours().PFIExplainer
        monkeypatch.setattr(
            Ours, "PFIExplainer", staticmethod(lambda *a, **k: plain(*a, **k, n_repeats=REPEATS)), raising=False
        )
        made = ours(FILE, name)
        assert isinstance(made, PermutationExplanation)
        return made

    return explained


@pytest.mark.parametrize("name", theirs(FILE))
def test_their_importance_is_a_draw_of_ours_and_ours_is_positive_where_the_model_needs_the_feature(
    name: str, many_repeats: Any
) -> None:
    explanation = many_repeats(name)
    drawn = np.array(stored(FILE)[name]["global_importance_values"])
    if name in ("pfi_regression.default", "pfi_regression.plain"):
        drawn = -drawn  # theirs takes the mean absolute error for a score
    mean, deviation = explanation.importances.mean(axis=1), explanation.importances.std(axis=1)
    assert explanation.importances.shape == (5, REPEATS)
    assert np.all(np.abs(drawn - mean) <= DEVIATIONS * deviation + 1e-12)
    assert set(np.flatnonzero(mean > 1e-3)) >= {0, 1}
    # ranked as theirs, where theirs has the right sign
    np.testing.assert_array_equal(np.argsort(-mean)[:2], np.argsort(-drawn)[:2])


def test_every_listed_difference_occurs() -> None:
    assert not unused(FILE, DIFFERENCES)


def test_metric_by_name_is_that_of_its_function() -> None:
    # theirs: 'str' object is not callable (contract 7.7)
    model, X, y = world().model("lgbm_binary"), world().X, world().labels["binary"]
    by_name = Ours().PFIExplainer(model, metric="f1_score", show_progress=False).explain_global(X, true_labels=y)
    by_function = ours(FILE, "pfi_classifier.f1")
    assert by_name.global_importance_values == by_function.global_importance_values
