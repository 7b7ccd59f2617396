"""What is timed: fastexplain, the libraries it is compared with, and the models' own prediction, behind one interface.

Each competitor is made from a fitted model (not timed), is bound to rows in the container that suits it best (not
timed), and then explains them (timed). Everything is path-dependent Tree SHAP of the raw output, so all of them should
give the same numbers.
"""

from __future__ import annotations

import abc
import importlib
import importlib.metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPETITORS", "Competitor", "NotSupported", "Prediction", "raw_prediction", "versions"]

Array = NDArray[np.float64]


class NotSupported(Exception):
    """The competitor cannot explain this model; the message is the footnote."""


class Competitor(abc.ABC):
    """One way of explaining a model.

    Parameters
    ----------
    model : xgboost.Booster, lightgbm.Booster or scikit-learn estimator
    n_threads : int

    Attributes
    ----------
    module : str
        Imported before memory is counted; empty if the model's own library is all it needs.
    explains : tuple of str
        Libraries whose models it takes.
    own : bool
        Part of fastexplain, so no rival.
    isa : str
        Instruction set that runs, where the competitor says.
    single_threaded : bool
        More threads change nothing, so it is only run with one.
    double : bool
        Computes in float64 throughout.
    note : str
        Footnote for the table, empty if none.
    """

    module = ""
    explains: tuple[str, ...] = ("lightgbm", "sklearn", "xgboost")
    own = False
    isa = ""
    single_threaded = False
    double = True
    note = ""

    @classmethod
    def import_library(cls) -> None:
        """Import what the competitor needs, so that memory is counted from after the imports."""
        if cls.module:
            importlib.import_module(cls.module)

    @abc.abstractmethod
    def __init__(self, model: Any, n_threads: int) -> None: ...

    def bind(self, X: Array) -> None:
        """Put rows of shape (n_rows, n_features) into the competitor's favourite container."""
        self.X: Any = X

    @abc.abstractmethod
    def explain(self) -> Any:
        """Explain the bound rows; what a user of the library would call. This is what is timed."""

    def values(self, result: Any) -> tuple[Array, float | None]:
        """Turn what `explain` returned into (values (n_rows, n_features), base value or None)."""
        return np.asarray(result[:, :-1], dtype=np.float64), float(result[0, -1])


def library_of(model: Any) -> str:
    return type(model).__module__.split(".")[0]


class FastExplain(Competitor):
    """fastexplain itself, its compiled kernel. Loading the model is `__init__`."""

    module = "fastexplain.engine"
    own = True
    dtype = "float64"
    backend = "native"

    def __init__(self, model: Any, n_threads: int) -> None:
        import fastexplain
        from fastexplain.engine.backends import describe

        self.tree_model = fastexplain.load_model(model)
        self.options: dict[str, Any] = {"n_threads": n_threads, "dtype": self.dtype, "backend": self.backend}
        self.isa = describe()["isa"] if self.backend == "native" else ""

    def explain(self) -> Any:
        import fastexplain

        return fastexplain.tree_shap(self.tree_model, self.X, **self.options)

    def values(self, result: Any) -> tuple[Array, float | None]:
        values, base_values = result
        return values[:, :, 0], float(base_values[0])


class FastExplain32(FastExplain):
    """fastexplain with float32 lanes."""

    dtype = "float32"
    double = False


class FastExplainNumba(FastExplain):
    """fastexplain where no compiled kernel is present."""

    backend = "numba"
    note = "for installs without the compiled core; the first call compiles"


class LightGBM(Competitor):
    """LightGBM's own ``pred_contrib``."""

    explains = ("lightgbm",)

    def __init__(self, model: Any, n_threads: int) -> None:
        self.model, self.n_threads = model, n_threads

    def explain(self) -> Any:
        return self.model.predict(self.X, pred_contrib=True, num_threads=self.n_threads)


class XGBoost(Competitor):
    """XGBoost's own ``pred_contribs``; building the DMatrix is not timed."""

    explains = ("xgboost",)
    double = False
    note = "DMatrix built beforehand, not timed"

    def __init__(self, model: Any, n_threads: int) -> None:
        self.model, self.n_threads = model, n_threads
        model.set_param({"nthread": n_threads})

    def bind(self, X: Array) -> None:
        import xgboost

        self.X = xgboost.DMatrix(X, nthread=self.n_threads)

    def explain(self) -> Any:
        return self.model.predict(self.X, pred_contribs=True)


class Shap(Competitor):
    """``shap.TreeExplainer`` as its users call it; it hands boosters on to their own library."""

    module = "shap"
    note = "hands LightGBM and XGBoost models on to the library's own contributions"

    def __init__(self, model: Any, n_threads: int) -> None:
        import shap

        if library_of(model) == "xgboost":
            model.set_param({"nthread": n_threads})
            self.double = False
        self.single_threaded = library_of(model) == "sklearn"
        self.explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")

    def explain(self) -> Any:
        return self.explainer.shap_values(self.X, check_additivity=False)

    def values(self, result: Any) -> tuple[Array, float | None]:
        return np.asarray(result, dtype=np.float64), float(np.ravel(self.explainer.expected_value)[0])


