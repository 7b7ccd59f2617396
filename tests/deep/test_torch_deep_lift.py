"""DeepLIFT of torch modules of any shape: completeness, known rules, refusals, and the module as it was."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from naive_deep_lift import naive_deep_lift
from numpy.testing import assert_allclose, assert_array_equal

import fastexplain
from fastexplain import deep_lift, expected_gradients
from fastexplain.models.networks import network as networks

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional

N_FEATURES = 12
COMPLETE = 1e-12
# float32: 24 bits through a few dozen sums
COMPLETE_FLOAT32 = 1e-5

X = np.random.default_rng(0).normal(size=(6, N_FEATURES))
BACKGROUND = np.random.default_rng(1).normal(size=(5, N_FEATURES))
WEIGHTS = np.array([1.0, 2.0, 0.0, 0.5, 1.5])

Step = Callable[[Any, Any], Any]


class Model(nn.Module):
    """Linear, the step under test, Linear: two outputs."""

    def __init__(self, step: Step, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.step = step
        self.first, self.middle, self.last = (nn.Linear(N_FEATURES, n) for n in (N_FEATURES, N_FEATURES, 2))
        self.relu, self.relu_inplace = nn.ReLU(), nn.ReLU(inplace=True)
        self.layer_norm, self.group_norm, self.batch_norm = (
            nn.LayerNorm(N_FEATURES), nn.GroupNorm(3, N_FEATURES), nn.BatchNorm1d(N_FEATURES)
        )  # fmt: skip
        self.conv, self.pool, self.dropout = nn.Conv1d(1, 2, 3, padding=1), nn.MaxPool1d(2), nn.Dropout(0.5)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.lstm, self.embedding = nn.LSTM(4, 4, batch_first=True), nn.Embedding(2, N_FEATURES)

    def forward(self, x: Any) -> Any:
        return self.last(self.step(self, self.first(x)))


def in_place(h: Any, *steps: Callable[[Any], Any]) -> Any:
    """A copy of h, after steps that write to it; what they return is dropped."""
    h = 1.5 * h
    for step in steps:
        step(h)
    return h


def without_gradients(step: Callable[[], Any]) -> Any:
    with torch.no_grad():
        return step()


class Swish(torch.autograd.Function):
    """Somebody's own activation, gradient and all."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return gradient


def functional(name: str) -> Step:
    return lambda m, h: getattr(F, name)(h)


tokens = lambda h: h.view(-1, 3, 4)  # noqa: E731
flat = lambda h: h.reshape(-1, N_FEATURES)  # noqa: E731

