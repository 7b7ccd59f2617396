"""Rules of DeepLIFT for torch functions: what value they give, and with which multipliers.

Linear in one argument: as it is. Elementwise: the rescale rule. Products of two: each factor's change times the other's
mean, the Shapley value of a game of two players, and the only split of a product that is symmetric and complete.
Softmax: as in ``cpp/src/deep/deep_lift.cpp``. Maximum: the change goes to the row's or the background's largest entry,
whichever is larger. Normalisations and attention are written in terms of these.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from fastexplain.engine.deep.torch_pairs import RULES, Pair, Rule, apply, only_pair, unsupported, value_of

__all__ = ["threshold"]

Args = tuple[Any, ...]
Kwargs = dict[str, Any]

SMOOTH, KINK_AT_ZERO, PIECEWISE = 0, 1, 2


def threshold(dtype: torch.dtype) -> float:
    """Relative change below which the slope stands in for the quotient; see THRESHOLD in deep_lift.py."""
    return float(torch.finfo(dtype).eps ** (1.0 / 3.0))


class _Graft(torch.autograd.Function):  # type: ignore[misc]
    """The value of one tensor with the graph of another of the same shape."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, surrogate: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, gradients[0]


def _grafted(value: Tensor, surrogate: Tensor) -> Tensor:
    found: Tensor = _Graft.apply(value.detach(), surrogate)
    return found


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return register


# ------------------------------------------------------------------------------------------------------------- linear

LINEAR = """
    add sub rsub neg positive sum mean cumsum diff trace linear conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d conv convolution avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d matmul mm bmm mv dot inner outer ger vdot einsum addmm addmv baddbmm
    addbmm bilinear mul tensordot kron rmatmul chain_matmul view view_as reshape reshape_as flatten unflatten ravel
    squeeze unsqueeze transpose swapaxes swapdims t permute movedim moveaxis adjoint mT expand expand_as
    broadcast_to repeat repeat_interleave tile cat stack hstack vstack column_stack chunk split split_with_sizes
    tensor_split hsplit unbind unfold fold narrow select index_select getitem take_along_dim gather take flip fliplr
    flipud roll rot90 pad _pad constant_pad_nd clone contiguous to float double type type_as tril triu diag diagonal
    diag_embed masked_fill masked_select where masked_scatter index_fill scatter scatter_add index_add index_copy
    pixel_shuffle pixel_unshuffle channel_shuffle lerp cpu cuda atleast_1d atleast_2d atleast_3d iter block_diag
    meshgrid
"""


@_rule(*LINEAR.split())
def _multilinear(func: Any, args: Args, kwargs: Kwargs) -> Any:
    """Functions that are linear in each argument: one pair, several that only add up, or a product of two.

    For a product g(u, v) the surrogate g(u, mean v) + g(mean u, v) has the multipliers; where u and v only add up (cat,
    addition) its gradients are those of the function, as they are for one pair.
    """
    name = getattr(func, "__name__", "?")
    leaves, spec = tree_flatten((args, kwargs))
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Pair)]
    with torch.no_grad():
        background = func(*value_of(args, "background"), **value_of(kwargs, "background"))
    row = func(*value_of(args, "row"), **value_of(kwargs, "row"))
    if name.strip("_") in PRODUCTS.split() and len(places) > 1:
        if len(places) > 2:
            raise unsupported(name, "it is a product of three or more values that depend on the features")
        row = _grafted(row, _product_surrogate(func, leaves, spec, places))
    return _pairs(row, background)


PRODUCTS = """
    mul imul rmul multiply matmul rmatmul mm bmm mv dot inner outer ger vdot einsum addmm addmv baddbmm addbmm
    bilinear linear tensordot kron chain_matmul conv1d conv2d conv3d conv_transpose1d conv_transpose2d
    conv_transpose3d lerp
"""


