"""``shap.plots``: shap's own pictures, where it is installed; else ours of the same name, where there is one.

Explanations of this package are shap's Explanations where it is installed, so its functions take them as they are. The
pictures that stand in for them take an explanation of one output, `max_display`, `ax` and `show`; other arguments are
refused by name.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np

from fastexplain.compat.shap._installed import installed_shap, required_shap
from fastexplain.exceptions import MissingDependencyError

# our pictures, and how many axes the values that they take have here
_OURS = {
    "bar": (1, 2),
    "beeswarm": (2,),
    "decision": (1, 2),
    "force": (1,),
    "heatmap": (2,),
    "scatter": (1,),
    "waterfall": (1,),
}


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if installed_shap() is None and name in _OURS:
        return _standing_in(name)
    found = getattr(_theirs(f"shap.plots.{name}"), name, None)
    if found is None:
        raise AttributeError(f"shap.plots has no attribute {name!r}")
    return found


def __dir__() -> list[str]:
    if installed_shap() is None:
        return list(_OURS)
    return sorted(name for name in dir(_theirs("shap.plots")) if not name.startswith("_"))


def _theirs(purpose: str) -> ModuleType:
    return importlib.import_module(f"{required_shap(purpose).__name__}.plots")


def _standing_in(name: str) -> Any:
    """Our picture of that name, called as shap's."""

    def draw(
        shap_values: Any, *rest: Any, max_display: int | None = None, ax: Any = None, show: bool = True, **options: Any
    ) -> Any:
        options.pop("matplotlib", None)  # ours are of matplotlib
        if rest or options or not hasattr(shap_values, "base_values"):
            given = [*options, *(["several arguments"] if rest else [])] or [f"a {type(shap_values).__name__}"]
            raise MissingDependencyError(
                f"shap.plots.{name} with {', '.join(given)} needs shap: pip install 'fastexplain[shap]'"
            )
        arguments: dict[str, Any] = {"ax": ax}
        if name == "scatter":
            arguments["feature"] = 0
        elif max_display is not None:
            arguments["max_display"] = max_display
        if name == "bar" and len(shap_values.shape) == 1:
            arguments["row"] = 0
        axes = getattr(_pictures(shap_values, name), name)(**arguments)
        if show:
            import matplotlib.pyplot as plt

            plt.show()
        return axes

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = f"Draw `fastexplain.explanation.plots.plot_{name}`, called as ``shap.plots.{name}``."
    return draw


def _pictures(shap_values: Any, name: str) -> Any:
    """Our pictures of an explanation of one output.

    Raises
    ------
    DimensionError
        It has more axes, or fewer, than the picture takes.
    """
    from fastexplain.compat.shap._explanation import Explanation
    from fastexplain.explanation.shap_interop import from_shap

    if np.ndim(shap_values.values) not in _OURS[name]:
        from fastexplain.compat.shap.utils._exceptions import DimensionError

        raise DimensionError(
            f"shap.plots.{name} takes values with {' or '.join(map(str, _OURS[name]))} axes; these have shape "
            f"{np.shape(shap_values.values)}. Slice them: explanation[row], explanation[:, feature], "
            "explanation[..., output]."
        )
    if name == "scatter":  # one feature of all rows: a table of one column
        members = (shap_values.values, shap_values.data, shap_values.display_data)
        values, data, display = (None if array is None else np.reshape(array, (-1, 1)) for array in members)
        names = [str(shap_values.feature_names)]
        shap_values = Explanation(values, shap_values.base_values, data, display, feature_names=names)
    return from_shap(shap_values).plot
