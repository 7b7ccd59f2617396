"""Kinds of explanation by interpret-community's names and keywords; members that exist, and those that do not."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastexplain.explanation import (
    GlobalExplanation,
    GlobalLocalExplanation,
    LocalExplanation,
    create_global_explanation,
    create_global_from_local,
    create_local_explanation,
)
from fastexplain.explanation.interpret.quacks import (
    BaseExplanation,
    ClassesMixin,
    ExpectedValuesMixin,
    FeatureImportanceExplanation,
    PerClassMixin,
    _DatasetsMixin,
    _ModelIdMixin,
)

V = np.array([[0.5, -2.0, 0.1], [-1.5, 1.0, 0.3]])
NAMES = ["age", "bmi", "sex"]

BASE = {"method": "m", "id": "i", "model_task": "regression", "model_type": None}
FEATURES = {"features": None, "num_features": None, "is_raw": False, "is_engineered": False}
LOCAL = {"local_importance_values": [[0.2, 0.4]], "num_examples": None, "is_local_sparse": False}
GLOBAL = {"global_importance_values": [0.2, 0.4], "global_importance_rank": [1, 0]}
DATA = dict.fromkeys(("init_data", "eval_data", "eval_y_predicted", "eval_y_predicted_proba"))


def duck(*members: dict[str, Any], without: str = "", **changed: Any) -> SimpleNamespace:
    """Some object with the given members, and no class of ours."""
    joined = {name: value for each in members for name, value in each.items()} | changed
    joined.pop(without, None)
    return SimpleNamespace(**joined)


def three_classes(**context: Any) -> LocalExplanation:
    values = np.random.default_rng(0).normal(size=(3, 4, 3))
    return create_local_explanation([0.1, 0.2, 0.3], local_importance_values=values, method="m", **context)


# Ducks


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        (BaseExplanation, [BASE]),
        (FeatureImportanceExplanation, [BASE, FEATURES]),
        (LocalExplanation, [BASE, FEATURES, LOCAL]),
        (GlobalExplanation, [BASE, FEATURES, GLOBAL]),
        (ExpectedValuesMixin, [{"expected_values": 0.37}]),
        (ClassesMixin, [{"classes": None, "num_classes": None}]),
        (PerClassMixin, [{"classes": None, "num_classes": None, "per_class_values": [1], "per_class_rank": [0]}]),
        (_DatasetsMixin, [DATA]),
        (_ModelIdMixin, [{"model_id": None}]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_foreign_object_is_what_it_has(kind, members):
    assert kind._does_quack(duck(*members))
    for name in [name for each in members for name in each]:
        assert not kind._does_quack(duck(*members, without=name)), name
    if kind not in (LocalExplanation, GlobalExplanation):
        assert isinstance(duck(*members), kind)
        assert not isinstance(object(), kind)


@pytest.mark.parametrize(
    ("kind", "members", "changed"),
    [
        (BaseExplanation, [BASE], {"method": 5}),
        (BaseExplanation, [BASE], {"id": None}),
        (BaseExplanation, [BASE], {"model_task": 1}),
        (FeatureImportanceExplanation, [BASE, FEATURES], {"is_raw": [1]}),
        (LocalExplanation, [BASE, FEATURES, LOCAL], {"local_importance_values": np.ones((2, 2))}),
        (LocalExplanation, [BASE, FEATURES, LOCAL], {"local_importance_values": None}),
        (GlobalExplanation, [BASE, FEATURES, GLOBAL], {"global_importance_rank": None}),
        (ExpectedValuesMixin, [], {"expected_values": None}),
    ],
)
def test_a_member_of_another_type_does_not_quack(kind, members, changed):
    assert not kind._does_quack(duck(*members, **changed))


def test_a_foreign_object_with_sparse_values_quacks_as_local():
    sparse = pytest.importorskip("scipy.sparse")
    values = sparse.csr_matrix(V)
    assert LocalExplanation._does_quack(duck(BASE, FEATURES, LOCAL, local_importance_values=values))


KINDS = (ExpectedValuesMixin, ClassesMixin, PerClassMixin, _DatasetsMixin, _ModelIdMixin)


def quacks(explanation: Any) -> str:
    """First letters of the mixins that an explanation has."""
    assert all(isinstance(explanation, kind) is kind._does_quack(explanation) for kind in KINDS)
    return "".join(letter for letter, kind in zip("ECPDM", KINDS, strict=True) if kind._does_quack(explanation))


def test_our_explanations_quack_as_what_they_have():
    local = three_classes(eval_data=np.ones((4, 3)))
    assert quacks(local) == "ECD"
    assert quacks(local.to_global()) == "ECPD"
    assert quacks(three_classes(model_id="m7").to_global()) == "ECPM"
    assert quacks(LocalExplanation(V[..., None], [1.0])) == "E"
    assert quacks(LocalExplanation(V[..., None])) == ""
    # permutation importance and a surrogate's own importances: classes, but nothing told apart by them
    assert quacks(GlobalExplanation([1.0, -2.0], model_task="classification", n_classes=2)) == "C"


@pytest.mark.parametrize("kind", [BaseExplanation, FeatureImportanceExplanation])
def test_every_explanation_is_of_the_two_base_kinds(kind):
    for explanation in (three_classes(), three_classes().to_global(), GlobalExplanation([1.0])):
        assert isinstance(explanation, kind)
        assert kind._does_quack(explanation)
        assert issubclass(type(explanation), kind)


def test_local_and_global_kinds_of_our_own():
    local = three_classes()
    assert LocalExplanation._does_quack(local)
    assert not GlobalExplanation._does_quack(local)
    assert GlobalExplanation._does_quack(local.to_global())
    assert LocalExplanation._does_quack(local.to_global())
    assert not LocalExplanation._does_quack(local.to_global().without_local())


def test_quacking_makes_no_list_of_the_values(monkeypatch):
    def refuse(self):
        raise AssertionError("a list of all values was made")

    explanation = three_classes(eval_data=np.ones((4, 3)))
    monkeypatch.setattr(LocalExplanation, "local_importance_values", property(refuse))
    monkeypatch.setattr(LocalExplanation, "eval_data", property(refuse))
    assert LocalExplanation._does_quack(explanation)
    assert _DatasetsMixin._does_quack(explanation)


def test_a_data_set_id_is_a_reference():
    assert _DatasetsMixin._is_reference(three_classes(eval_data="dataset-1"))
    assert not _DatasetsMixin._is_reference(three_classes(eval_data=np.ones((4, 3))))
    assert three_classes(eval_data="dataset-1").eval_data == "dataset-1"


# Classes of the user's own


class Scored(BaseExplanation):
    """A mixin with a keyword of its own."""

    def __init__(self, score: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.score = score


class ScoredLocal(LocalExplanation, ExpectedValuesMixin, Scored):
    pass


class ScoredFirst(Scored, GlobalExplanation, LocalExplanation, PerClassMixin):
    pass


def test_a_composed_class_takes_interpret_communitys_keywords():
    explanation = ScoredLocal(
        local_importance_values=V, expected_values=np.array([7.0]), method="m", model_task="regression", score=0.5
    )
    assert explanation.local_importance_values == V.tolist()
    assert explanation.expected_values == [7.0]
    assert explanation.score == 0.5
    assert isinstance(explanation, LocalExplanation)


def test_a_class_composed_of_global_and_local_has_both():
    explanation = ScoredFirst(
        local_importance_values=np.stack([-V, V]),
        per_class_values=[[1.0, 1.5, 0.2]] * 2,
        per_class_rank=[[1, 0, 2]] * 2,
        global_importance_values=[1.0, 1.5, 0.2],
        global_importance_rank=[1, 0, 2],
        expected_values=[-1.0, 1.0],
        num_classes=2,
        num_features=3,
        features=NAMES,
        method="m",
        model_task="classification",
        explanation_id="abc",
        score=2.0,
    )
    assert explanation.get_ranked_global_names(1) == ["bmi"]
    assert explanation.local_importance_values == [(-V).tolist(), V.tolist()]
    assert explanation.per_class_rank == [[1, 0, 2]] * 2
    assert (explanation.id, explanation.score, explanation.num_classes) == ("abc", 2.0, 2)


@pytest.mark.parametrize("build", [ScoredLocal, LocalExplanation, GlobalLocalExplanation])
def test_an_unknown_keyword_is_named(build):
    with pytest.raises(TypeError, match=r"unknown keywords: colour, metod"):
        build(V[..., None], metod="shap", colour=1)


def test_values_are_needed():
    with pytest.raises(TypeError, match="needs values"):
        LocalExplanation(method="m")
    with pytest.raises(TypeError, match="needs importances"):
        GlobalExplanation(method="m")


# Factories


def test_factory_of_a_regression():
    explanation = create_local_explanation(
        expected_values=7, classification=False, local_importance_values=V, features=np.array(NAMES), method="shap_tree"
    )
    assert explanation.expected_values == [7.0]
    assert explanation.features == NAMES
    assert type(explanation.features[0]) is str
    assert explanation.model_task == "regression"
    assert not hasattr(explanation, "classes")
    assert np.shares_memory(explanation._local_importance_values, V)


@pytest.mark.parametrize(
    "given", [np.stack([-V, V]), [-V, V], [(-V).tolist(), V.tolist()]], ids=["array", "list", "nested"]
)
def test_factory_of_a_classifier_is_class_first(given):
    explanation = create_local_explanation([-1.0, 1.0], local_importance_values=given, classes=["no", "yes"])
    assert explanation.local_importance_values == [(-V).tolist(), V.tolist()]
    assert explanation.expected_values == [-1.0, 1.0]
    assert (explanation.num_classes, explanation.num_examples, explanation.num_features) == (2, 2, 3)


def test_class_first_array_is_not_copied():
    values = np.stack([-V, V])
    assert np.shares_memory(create_local_explanation(local_importance_values=values).values, values)


@pytest.mark.parametrize(("classification", "shape"), [(False, (3,)), (True, (2, 3))])
def test_values_without_an_axis_of_rows_are_one_row(classification, shape):
    explanation = create_local_explanation(
        classification=classification, local_importance_values=np.arange(np.prod(shape), dtype=float).reshape(shape)
    )
    assert np.shape(explanation.local_importance_values) == shape
    assert explanation.num_examples == 1


def test_nested_expected_values_come_back_flat():
    explanation = create_local_explanation([[-0.3], [0.3]], local_importance_values=np.stack([-V, V]))
    assert explanation.expected_values == [-0.3, 0.3]


def test_one_expected_value_of_two_opposite_classes_is_that_of_class_1():
    assert create_local_explanation(0.3, local_importance_values=[-V, V]).expected_values == [-0.3, 0.3]
    with pytest.raises(ValueError, match=r"1 entries \(\[0.3\]\); the values have 2 outputs"):
        create_local_explanation(0.3, local_importance_values=[V, V])


def test_without_expected_values_there_are_none():
    explanation = create_local_explanation(local_importance_values=[-V, V])
    assert not hasattr(explanation, "expected_values")
    assert not hasattr(explanation.to_global(), "expected_values")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": ["a", "b"]}, "Number of features: 3 feature names: 2"),
        ({"num_features": 4}, "num_features is 4; the values have 3"),
        ({"classes": ["a", "b", "c"]}, "The number of classes passed in must be the same as the number of classes"),
        ({"num_classes": 3}, "num_classes is 3; the values have 2"),
        ({"expected_values": [1.0, 2.0, 3.0]}, "expected_values has 3 entries"),
        ({"local_importance_values": np.zeros((2, 2, 2, 2))}, r"shape \(2, 2, 2, 2\)"),
    ],
)
def test_contradictions_are_found_at_construction(changed, message):
    with pytest.raises(ValueError, match=message):
        create_local_explanation(**({"local_importance_values": np.stack([-V, V])} | changed))


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(TypeError, match=r"<U1 entries; expected numbers"):
        create_local_explanation(local_importance_values=[["a"]])


def test_given_predictions_come_back():
    explanation = create_local_explanation(
        classification=False,
        local_importance_values=V,
        eval_data=np.ones((2, 3)),
        eval_ys_predicted=np.array([1.0, 2.0]),
    )
    assert explanation.eval_y_predicted == [1.0, 2.0]
    assert explanation.eval_y_predicted_proba is None
    assert explanation.init_data is None
    np.testing.assert_array_equal(explanation._eval_y_predicted, [1.0, 2.0])


def test_global_factory_with_local_values_averages_them():
    local = three_classes(features=NAMES, classes=["a", "b", "c"])
    explanation = create_global_explanation(local_explanation=local, method="other")
    assert type(explanation) is GlobalLocalExplanation
    assert explanation.id == local.id
    assert explanation.method == "other"
    assert explanation.classes == ["a", "b", "c"]
    assert explanation.per_class_values == local.to_global().per_class_values
    assert explanation.values is local.values


def test_given_importances_win_over_the_means():
    local = three_classes()
    explanation = create_global_explanation(local_explanation=local, global_importance_values=[3.0, 2.0, 1.0])
    assert explanation.global_importance_values == [3.0, 2.0, 1.0]
    assert explanation.per_class_values == local.to_global().per_class_values
    whole = GlobalLocalExplanation(local.values, importances=[3.0, -2.0, 1.0], model_task="classification")
    assert whole.global_importance_values == [3.0, -2.0, 1.0]
    assert not hasattr(whole, "per_class_values")
    with pytest.raises(ValueError, match=r"importances has shape \(2, 3\); the local values have 3 outputs"):
        GlobalLocalExplanation(local.values, importances=np.ones((2, 3)), model_task="classification")


def test_importances_of_both_classes_of_one_margin_are_one():
    explanation = GlobalLocalExplanation(V[..., None], [1.0], importances=[[1, 2, 3]] * 2, classes=[0, 1])
    assert explanation.per_class_values == [[1.0, 2.0, 3.0]] * 2


def test_global_factory_without_local_values():
    explanation = create_global_explanation(
        classification=True, classes=["a", "b"], global_importance_values=[0.1, -0.5], global_importance_rank=[0, 1]
    )
    assert type(explanation) is GlobalExplanation
    assert explanation.global_importance_rank == [0, 1]
    assert explanation.num_classes == 2
    assert not hasattr(explanation, "per_class_values")


def test_expected_values_of_importances_that_no_class_has_alone():
    importances = {"global_importance_values": [0.1, -0.5]}
    regression = create_global_explanation(classification=False, expected_values=7, **importances)
    assert regression.expected_values == [7.0]
    classes = create_global_explanation(classes=["a", "b"], expected_values=[-1, 1], **importances)
    assert classes.expected_values == [-1.0, 1.0]
    assert classes.num_classes == 2


@pytest.mark.parametrize("rank", [[1, 0], [0, 0], [0]])
def test_a_rank_that_is_not_the_order_is_refused(rank):
    with pytest.raises(ValueError, match="global_importance_rank"):
        create_global_explanation(
            classification=False, global_importance_values=[2.0, 1.0], global_importance_rank=rank
        )


def test_global_of_a_foreign_local_explanation():
    members = BASE | FEATURES | LOCAL | {"features": NAMES, "expected_values": [7.0], "_local_importance_values": V}
    explanation = create_global_from_local(duck(members))
    assert explanation.global_importance_values == pytest.approx([1.0, 1.5, 0.2])
    assert (explanation.id, explanation.features, explanation.expected_values) == ("i", NAMES, [7.0])


def test_global_without_local_values_lets_them_go():
    local = three_classes(predict=lambda: (np.arange(4), None))
    explanation = create_global_from_local(local, include_local=False)
    reference = weakref.ref(local)
    assert type(explanation) is GlobalExplanation
    assert explanation.per_class_values == local.to_global().per_class_values
    del local
    gc.collect()
    assert reference() is None
    assert explanation.eval_y_predicted == [0, 1, 2, 3]


# Members


PRIVATE = (
    "_local_importance_values _global_importance_values _per_class_values _eval_data _eval_y_predicted _features _id "
    "_is_eng _is_raw _method _init_data _classes _expected_values"
)


def test_private_members_that_others_read_exist():
    explanation = three_classes(eval_data=V, classes=["a", "b", "c"]).to_global()
    for name in PRIVATE.split():
        assert hasattr(explanation, name), name
    assert explanation._local_importance_values.shape == (3, 4, 3)
    assert explanation._global_importance_values.shape == (3,)
    assert explanation._per_class_values.shape == (3, 3)


def test_lists_hold_python_numbers():
    explanation = three_classes().to_global()
    assert type(explanation.expected_values[0]) is float
    assert type(explanation.local_importance_values[0][0][0]) is float
    assert type(explanation.global_importance_rank[0]) is int


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["deepcopy", "pickle"])
def test_copies_are_of_the_same_class_and_say_the_same(copied):
    for original in (
        three_classes(eval_data=V, predict=lambda: (np.arange(4), None)).to_global(),
        ScoredLocal(local_importance_values=V, model_task="regression", score=0.25),
        GlobalExplanation([1.0, 2.0]),
    ):
        back = copied(original)
        assert type(back) is type(original)
        assert repr(back) == repr(original)
        assert back.id == original.id
        assert [hasattr(back, kind) for kind in PRIVATE.split()] == [hasattr(original, k) for k in PRIVATE.split()]


def test_two_results_have_the_same_class():
    assert type(three_classes()) is type(three_classes())


def test_data_that_are_no_array_come_back_as_they_are():
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_matrix(np.eye(3))
    explanation = three_classes(eval_data=rows, init_data="dataset-1")
    assert explanation.eval_data is rows
    assert explanation.init_data == "dataset-1"


def test_model_id_is_absent_unless_given():
    assert three_classes(model_id="m7").model_id == "m7"
    with pytest.raises(AttributeError, match="model_id is absent"):
        _ = three_classes().model_id


def test_importances_and_local_values_of_different_widths_are_refused():
    class Both(GlobalExplanation, LocalExplanation):
        pass

    with pytest.raises(ValueError, match="numbers of features differ: 2 and 3"):
        Both([1.0, 2.0], local_importance_values=V)


def test_importances_that_differ_between_the_classes_of_one_margin_are_refused():
    with pytest.raises(ValueError, match=r"importances has shape \(2, 3\); the local values have 1 outputs"):
        GlobalLocalExplanation(V[..., None], [1.0], importances=[[1, 2, 3], [1, 2, 4]], classes=[0, 1])


def test_polars_rows_of_dates_and_numbers_become_lists() -> None:
    import datetime

    import polars as pl

    rows = pl.DataFrame({"when": [datetime.date(2024, 1, 2)], "x": [0.5]})
    explanation = LocalExplanation(np.zeros((1, 2, 1)), np.zeros(1), eval_data=rows)
    assert explanation.eval_data == [[datetime.date(2024, 1, 2), 0.5]]
