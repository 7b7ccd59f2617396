"""DeepLIFT of any torch module: rows beside background rows through the module, all outputs back in one pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastexplain.engine.deep import torch_rules as _torch_rules  # noqa: F401  (fills RULES)
from fastexplain.engine.deep.rows import TOLERANCE, chunks
from fastexplain.engine.deep.torch_pairs import Pair, UnseenOperationError, counting_elements
from fastexplain.engine.progress import progress
from fastexplain.exceptions import UnsupportedModelError
from fastexplain.models.networks.torch import eval_mode, floating_type

__all__ = ["Runner", "deep_lift_module", "running"]

Array = NDArray[np.float64]

# A row's output alone and among others may differ by rounding: relative to the largest output.
BATCH_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
# Rows of a plain forward.
FORWARD_ROWS = 1024


class Runner:
    """A module as a function of its input: evaluation mode, copies of its buffers, parameters without gradients."""

    def __init__(self, module: Any, device: Any) -> None:
        self.module = module
        dtype = floating_type(module)
        if dtype not in (None, torch.float32, torch.float64):
            raise UnsupportedModelError(
                f"The module's parameters are {dtype}; expected float32 or float64: call .float() first."
            )
        self.dtype: torch.dtype = dtype or torch.float64
        tensors = (*module.parameters(), *module.buffers())
        self.device = (
            torch.device(device) if device is not None else tensors[0].device if tensors else torch.device("cpu")
        )
        self.state = {name: value.detach().to(self.device) for name, value in module.named_parameters()}
        # cloned: a forward may write to its buffers
        self.state.update({name: value.detach().clone().to(self.device) for name, value in module.named_buffers()})

    def __call__(self, x: Any) -> Any:
        output = torch.func.functional_call(self.module, self.state, (x,))
        if not isinstance(output, torch.Tensor):
            raise UnsupportedModelError(
                f"The module returns a {type(output).__name__}; expected one tensor. Wrap it in one that picks it."
            )
        if output.dim() == 1:
            output = output.unsqueeze(1)
        if output.dim() != 2 or output.shape[0] != x.shape[0]:
            raise ValueError(
                f"The module's output for {x.shape[0]} rows has shape {tuple(output.shape)}; expected (n_rows,) or "
                "(n_rows, n_outputs). Wrap the module in one that reshapes or picks outputs."
            )
        return output

    def tensor(self, rows: Array) -> torch.Tensor:
        """Rows as the module takes them."""
        return torch.as_tensor(rows, device=self.device, dtype=self.dtype)

    def outputs(self, rows: Array) -> Array:
        """The module's own outputs, of shape (n_rows, n_outputs)."""
        starts = range(0, max(1, len(rows)), FORWARD_ROWS)
        with torch.no_grad():
            found = [self(self.tensor(rows[begin : begin + FORWARD_ROWS])).detach().cpu().double() for begin in starts]
        outputs: Array = torch.cat(found).numpy()
        if not np.isfinite(outputs).all():
            row = int(np.flatnonzero(~np.isfinite(outputs).all(axis=1))[0])
            raise ValueError(f"The module's output for row {row} is not finite: {outputs[row]}.")
        return outputs


@contextlib.contextmanager
def running(module: Any, device: Any) -> Iterator[Runner]:
    """A `Runner` inside; the module as it was on the way out."""
    with torch.inference_mode(False), torch.enable_grad(), eval_mode(module):
        try:
            yield Runner(module, device)
        except UnseenOperationError as error:
            raise UnsupportedModelError(str(error)) from error


