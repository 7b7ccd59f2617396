"""What all explainers share, and ``shap.Explainer``, which chooses one."""

from __future__ import annotations

import importlib
import inspect
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastexplain.compat.shap import _saving
from fastexplain.compat.shap._inputs import as_array, is_frame
from fastexplain.compat.shap.explainers import MODULES
from fastexplain.engine.links import resolve_link

__all__ = ["Explainer", "Stopwatch"]


class _Maker(type):
    """Calls of `Explainer` itself choose a class; every explainer remembers its arguments."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls.__name__ == "Explainer":
            # by name: the choice imports the classes, which are made here
            return importlib.import_module(f"{__package__}._choice").choose(*args, **kwargs)
        made = super().__call__(*args, **kwargs)
        made._given = inspect.signature(cls).bind(*args, **kwargs).arguments
        return made

    @property
    def __signature__(cls) -> inspect.Signature:
        """The constructor's, which Python would not find behind `__call__`."""
        if cls.__name__ == "Explainer":
            return inspect.signature(importlib.import_module(f"{__package__}._choice").choose)
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:], return_annotation=cls)


class Explainer(metaclass=_Maker):
    """``shap.Explainer``: the explainer that suits a model and a masker.

    Parameters
    ----------
    model : fitted model, callable or (coef, intercept)
    masker : array, DataFrame or masker, optional
        Background rows. Tree models need none.
    link : link function, default `links.identity`
    algorithm : str, default "auto"
        "exact", "permutation", "partition", "tree", "linear", "additive", "deep", "kernel" or "sampling". "auto":
        "linear" and "tree" for models that are so, "additive" for interpret's boosting machines without interactions,
        else "partition" with a `maskers.Partition`, "exact" up to 10 features, "permutation" beyond.
    output_names : sequence of str, optional
        Names of the outputs, kept by explanations.
    feature_names : sequence of str, optional
    linearize_link : bool, default True
        As in `PermutationExplainer`.
    seed : int, optional
    **kwargs
        Other arguments of the class that is chosen.

    Returns
    -------
    Explainer
        Of the class that was chosen.

    Raises
    ------
    InvalidAlgorithmError
        There is no such algorithm.
    TypeError
        The model can neither predict nor be called.
    """

    model: Any
    feature_names: list[Any] | None = None
    output_names: Any = None
    expected_value: Any = None
    _given: dict[str, Any]
    # Whether features without names are called "Feature 0", ... in explanations, as by shap's classes with maskers.
    _names_features = False

    def save(self, out_file: Any, model_saver: Any = None, masker_saver: Any = None) -> None:
        """Write the explainer's arguments to a file, without pickle and without the model.

        Parameters
        ----------
        out_file : path or binary file
        model_saver, masker_saver : optional
            Must be None or False: the model is given again to `load`, and maskers are arrays.

        Raises
        ------
        TypeError
            An argument cannot be written without code, such as a function; the message names it.
        """
        for name, saver in (("model_saver", model_saver), ("masker_saver", masker_saver)):
            if saver not in (None, False, ".save"):
                raise ValueError(f"{name}={saver!r} is not supported: files hold no code. Pass the model to load.")
        content = {name: value for name, value in self._given.items() if name != "model"}
        content["output_names"] = self.output_names
        if callable(content.get("link")):
            content["link"] = resolve_link(content["link"]).__name__
        _saving.write(out_file, type(self).__name__, content)

    @classmethod
    def load(
        cls, in_file: Any, model: Any = None, *, model_loader: Any = None, masker_loader: Any = None, **arguments: Any
    ) -> Any:
        """Make again the explainer that `save` wrote; no code of the file runs.

        Parameters
        ----------
        in_file : path or binary file
        model : object
            What was explained: files hold no models. It is not checked that it is the same.
        model_loader, masker_loader
            Must be None.
        **arguments
            In place of those that the file holds.

        Raises
        ------
        TypeError
            No model is given.
        ValueError
            The file is damaged, or holds an explainer of another class.
        """
        if model is None or model_loader is not None or masker_loader is not None:
            raise TypeError(f"{cls.__name__}.load(in_file, model) needs the model that was explained: files hold none.")
        saved = _saving.read(in_file)
        module = MODULES.get(saved["kind"])
        if module is None or cls.__name__ not in ("Explainer", saved["kind"]):
            raise ValueError(f"The file holds {saved['kind']}, not {cls.__name__}.")
        made = getattr(importlib.import_module(f"{__package__}.{module}"), saved["kind"])
        given = {**saved["content"], **arguments}
        output_names = given.pop("output_names", None)
        unknown = set(given) - set(inspect.signature(made).parameters)
        if unknown:
            raise ValueError(f"{saved['kind']} takes no argument {sorted(unknown)[0]!r}.")
        explainer = made(model, **given)
        explainer.output_names = output_names
        return explainer

    def _explanation(
        self,
        X: Any,
        values: NDArray[Any],
        single: bool,
        watch: Stopwatch,
        *,
        axes: tuple[str, ...],
        base_values: Any = None,
        **members: Any,
    ) -> Any:
        """Values of rows (n_rows, ...) as an `Explanation`; of a single row, without the axis of rows."""
        from fastexplain.compat.shap._explanation import Explanation

        base = self.expected_value if base_values is None else base_values
        names = list(X.columns) if is_frame(X) else self.feature_names
        if names is None and self._names_features:
            names = [f"Feature {j}" for j in range(values.shape[1])]
        explanation = Explanation(
            values,
            np.broadcast_to(base, (len(values), *np.shape(base))).copy(),
            as_array(X),
            feature_names=names,
            output_names=self.output_names,
            compute_time=watch.seconds(),
            axes=axes,
            **members,
        )
        if single:
            explanation = explanation[0]
            explanation.op_history = []
        return explanation


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """How many."""
        return time.perf_counter() - self._start