STEPS: dict[str, Step] = {
    # functional activations (shap #3938, #3363, #2785, #3263)
    "functional relu": lambda m, h: F.relu(h),
    "torch tanh": lambda m, h: torch.tanh(h),
    "method sigmoid": lambda m, h: h.sigmoid(),
    **{name: functional(name) for name in (
        "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "logsigmoid", "hardtanh",
        "relu6", "hardswish", "hardsigmoid", "tanhshrink", "hardshrink", "softshrink",
    )},
    "gelu tanh": lambda m, h: F.gelu(h, approximate="tanh"),
    "prelu": lambda m, h: F.prelu(h, torch.tensor([0.2], dtype=h.dtype)),
    "exp log sqrt": lambda m, h: torch.log1p(torch.exp(h)) + torch.sqrt(1 + h.abs()) + h.sin() + (1 + h * h).rsqrt(),
    "clamp": lambda m, h: h.clamp(-0.3, 0.4),
    "power": lambda m, h: h**3 + 2**h,
    # one module twice (shap #3725, #1479)
    "module used twice": lambda m, h: m.relu(m.middle(m.relu(h))),
    # in place (shap #3466, #3565, #1966)
    "in-place module and residual": lambda m, h: m.relu_inplace(h) + h,
    "in-place methods": lambda m, h: in_place(h, lambda y: y.relu_(), lambda y: y.add_(h), lambda y: y.mul_(h)),
    "in-place operator": lambda m, h: in_place(h, lambda y: y.__iadd__(h * h), lambda y: y.__imul__(2.0)),
    "in-place on a view": lambda m, h: in_place(h, lambda y: F.relu_(tokens(y)), lambda y: y[:, :3].tanh_()),
    "assignment to a part": lambda m, h: in_place(h, lambda y: y.__setitem__((slice(None), 0), h[:, 1] * h[:, 2])),
    # layer norm, attention, residuals (shap #3505, #3918, #3477)
    "residual": lambda m, h: h + F.gelu(m.middle(h)),
    "layer norm": lambda m, h: m.layer_norm(h),
    "functional layer norm": lambda m, h: F.layer_norm(h, (N_FEATURES,)),
    "rms norm": lambda m, h: F.rms_norm(h, (N_FEATURES,)),
    "group norm": lambda m, h: flat(m.group_norm(h.view(-1, N_FEATURES, 1))),
    "batch norm": lambda m, h: torch.relu(m.batch_norm(h)),
    "attention": lambda m, h: flat(m.attention(*[tokens(h)] * 3)[0]),
    "dot-product attention": lambda m, h: flat(F.scaled_dot_product_attention(*[tokens(h)] * 3)),
    "causal attention": lambda m, h: flat(F.scaled_dot_product_attention(*[tokens(h)] * 3, is_causal=True)),
    "transformer encoder": lambda m, h: flat(m.encoder(tokens(h))),
    # softmax, gates, products
    "softmax": lambda m, h: F.softmax(h, dim=-1),
    "softmax inside": lambda m, h: flat(tokens(h).softmax(1)) * h,
    "log softmax": lambda m, h: h.log_softmax(1),
    "softmin": lambda m, h: F.softmin(h, dim=1),
    "logsumexp": lambda m, h: h - torch.logsumexp(h, 1, keepdim=True),
    "gate": lambda m, h: h * torch.sigmoid(m.middle(h)),
    "gated linear unit": lambda m, h: F.glu(torch.cat([h, m.middle(h)], 1)),
    "quotient": lambda m, h: h / (1 + h.abs()) + 1 / (2 + h * h),
    "products of matrices": lambda m, h: torch.bmm(tokens(h), tokens(h).mT).reshape(-1, 9).repeat(1, 2)[:, :N_FEATURES],
    "einsum": lambda m, h: torch.einsum("bi,bj->bij", h, m.middle(h)).sum(2),
    # maxima
    "max pool": lambda m, h: torch.cat([m.pool(h.unsqueeze(1)).squeeze(1), m.pool(-h.unsqueeze(1)).squeeze(1)], 1),
    "overlapping max pool": lambda m, h: F.max_pool1d(h.unsqueeze(1), 3, 1, 1).squeeze(1),
    "max pool 2d": lambda m, h: F.max_pool2d(h.view(-1, 1, 4, 3), (2, 1)).flatten(1).repeat(1, 2),
    "adaptive max pool": lambda m, h: F.adaptive_max_pool1d(h.unsqueeze(1), 4).flatten(1).repeat(1, 3),
    "maximum": lambda m, h: torch.maximum(h, -h.flip(1)) + torch.minimum(h, m.middle(h)),
    "max over a dimension": lambda m, h: tokens(h).max(dim=1).values.repeat(1, 3) - h.amin(1, keepdim=True),
    # shapes and what is linear
    "convolution": lambda m, h: F.relu(m.conv(h.unsqueeze(1))).flatten(1)[:, :N_FEATURES],
    "average pool": lambda m, h: F.avg_pool1d(torch.relu(h).unsqueeze(1), 2).flatten(1).repeat(1, 2),
    "chunks": lambda m, h: torch.cat([part.tanh() for part in h.chunk(3, 1)][::-1], 1),
    "stack and unbind": lambda m, h: torch.stack([part * part for part in h.unbind(1)], 1),
    "transposed": lambda m, h: torch.tanh(h.T).T + F.pad(h, (1, 0))[:, :-1],
    "masks": lambda m, h: h.masked_fill(torch.arange(12) % 2 == 0, 1.0) * torch.where(torch.arange(12) < 6, h, -h),
    "dropout": lambda m, h: F.relu(m.dropout(h)),
    "statistics": lambda m, h: (h - h.mean(1, keepdim=True)) * h.sum(dim=1, keepdim=True),
    # values count, gradients do not
    "no grad": lambda m, h: without_gradients(lambda: torch.tanh(h)),
    "detached": lambda m, h: h * h.detach().tanh() + h.data,
    "custom autograd function": lambda m, h: Swish.apply(h),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # of completeness
        yield


@pytest.mark.parametrize("name", STEPS)
def test_every_operation_is_seen(name: str) -> None:
    model = Model(STEPS[name]).double()
    model(torch.randn(50, N_FEATURES).double())  # running statistics; training mode
    result = deep_lift(model, X, BACKGROUND, weights=WEIGHTS)
    model.eval()
    with torch.no_grad():
        outputs, others = (model(torch.from_numpy(rows)).numpy() for rows in (X, BACKGROUND))
    assert result.method == "torch"
    assert result.values.shape == (len(X), N_FEATURES, 2)
    assert np.abs(result.values).max() > 1e-3
    assert_allclose(result.base_values, WEIGHTS @ others / WEIGHTS.sum(), rtol=1e-12)
    assert_allclose(result.values.sum(axis=1) + result.base_values, outputs, rtol=0, atol=COMPLETE)
    assert np.abs(result.completeness_errors).max() < COMPLETE


@pytest.mark.parametrize(
    "name", ["functional relu", "in-place on a view", "gate", "attention", "softmax", "max pool", "layer norm"]
)
def test_float32_is_close_to_float64(name: str) -> None:
    model = Model(STEPS[name])
    single = deep_lift(model, X, BACKGROUND)
    assert next(model.parameters()).dtype == torch.float32
    double = deep_lift(copy.deepcopy(model).double(), X, BACKGROUND)
    assert np.abs(single.completeness_errors).max() < COMPLETE_FLOAT32
    assert_allclose(single.values, double.values, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["functional relu", "attention", "in-place on a view", "max pool", "softmax"])
def test_chunks_do_not_change_the_values(name: str) -> None:
    model = Model(STEPS[name]).double()
    expected = deep_lift(model, X, BACKGROUND, weights=WEIGHTS).values
    for chunk_bytes in (1, 50_000):
        found = deep_lift(model, X, BACKGROUND, weights=WEIGHTS, chunk_bytes=chunk_bytes, show_progress=True).values
        assert_allclose(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kinds", [("ReLU", "ReLU"), ("GELU", "Tanh"), ("ELU", "Softplus"), ("SiLU", "Sigmoid")])
@pytest.mark.parametrize("end", [[], [nn.Softmax(dim=1)], [nn.Sigmoid()]], ids=["", "softmax", "sigmoid"])
def test_torch_path_equals_network_path_equals_definition(kinds: tuple[str, str], end: list[Any]) -> None:
    torch.manual_seed(0)
    first, second = (getattr(nn, kind)() for kind in kinds)
    model = nn.Sequential(
        nn.Linear(N_FEATURES, 9), first, nn.BatchNorm1d(9), nn.Linear(9, 7), second, nn.Dropout(), nn.Linear(7, 3), *end
    ).double()
    model(torch.randn(60, N_FEATURES).double())
    native = deep_lift(model, X, BACKGROUND, weights=WEIGHTS)
    general = deep_lift(model, X, BACKGROUND, weights=WEIGHTS, device="cpu")
    assert (native.method, general.method) == ("network", "torch")
    expected, base = naive_deep_lift(networks.load_network(model), X, BACKGROUND, WEIGHTS)
    assert_allclose(native.values, expected, rtol=1e-9, atol=1e-11)
    assert_allclose(general.values, expected, rtol=1e-9, atol=1e-11)
    assert_allclose(general.base_values, base, rtol=1e-11)


def test_equals_shap_on_relu_networks() -> None:
    shap = pytest.importorskip("shap")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(N_FEATURES, 20), nn.ReLU(), nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 3)).eval()
    rows, background = (torch.tensor(a, dtype=torch.float32) for a in (X, BACKGROUND))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = shap.DeepExplainer(model, background).shap_values(rows)
    for device in (None, "cpu"):
        result = deep_lift(model, rows, background, device=device)
        assert_allclose(result.values, expected, rtol=1e-3, atol=1e-6)  # shap computes in float32