def deep_lift_module(
    module: Any,
    rows: Array,
    background: Array,
    weights: Array,
    *,
    device: Any,
    chunk_bytes: int,
    show_progress: bool | None,
) -> tuple[Array, Array, Array, float]:
    """Attributions (n_rows, n_features, n_outputs), outputs, base values, and the error that rounding explains."""
    with running(module, device) as runner:
        outputs, others = runner.outputs(rows), runner.outputs(background)
        n_outputs = others.shape[1]
        values = np.zeros((len(rows), rows.shape[1], n_outputs))
        tolerance = TOLERANCE[str(runner.dtype).removeprefix("torch.")]
        if not len(rows):
            return values, outputs, weights @ others, tolerance
        n_pairs = max(1, chunk_bytes // _try_one_pair(runner, rows, background, outputs, others))
        n_background = min(len(background), n_pairs)
        gradients = Gradients()
        with progress(len(rows), "deep_lift", show_progress) as bar:
            for part in chunks(len(rows), max(1, n_pairs // n_background)):
                mine = runner.tensor(rows[part])
                for some in chunks(len(background), n_background):
                    found = _pairs(runner, gradients, mine, runner.tensor(background[some]), outputs[part])
                    weight = torch.as_tensor(weights[some], device=runner.device)
                    values[part] += torch.einsum("krbj,b->rjk", found.double(), weight).cpu().numpy()
                    bar(len(mine) * (some.stop - some.start) / len(background))
    return values, outputs, weights @ others, tolerance


def _try_one_pair(runner: Runner, rows: Array, background: Array, outputs: Array, others: Array) -> int:
    """Bytes that a pair takes (both values, multipliers, a gradient for each output); checks that rows do not mix."""
    with counting_elements() as elements:
        output = runner(Pair(runner.tensor(rows[:1]).clone(), runner.tensor(background[:1]).clone()))
    if isinstance(output, Pair):
        _check_rows_apart(output.row, outputs[:1], runner.dtype)
        _check_rows_apart(output.background, others[:1], runner.dtype)
    n_outputs = others.shape[1]
    return int(runner.dtype.itemsize * (elements[0] * (4 + n_outputs) + n_outputs * n_outputs))


def _pairs(
    runner: Runner, gradients: Gradients, rows: torch.Tensor, background: torch.Tensor, outputs: Array
) -> torch.Tensor:
    """Contributions (n_outputs, n_rows, n_background, n_features) of every pair."""
    shape = (len(rows), len(background), rows.shape[1])
    x = rows.repeat_interleave(len(background), 0).requires_grad_()
    other = background.repeat(len(rows), 1)
    output = runner(Pair(x.clone(), other.clone()))  # clones: the module may work in place
    if not isinstance(output, Pair):  # it does not depend on the features
        return torch.zeros((output.shape[1], *shape), device=runner.device, dtype=runner.dtype)
    _check_rows_apart(output.row, np.repeat(outputs, len(background), axis=0), runner.dtype)
    multipliers = gradients(output.row, x)
    return (multipliers * (x.detach() - other)).reshape(-1, *shape)


def _check_rows_apart(found: torch.Tensor, expected: Array, dtype: torch.dtype) -> None:
    """The same row among other rows must give the same output."""
    gap = np.abs(found.detach().cpu().double().numpy() - expected).max()
    if not gap <= BATCH_TOLERANCE[dtype] * max(1.0, float(np.abs(expected).max())):
        raise UnsupportedModelError(
            f"A row's output depends on the other rows of its batch, or is random (it changed by {gap:.3g}); "
            "such a module has no attributions of single rows."
        )


class Gradients:
    """Gradients of every output with respect to the input, in one backward pass where it can be batched."""

    def __init__(self) -> None:
        self._batched = True

    def __call__(self, output: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """(n_outputs, n_rows, n_features); 0 where an output does not depend on the input."""
        n_outputs = output.shape[1]
        if not output.requires_grad:
            return torch.zeros((n_outputs, *x.shape), device=x.device, dtype=x.dtype)
        ways = torch.eye(n_outputs, device=output.device, dtype=output.dtype)
        ways = ways.unsqueeze(1).expand(n_outputs, len(output), n_outputs)
        if self._batched and n_outputs > 1:
            try:
                return self._of(output, x, ways, batched=True)
            except RuntimeError:
                # An operation whose backward vmap cannot batch: the same numbers, one output at a time. A RuntimeError
                # of another kind comes again below.
                self._batched = False
        return torch.stack([self._of(output, x, way, batched=False) for way in ways])

    @staticmethod
    def _of(output: torch.Tensor, x: torch.Tensor, way: torch.Tensor, *, batched: bool) -> torch.Tensor:
        found: torch.Tensor | None = torch.autograd.grad(
            output, x, way, retain_graph=True, is_grads_batched=batched, allow_unused=True
        )[0]
        if found is not None:
            return found
        return torch.zeros((len(way), *x.shape) if batched else x.shape, device=x.device, dtype=x.dtype)


@contextlib.contextmanager
def module_gradients(
    module: Any, device: Any
) -> Iterator[tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Array], int]]]:
    """Functions of rows: outputs, gradients (n_outputs, n_rows, n_features), and bytes that a row's gradient takes."""
    with running(module, device) as runner:
        gradients = Gradients()

        def gradient(points: Array) -> Array:
            x = runner.tensor(points).requires_grad_()
            found: Array = gradients(runner(x.clone()), x).detach().cpu().double().numpy()
            return found

        def bytes_of(rows: Array) -> int:
            saved = [0]

            def count(tensor: torch.Tensor) -> torch.Tensor:
                saved[0] += tensor.numel()
                return tensor

            n_outputs = 1
            if len(rows):
                with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
                    n_outputs = runner(runner.tensor(rows[:1]).requires_grad_().clone()).shape[1]
            return int(8 * (saved[0] + rows.shape[1]) * (2 + n_outputs))

        yield runner.outputs, gradient, bytes_of