def _product_surrogate(func: Any, leaves: list[Any], spec: Any, places: list[int]) -> Tensor:
    def filled(kept: int) -> list[Any]:
        found = list(leaves)
        for i in places:
            pair = leaves[i]
            found[i] = pair.row if i == kept else 0.5 * (pair.row.detach() + pair.background)
        return found

    total: Tensor | None = None
    for place in places:
        args, kwargs = tree_unflatten(filled(place), spec)
        term = func(*args, **kwargs)
        total = term if total is None else total + term
    assert total is not None
    return total


def _pairs(row: Any, background: Any) -> Any:
    """Tensors, or lists and tuples of them, side by side."""
    if isinstance(row, torch.Tensor):
        if not row.is_floating_point():
            raise unsupported(f"conversion to {row.dtype}", "it rounds")
        return Pair(row, background)
    if isinstance(row, (list, tuple)):
        return type(row)(_pairs(r, b) for r, b in zip(row, background, strict=True))
    return (_pairs(r, b) for r, b in zip(row, background, strict=True))  # iterators over a tensor


@_rule("detach")
def _detach(func: Any, args: Args, kwargs: Kwargs) -> Any:
    return args[0] if args else kwargs["input"]  # its value still depends on the features


@_rule("batch_norm")
def _batch_norm(func: Any, args: Args, kwargs: Kwargs) -> Any:
    training = args[5] if len(args) > 5 else kwargs.get("training", False)
    if training:
        raise unsupported(
            "batch_norm", "it uses the statistics of the batch, so that a row's output depends on the others"
        )
    return _multilinear(func, args, kwargs)


@_rule("dropout", "alpha_dropout", "feature_alpha_dropout", "feature_dropout", "dropout1d", "dropout2d", "dropout3d")
def _dropout(func: Any, args: Args, kwargs: Kwargs) -> Any:
    training = args[2] if len(args) > 2 else kwargs.get("training", kwargs.get("train", True))
    if training:
        raise unsupported("dropout", "it is switched on, so that the output is random; pass training=self.training")
    return args[0] if args else kwargs["input"]


@_rule("embedding", "embedding_bag", "one_hot")
def _embedding(func: Any, args: Args, kwargs: Kwargs) -> Any:
    raise unsupported(
        func.__name__,
        "it looks up rows by number, not by a value; explain the model that begins after it",
    )


# -------------------------------------------------------------------------------------------------------- elementwise


def _multipliers(f: Callable[[Tensor], Tensor], pair: Pair, row: Tensor, background: Tensor, kink: int) -> Tensor:
    z, other = pair.row.detach(), pair.background
    change = z - other
    limit = threshold(z.dtype) * (1.0 + z.abs()) if kink != PIECEWISE else torch.zeros_like(z)
    flat = change.abs() <= limit
    if kink == KINK_AT_ZERO:
        flat &= ((z > 0) == (other > 0)) | (change == 0)
    quotient = (row - background) / torch.where(flat, torch.ones_like(change), change)
    quotient = torch.where(torch.isfinite(change), quotient, torch.zeros_like(quotient))  # both masked with -inf
    if not bool(flat.any()):
        return quotient
    return torch.where(flat, 0.5 * (_slope(f, z) + _slope(f, other)), quotient)


def _slope(f: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    z = z.detach().requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0]


def _elementwise(kink: int) -> Rule:
    def rule(func: Any, args: Args, kwargs: Kwargs) -> Any:
        pair, replaced = only_pair(func.__name__, args, kwargs)

        def f(z: Tensor) -> Tensor:
            new_args, new_kwargs = replaced(z)
            found: Tensor = func(*new_args, **new_kwargs)
            return found

        with torch.no_grad():
            row, background = f(pair.row), f(pair.background)
        if row.shape != pair.row.shape:
            raise unsupported(func.__name__, "its other argument is larger, so that it is not elementwise")
        multipliers = _multipliers(f, pair, row, background, kink)
        return Pair(_grafted(row, multipliers * pair.row), background)

    return rule


