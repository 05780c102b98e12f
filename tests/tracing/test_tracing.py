"""What a network is traced with, what cannot be traced, and that it is left as it was."""

import subprocess
import sys
import warnings
from textwrap import dedent
from typing import Any

import pytest
import torch
from tiny_transformers import bert, gpt2
from torch import Tensor, nn
from traced import Lambda, kinds

from lionheart_opt import tracing
from lionheart_opt.errors import InputError
from lionheart_opt.tracing import trace


def test_what_no_input_reaches_is_no_layer() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        mask = torch.ones(4, 4).tril().log()
        return x @ x.transpose(1, 2) + mask + torch.zeros_like(mask)

    workload = trace(Lambda(forward), torch.randn(1, 4, 2), "masked")
    assert kinds(workload) == ["matmul", "add", "add"]
    assert workload.layer("add").weight_count == 16, "the mask is read with the weights"


def test_what_has_no_elements_is_no_layer() -> None:
    """An empty result, such as that of a cache without tokens, takes no work."""

    def forward(self: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        none = self.linear(x[:, :0]).relu()
        return torch.cat([none, self.linear(x)], dim=1), none * 2

    workload = trace(Lambda(forward, linear=nn.Linear(2, 3)), torch.randn(1, 4, 2), "net")
    assert kinds(workload) == ["linear"]


def test_a_product_without_rows_is_no_matrix() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.empty(x[:, :0]) + self.linear(x)

    network = Lambda(forward, empty=nn.Linear(0, 3), linear=nn.Linear(2, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about weights without elements
        workload = trace(network, torch.randn(1, 2), "net")
    assert [unit.name for unit in workload.units] == ["linear"]


def test_keyword_arguments_and_several_outputs() -> None:
    def forward(_: nn.Module, left: Tensor, right: Tensor) -> dict[str, Any]:
        return {"sum": left + right, "parts": [left * 2]}

    example = {"right": torch.randn(1, 2), "left": torch.randn(1, 2)}
    assert kinds(trace(Lambda(forward), example, "net")) == ["add", "mul"]


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), ()])
def test_the_batch_must_be_one(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="which must be 1"):
        trace(nn.Linear(3, 2), torch.zeros(shape), "net")


def test_an_example_that_the_network_does_not_take() -> None:
    with pytest.raises(
        InputError,
        match=r"net: cannot be traced with an example of shape \(1, 5\): RuntimeError: mat1",
    ):
        trace(nn.Linear(3, 2), torch.zeros(1, 5), "net")


def test_data_flow_that_leaves_torch() -> None:
    through_numpy = Lambda(lambda _, x: torch.from_numpy(x.numpy() * 2) + x)
    with pytest.raises(
        InputError, match=r"net: module Lambda turns an activation into a NumPy array"
    ):
        trace(through_numpy, torch.zeros(1, 5), "net")
    with pytest.raises(InputError, match="leads from its input to its output"):
        trace(Lambda(lambda _, x: torch.ones(3)), torch.zeros(1, 5), "net")


def test_decisions_on_values_are_warned_of() -> None:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 0 else x + 2

    with pytest.warns(UserWarning, match="net: module Lambda reads a value of an activation"):
        workload = trace(Lambda(forward), torch.ones(1, 5), "net")
    assert kinds(workload) == ["sum", "gt", "mul"]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_padding_of_the_example_does_not_matter(kind: str, attention: str) -> None:
    network = bert("BertForSequenceClassification") if kind == "bert" else gpt2()
    network.set_attn_implementation(attention)
    tokens, whole = torch.randint(5, 20, (1, 6)), torch.ones(1, 6, dtype=torch.int64)
    padded = torch.tensor([[1, 1, 1, 0, 0, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = trace(network, {"input_ids": tokens}, "net")
        for mask in (whole, padded, padded.bool()):
            given = {"input_ids": tokens, "attention_mask": mask}
            assert trace(network, given, "net") == alone
    assert padded.sum() == 3, "the example is left as it was"


def test_a_mask_of_floats_is_an_input() -> None:
    def forward(_: nn.Module, x: Tensor, attention_mask: Tensor) -> Tensor:
        return x + attention_mask.exp()

    example = {"x": torch.zeros(1, 3), "attention_mask": torch.zeros(1, 3)}
    assert kinds(trace(Lambda(forward), example, "net")) == ["exp", "add"]


def test_model_and_torch_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout()).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(model, torch.randn(1, 3), "net")
        trace(nn.LSTM(3, 2), torch.randn(1, 3, 3), "recurrent")
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.backends.mha.get_fastpath_enabled() and torch.backends.mkldnn.enabled


@pytest.mark.parametrize("name", ["resnet8", "mobilenet"])
def test_small_networks_of_the_zoo_are_run_and_large_ones_are_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracing.trace_model(name)
    monkeypatch.setattr(tracing, "SMALL_WEIGHTS", 0)
    assert tracing.trace_model(name) == run


def test_tracing_does_not_load_torchs_compiler() -> None:
    """It takes a second, in every verb that needs a network."""
    script = """
        import sys
        from lionheart_opt.tracing import trace_model
        trace_model("resnet8")
        assert "torch._dynamo" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", dedent(script)], check=True)


def test_a_compiled_network_is_traced_like_the_network(capfd: pytest.CaptureFixture[str]) -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    compiled = torch.compile(network, backend="eager")
    traced = trace(compiled, torch.zeros(1, 4), "net")  # type: ignore[arg-type]
    plain = trace(network, torch.zeros(1, 4), "net")
    assert [layer.name.removeprefix("_orig_mod.") for layer in traced.layers] == [
        layer.name for layer in plain.layers
    ]
    assert capfd.readouterr().err == "", "the tracer itself is not compiled"
