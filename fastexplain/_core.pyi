"""Types of the compiled kernels (cpp/bindings). Arrays are C-contiguous unless said otherwise; nothing is converted."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastexplain.models import Forest

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int32]
_Longs = NDArray[np.int64]
_Bytes = NDArray[np.uint8]

def active_isa() -> str: ...
def available_isas() -> list[str]: ...

# ---------------------------------------------------------------------------------------------------------- deep

class _Activations(Protocol):
    @property
    def preactivations(self) -> _Floats: ...
    @property
    def values(self) -> _Floats: ...
    @property
    def slopes(self) -> _Floats: ...
    @property
    def thresholds(self) -> _Floats: ...
    @property
    def features(self) -> _Floats: ...

class DeepLift:
    def __init__(self, weights: Sequence[_Floats], rules: Sequence[int]) -> None: ...
    def explain(
        self, rows: _Activations, background: _Activations, weights: _Floats, values: _Floats, *, n_threads: int
    ) -> None: ...
    @property
    def stride(self) -> int: ...

# -------------------------------------------------------------------------------------------------------- kernel

def pairs_of_size(n_players: int, size: int) -> int: ...
def fill_coalitions(size: _Ints, index: _Longs, seed: int, masks: _Bytes, n_threads: int) -> None: ...
def fill_masked_rows(
    X: NDArray[Any],
    background: NDArray[Any],
    masks: _Bytes,
    row: _Ints,
    mask: _Ints,
    background_row: _Ints,
    out: NDArray[Any],
    n_threads: int,
) -> None: ...
def distinct_masked_rows(masks: _Bytes, differs: _Bytes) -> tuple[_Ints, _Ints, _Ints]: ...
def odd_covariance(
    first: _Floats, second: _Floats, rho: _Floats, scale: float, covariance: _Floats, n_threads: int
) -> None: ...
def odd_cross_covariance(
    signs: _Floats,
    rho: _Floats,
    points: _Floats,
    weights: _Floats,
    scale: float,
    cross: _Floats,
    n_threads: int,
) -> None: ...
def odd_tune(
    signs: _Floats,
    left: _Floats,
    relevance: _Floats,
    powers: _Floats,
    strengths: _Floats,
    nuggets: _Floats,
    full_noise: float,
    most_players: float,
    start: tuple[int, int, int] | None,
) -> tuple[int, int, int]: ...
def odd_fit(
    signs: _Floats,
    left: _Floats,
    rho: _Floats,
    scale: float,
    full_noise: float,
    nugget: float,
    points: _Floats,
    weights: _Floats,
    values: _Floats,
    variance: _Floats,
    spread: _Floats,
    residual: _Floats,
) -> None: ...

# ------------------------------------------------------------------------------------------------------- metrics

def row_losses(loss: str, y: _Floats, predictions: _Floats, out: _Floats, n_threads: int) -> None: ...
def log_losses(codes: _Ints, predictions: _Floats, out: _Floats, n_threads: int) -> None: ...
def argmax(predictions: _Floats, out: _Ints, n_threads: int) -> None: ...
def confusion(codes: _Ints, predicted: _Ints, weights: _Floats, out: _Floats, n_threads: int) -> None: ...
def roc_auc(
    positive: _Bytes, scores: _Floats, weights: _Floats, area: _Floats, placements: _Floats, n_threads: int
) -> None: ...

# --------------------------------------------------------------------------------------------------- permutation

def latin_permutations(
    player: _Ints,
    rank: _Ints,
    stratum_rows: _Ints,
    stratum_offsets: _Longs,
    player_strata: _Longs,
    seed: int,
    donors: _Ints,
    bands: _Ints,
    n_threads: int,
) -> None: ...
def row_effects(
    terms: _Floats,
    scores: _Floats,
    baseline: _Floats,
    weights: _Floats,
    donors: _Ints,
    bands: _Ints,
    sign: float,
    drops: _Floats,
    spread: _Floats,
    influence: _Floats,
    n_threads: int,
) -> None: ...

class ReplacementPredictor:
    def __init__(self, forest: Forest, values: _Floats, grid: float) -> None: ...
    def predict(self, X: _Floats, base_offset: _Floats, out: _Floats, n_threads: int) -> None: ...
    def replace(
        self,
        X: _Floats,
        feature_player: _Ints,
        job_offsets: _Longs,
        donors: _Ints,
        base: _Floats,
        out: _Floats,
        n_threads: int,
    ) -> None: ...

# ------------------------------------------------------------------------------------------------------ formulas

class PairRules:
    def __init__(self) -> None: ...
    def add(self, offsets: _Floats, weights: _Floats, reach: float) -> None: ...

class SineRules:
    def __init__(self) -> None: ...
    def add_fit(
        self, reach: float, base: float, sinh: _Floats, cosh: _Floats, first: _Floats, second: _Floats
    ) -> None: ...
    def add_series(self, reach: float, base: float, coefficients: _Floats) -> None: ...

def product_game(
    row_factors: _Floats,
    background_factors: _Floats,
    coefficients: _Floats,
    weights: _Floats,
    rules: PairRules,
    values: _Floats,
    *,
    n_threads: int,
) -> None: ...
def sigmoid_game(
    row_terms: _Floats,
    background_terms: _Floats,
    margins: _Floats,
    weights: _Floats,
    sines: SineRules,
    rules: PairRules,
    values: _Floats,
    *,
    n_threads: int,
) -> None: ...
def expand(
    kind: int,
    degree: int,
    row: _Floats,
    background: _Floats,
    coefficients: _Floats,
    masks: _Bytes,
    out: _Floats,
    n_threads: int,
) -> None: ...
def couple_probabilities(decisions: _Floats, slope: _Floats, shift: _Floats, out: _Floats, n_threads: int) -> None: ...
def average_neighbors(
    row: _Floats,
    background: _Floats,
    targets: _Floats,
    masks: _Bytes,
    n_neighbors: int,
    power: float,
    by_distance: bool,
    out: _Floats,
    n_threads: int,
) -> None: ...

# ---------------------------------------------------------------------------------------------------------- tree

class InterventionalShap:
    def __init__(
        self,
        forest: Forest,
        background_rows: NDArray[np.floating[Any]],
        *,
        weights: _Floats,
        float32_lanes: bool = ...,
        n_threads: int,
        kept_bytes: int = ...,
        table_bytes: int = ...,
        max_states: int = ...,
    ) -> None: ...
    def explain(self, X: NDArray[np.floating[Any]], values: _Floats, *, n_threads: int) -> None: ...
    @property
    def mean_outputs(self) -> _Floats: ...
    @property
    def memory(self) -> int: ...

class TransformedShap:
    def __init__(
        self,
        forest: Forest,
        background_rows: NDArray[np.floating[Any]],
        *,
        weights: _Floats,
        n_threads: int,
        kept_bytes: int = ...,
        table_bytes: int = ...,
        max_states: int = ...,
    ) -> None: ...
    def turn(self, n_rows_of_call: int) -> int: ...
    def explain(
        self,
        X: NDArray[np.floating[Any]],
        *,
        transform: str,
        slope: float,
        offset: float,
        labels: _Floats,
        values: _Floats,
        n_threads: int,
        n_rows_of_call: int = ...,
    ) -> None: ...
    @property
    def background_outputs(self) -> _Floats: ...
    @property
    def background_weights(self) -> _Floats: ...
    @property
    def memory(self) -> int: ...

class TreeShap:
    def __init__(
        self,
        forest: Forest,
        *,
        float32_lanes: bool,
        n_threads: int,
        table_bytes: int = ...,
        max_states: int = ...,
    ) -> None: ...
    def explain(
        self,
        X: NDArray[np.floating[Any]],
        values: _Floats,
        *,
        max_points: int,
        n_threads: int,
        n_rows_of_call: int = ...,
    ) -> None: ...
    def turn(self, n_rows_of_call: int) -> int: ...
    @property
    def memory(self) -> int: ...