ELEMENTWISE = {
    SMOOTH: """
        gelu silu mish sigmoid expit logsigmoid log_sigmoid tanh softplus softsign tanhshrink exp exp2 expm1 log
        log2 log10 log1p sqrt rsqrt reciprocal square pow rpow float_power sin cos tan asin acos atan sinh cosh
        asinh acosh atanh erf erfc erfinv logit sinc i0 lgamma digamma xlogy
    """,
    KINK_AT_ZERO: "relu leaky_relu elu celu selu prelu rrelu",
    PIECEWISE: """
        relu6 hardtanh hardswish hardsigmoid abs clamp clamp_min clamp_max hardshrink softshrink threshold
    """,
}
for _kink, _names in ELEMENTWISE.items():
    _rule(*_names.split())(_elementwise(_kink))


@_rule("div", "rdiv")
def _divide(func: Any, args: Args, kwargs: Kwargs) -> Any:
    if kwargs.get("rounding_mode") is not None:
        raise unsupported("div", "it rounds")
    top, bottom = (args[1], args[0]) if func.__name__ in ("__rdiv__", "__rtruediv__") else args[:2]
    if not isinstance(bottom, Pair):
        return _multilinear(torch.div, (top, bottom), {})
    return torch.reciprocal(bottom) * top


@_rule("maximum", "minimum", "fmax", "fmin")
def _larger(func: Any, args: Args, kwargs: Kwargs) -> Any:
    a, b = args[:2]
    return b + torch.relu(a - b) if "max" in func.__name__ else b - torch.relu(b - a)


# --------------------------------------------------------------------------------------------------- softmax and norms


def _dim(args: Args, kwargs: Kwargs, place: int = 1) -> int:
    if kwargs.get("dtype") is not None:
        raise unsupported("softmax", "it converts to another dtype")
    dim = args[place] if len(args) > place else kwargs.get("dim")
    if not isinstance(dim, int):
        raise unsupported("softmax", f"dim must be one dimension; got {dim!r}")
    return dim


def _log_mean_share(gap: Tensor) -> Tensor:
    """L(u, v) / max(u, v) of the logarithmic mean L, where gap = |log u - log v|."""
    safe = torch.where(gap == 0, torch.ones_like(gap), gap)
    share = torch.where(gap == 0, torch.ones_like(gap), -torch.expm1(-safe) / safe)
    return torch.where(torch.isfinite(gap), share, torch.zeros_like(gap))  # masked with -inf


def _pooled_shares(pair: Pair, dim: int) -> Tensor:
    """The multipliers q of log sum exp: see cpp/src/deep/deep_lift.cpp; they sum to 1."""
    z, other = (t - _finite_mean(t, dim) for t in (pair.row.detach(), pair.background))
    total, total_b = torch.logsumexp(z, dim, keepdim=True), torch.logsumexp(other, dim, keepdim=True)
    below = _log_mean_share((total - total_b).abs())
    gap = torch.where(z == other, torch.zeros_like(z), (z - other).abs())
    q = torch.exp(torch.maximum(z, other) - torch.maximum(total, total_b)) * _log_mean_share(gap) / below
    present = torch.isfinite(z) & torch.isfinite(other)
    rest = 1.0 - q.sum(dim, keepdim=True)
    return q + torch.where(present, rest / present.sum(dim, keepdim=True).clamp(min=1), torch.zeros_like(q))


def _finite_mean(z: Tensor, dim: int) -> Tensor:
    """Mean of the entries that are not masked with -inf."""
    present = torch.isfinite(z)
    total = torch.where(present, z, torch.zeros_like(z)).sum(dim, keepdim=True)
    return total / present.sum(dim, keepdim=True).clamp(min=1)


def _with_zeros(t: Tensor) -> Tensor:
    """Values of a surrogate do not matter, but -inf times 0 would reach its gradients."""
    return torch.where(torch.isfinite(t.detach()), t, torch.zeros_like(t))


