"""From a `DeepExplainer` to a `DeepMethod`: its network's layers as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastexplain.engine.background import Background
from fastexplain.engine.deep.rows import rows_of
from fastexplain.exceptions import ModelConversionError, UnsupportedModelError
from fastexplain.explainers.deep import DeepExplainer
from fastexplain.models.networks.network import Network, load_network
from fastexplain.rows.encoding import RowEncoding
from fastexplain.scoring.build_kernel import rule_of
from fastexplain.scoring.deep import DeepMethod
from fastexplain.scoring.exceptions import UnsupportedModelException

__all__ = ["deep_method"]


def deep_method(explainer: DeepExplainer) -> DeepMethod:
    """What is kept of an explainer.

    Raises
    ------
    UnsupportedModelException
        The network has a layer that cannot be written as arrays; the message names it.
    """
    network, facts = _network(explainer), explainer._explained
    rows = rows_of(explainer._background.data, "background", network.n_features)
    probabilities = facts.task == "classification" and facts.units == "probability"
    answers = facts.predict(explainer._background.data)
    rule = rule_of(facts.name, None, rows, network.forward(rows), answers, facts.task, facts.classes, probabilities)
    return DeepMethod(
        network,
        Background(rows, np.asarray(explainer._background.weights, dtype=np.float64)),
        probabilities=probabilities,
        rule=rule,
        task=facts.task,
        classes=explainer.classes,
        encoding=RowEncoding(facts.name, network.n_features, allow_nan=False, allow_inf=False),
    )


def _network(explainer: DeepExplainer) -> Network:
    model: Any = explainer._network
    try:
        return load_network(model)
    except (UnsupportedModelError, ModelConversionError) as error:
        raise UnsupportedModelException(
            f"The {type(model).__name__} cannot be written as arrays of dense layers, and code is never saved: {error} "
            "Explain a function of it by KernelExplainer: its artifact takes the function at load, predictor=."
        ) from error
