"""Proxies of sensitivity, against exact values on networks whose whole Hessian can be written down."""

import pytest
import torch
from oracle_setup import NAMES, small_network, small_oracle
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle import proxies
from lionheart_opt.oracle.proxies import (
    hessian_product,
    max_activations,
    max_eigenvalue,
    max_neuron_norm,
    sensitivity_proxies,
    trace,
)
from lionheart_opt.questions import Proxies, consult
from lionheart_opt.tracing.matrices import Matrix


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def examples() -> Examples:
    images = torch.randn(40, 6, generator=generator(), dtype=torch.float64)
    return Examples(inputs=images, targets=torch.arange(40) % 3)


@pytest.fixture
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)).double().eval()


def whole_hessian(network: nn.Module, names: list[str], examples: Examples) -> torch.Tensor:
    """The Hessian of the mean cross entropy with respect to some weights, by autograd, (n, n)."""
    shapes = {name: network.get_parameter(name).shape for name in names}
    sizes = [shape.numel() for shape in shapes.values()]

    def loss(flat: torch.Tensor) -> torch.Tensor:
        parts = zip(shapes.items(), torch.split(flat, sizes), strict=True)
        weights = {name: part.view(shape) for (name, shape), part in parts}
        return F.cross_entropy(functional_call(network, weights, examples.inputs), examples.targets)

    flat = torch.cat([network.get_parameter(name).detach().flatten() for name in names])
    return torch.autograd.functional.hessian(loss, flat)


UNITS = {"first": ("0",), "last": ("2",), "both": ("0", "2")}


@pytest.mark.parametrize("unit", UNITS)
def test_the_product_is_with_the_exact_hessian(unit, network, examples):
    names = [f"{path}.weight" for path in UNITS[unit]]
    exact = whole_hessian(network, names, examples)
    product = hessian_product(network, [Matrix.named(network, p) for p in UNITS[unit]], examples)
    hessian = torch.stack([product(column) for column in torch.eye(len(exact)).double()])
    torch.testing.assert_close(hessian, exact)


def test_proxies_agree_with_the_exact_hessian(network, examples):
    predictors = sensitivity_proxies(network, UNITS, examples, seed=0)
    for unit, paths in UNITS.items():
        names = [f"{path}.weight" for path in paths]
        exact = whole_hessian(network, names, examples)
        assert predictors["hessian_trace"][unit] == pytest.approx(float(exact.trace()), rel=0.3)
        largest = float(torch.linalg.eigvalsh(exact)[-1])
        assert predictors["hessian_max_eigenvalue"][unit] == pytest.approx(largest, rel=1e-3)
        norms = [network.get_parameter(name).detach().norm(dim=1).max() for name in names]
        assert predictors["max_neuron_norm"][unit] == pytest.approx(float(max(norms)))
    inside = torch.tanh(network[0](examples.inputs)).detach()
    assert predictors["max_activation"]["first"] == float(examples.inputs.abs().max())
    assert predictors["max_activation"]["last"] == pytest.approx(float(inside.abs().max()))


@pytest.mark.parametrize("kept_bytes", [1, 3000])
def test_the_product_is_the_same_over_small_batches(kept_bytes, network, examples, monkeypatch):
    """40 examples, one or a few at a time; the last batch is smaller."""
    names, matrices = ["0.weight"], [Matrix.named(network, "0")]
    sizes: list[int] = []
    network.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    exact = whole_hessian(network, names, examples)
    sizes.clear()
    monkeypatch.setattr(proxies, "KEPT_BYTES", kept_bytes)
    product = hessian_product(network, matrices, examples)
    hessian = torch.stack([product(column) for column in torch.eye(len(exact)).double()])
    torch.testing.assert_close(hessian, exact)
    assert max(sizes) < 40
    assert kept_bytes == 1 or 1 < max(sizes)