@_rule("log_softmax")
def _log_softmax(func: Any, args: Args, kwargs: Kwargs) -> Any:
    pair, dim = args[0] if args else kwargs["input"], _dim(args, kwargs)
    z = _with_zeros(pair.row)
    surrogate = z - (_pooled_shares(pair, dim) * z).sum(dim, keepdim=True)
    return Pair(_grafted(F.log_softmax(pair.row.detach(), dim), surrogate), F.log_softmax(pair.background, dim))


@_rule("softmax", "softmin")
def _softmax(func: Any, args: Args, kwargs: Kwargs) -> Any:
    pair, dim = args[0] if args else kwargs["input"], _dim(args, kwargs)
    if func.__name__ == "softmin":
        pair = -pair
    logs = F.log_softmax(pair, dim)
    gap = torch.where(
        logs.row == logs.background, torch.zeros_like(logs.row), (logs.row - logs.background).detach().abs()
    )
    r = torch.exp(torch.maximum(logs.row.detach(), logs.background)) * _log_mean_share(gap)
    return Pair(_grafted(F.softmax(pair.row.detach(), dim), r * _with_zeros(logs.row)), F.softmax(pair.background, dim))


@_rule("logsumexp")
def _logsumexp(func: Any, args: Args, kwargs: Kwargs) -> Any:
    pair, dim = args[0] if args else kwargs["input"], _dim(args, kwargs)
    keepdim = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    surrogate = (_pooled_shares(pair, dim) * _with_zeros(pair.row)).sum(dim, keepdim=keepdim)
    row = torch.logsumexp(pair.row.detach(), dim, keepdim=keepdim)
    return Pair(_grafted(row, surrogate), torch.logsumexp(pair.background, dim, keepdim=keepdim))


def _standardised(x: Any, dims: list[int], eps: float, *, centre: bool = True) -> Any:
    if centre:
        x = x - x.mean(dims, keepdim=True)
    return x * torch.rsqrt(x.square().mean(dims, keepdim=True) + eps)


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@_rule("layer_norm")
def _layer_norm(func: Any, args: Args, kwargs: Kwargs) -> Any:
    def steps(
        input: Any,
        normalized_shape: Any,
        weight: Any = None,
        bias: Any = None,
        eps: float = 1e-5,
        cudnn_enable: bool = True,
    ) -> Any:
        return _scaled(_standardised(input, list(range(-len(normalized_shape), 0)), eps), weight, bias)

    return steps(*args, **kwargs)


