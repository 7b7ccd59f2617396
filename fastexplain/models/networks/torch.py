"""torch.nn.Sequential of dense layers -> `Network`. Only loaded for objects that are torch modules."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.networks.network import Activation, LayerBuilder, Network

__all__ = ["eval_mode", "floating_type", "read"]

_PASS = (nn.Identity, nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout)
_ACTIVATIONS: dict[type[nn.Module], Callable[[Any], Activation]] = {
    nn.ReLU: lambda m: Activation("relu"),
    nn.ReLU6: lambda m: Activation("clip", (0.0, 6.0)),
    nn.Hardtanh: lambda m: Activation("clip", (float(m.min_val), float(m.max_val))),
    nn.LeakyReLU: lambda m: Activation("leaky_relu", (float(m.negative_slope),)),
    nn.ELU: lambda m: Activation("elu", (float(m.alpha),)),
    nn.SELU: lambda m: Activation("selu"),
    nn.GELU: lambda m: Activation("gelu_tanh" if m.approximate == "tanh" else "gelu"),
    nn.SiLU: lambda m: Activation("silu"),
    nn.Sigmoid: lambda m: Activation("sigmoid"),
    nn.Tanh: lambda m: Activation("tanh"),
    nn.Softplus: lambda m: Activation("softplus", (float(m.beta), float(m.threshold))),
}
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def read(module: Any, output: str) -> tuple[Network, Callable[[NDArray[np.float64]], NDArray[np.float64]], str]:
    """The network, the module's own forward, and its floating-point type.

    Raises
    ------
    UnsupportedModelError
        A module is not one of those that a `Network` can hold; the message names it.
    """
    del output  # a torch module's own output is what is explained
    modules = list(_flat(module))
    builder = LayerBuilder()
    for i, leaf in enumerate(modules):
        _append(builder, leaf, last=not any(_acts(after) for after in modules[i + 1 :]))
    dtype = floating_type(module)
    if dtype not in (None, torch.float32, torch.float64):
        raise UnsupportedModelError(f"The module's parameters are {dtype}; expected float32 or float64.")

    def forward(X: NDArray[np.float64]) -> NDArray[np.float64]:
        with eval_mode(module), torch.no_grad():
            device = next(module.parameters()).device
            found: NDArray[np.float64] = module(torch.from_numpy(X).to(device, dtype)).cpu().double().numpy()
            return found

    network = builder.build()
    return network, forward, str(dtype).removeprefix("torch.")


def floating_type(module: nn.Module) -> torch.dtype | None:
    """Dtype of the module's first floating-point parameter or buffer; None where it has none."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return None


@contextlib.contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; every module's own training flag as it was on the way out."""
    flags = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for part, flag in flags:
            part.training = flag


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    if any(getattr(module, hooks, None) for hooks in _HOOKS):
        raise UnsupportedModelError(f"{type(module).__name__} has forward hooks, which may change what it computes.")
    if type(module) is nn.Sequential:  # a subclass may have a forward of its own
        for child in module:
            yield from _flat(child)
    else:
        yield module


def _acts(module: nn.Module) -> bool:
    return not isinstance(module, (*_PASS, nn.Flatten))


def _append(builder: LayerBuilder, module: nn.Module, last: bool) -> None:
    kind = type(module)
    if kind is nn.Linear:
        bias = None if module.bias is None else _numpy(module.bias)
        builder.dense(_numpy(module.weight).T, bias)
    elif kind is nn.BatchNorm1d:
        builder.scale(*_batch_norm(module))
    elif kind in _ACTIVATIONS:
        builder.activate(_ACTIVATIONS[kind](module))
    elif kind is nn.Softmax and last and module.dim in (1, -1):
        builder.activate(Activation("softmax"))
    elif kind is nn.Flatten and (module.start_dim, module.end_dim) in ((1, -1), (1, 1)):
        pass  # rows are 2-D already
    elif kind not in _PASS:
        raise UnsupportedModelError(
            f"{module} is not a part that a Network can hold (Linear, BatchNorm1d, Dropout, Flatten, Identity, "
            f"{', '.join(sorted(known.__name__ for known in _ACTIVATIONS))}, Softmax over the columns at the end)."
        )


def _batch_norm(module: nn.BatchNorm1d) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift in evaluation mode."""
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedModelError(
            f"{module} keeps no running statistics, so that a row's output depends on the others."
        )
    scale = 1.0 / np.sqrt(_numpy(module.running_var) + module.eps)
    shift = -_numpy(module.running_mean) * scale
    if module.affine:
        weight = _numpy(module.weight)
        scale, shift = scale * weight, shift * weight + _numpy(module.bias)
    return scale, shift


def _numpy(tensor: torch.Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return found
