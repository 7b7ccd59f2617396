"""What tests of pictures share: small explanations, and readers of what stands on matplotlib axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fastexplain.explanation import LocalExplanation

# Positions on an axis are float64 sums of a few bars.
POSITION = 1e-12
# Half a 95% interval in standard errors, as tables of the normal distribution have it.
NORMAL_95 = 1.959963984540054

NAMES = ["small", "large", "middle"]
VALUES = np.array([[[0.1], [-3.0], [1.0]], [[-0.1], [2.0], [1.0]]])
PICTURES = ["bar", "beeswarm", "waterfall", "force", "heatmap", "decision"]


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    plt.close("all")  # those that other tests left
    yield
    plt.close("all")


def binary(**context: Any) -> LocalExplanation:
    """Two rows of one margin."""
    context = {"features": NAMES, "classes": ["no", "yes"], "units": "margin", "method": "shap_tree"} | context
    return LocalExplanation(VALUES, [0.5], **context)


def multiclass(n_classes: int = 3, **context: Any) -> LocalExplanation:
    values = np.random.default_rng(0).normal(size=(6, 3, n_classes))
    labels = [f"kind {i}" for i in range(n_classes)]
    return LocalExplanation(values, np.zeros(n_classes), features=NAMES, classes=labels, method="shap_tree", **context)


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def names(ax: Axes) -> list[str]:
    """Names along the y axis, from the top."""
    ticks = sorted(zip(ax.get_yticks(), ax.get_yticklabels(), strict=True), key=lambda tick: -tick[0])
    return [label.get_text() for _, label in ticks]


def legend(ax: Axes) -> list[str]:
    found = ax.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def points(ax: Axes) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(swarm.get_offsets()) for swarm in ax.collections])


def bars(ax: Axes) -> list[Any]:
    """Bars from the top."""
    return sorted(ax.patches, key=lambda bar: -bar.get_y())


def whisker_ends(ax: Axes) -> list[tuple[float, float]]:
    """Ends of the error bars, from the top."""
    segments = [segment for lines in ax.containers for segment in _segments(lines)]
    return [(float(s[0, 0]), float(s[1, 0])) for s in sorted(segments, key=lambda s: -s[0, 1])]


def _segments(container: Any) -> list[NDArray[np.float64]]:
    if type(container).__name__ != "ErrorbarContainer":
        return []
    return [np.asarray(segment) for line in container.lines[2] for segment in line.get_segments()]


def inside(ax: Axes) -> bool:
    """Whether no text of a figure is cut off at its edge."""
    figure: Any = ax.figure
    figure.canvas.draw()
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    return bool(box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02)
