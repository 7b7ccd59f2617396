"""Tensors that carry a second one: a model run on rows and background rows at once, every operation seen.

A `Pair` is handed to the module in place of its input. Each torch function that meets one looks up a rule here
(``__torch_function__``), whether a module, ``torch.nn.functional`` or a method called it, and whether in place or not;
so a module used twice, or none at all, makes no difference. A rule computes the values of both tensors, and gives the
first one a gradient that is DeepLIFT's multiplier: its graph is that of a surrogate which is linear in the row's values
(`_grafted`). What has no rule raises, by name; what reaches a kernel around ``__torch_function__`` raises too
(``__torch_dispatch__``). Nothing passes with its plain gradient.
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from fastexplain.exceptions import FastExplainError

__all__ = [
    "RULES",
    "Pair",
    "Rule",
    "UnseenOperationError",
    "apply",
    "counting_elements",
    "only_pair",
    "unsupported",
    "value_of",
]

Rule = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

# name of a torch function, without leading or trailing underscores -> rule(function, args, kwargs); filled by
# torch_rules.py
RULES: dict[str, Rule] = {}

# Elements of the pairs made so far, while someone counts them: the measure of a model's memory per pair.
_elements: ContextVar[list[int] | None] = ContextVar("elements", default=None)

# Answered from the row's tensor: they look at no value.
QUERIES = """
    size dim ndimension stride numel nelement is_floating_point is_complex is_contiguous get_device element_size len
    storage_offset is_shared is_signed is_inference is_same_size has_names new_zeros new_ones new_full new_empty
    zeros_like ones_like full_like empty_like shape ndim dtype device layout requires_grad is_leaf is_cuda is_cpu
    is_mps is_sparse is_quantized is_nested is_meta is_mkldnn is_xla is_xpu names itemsize nbytes result_type
    can_cast
"""
# Properties with values, as the functions of that meaning.
PROPERTIES = {"T": "t", "mT": "mT", "data": "detach"}
# In-place operators; "add_" and the like are told by their underscore.
IN_PLACE_OPERATORS = {"__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div", "__ipow__": "pow"}
# Operators whose names say something else than the functions they are.
OPERATORS = {"truediv": "div", "rtruediv": "rdiv", "radd": "add", "rmul": "mul", "true_divide": "div", "divide": "div",
             "multiply": "mul", "subtract": "sub", "rmatmul": "rmatmul", "negative": "neg", "absolute": "abs",
             "clip": "clamp", "concat": "cat", "concatenate": "cat", "swish": "silu"}  # fmt: skip


class Pair(torch.Tensor):  # type: ignore[misc]
    """A row's tensor, with its gradient graph, beside the background row's, of the same shape."""

    row: torch.Tensor
    background: torch.Tensor

    @staticmethod
    def __new__(cls, row: torch.Tensor, background: torch.Tensor) -> Pair:
        """Wrap two tensors."""
        pair: Pair = torch.Tensor._make_wrapper_subclass(
            cls, row.shape, strides=row.stride(), dtype=row.dtype, device=row.device, requires_grad=False
        )
        pair.row, pair.background = row, background
        counted = _elements.get()
        if counted is not None:
            counted[0] += row.numel()
        return pair

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"Pair(row={self.row!r}, background={self.background!r})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Apply the rule of the function called."""
        return apply(func, args, kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Refuse a kernel that was reached around ``__torch_function__`` (scripted modules, custom operators)."""
        raise unsupported(str(func), "it was called from compiled code, where it cannot be seen")


class UnseenOperationError(FastExplainError):
    """An operation without a rule. Not a TypeError, as UnsupportedModelError is: Python's operators swallow those."""


def unsupported(name: str, why: str) -> UnseenOperationError:
    """The error for an operation without a rule."""
    return UnseenOperationError(
        f"deep_lift has no rule for the operation {name!r} on values that depend on the features: {why}. "
        "Use fastexplain.expected_gradients, which asks only for gradients."
    )


@contextlib.contextmanager
def counting_elements() -> Iterator[list[int]]:
    """A list whose one entry grows by the elements of every pair made inside."""
    counted = [0]
    token = _elements.set(counted)
    try:
        yield counted
    finally:
        _elements.reset(token)


def value_of(tree: Any, side: str) -> Any:
    """The arguments with every pair replaced by its ``"row"`` or ``"background"`` tensor."""
    return tree_map(lambda leaf: getattr(leaf, side) if isinstance(leaf, Pair) else leaf, tree)


def only_pair(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Pair, Callable[[torch.Tensor], Any]]:
    """The one pair among the arguments, and a function that returns the arguments with a tensor in its place."""
    leaves, spec = tree_flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Pair)]
    if len(places) != 1:
        raise unsupported(name, f"{len(places)} of its arguments depend on the features; it is known for one")

    def replaced(tensor: torch.Tensor) -> Any:
        return tree_unflatten([tensor if i == places[0] else leaf for i, leaf in enumerate(leaves)], spec)

    return leaves[places[0]], replaced


