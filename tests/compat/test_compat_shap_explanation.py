"""Our Explanation has the members, slices and operations of shap's, and is drawn by shap's pictures as its own is."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

import fastexplain.compat.shap as ours

matplotlib = pytest.importorskip("matplotlib")
pandas = pytest.importorskip("pandas")
shap = pytest.importorskip("shap")

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402 - after the choice of a backend

FRAME = load_diabetes(as_frame=True).data.iloc[:40, :6].round(3)
TARGET = load_diabetes().target[:40]
NAMES = list(FRAME.columns)
FOREST = RandomForestRegressor(n_estimators=5, max_depth=4, random_state=0).fit(FRAME, TARGET)
CLASSES = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0).fit(FRAME, np.digitize(TARGET, [90, 160]))
ONE = ours.TreeExplainer(FOREST)(FRAME)
MANY = ours.TreeExplainer(CLASSES)(FRAME)


def theirs_of(explanation: Any) -> Any:
    return shap.Explanation(
        explanation.values.copy(),
        base_values=explanation.base_values.copy(),
        data=explanation.data.copy(),
        feature_names=list(explanation.feature_names),
        output_names=explanation.output_names,
    )


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


def test_it_is_shaps_where_shap_is_installed() -> None:
    assert isinstance(ONE, shap.Explanation)
    assert isinstance(ONE.cohorts([0, 1] * 20), shap.Cohorts)
    assert type(ONE[0]) is type(ONE.abs) is type(ONE + 1) is ours.Explanation
    assert type(ONE.to_shap()) is shap.Explanation


# Slices

KEYS: dict[str, Any] = {
    "row": 3,
    "last_row": -1,
    "rows": slice(2, 9, 3),
    "list": [4, 1],
    "array": np.array([4, 1]),
    "mask": np.arange(40) % 3 == 0,
    "numpy_row": np.int64(3),
    "feature": (slice(None), 2),
    "name": (slice(None), "bmi"),
    "features": (slice(None), [0, 3]),
    "dots_name": (Ellipsis, "bmi"),
    "cell": (3, "bmi"),
    "row_and_features": (3, slice(1, 4)),
    "chain": shap.Explanation.hclust(),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_slices(key: Any) -> None:
    mine, theirs = ONE[key], theirs_of(ONE)[key]
    assert mine.shape == theirs.shape
    for name in ("values", "data", "base_values"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)
    assert mine.feature_names == theirs.feature_names
    assert [item.name for item in mine.op_history] == [item.name for item in theirs.op_history]
    assert [item.prev_shape for item in mine.op_history] == [item.prev_shape for item in theirs.op_history]


CLASS_KEYS: dict[str, Any] = {
    "row": 3,
    "output": (Ellipsis, 1),
    "output_name": (slice(None), slice(None), "Output 2"),
    "row_and_output": (3, slice(None), 1),
    "feature": (slice(None), "bmi"),
    "feature_and_output": (slice(None), "bmi", 0),
    "mask": np.arange(40) % 3 == 0,
}


@pytest.mark.parametrize("key", CLASS_KEYS.values(), ids=CLASS_KEYS)
def test_slices_of_several_outputs(key: Any) -> None:
    mine, theirs = MANY[key], theirs_of(MANY)[key]
    for name in ("values", "data", "base_values"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=name)
    assert mine.feature_names == theirs.feature_names
    assert mine.output_names == theirs.output_names


def test_everything_is_sliced() -> None:
    n_rows, n_features = ONE.shape
    whole = ours.Explanation(
        ONE.values,
        ONE.base_values,
        FRAME,
        display_data=FRAME.astype(str),
        instance_names=[f"r{i}" for i in range(n_rows)],
        feature_names=NAMES,
        lower_bounds=ONE.values - 1,
        upper_bounds=ONE.values + 1,
        error_std=np.abs(ONE.values),
        main_effects=ONE.values * 2,
        clustering=np.zeros((n_rows, n_features - 1, 4)),
    )
    part = whole["r5", [0, 2]]
    assert part.instance_names == "r5"
    assert part.feature_names == [NAMES[0], NAMES[2]]
    assert part.display_data.tolist() == [str(FRAME.iloc[5, 0]), str(FRAME.iloc[5, 2])]
    for name in ("lower_bounds", "upper_bounds", "error_std", "main_effects"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[5][[0, 2]])
    assert part.clustering.shape == (n_features - 1, 4)
    whole.display_data = FRAME
    np.testing.assert_array_equal(whole.display_data, FRAME.to_numpy())
    with pytest.raises(KeyError, match="No row is named 'r99'"):
        whole["r99"]
    with pytest.raises(KeyError, match="No feature is named 'x'; features are named \\['age'"):
        whole[0, "x"]


def test_sparse_data_are_sliced() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    explanation = ours.Explanation(ONE.values, ONE.base_values, sparse.csr_matrix(FRAME), feature_names=NAMES)
    dense = ONE.data
    np.testing.assert_array_equal(explanation[2:5, [0, 1]].data.toarray(), dense[2:5, [0, 1]])
    np.testing.assert_array_equal(explanation[3].data, dense[3])
    np.testing.assert_array_equal(explanation[:, "bmi"].data, dense[:, 2])
    assert explanation[3, 2].data == dense[3, 2]


# Operations

OPERATIONS: dict[str, Any] = {
    "abs": lambda e: e.abs,
    "mean": lambda e: e.mean(0),
    "abs_mean": lambda e: e.abs.mean(0),
    "abs_max": lambda e: e.abs.max(0),
    "min": lambda e: e.min(0),
    "sum_rows": lambda e: e.sum(0),
    "sum_features": lambda e: e.sum(1),
    "percentile": lambda e: e.percentile(30, axis=0),
    "column_percentile": lambda e: e[:, "bmi"].percentile(30),
    "order": lambda e: e.abs.mean(0).argsort.flip,
    "sample": lambda e: e.sample(7, random_state=3),
    "add": lambda e: e + 1.5,
    "subtract": lambda e: e - e,
    "multiply": lambda e: 2 * e,
    "divide": lambda e: e / 4,
    "hstack": lambda e: e[:, :2].hstack(e[:, 2:]),
    "group": lambda e: e.sum(axis=1, grouping={"age": "who", "sex": "who"}),
    "identity": lambda e: e.identity,
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_operations(operation: Any) -> None:
    mine, theirs = operation(ONE), operation(theirs_of(ONE))
    np.testing.assert_allclose(mine.values, theirs.values, atol=1e-12)
    if mine.base_values is not None and theirs.base_values is not None:
        np.testing.assert_allclose(mine.base_values, theirs.base_values)
    kept = ("abs", "abs_mean", "abs_max", "add", "subtract", "multiply", "divide", "order", "hstack", "group")
    if operation not in [OPERATIONS[name] for name in kept]:  # shap changes the explained rows there, or forgets some
        np.testing.assert_allclose(mine.data, theirs.data, atol=1e-12)
    names = [item.name for item in theirs.op_history]
    forgotten = [OPERATIONS[name] for name in ("hstack", "group", "sample")]
    if operation not in forgotten:  # shap forgets the history; older ones call sampling an index
        assert [item.name for item in mine.op_history] == names
    collapsed = [item.collapsed_instances for item in theirs.op_history]
    if names and names[0] in ("abs", "mean", "max", "min", "sum") and operation is not OPERATIONS["group"]:
        assert [item.collapsed_instances for item in mine.op_history] == collapsed


def test_data_stay_what_was_explained() -> None:
    for explanation in (ONE.abs, ONE * 2, ONE - 1):
        np.testing.assert_array_equal(explanation.data, ONE.data)
    np.testing.assert_array_equal((1 - ONE).values, 1 - ONE.values)
    both = ONE[:, :2].hstack(ONE[:, 2:])
    np.testing.assert_array_equal(both.data, ONE.data)
    assert both.feature_names == NAMES
    grouped = ONE.sum(axis=1, grouping={"age": "who", "sex": "who"})
    assert grouped.feature_names == ["who", *NAMES[2:]]


def test_hclust_orders_as_shap() -> None:
    np.testing.assert_array_equal(ONE.hclust(), theirs_of(ONE).hclust())
    np.testing.assert_array_equal(ONE.hclust(axis=1), theirs_of(ONE).hclust(axis=1))
    with pytest.raises(shap.utils._exceptions.DimensionError, match="two axes"):
        ONE[0].hclust()


def test_classes_have_chains_of_operations() -> None:
    chain = ours.Explanation.abs.max(0)
    np.testing.assert_array_equal(chain.apply(ONE).values, ONE.abs.max(0).values)


def test_cohorts() -> None:
    labels = np.where(FRAME["sex"] > 0, "women", "men")
    mine, theirs = ONE.cohorts(labels), theirs_of(ONE).cohorts(labels)
    assert mine.cohorts.keys() == theirs.cohorts.keys()
    for name, cohort in mine.cohorts.items():
        np.testing.assert_array_equal(cohort.values, theirs.cohorts[name].values)
        np.testing.assert_array_equal(mine.abs.mean(0).cohorts[name].values, theirs.abs.mean(0).cohorts[name].values)
        np.testing.assert_array_equal(mine[:, "bmi"].cohorts[name].values, cohort.values[:, 2])
        np.testing.assert_array_equal(mine.values[name], cohort.values)
    found = ONE.cohorts(3)
    assert len(found.cohorts) == 3
    assert sum(len(cohort) for cohort in found.cohorts.values()) == len(ONE)
    for name, cohort in found.cohorts.items():  # "bmi <= 0.01 & s1 > 0.02"
        rows = pandas.DataFrame(cohort.data, columns=NAMES)
        assert len(rows.query(name)) == len(rows)
    assert "3 cohorts" not in repr(found)
    with pytest.raises(ValueError, match="choose one output"):
        MANY.cohorts(2)
    with pytest.raises(TypeError, match="a whole number, or a label for each row"):
        ONE.cohorts("sex")
    with pytest.raises(ValueError, match="2 labels for 40 rows"):
        ONE.cohorts([0, 1])
    with pytest.raises(TypeError, match="expected an Explanation"):
        ours.Cohorts(a=1)
    with pytest.raises(TypeError, match="must be a dictionary"):
        found.cohorts = [ONE]
    with pytest.raises(ValueError, match="No methods to call"):
        found(0)


def test_names_of_as_many_rows_as_features() -> None:
    for n_rows in (4, 5, 6):
        explanation = ours.Explanation(np.eye(n_rows, 5), feature_names=list("abcde"), output_names=list("abcde"))
        assert explanation[0].feature_names == explanation[0].output_names == list("abcde")
        assert explanation[..., "e"].feature_names == "e"
    assert repr(ours.Explanation(np.arange(3))) == repr(shap.Explanation(np.arange(3)))
    assert repr(ONE) == repr(theirs_of(ONE))


def test_copies_and_pickles() -> None:
    for other in (copy.copy(ONE), copy.deepcopy(ONE), pickle.loads(pickle.dumps(ONE[:, "bmi"]))):
        assert type(other) is ours.Explanation
    other = copy.deepcopy(ONE)
    other.values[:] = 0
    assert ONE.values.any()
    assert ours.Explanation(ONE).shape == ONE.shape


def test_pickles_of_earlier_versions_load() -> None:
    """Their state had fewer members."""
    old = object.__new__(ours.Explanation)
    state = {"values": ONE.values, "base_values": None, "data": ONE.data, "feature_names": NAMES, "error_std": None}
    old.__setstate__({**state, "compute_time": None, "_axes": ("row", "feature")})
    np.testing.assert_array_equal(old[2].abs.values, np.abs(ONE.values[2]))
    assert old.output_names is None


# Pictures


def contents(figure: Any) -> Any:
    """Texts and shapes of a picture."""
    texts, numbers = [], []
    for axes in figure.axes:
        texts += [text.get_text() for text in axes.texts]
        texts += [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        texts += [axes.get_xlabel(), axes.get_ylabel()]
        numbers += [np.asarray(c.get_offsets(), dtype=float).ravel() for c in axes.collections]
        numbers += [np.array(patch.get_extents().bounds) for patch in axes.patches]
        numbers += [np.asarray(image.get_array(), dtype=float).ravel() for image in axes.images]
    return texts, np.concatenate(numbers) if numbers else np.empty(0)


LABELS = np.where(FRAME["sex"] > 0, "women", "men")
DRAWINGS: dict[str, Any] = {
    "bar": lambda e, plots: plots.bar(e, show=False),
    "bar_one_row": lambda e, plots: plots.bar(e[0], show=False),
    "bar_max": lambda e, plots: plots.bar(e.abs.max(0), show=False),
    "bar_cohorts": lambda e, plots: plots.bar(e.cohorts(LABELS).abs.mean(0), show=False),
    "bar_cohorts_whole": lambda e, plots: plots.bar(e.cohorts(LABELS), max_display=3, show=False),
    "bar_dict": lambda e, plots: plots.bar({"first": e[:20], "second": e[20:]}, show=False),
    "bar_order": lambda e, plots: plots.bar(e, order=e.abs.max(0), show=False),
    "beeswarm": lambda e, plots: plots.beeswarm(e, show=False),
    "beeswarm_order": lambda e, plots: plots.beeswarm(e, order=e.abs.max(0), max_display=4, show=False),
    "beeswarm_chain": lambda e, plots: plots.beeswarm(e, order=shap.Explanation.abs.max(0), show=False),
    "waterfall": lambda e, plots: plots.waterfall(e[3], max_display=4, show=False),
    "scatter": lambda e, plots: plots.scatter(e[:, "bmi"], show=False),
    "scatter_color": lambda e, plots: plots.scatter(e[:, "bmi"], color=e, show=False),
    "scatter_color_feature": lambda e, plots: plots.scatter(e[:, "bmi"], color=e[:, "age"], show=False),
    "scatter_several": lambda e, plots: plots.scatter(e[:, :3], show=False),
    "scatter_limits": lambda e, plots: plots.scatter(
        e[:, "bmi"], ymin=e.percentile(1), xmax=e[:, "bmi"].percentile(99), show=False
    ),
    "heatmap": lambda e, plots: plots.heatmap(e, show=False),
    "heatmap_order": lambda e, plots: plots.heatmap(
        e, instance_order=e.sum(1), feature_values=e.abs.max(0), max_display=4, show=False
    ),
    "force": lambda e, plots: plots.force(e[0], matplotlib=True, show=False),
    "force_numbers": lambda e, plots: plots.force(
        e.base_values[0], e.values[0], FRAME.iloc[0], matplotlib=True, show=False
    ),
    "violin": lambda e, plots: plots.violin(e, show=False),
    "decision": lambda e, plots: plots.decision(e.base_values[0], e.values, FRAME, show=False),
    "summary": lambda e, plots: shap.summary_plot(e, show=False),
    "summary_frame": lambda e, plots: shap.summary_plot(e.values, FRAME, show=False),
    "dependence": lambda e, plots: shap.dependence_plot("bmi", e.values, FRAME, show=False),
    "waterfall_legacy": lambda e, plots: shap.waterfall_plot(e[0], show=False),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("drawing", DRAWINGS.values(), ids=DRAWINGS)
def test_pictures_of_shap(drawing: Any) -> None:
    drawn = []
    for explanation, plots in ((ONE, shap.plots), (theirs_of(ONE), shap.plots), (ONE, ours.plots)):
        np.random.seed(0)  # noqa: NPY002 - shap jitters and shuffles points by the global state
        plt.close("all")
        drawing(explanation, plots)
        drawn.append(contents(plt.gcf()))
    (texts, numbers), (their_texts, their_numbers), (handed_texts, handed_numbers) = drawn
    assert texts == their_texts == handed_texts
    assert len(numbers) or texts
    np.testing.assert_allclose(numbers, their_numbers, atol=1e-6)
    np.testing.assert_allclose(numbers, handed_numbers, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_pictures_of_display_data_classes_and_owen_values() -> None:
    shown = copy.copy(ONE)
    shown.display_data = FRAME.round(1).astype(str).to_numpy()
    shap.plots.waterfall(shown[0], show=False)
    assert any("0.1" in text.get_text() for text in plt.gca().get_yticklabels())
    plt.close("all")
    shap.plots.scatter(shown[:, "sex"], show=False)
    assert {text.get_text() for text in plt.gca().get_xticklabels()} >= {"0.1", "-0.0"}
    plt.close("all")
    for picture in (shap.plots.bar, shap.plots.beeswarm):
        picture(MANY[..., 1], show=False)
        plt.close("all")
    shap.plots.waterfall(MANY[0, :, 2], show=False)
    owen = ours.PartitionExplainer(FOREST.predict, ours.maskers.Partition(FRAME))(FRAME)
    for picture in (shap.plots.bar, shap.plots.beeswarm):
        picture(owen, show=False)
        plt.close("all")
    one = ours.TreeExplainer(FOREST)(FRAME.iloc[0])
    shap.plots.waterfall(one, show=False)
    html = shap.plots.force(ONE[:5])
    assert "age" in html.html()