def test_products_give_each_factor_its_change_times_the_others_mean() -> None:
    class Product(nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:, 0] * x[:, 1]

    result = deep_lift(Product(), [[3.0, 5.0]], [[1.0, 2.0]])
    assert_allclose(result.values[0, :, 0], [2.0 * 3.5, 3.0 * 2.0])
    assert result.values.shape == (1, 2, 1)  # a 1-D output is one column (shap's outputs.shape[1] fails)


def test_maximum_gives_the_change_to_the_largest_entry() -> None:
    class Largest(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.amax(x, 1)

    result = deep_lift(Largest(), [[5.0, 1.0, 0.0], [0.0, 0.5, 0.0]], [[1.0, 2.0, 3.0]])
    assert_allclose(result.values[:, :, 0], [[2.0, 0.0, 0.0], [0.0, 0.0, -2.5]])


def test_normalisation_and_attention_equal_their_steps_written_out() -> None:
    def norm(m: Any, h: Any) -> Any:
        centred = h - h.mean(-1, keepdim=True)
        return centred * torch.rsqrt((centred**2).mean(-1, keepdim=True) + m.layer_norm.eps)

    def attend(m: Any, h: Any) -> Any:
        t = tokens(h)
        return flat(torch.softmax(torch.matmul(t, t.transpose(1, 2)) / math.sqrt(4), -1) @ t)

    for name, steps in (("layer norm", norm), ("dot-product attention", attend)):
        written, known = (deep_lift(Model(step).double(), X, BACKGROUND).values for step in (steps, STEPS[name]))
        assert_allclose(known, written, rtol=1e-10, atol=1e-13)


REFUSED: dict[str, tuple[Step, str]] = {
    "comparison": (lambda m, h: h * (h > 0), "'gt'"),
    "sorting": (lambda m, h: h.sort(1).values, "'sort'"),
    "item": (lambda m, h: h * h.sum().item(), "'item'"),
    "rounding": (lambda m, h: h.round(), "'round'"),
    "integers": (lambda m, h: h.to(torch.int64).to(h.dtype), "it rounds"),
    "indices of max": (lambda m, h: h + h.max(1).indices.unsqueeze(1), "they jump"),
    "norm": (lambda m, h: F.normalize(h), "norm"),
    "recurrent": (lambda m, h: flat(m.lstm(tokens(h))[0]), "'lstm'"),
    "embedding": (lambda m, h: m.embedding(h), "'embedding'.*looks up rows by number"),
    "scripted": (lambda m, h: SCRIPTED(h), "'(forward|aten::tanh.*|aten.tanh.default)'"),
    "operator": (lambda m, h: torch.ops.aten.sign(h), "'.*sign.*'"),
    "numpy": (lambda m, h: h + torch.from_numpy(np.tanh(h.detach().numpy())), "'numpy'"),
    "three factors": (lambda m, h: torch.einsum("bi,bi,bi->bi", h, h, h), "three or more"),
    "written into a constant": (lambda m, h: torch.zeros(len(h), 12, dtype=h.dtype).copy_(h), "does not"),
    "set into a constant": (lambda m, h: torch.zeros(6, 12, dtype=h.dtype).__setitem__(0, h[0]) or h, "__setitem__"),
    "out": (lambda m, h: torch.tanh(h, out=torch.empty(0, dtype=h.dtype)), "out="),
    "active dropout": (lambda m, h: F.dropout(h, 0.5, training=True), "random"),
    "batch statistics": (lambda m, h: F.batch_norm(h, None, None, training=True), "statistics of the batch"),
    "rows mixed": (lambda m, h: h - h.mean(0), "depends on the other rows"),
    "random": (lambda m, h: h + torch.rand_like(h[0].detach() * 0 + 1), "rand_like|random"),
}  # fmt: skip


class Scripted(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch.jit is deprecated, and still in use
    SCRIPTED = torch.jit.script(Scripted())


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_rule_is_refused_by_name(name: str) -> None:
    step, match = REFUSED[name]
    model = Model(step).double()
    if name in ("embedding", "out"):  # they fail in torch itself, or need another input there
        from fastexplain.engine.deep.torch_deep_lift import running
        from fastexplain.engine.deep.torch_pairs import Pair

        with pytest.raises(fastexplain.UnsupportedModelError, match=match), running(model, None) as runner:
            runner(Pair(torch.from_numpy(X).clone(), torch.from_numpy(X).clone()))
        return
    with pytest.raises(fastexplain.UnsupportedModelError, match=match) as caught:
        deep_lift(model, X, BACKGROUND)
    if "other rows" not in str(caught.value):
        assert "expected_gradients" in str(caught.value)


@pytest.mark.parametrize("name", ["sorting", "recurrent", "norm", "comparison"])
def test_expected_gradients_explain_what_deep_lift_refuses(name: str) -> None:
    model = Model(REFUSED[name][0]).double()
    result = expected_gradients(model, X, BACKGROUND, weights=WEIGHTS, n_samples=2000)
    outputs = model.eval()(torch.from_numpy(X)).detach().numpy()
    sums = result.values.sum(axis=1) + result.base_values
    # attributions of a row are correlated: the sum's error is at most the sum of the errors
    assert (np.abs(sums - outputs) < 4 * result.standard_errors.sum(axis=1)).all()
    tiny = expected_gradients(model, X, BACKGROUND, weights=WEIGHTS, n_samples=2000, chunk_bytes=200_000)
    assert_allclose(tiny.values, result.values, rtol=1e-9, atol=1e-12)


def test_expected_gradients_in_torch_equal_the_native_ones() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(N_FEATURES, 9), nn.GELU(), nn.Linear(9, 3), nn.Softmax(dim=1)).double()
    native, general = (
        expected_gradients(model, X, BACKGROUND, n_samples=40, device=device) for device in (None, "cpu")
    )
    assert_allclose(general.values, native.values, rtol=1e-10, atol=1e-14)
    assert_allclose(general.standard_errors, native.standard_errors, rtol=1e-8, atol=1e-14)


# ------------------------------------------------------------------------------------------------ the module as it was


def snapshot(model: Any) -> dict[str, Any]:
    return {
        "training": [part.training for part in model.modules()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "values": [t.detach().clone() for t in (*model.parameters(), *model.buffers())],
        "identity": [id(t) for t in (*model.parameters(), *model.buffers())],
        "hooks": [(len(part._forward_hooks), len(part._backward_hooks)) for part in model.modules()],
        "attributes": [sorted(vars(part)) for part in model.modules()],
    }


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return bool(torch.equal(a, b))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.mark.parametrize("name", ["transformer encoder", "batch norm", "in-place module and residual", "sorting"])
@pytest.mark.parametrize("function", [deep_lift, expected_gradients])
def test_module_is_left_as_it_was(name: str, function: Any) -> None:
    model = Model(STEPS[name] if name in STEPS else REFUSED[name][0]).double()
    model(torch.randn(20, N_FEATURES).double()).sum().backward()  # gradients of its own
    model.train()
    model.middle.eval()
    model.first.weight.requires_grad_(False)
    seen: list[int] = []
    model.first.register_forward_hook(lambda module, args, output: seen.append(1))
    before, random = snapshot(model), torch.get_rng_state()
    try:
        function(model, X, BACKGROUND)
    except fastexplain.UnsupportedModelError:
        assert name == "sorting"
    after = snapshot(model)
    for key in before:
        assert same(before[key], after[key]), key
    assert torch.equal(random, torch.get_rng_state())
    assert seen  # hooks run, as in any forward
    assert torch.is_grad_enabled()


def test_a_buffer_written_in_forward_is_left_alone() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(N_FEATURES, 1).double()
            self.register_buffer("calls", torch.zeros(1))

        def forward(self, x: Any) -> Any:
            self.calls.add_(1)
            return torch.tanh(self.linear(x))

    model = Counting()
    deep_lift(model, X, BACKGROUND)
    assert model.calls.item() == 0


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(mode: Any) -> None:
    model = Model(STEPS["gate"]).double()
    expected = deep_lift(model, X, BACKGROUND)
    with mode():
        assert_array_equal(deep_lift(model, X, BACKGROUND).values, expected.values)
        assert not torch.is_grad_enabled()


def test_all_outputs_go_back_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    grad = torch.autograd.grad

    def counted(*args: Any, **options: Any) -> Any:
        if options.get("retain_graph"):
            calls.append(bool(options.get("is_grads_batched")))
        return grad(*args, **options)

    for name in ("gate", "attention", "softmax", "max pool", "transformer encoder", "in-place methods"):
        model = Model(STEPS[name]).double()
        calls.clear()
        monkeypatch.setattr(torch.autograd, "grad", counted)
        deep_lift(model, X, BACKGROUND)
        monkeypatch.setattr(torch.autograd, "grad", grad)
        assert calls == [True], name


def test_tied_weights_and_parametrisations() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(N_FEATURES, N_FEATURES), nn.Linear(N_FEATURES, N_FEATURES)
            self.b.weight = self.a.weight
            self.c = torch.nn.utils.parametrizations.weight_norm(nn.Linear(N_FEATURES, 2))

        def forward(self, x: Any) -> Any:
            return self.c(torch.tanh(self.b(torch.relu(self.a(x)))))

    result = deep_lift(Tied().double(), X, BACKGROUND)
    assert np.abs(result.completeness_errors).max() < COMPLETE


# ------------------------------------------------------------------------------------------------------------- inputs


def test_tensors_and_tables_give_the_same() -> None:
    pd = pytest.importorskip("pandas")
    model = Model(STEPS["gate"]).double()
    expected = deep_lift(model, X, BACKGROUND).values
    assert_array_equal(
        deep_lift(model, torch.from_numpy(X).requires_grad_(), torch.from_numpy(BACKGROUND)).values, expected
    )
    assert_array_equal(deep_lift(model, pd.DataFrame(X), pd.DataFrame(BACKGROUND)).values, expected)
    assert deep_lift(model, X[:0], BACKGROUND).values.shape == (0, N_FEATURES, 2)
    sequential = nn.Sequential(nn.Linear(N_FEATURES, 2)).double()
    assert_array_equal(
        deep_lift(sequential, torch.from_numpy(X), torch.from_numpy(BACKGROUND)).values,
        deep_lift(sequential, X, BACKGROUND).values,
    )


def test_one_row_one_background_row_and_equal_rows() -> None:
    model = Model(STEPS["transformer encoder"]).double()
    same_row = deep_lift(model, X[:1], X[:1])
    assert_array_equal(same_row.values, np.zeros((1, N_FEATURES, 2)))
    assert np.abs(deep_lift(model, X[:1], X[1:2]).completeness_errors).max() < COMPLETE


def test_a_module_that_ignores_its_input_gets_zeros() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, x: Any) -> Any:
            return self.value.expand(x.shape[0], 2)

    result = deep_lift(Constant(), X, BACKGROUND)
    assert_array_equal(result.values, np.zeros((len(X), N_FEATURES, 2)))
    assert_allclose(result.base_values, [1.0, 2.0])
    assert_array_equal(expected_gradients(Constant(), X, BACKGROUND).values, result.values)


@pytest.mark.parametrize("function", [deep_lift, expected_gradients])
def test_bad_modules_and_rows_are_named(function: Any) -> None:
    def refused(step: Callable[[Any], Any], match: str, error: type[Exception] = ValueError, rows: Any = X) -> None:
        class Bad(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.linear = nn.Linear(N_FEATURES, 6).double()

            def forward(self, x: Any) -> Any:
                return step(self.linear(x))

        with pytest.raises(error, match=match):
            function(Bad(), rows, BACKGROUND)

    refused(lambda h: h.view(-1, 2, 3), r"output for \d+ rows has shape \(\d+, 2, 3\); expected \(n_rows,\)")
    refused(lambda h: h.sum(), r"has shape \(\)")
    refused(lambda h: (h, h), "returns a tuple", fastexplain.UnsupportedModelError)
    refused(lambda h: h / 0, "output for row 0 is not finite")
    refused(lambda h: h, "X is NaN in row 0", rows=np.full((1, N_FEATURES), np.nan))
    refused(lambda h: h, r"background: X has 12 columns; the network model was fitted on 3", rows=X[:, :3])
    refused(lambda h: h, r"X has shape \(6, 3, 4\); expected \(n_rows, n_features\)", rows=X.reshape(6, 3, 4))
    with pytest.raises(fastexplain.UnsupportedModelError, match="float16"):
        function(Model(STEPS["gate"]).half(), X, BACKGROUND)


def test_incomplete_attributions_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastexplain.engine.deep import torch_pairs

    rule = torch_pairs.RULES["tanh"]

    def plain(func: Any, args: Any, kwargs: Any) -> Any:
        pair = args[0]
        return torch_pairs.Pair(func(pair.row), func(pair.background))

    monkeypatch.setitem(torch_pairs.RULES, "tanh", plain)
    with pytest.warns(RuntimeWarning, match=r"miss the change of the output by .*% of the largest change"):
        result = deep_lift(Model(STEPS["torch tanh"]).double(), X, BACKGROUND)
    assert np.abs(result.completeness_errors).max() > 1e-3
    assert rule is not plain


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["functional relu", "transformer encoder", "max pool", "in-place on a view"])
def test_cuda_equals_cpu(name: str) -> None:
    model = Model(STEPS[name]).double()
    expected = deep_lift(model, X, BACKGROUND)
    found = deep_lift(model, X, BACKGROUND, device="cuda")
    assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-12)
    assert next(model.parameters()).device.type == "cpu"
    assert_allclose(deep_lift(model.cuda(), X, BACKGROUND).values, expected.values, rtol=1e-9, atol=1e-12)
