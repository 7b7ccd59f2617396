"""Games whose Shapley values are known exactly: fitted models with a background, and games made to be hard to sample.

Every game is a prediction function with rows to explain and a background, so that each library plays it through its own
front door; abstract games are functions of which columns of a row are not zero, against a row of zeros. A `Counted`
prediction function counts the rows that it is asked for: rows / n_background is the number of evaluations of the game,
whatever a library calls its budget.

Data come with scikit-learn or from fixed seeds, exact in float32, so that trees route rows as their own library does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.tree import zoo

__all__ = ["GAMES", "Counted", "Game", "build", "enumerated_values", "masked_means", "product_form_values"]

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]

SEED = 20_240_607
N_EXPLAINED = 4  # rows per model game, instances of an abstract one
# Sums of the truth against the model's own prediction: XGBoost predicts in float32.
ADDITIVITY = 2e-5


@dataclass(frozen=True)
class Game:
    """A prediction function, what is explained of it, and the answer.

    Attributes
    ----------
    name, summary : str
    kind : "model" or "adversarial"
    predict : callable
        (n_rows, n_features) -> (n_rows,)
    rows : array of shape (n_explained, n_features)
    background : array of shape (n_background, n_features)
    truth : array of shape (n_explained, n_features)
        Shapley values of v(S) = mean over the background of predict(row on S, background row elsewhere).
    """

    name: str
    summary: str
    kind: Literal["model", "adversarial"]
    predict: Predict
    rows: Array
    background: Array
    truth: Array

    @property
    def n_features(self) -> int:
        return int(self.rows.shape[1])


class Counted:
    """A prediction function that counts the rows it is asked for and the CPU seconds it takes."""

    def __init__(self, predict: Predict) -> None:
        self.function = predict  # not called "predict", lest it be taken for a model
        self.rows = 0
        self.seconds = 0.0

    def __call__(self, X: Any) -> Array:
        start = time.process_time()
        X = np.asarray(X, dtype=np.float64)
        out = np.asarray(self.function(X), dtype=np.float64)
        self.rows += len(X)
        self.seconds += time.process_time() - start
        return out


@dataclass(frozen=True)
class _Entry:
    summary: str
    kind: Literal["model", "adversarial"]
    make: Callable[[], tuple[Predict, Array, Array, Array]]


GAMES: dict[str, _Entry] = {}
_Maker = Callable[[], tuple[Predict, Array, Array, Array]]


def _game(name: str, summary: str, kind: Literal["model", "adversarial"] = "model") -> Callable[[_Maker], _Maker]:
    def register(make: _Maker) -> _Maker:
        GAMES[name] = _Entry(summary, kind, make)
        return make

    return register


def build(name: str) -> Game:
    """Train or draw a game and compute its exact answer; the same game every time.

    Raises
    ------
    ValueError
        No game has this name, or its answer does not add up to the model's own prediction.
    """
    if name not in GAMES:
        raise ValueError(f"There is no game {name!r}; there are {', '.join(GAMES)}.")
    entry = GAMES[name]
    predict, rows, background, truth = entry.make()
    total = predict(rows) - predict(background).mean()
    off = np.abs(truth.sum(1) - total).max()
    if not off <= ADDITIVITY * max(1.0, np.abs(total).max()):
        raise ValueError(f"The answer of {name} misses the model's own prediction by {off:.1e}.")
    return Game(name, entry.summary, entry.kind, predict, rows, background, truth)


# --- exact answers ---------------------------------------------------------------------------------------------------


def masked_means(predict: Predict, row: Array, background: Array, masks: NDArray[np.bool_]) -> Array:
    """v(S) for each mask: the mean prediction with the row's values where True, a background row's elsewhere."""
    n_background, values = len(background), np.empty(len(masks))
    step = max(1, 200_000 // n_background)
    for start in range(0, len(masks), step):
        some = masks[start : start + step]
        mixed = np.where(some[:, None, :], row, background)
        values[start : start + step] = predict(mixed.reshape(-1, row.size)).reshape(-1, n_background).mean(1)
    return values


def all_masks(n: int) -> NDArray[np.bool_]:
    """All coalitions of n players, (2^n, n)."""
    return np.asarray((np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1)


def enumerated_values(predict: Predict, rows: Array, background: Array) -> Array:
    """Shapley values (n_rows, n_features) by playing all coalitions."""
    masks = all_masks(rows.shape[1])
    return np.array([_shapley_of_table(masks, masked_means(predict, row, background, masks)) for row in rows])


def _shapley_of_table(masks: NDArray[np.bool_], values: Array) -> Array:
    """Shapley values (n,) from v of all coalitions: each joins with weight (s-1)!(n-s)!/n!, or stays out."""
    n = masks.shape[1]
    sizes = masks.sum(1)
    inside = np.zeros(n + 1)  # by size of the coalition, for a player in it
    inside[1:] = 1.0 / (n * np.array([_binomial(n - 1, s - 1) for s in range(1, n + 1)]))
    outside = np.append(inside[1:], 0.0)
    gain = values * (inside[sizes] + outside[sizes])
    return np.asarray(gain @ masks - (values * outside[sizes]).sum())


def _binomial(n: int, k: int) -> float:
    return float(np.prod(np.arange(n - k + 1, n + 1) / np.arange(1, k + 1)))


def tree_values(model: Any, rows: Array, background: Array, output: int | None = None) -> Array:
    """Interventional tree SHAP by shap's own kernel."""
    import shap

    explainer = shap.TreeExplainer(model, background, feature_perturbation="interventional", model_output="raw")
    values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=np.float64)
    return values if output is None else np.ascontiguousarray(values[:, :, output])