def test_what_fits_is_computed_once(network, examples):
    passes: list[int] = []
    network.register_forward_hook(lambda _, inputs, __: passes.append(len(inputs[0])))
    product = hessian_product(network, [Matrix.named(network, "0")], examples)
    for _ in range(3):
        product(torch.ones(30).double())
    assert passes == [1, 40], "one example tells the size"


def test_the_trace_of_a_diagonal_matrix_is_exact():
    diagonal = torch.tensor([3.0, -1.0, 0.5, 0.0]).double()
    assert trace(lambda v: diagonal * v, 4, generator()) == pytest.approx(2.5)


def test_the_trace_is_unbiased():
    matrix = torch.randn(8, 8, generator=generator(), dtype=torch.float64)
    matrix = matrix + matrix.T + 4 * torch.eye(8)
    dice = generator()
    estimates = [trace(lambda v: matrix @ v, 8, dice) for _ in range(200)]
    error = torch.tensor(estimates).std() / 200**0.5
    assert abs(sum(estimates) / 200 - float(matrix.trace())) < 4 * error


@pytest.mark.parametrize(
    ("spectrum", "largest"), [((5, 2, 1), 5), ((-5, 2, 1), 2), ((-5, -3, -1), -1), ((0, 0, 0), 0)]
)
def test_the_largest_eigenvalue_is_not_the_one_of_largest_magnitude(spectrum, largest):
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator(), dtype=torch.float64)).Q
    matrix = turn @ torch.diag(torch.tensor(spectrum).double()) @ turn.T
    assert max_eigenvalue(lambda v: matrix @ v, 3, generator()) == pytest.approx(largest, abs=1e-6)


def test_the_neuron_of_a_convolution_is_its_whole_filter():
    convolution = nn.Conv2d(2, 3, 2)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[1] = 2.0
    assert max_neuron_norm(convolution.weight) == pytest.approx(2 * 8**0.5)


def test_a_module_that_is_called_twice_is_watched_both_times(examples):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 6).double()

        def forward(self, x):
            return self.layer(100 * self.layer(x))

    network = Twice()
    with torch.no_grad():
        network.layer.weight.copy_(torch.eye(6))
        network.layer.bias.zero_()
        largest_inputs = max_activations(network, {"layer": ("layer",)}, examples)
    assert largest_inputs["layer"] == pytest.approx(100 * float(examples.inputs.abs().max()))


def test_attention_can_be_differentiated_twice(examples):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.out = nn.Linear(2, 2).double(), nn.Linear(6, 3).double()

        def forward(self, x):
            tokens = x.view(-1, 3, 2)
            seen = F.scaled_dot_product_attention(self.query(tokens), tokens, tokens)
            return self.out(seen.flatten(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Attention().eval()
    exact = whole_hessian(network, ["query.weight"], examples)
    product = hessian_product(network, [Matrix.named(network, "query")], examples)
    hessian = torch.stack([product(column) for column in torch.eye(4).double()])
    torch.testing.assert_close(hessian, exact)


def test_the_network_is_left_untouched_and_the_answer_is_always_the_same(network, examples):
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first, second = (sensitivity_proxies(network, UNITS, examples, seed=1) for _ in range(2))
    assert first == second
    assert sensitivity_proxies(network, UNITS, examples, seed=2) != first
    assert network.training and all(p.requires_grad for p in network.parameters())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_the_oracle_gives_every_proxy_of_every_unit(tmp_path):
    oracle = small_oracle(tmp_path)
    lines: list[str] = []
    oracle.watch(lines.append)
    answer = consult(oracle, Proxies(units=NAMES), seed=0)
    values = answer.values
    assert answer.oracle_s > 0
    assert all(list(of_units) == list(NAMES) for of_units in values.values())
    trained = oracle.pretrained.weights["conv2.weight"]
    assert values["max_neuron_norm"]["conv2"] == pytest.approx(max_neuron_norm(trained))
    assert values["max_neuron_norm"]["conv2"] != max_neuron_norm(small_network().conv2.weight)
    assert [line for line in lines if line.startswith("proxies: conv2")]
