"""`ExplanationDashboard`: gone from interpret-community since 0.15; says what to use."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["ExplanationDashboard"]


class ExplanationDashboard:
    """Shows nothing, as in interpret-community 0.32; warns, and says what there is.

    Calls of three generations are accepted: ``ExplanationDashboard(explanation, model, x_test)`` of azureml's packages,
    ``datasetX=`` and ``trueY=`` of interpret_community.widget, and those of raiwidgets, whose order the arguments have.

    Parameters
    ----------
    explanation, model, dataset, true_y, classes, features, public_ip, port, locale, datasetX, trueY, \
with_credentials, use_cdn
        Ignored.

    Warns
    -----
    DeprecationWarning
        Always.
    """

    def __init__(
        self,
        explanation: Any,
        model: Any = None,
        dataset: Any = None,
        true_y: Any = None,
        classes: Any = None,
        features: Any = None,
        public_ip: str | None = None,
        port: int | None = None,
        locale: str | None = None,
        *,
        datasetX: Any = None,
        trueY: Any = None,
        with_credentials: bool = False,
        use_cdn: bool | None = None,
    ) -> None:
        warnings.warn(
            "ExplanationDashboard of interpret_community.widget was removed and shows nothing. An explanation shows "
            "itself in a notebook; for pictures call explanation.plot.bar(), .beeswarm() or .waterfall(row), or "
            "interpret.show(explanation).",
            DeprecationWarning,
            stacklevel=2,
        )