def product_form_values(coefficients: Array, supports: Array, gamma: float, rows: Array, background: Array) -> Array:
    """Shapley values of sum_j coefficient_j exp(-gamma |x - support_j|^2), exact by Gauss-Legendre quadrature.

    A kernel value is a product over features, prod_i a_i with the row's factors a_i and the background's c_i, whose
    Shapley values are (a_i - c_i) times the integral over u in [0, 1] of prod_{l != i} (u a_l + (1 - u) c_l): a
    polynomial of degree n - 1, for which ceil(n / 2) nodes are exact.
    """
    nodes, node_w = np.polynomial.legendre.leggauss((rows.shape[1] + 1) // 2)
    nodes, node_w = (nodes + 1) / 2, node_w / 2
    out = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        present = np.exp(-gamma * (row - supports) ** 2)
        for other in background:
            hidden = np.exp(-gamma * (other - supports) ** 2)
            for u, w in zip(nodes, node_w, strict=True):
                others = _products_without_one(u * present + (1 - u) * hidden)
                out[i] += (coefficients * w) @ (others * (present - hidden))
    return out / len(background)


def _products_without_one(factors: Array) -> Array:
    """Product of each row's other factors, which may be zero."""
    ones = np.ones((len(factors), 1))
    before = np.cumprod(np.hstack([ones, factors[:, :-1]]), axis=1)
    after = np.cumprod(np.hstack([ones, factors[:, :0:-1]]), axis=1)[:, ::-1]
    return before * after


# --- data ------------------------------------------------------------------------------------------------------------


def _float32(X: Any) -> Array:
    return np.asarray(X, dtype=np.float32).astype(np.float64)


def _bundled(name: str, *, scaled: bool = False) -> tuple[Array, Array]:
    """One of scikit-learn's own data sets, columns standardised if `scaled`."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = X[:, X.std(0) > 0]
    if scaled:
        X = (X - X.mean(0)) / X.std(0)
    return _float32(X), np.asarray(y, dtype=np.float64)


def _draw(X: Array, n_background: int) -> tuple[Array, Array]:
    """Rows to explain and a background, apart from each other."""
    picked = np.random.default_rng(SEED).permutation(len(X))[: N_EXPLAINED + n_background]
    return X[picked[:N_EXPLAINED]], X[picked[N_EXPLAINED:]]


def _mixed_table(n_rows: int) -> tuple[Array, Array]:
    """14 columns as in a census: five numbers, nine categories and flags of which many rows agree."""
    rng = np.random.default_rng(SEED)
    numbers = np.column_stack(
        [rng.integers(17, 80, n_rows), rng.integers(1, 16, n_rows), rng.normal(0, 1, n_rows).round(2)]
        + [rng.exponential(900, n_rows).round() * (rng.uniform(size=n_rows) < share) for share in (0.1, 0.05)]
    )
    codes = np.column_stack([np.minimum(rng.geometric(p, n_rows) - 1, 9) for p in np.linspace(0.3, 0.9, 9)])
    X = np.column_stack([numbers, codes])
    score = (X[:, 0] - 40) / 15 + X[:, 1] / 5 - 2 + (X[:, 3] > 500) * (1 + X[:, 8]) + np.sin(X[:, 5]) * (X[:, 6] < 2)
    score += 0.5 * X[:, 2] * (X[:, 9] > 0) - 0.7 * (X[:, 7] % 3 == 1) * (X[:, 0] > 50) + 0.4 * X[:, 10]
    return _float32(X), (score + rng.logistic(size=n_rows) > 0).astype(float)


# --- fitted models ---------------------------------------------------------------------------------------------------


def _xgboost(X: Array, y: Array, n_background: int, **options: Any) -> tuple[Predict, Array, Array, Array]:
    import xgboost

    options = {"max_depth": 6, "eta": 0.1, "nthread": 1, "seed": 0, **options}
    model = xgboost.train(options, xgboost.DMatrix(X, label=y), num_boost_round=100)
    rows, background = _draw(X, n_background)

    def predict(Z: Array) -> Array:
        return np.asarray(model.inplace_predict(Z, predict_type="margin"), dtype=np.float64)

    return predict, rows, background, tree_values(model, rows, background)


def _sklearn(
    model: Any,
    method: str,
    X: Array,
    y: Array,
    n_background: int,
    answer: Callable[[Array, Array], Array] | None = None,
) -> tuple[Predict, Array, Array, Array]:
    """Fit; the second class's column where there are several; enumerated unless `answer` knows better."""
    model.fit(X, y)
    rows, background = _draw(X, n_background)

    def predict(Z: Array) -> Array:
        out = np.asarray(getattr(model, method)(Z), dtype=np.float64)
        return out[:, 1] if out.ndim == 2 else out

    truth = answer(rows, background) if answer else enumerated_values(predict, rows, background)
    return predict, rows, background, truth


def _kernel_machine(model: Any, method: str, X: Array, y: Array) -> tuple[Predict, Array, Array, Array]:
    def answer(rows: Array, background: Array) -> Array:
        return product_form_values(model.dual_coef_[0], model.support_vectors_, model.gamma, rows, background)

    return _sklearn(model, method, X, y, 4, answer)


@_game("friedman-xgb", "XGBoost regression, 8 features of which 5 matter, 10 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.datasets import make_friedman1

    X, y = make_friedman1(2000, n_features=8, noise=0.5, random_state=0)
    return _xgboost(_float32(X), y, 10)


@_game("diabetes-xgb", "XGBoost regression, diabetes, 10 features, 50 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    return _xgboost(*_bundled("diabetes"), 50, max_depth=4)


@_game("diabetes-mlp", "MLP regression, diabetes, 10 features, 10 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.neural_network import MLPRegressor

    X, y = _bundled("diabetes", scaled=True)
    model = MLPRegressor(hidden_layer_sizes=(50, 20), max_iter=400, random_state=0, alpha=0.01)
    return _sklearn(model, "predict", X, (y - y.mean()) / y.std(), 10)


@_game("friedman-rf", "random forest regression, 12 features of which 5 matter, 5 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.datasets import make_friedman1
    from sklearn.ensemble import RandomForestRegressor

    X, y = make_friedman1(1000, n_features=12, noise=0.5, random_state=1)
    model = RandomForestRegressor(50, min_samples_leaf=3, random_state=0)
    return _sklearn(model, "predict", _float32(X), y, 5, lambda rows, b: tree_values(model, rows, b))


@_game("wine-logistic", "logistic regression, probability, wine, 13 features, 10 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.linear_model import LogisticRegression

    X, y = _bundled("wine", scaled=True)
    return _sklearn(LogisticRegression(C=10.0), "predict_proba", X, (y == 1).astype(float), 10)


@_game("wine-mlp", "MLP, probability, wine, 13 features, 10 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.neural_network import MLPClassifier

    X, y = _bundled("wine", scaled=True)
    model = MLPClassifier(hidden_layer_sizes=(30,), max_iter=300, random_state=0)
    return _sklearn(model, "predict_proba", X, (y == 1).astype(float), 10)


@_game("mixed-lgbm", "LightGBM, probability, 14 numbers and categories, 20 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    import lightgbm

    X, y = _mixed_table(4000)
    options = {"objective": "binary", "num_leaves": 31, "num_threads": 1, "verbosity": -1, "seed": 0}
    data = lightgbm.Dataset(X, y, categorical_feature=list(range(5, 14)))
    model = lightgbm.train(options, data, num_boost_round=40)
    rows, background = _draw(X, 20)

    def predict(Z: Array) -> Array:
        return np.asarray(model.predict(Z, num_threads=1), dtype=np.float64)

    return predict, rows, background, _distinct_rows_values(predict, rows, background)


def _distinct_rows_values(predict: Predict, rows: Array, background: Array) -> Array:
    """`enumerated_values`, each pair of rows played by the columns in which they differ."""
    out = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        for other in background:
            players = np.flatnonzero(row != other)

            def differing(Z: Array, other: Array = other, players: NDArray[np.intp] = players) -> Array:
                full = np.repeat(other[None, :], len(Z), axis=0)
                full[:, players] = Z
                return predict(full)

            out[i, players] += enumerated_values(differing, row[None, players], other[None, players])[0]
    return out / len(background)


@_game("synthetic-mlp", "MLP regression, 16 correlated features, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.neural_network import MLPRegressor

    X, y = zoo.synthetic(2000, 16, seed=1)
    model = MLPRegressor(hidden_layer_sizes=(64, 32), max_iter=60, random_state=0)
    return _sklearn(model, "predict", X, y, 4)


@_game("cancer-xgb", "XGBoost, margin, breast cancer, 30 features, 10 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    return _xgboost(*_bundled("breast_cancer"), 10, objective="binary:logistic")


@_game("cancer-rf", "random forest, probability, breast cancer, 30 features, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.ensemble import RandomForestClassifier

    X, y = _bundled("breast_cancer")
    model = RandomForestClassifier(50, max_depth=6, random_state=0)
    return _sklearn(model, "predict_proba", X, y, 4, lambda rows, b: tree_values(model, rows, b, output=1))


@_game("cancer-svr", "RBF support vector regression, breast cancer, 30 features, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.svm import SVR

    X, y = _bundled("breast_cancer", scaled=True)
    return _kernel_machine(SVR(gamma=1 / 30, C=1.0), "predict", X, y)


@_game("digits-lgbm", "LightGBM, margin of being an 8, 40 pixels, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    import lightgbm

    X, y = _digits(40)
    options = {"objective": "binary", "num_leaves": 15, "num_threads": 1, "verbosity": -1, "seed": 0}
    model = lightgbm.train(options, lightgbm.Dataset(X, (y == 8).astype(float)), num_boost_round=60)
    rows, background = _draw(X, 4)

    def predict(Z: Array) -> Array:
        return np.asarray(model.predict(Z, raw_score=True, num_threads=1), dtype=np.float64)

    return predict, rows, background, tree_values(model, rows, background)


@_game("digits-svm", "RBF support vector machine, decision function of being an 8, 61 pixels, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    from sklearn.svm import SVC

    X, y = _digits(61)
    return _kernel_machine(SVC(gamma=0.05, C=10.0), "decision_function", X / 16.0, (y == 8).astype(float))


def _digits(n_columns: int) -> tuple[Array, Array]:
    """The pixels that vary most, in their order on the page."""
    X, y = _bundled("digits")
    return np.ascontiguousarray(X[:, np.sort(np.argsort(-X.std(0))[:n_columns])]), y


@_game("synthetic-60", "XGBoost regression, 60 correlated features, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    return _xgboost(*zoo.synthetic(4000, 60, seed=2), 4)


@_game("synthetic-101", "XGBoost regression, 101 correlated features, 4 background rows")
def _() -> tuple[Predict, Array, Array, Array]:
    return _xgboost(*zoo.synthetic(2000, 101, seed=3), 4)


# --- games made to be hard -------------------------------------------------------------------------------------------


def _abstract(instances: list[tuple[Predict, Array]]) -> tuple[Predict, Array, Array, Array]:
    """Functions of coalitions, each with its answer, as one prediction function.

    Instance i is explained as a row of values i + 1 against a row of zeros: what is not zero is in the coalition, and
    its value says which instance is played. Empty coalitions are worth nothing.
    """
    n = instances[0][1].size
    rows = np.repeat(np.arange(1.0, len(instances) + 1)[:, None], n, axis=1)
    nothing = [v(np.zeros((1, n)))[0] for v, _ in instances]

    def predict(Z: Array) -> Array:
        out, played = np.zeros(len(Z)), Z.max(1)
        for i, (v, _) in enumerate(instances):
            mine = played == i + 1
            out[mine] = v((Z[mine] > 0).astype(float)) - nothing[i]
        return out

    return predict, rows, np.zeros((1, n)), np.array([truth for _, truth in instances])


def _tabulated(v: Predict, n: int) -> tuple[Predict, Array]:
    return v, enumerated_values(v, np.ones((1, n)), np.zeros((1, n)))[0]


def _generators(seed: int) -> list[np.random.Generator]:
    return [np.random.default_rng(SEED + 1000 * seed + i) for i in range(N_EXPLAINED)]


@_game("voting", "30 voters with whole weights: 1 if more than half of the weight agrees", "adversarial")
def _() -> tuple[Predict, Array, Array, Array]:
    def instance(rng: np.random.Generator) -> tuple[Predict, Array]:
        votes = rng.integers(1, 12, 30)
        quota = int(votes.sum()) // 2 + 1
        return lambda Z: (Z @ votes >= quota).astype(float), voting_values(votes, quota)

    return _abstract([instance(rng) for rng in _generators(1)])


def voting_values(votes: NDArray[np.int64], quota: int) -> Array:
    """Shapley-Shubik index: how often a voter turns a losing coalition into a winning one, by counting coalitions."""
    n, out = len(votes), np.empty(len(votes))
    for i in range(n):
        others = np.delete(votes, i)
        counts = np.zeros((n, int(others.sum()) + 1))  # coalitions of the others, by size and weight
        counts[0, 0] = 1.0
        for vote in others:
            counts[1:, vote:] += counts[:-1, : counts.shape[1] - vote].copy()
        pivotal = counts[:, max(0, quota - int(votes[i])) : quota].sum(1)
        out[i] = sum(count / (n * _binomial(n - 1, size)) for size, count in enumerate(pivotal))
    return out


@_game("threshold", "14 players: 1 if their weights of both signs sum to more than a bound", "adversarial")
def _() -> tuple[Predict, Array, Array, Array]:
    def instance(rng: np.random.Generator) -> tuple[Predict, Array]:
        weights = rng.normal(size=14)
        bound = 0.4 * weights.sum()
        return _tabulated(lambda Z: (Z @ weights > bound).astype(float), 14)

    return _abstract([instance(rng) for rng in _generators(2)])


@_game("xor-5", "20 players: parity of five of them and a linear rest", "adversarial")
def _() -> tuple[Predict, Array, Array, Array]:
    def instance(rng: np.random.Generator) -> tuple[Predict, Array]:
        five = rng.choice(20, 5, replace=False)
        weights = rng.normal(size=20) * 0.2
        truth = weights.copy()
        truth[five] += 0.2  # the five are alike, and all of them together have parity 1
        return lambda Z: Z[:, five].sum(1) % 2 + Z @ weights, truth

    return _abstract([instance(rng) for rng in _generators(3)])


def _noise(n: int) -> tuple[Predict, Array, Array, Array]:
    def instance(rng: np.random.Generator) -> tuple[Predict, Array]:
        table = rng.normal(size=2**n)
        return _tabulated(lambda Z: table[(Z.astype(np.int64) << np.arange(n)).sum(1)], n)

    return _abstract([instance(rng) for rng in _generators(n)])


@_game("noise-12", "12 players: an independent normal value for each coalition", "adversarial")
def _() -> tuple[Predict, Array, Array, Array]:
    return _noise(12)


@_game("noise-14", "14 players: an independent normal value for each coalition", "adversarial")
def _() -> tuple[Predict, Array, Array, Array]:
    return _noise(14)


@_game("multilinear-100", "100 players: 200 products of up to five of them", "adversarial")
def _() -> tuple[Predict, Array, Array, Array]:
    def instance(rng: np.random.Generator) -> tuple[Predict, Array]:
        terms = [rng.choice(100, rng.integers(1, 6), replace=False) for _ in range(200)]
        coefficients = rng.normal(size=200)
        truth = np.zeros(100)
        for term, coefficient in zip(terms, coefficients, strict=True):
            truth[term] += coefficient / len(term)

        def v(Z: Array) -> Array:
            out = np.zeros(len(Z))
            for term, coefficient in zip(terms, coefficients, strict=True):
                out += coefficient * Z[:, term].all(1)
            return out

        return v, truth

    return _abstract([instance(rng) for rng in _generators(4)])