def apply(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `func` gives for arguments among which there are pairs."""
    called = getattr(func, "__name__", str(func))
    if called == "__get__":  # a property: func is the descriptor's method
        called = func.__self__.__name__
        if called in PROPERTIES:
            func = getattr(torch, "t" if called == "T" else "detach") if called != "mT" else torch.adjoint
            called = PROPERTIES[called]
    if called == "requires_grad_":
        return args[0]
    if called == "__set__":
        raise unsupported("assignment to an attribute of a tensor", "it cannot be followed")
    name = called.strip("_")
    name = OPERATORS.get(name, name)
    if name in QUERIES.split():
        return func(*value_of(args, "row"), **value_of(kwargs, "row"))
    with torch.enable_grad():  # a no_grad block in the model changes gradients, not values: here values count
        if called == "__setitem__":
            return _set_item(*args)
        if (
            called in IN_PLACE_OPERATORS
            or (called.endswith("_") and not called.endswith("__"))
            or kwargs.get("inplace")
        ):
            return _in_place(called, func, args, kwargs)
        return _out_of_place(name, func, args, kwargs)


def _out_of_place(name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if kwargs.get("out") is not None:
        raise unsupported(name, "it writes to out=")
    if name in RULES:
        return RULES[name](func, args, kwargs)
    if isinstance(func, types.FunctionType) and func.__module__.startswith("torch."):
        return _unfolded(func)(*args, **kwargs)
    raise unsupported(name, "none is known")


def _unfolded(func: types.FunctionType) -> types.FunctionType:
    """A torch function written in Python, as its steps: one that does not ask for ``__torch_function__``."""
    unseen = {name: _false for name in func.__globals__ if name.startswith("has_torch_function")}
    copy = types.FunctionType(
        func.__code__, {**func.__globals__, **unseen}, func.__name__, func.__defaults__, func.__closure__
    )
    copy.__kwdefaults__ = func.__kwdefaults__
    return copy


def _false(*args: Any, **kwargs: Any) -> bool:
    return False


def _in_place(called: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Out of place, then copied over the first argument, so that autograd itself takes care of views."""
    kwargs = {key: value for key, value in kwargs.items() if key != "inplace"}
    target = args[0] if args else kwargs.get("input")
    name = IN_PLACE_OPERATORS.get(called, called.strip("_"))
    if not isinstance(target, Pair):
        raise unsupported(called, "it writes values that depend on the features into a tensor that does not")
    for namespace in (torch.Tensor, torch, torch.nn.functional):
        if called != name and hasattr(namespace, name):
            func = getattr(namespace, name)
            break
    result = _out_of_place(OPERATORS.get(name, name), func, args, kwargs)
    if result is target:  # dropout in evaluation mode
        return target
    if isinstance(result, torch.Tensor) and result.shape != target.shape:
        raise unsupported(called, "it changes a tensor's shape in place")
    target.row.copy_(value_of(result, "row"))
    target.background.copy_(value_of(result, "background"))
    return target


def _set_item(target: Any, index: Any, value: Any) -> None:
    leaves, _ = tree_flatten(index)
    if not isinstance(target, Pair) or any(isinstance(leaf, Pair) for leaf in leaves):
        raise unsupported(
            "__setitem__", "it writes values that depend on the features into a tensor that does not, or where they say"
        )
    for side in ("row", "background"):
        getattr(target, side)[index] = value_of(value, side)