class ShapKernel(Shap):
    """shap's own C++ kernel where shap would hand the model on: it can be the faster of the two."""

    explains = ("lightgbm", "xgboost")
    single_threaded = True
    note = "shap's own C++ kernel, forced through a private attribute; one thread"

    def __init__(self, model: Any, n_threads: int) -> None:
        super().__init__(model, n_threads)
        self.double = self.single_threaded = True
        self.explainer.model.model_type = "internal"


class Shapiq(Competitor):
    """``shapiq.TreeExplainer.explain_X``: a C++ call for each row; several threads mean joblib processes."""

    module = "shapiq"
    note = "one call per row inside; more than one thread means joblib processes, whose memory is not counted"

    def __init__(self, model: Any, n_threads: int) -> None:
        import shapiq

        self.explainer = shapiq.TreeExplainer(model, mode="pathdependent", index="SV", max_order=1)
        self.n_threads = n_threads

    def explain(self) -> Any:
        if self.n_threads == 1:
            return [self.explainer.explain_X(self.X)]
        import joblib

        # one chunk per process: explain_X's own n_jobs sends the whole model along with every few rows
        chunks = np.array_split(self.X, min(self.n_threads, len(self.X)))
        return joblib.Parallel(n_jobs=self.n_threads)(joblib.delayed(self.explainer.explain_X)(c) for c in chunks)

    def values(self, result: Any) -> tuple[Array, float | None]:
        values = np.zeros(self.X.shape)  # a feature that no tree uses has no entry
        start = 0
        for batch in result:
            for feature, column in batch.values.items():
                values[start : start + len(batch), feature[0]] = column
            start += len(batch)
        return values, float(self.explainer.baseline_value)


class Woodelf(Competitor):
    """``woodelf.WoodelfExplainer``; the DataFrame it wants is built beforehand."""

    module = "woodelf"
    single_threaded = True
    double = False
    note = "rebuilds its tables in every call, so a row costs less in larger calls; one thread"

    def __init__(self, model: Any, n_threads: int) -> None:
        from woodelf import WoodelfExplainer

        if library_of(model) == "lightgbm" and "cat_threshold=" in model.model_to_string():
            raise NotSupported("does not support categorical splits")
        self.explainer = WoodelfExplainer(model, feature_perturbation="tree_path_dependent")

    def bind(self, X: Array) -> None:
        import pandas as pd

        self.X = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])

    def explain(self) -> Any:
        return self.explainer.shap_values(self.X, verbose=False)

    def values(self, result: Any) -> tuple[Array, float | None]:
        return np.asarray(result, dtype=np.float64), None


class Prediction(Competitor):
    """The model's own raw prediction: what an explanation should not cost much more than."""

    def __init__(self, model: Any, n_threads: int) -> None:
        self.model, self.n_threads = model, n_threads
        if library_of(model) == "xgboost":
            model.set_param({"nthread": n_threads})
        elif library_of(model) == "sklearn":
            model.set_params(n_jobs=n_threads)

    def explain(self) -> Any:
        return raw_prediction(self.model, self.X, self.n_threads)

    def values(self, result: Any) -> tuple[Array, float | None]:
        return np.asarray(result, dtype=np.float64).reshape(-1, 1), None


def raw_prediction(model: Any, X: Array, n_threads: int) -> Any:
    """Raw output of a model, of shape (n_rows,), by its own library."""
    library = library_of(model)
    if library == "lightgbm":
        return model.predict(X, raw_score=True, num_threads=n_threads)
    if library == "xgboost":
        # in place, because predictions of a DMatrix are cached with it: every repeat but the first would be free
        return model.inplace_predict(X, predict_type="margin")
    return model.predict(X)


# name in tables and on the command line -> class, in the order of the tables
COMPETITORS: dict[str, type[Competitor]] = {
    "fastexplain": FastExplain,
    "fastexplain-f32": FastExplain32,
    "fastexplain-numba": FastExplainNumba,
    "xgboost": XGBoost,
    "lightgbm": LightGBM,
    "shap": Shap,
    "shap-kernel": ShapKernel,
    "shapiq": Shapiq,
    "woodelf": Woodelf,
    "predict": Prediction,
}


def versions() -> dict[str, str]:
    """Installed versions of everything that takes part, by PyPI name; what is absent is left out."""
    found = {}
    names = ("fastexplain", "lightgbm", "numpy", "scikit-learn", "shap", "shapiq", "woodelf-explainer")
    for name in (*names, "xgboost", "xgboost-cpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
