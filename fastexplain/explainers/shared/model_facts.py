"""What explainers must know of a model before its first call, whichever library it is of. Nothing is called here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastexplain.engine.predict import fitted_labels
from fastexplain.explainers.shared.checks import list_of_names
from fastexplain.explainers.shared.dispatch import check_callable, is_plain_function, unwrapped
from fastexplain.explainers.shared.networks import is_network
from fastexplain.models import TreeModel, load_model
from fastexplain.models.networks.forward import is_torch, network_forward
from fastexplain.models.trees.registry import is_bare

__all__ = ["ModelFacts", "fitted_classes", "fitted_names", "fitted_width", "model_facts"]


@dataclass(frozen=True)
class ModelFacts:
    """What a model or function says of itself; each fact is looked up when it is asked for.

    Attributes
    ----------
    model : object
        The best model of a search, else the model or function as the user passed it.
    called : bool
        It is called itself, as functions and torch modules are, rather than one of its methods.
    is_network : bool
        A torch or Keras network, unless the user said that a Keras model is a function.
    trees : TreeModel or None
        A bare booster as loaded: it has none of scikit-learn's methods, and predicts by its raw output.
    """

    model: Any
    called: bool = False
    is_network: bool = False
    trees: TreeModel | None = None

    @property
    def is_function(self) -> bool:
        """It is a plain function of rows, of which nothing more is known."""
        return self.called and not self.is_network

    @property
    def owner(self) -> Any:
        """The model whose methods predict; None for what is called itself, and for bare boosters."""
        return None if self.called or self.trees is not None else self.model

    @property
    def function(self) -> Callable[[Any], Any]:
        """Rows -> outputs, of a function or network; of something with a predict that is to be called, its call."""
        if self.is_network:
            return partial(network_forward, self.model)
        function: Callable[[Any], Any] = self.model.__call__ if hasattr(self.model, "predict") else self.model
        return function

    @property
    def name(self) -> str:
        """As messages give it."""
        if self.trees is not None:
            return self.trees.library
        return str(getattr(self.model, "__name__", None) or type(self.model).__name__)

    @property
    def classes(self) -> list[Any] | None:
        """Labels that it was fitted on, in the order of its outputs, where it knows them."""
        return fitted_classes(self.owner) if self.trees is None else self.trees.classes

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the columns that it was fitted on, where it knows them."""
        if self.trees is None:
            return fitted_names(self.owner)
        return None if self.trees.feature_names is None else list(self.trees.feature_names)

    @property
    def n_features(self) -> int | None:
        """How many columns it was fitted on, where it knows that."""
        return fitted_width(self.owner) if self.trees is None else self.trees.forest.n_features


def model_facts(model: Any, is_function: bool, *, by_trees: bool = True) -> ModelFacts:
    """Describe what the user passed as model.

    Parameters
    ----------
    model : object
        A fitted model, a search around one, a network, a bare booster, or a function of rows.
    is_function : bool
        The model is to be called itself, even if it has methods.
    by_trees : bool
        A bare booster is described and asked by its trees, which are loaded for it. Else it is any object with
        ``predict``: also one whose trees cannot be loaded.

    Raises
    ------
    UnsupportedModelError
        There is nothing to call, or the booster's trees cannot be loaded.
    ValueError
        A search that is not fitted, or was told not to refit.
    """
    if by_trees and is_bare(model):
        return ModelFacts(model, trees=load_model(model))
    found = unwrapped(model)
    check_callable(found, is_function)
    network = is_network(found) and (not is_function or is_torch(found))
    return ModelFacts(found, called=is_function or is_plain_function(found), is_network=network)


def fitted_classes(model: Any) -> list[Any] | None:
    """``classes_`` as a list; None where there are none, or those of several targets."""
    return None if fitted_labels(model) is None else list_of_names(model.classes_, "classes_")


def fitted_names(model: Any) -> list[str] | None:
    """``feature_names_in_`` as a list of strings, where there are any."""
    known = getattr(model, "feature_names_in_", None)
    return None if known is None else [str(name) for name in known]


def fitted_width(model: Any) -> int | None:
    """``n_features_in_``, where there is one."""
    known = getattr(model, "n_features_in_", None)
    return None if known is None else int(known)