@_rule("rms_norm")
def _rms_norm(func: Any, args: Args, kwargs: Kwargs) -> Any:
    def steps(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
        eps = float(torch.finfo(input.dtype).eps) if eps is None else eps
        return _scaled(_standardised(input, list(range(-len(normalized_shape), 0)), eps, centre=False), weight, None)

    return steps(*args, **kwargs)


@_rule("group_norm")
def _group_norm(func: Any, args: Args, kwargs: Kwargs) -> Any:
    def steps(
        input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, cudnn_enabled: bool = True
    ) -> Any:
        groups = input.reshape(input.shape[0], num_groups, -1)
        shape = (1, -1, *([1] * (input.dim() - 2)))
        found = _standardised(groups, [2], eps).reshape(input.shape)
        return _scaled(found, *(None if part is None else part.reshape(shape) for part in (weight, bias)))

    return steps(*args, **kwargs)


@_rule("glu")
def _glu(func: Any, args: Args, kwargs: Kwargs) -> Any:
    first, second = (args[0] if args else kwargs["input"]).chunk(2, args[1] if len(args) > 1 else kwargs.get("dim", -1))
    return first * torch.sigmoid(second)


@_rule("scaled_dot_product_attention")
def _attention(func: Any, args: Args, kwargs: Kwargs) -> Any:
    def steps(
        query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
        scale: float | None = None, enable_gqa: bool = False,
    ) -> Any:  # fmt: skip
        if dropout_p or enable_gqa:
            raise unsupported("scaled_dot_product_attention", "with dropout or grouped queries it is not known")
        scores = (query @ key.transpose(-2, -1)) * (1.0 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None:
            is_flag = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -math.inf) if is_flag else scores + attn_mask
        return F.softmax(scores, -1) @ value

    return steps(*args, **kwargs)


# ------------------------------------------------------------------------------------------------------------ maximum


def _picked(pair: Pair, row: Tensor, background: Tensor, place: Tensor, place_b: Tensor, n_dims: int) -> Pair:
    """The change of a maximum, given to one entry of the last `n_dims` dimensions.

    The row's largest where that is the larger maximum, else the background's: it changes by as much at least, so that
    the multiplier is in [0, 1].
    """
    chosen = torch.where(row >= background, place, place_b)
    flat = pair.row.flatten(-n_dims)
    index = chosen.flatten(-n_dims)
    entry = flat.gather(-1, index).unflatten(-1, row.shape[-n_dims:])
    change = entry.detach() - pair.background.flatten(-n_dims).gather(-1, index).unflatten(-1, row.shape[-n_dims:])
    same = change == 0
    multiplier = torch.where(
        same, torch.ones_like(change), (row - background) / torch.where(same, torch.ones_like(change), change)
    )
    return Pair(_grafted(row, multiplier * entry), background)


def _max_pool(n_dims: int, adaptive: bool) -> Rule:
    name = f"adaptive_max_pool{n_dims}d_with_indices" if adaptive else f"max_pool{n_dims}d_with_indices"
    with_indices = getattr(F, name)

    def rule(func: Any, args: Args, kwargs: Kwargs) -> Any:
        kwargs = {**kwargs, "return_indices": False}
        with torch.no_grad():
            row, place = with_indices(*value_of(args, "row"), **value_of(kwargs, "row"))
            background, place_b = with_indices(*value_of(args, "background"), **value_of(kwargs, "background"))
        return _picked(only_pair(func.__name__, args, kwargs)[0], row, background, place, place_b, n_dims)

    return rule


for _n in (1, 2, 3):
    _rule(f"max_pool{_n}d", f"max_pool{_n}d_with_indices")(_max_pool(_n, adaptive=False))
    _rule(f"adaptive_max_pool{_n}d", f"adaptive_max_pool{_n}d_with_indices")(_max_pool(_n, adaptive=True))


@_rule("amax", "amin")
def _amax(func: Any, args: Args, kwargs: Kwargs) -> Any:
    pair, dim = args[0] if args else kwargs["input"], args[1] if len(args) > 1 else kwargs.get("dim")
    keepdim = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    if isinstance(dim, (tuple, list)) and len(dim) == 1:
        dim = dim[0]
    if not isinstance(dim, int):
        raise unsupported(func.__name__, "it is known over one dimension")
    if func.__name__ == "amin":
        return -torch.amax(-pair, dim, keepdim=keepdim)
    last = pair.movedim(dim, -1)
    (row, place), (background, place_b) = (side.detach().max(-1, keepdim=True) for side in (last.row, last.background))
    found = _picked(last, row, background, place, place_b, 1).movedim(-1, dim)
    return found if keepdim else found.squeeze(dim)


class _Extremum(tuple[Any, Any]):
    """What max and min over a dimension return; the indices cannot be followed and are not there."""

    @property
    def values(self) -> Any:
        return self[0]

    @property
    def indices(self) -> Any:
        raise unsupported("indices of max", "they jump")


@_rule("max", "min")
def _max(func: Any, args: Args, kwargs: Kwargs) -> Any:
    name = func.__name__
    second = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("other"))
    if isinstance(second, torch.Tensor):
        return apply(torch.maximum if name == "max" else torch.minimum, (args[0], second), {})
    keepdim = args[2] if len(args) > 2 else kwargs.get("keepdim", False)
    if not isinstance(second, int):
        raise unsupported(name, "over all dimensions it mixes the rows of a batch")
    function = torch.amax if name == "max" else torch.amin
    return _Extremum((apply(function, (args[0],), {"dim": second, "keepdim": keepdim}), None))
