"""A task of two functions of a user; metrics of all outputs and their jackknife."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import OwnTask
from lionheart_opt.tasks.own import influences

X = torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
Y = torch.randn(200, generator=torch.Generator().manual_seed(1))


def loss(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).square().mean()


def error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).abs()


def both(outputs: Tensor, targets: Tensor) -> Tensor:
    return torch.stack([error(outputs, targets), targets.abs()], dim=1)


def total(outputs: Tensor, targets: Tensor) -> Tensor:
    return error(outputs, targets).mean()


def examples(**settings: Any) -> Examples:
    return Examples(inputs=X, targets=Y, task=OwnTask(**{"loss": loss, **settings}))


def value(asked: Examples) -> float:
    means = asked.task.statistics(X, asked).double().mean(0).numpy()
    return float(asked.task.metric.of(means))


def test_per_example_values_and_statistics() -> None:
    mean = float(error(X, Y).mean())
    assert value(examples(metric=error)) == pytest.approx(mean)
    relative = examples(metric=both, value="ratio", name="relative error", unit="%")
    assert value(relative) == pytest.approx(mean / float(Y.abs().mean()))
    doubled = examples(metric=error, value=lambda means: 2 * means[..., 0])
    assert value(doubled) == pytest.approx(2 * mean)


def test_a_metric_of_all_outputs_has_the_spread_of_its_mean() -> None:
    """For a mean, the jackknife must give what the single examples give."""
    asked = examples(metric=total, of_all=True)
    statistics = asked.task.statistics(X, asked)[:, 0].numpy()
    each = error(X, Y).double().numpy()
    assert statistics.mean() == pytest.approx(each.mean())
    assert statistics.std() == pytest.approx(each.std(), rel=0.25)


def test_influences_of_few_and_of_single_examples() -> None:
    values = np.array([1.0, 4.0, 1.0])
    found = influences(lambda numbers: float(values[numbers].mean()), 3)[:, 0]
    np.testing.assert_allclose(found, values)
    assert influences(lambda _: 7.0, 1).tolist() == [[7.0]]


def test_functions_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mine_for_a_test")
    vars(module).update(loss=loss, error=error)
    monkeypatch.setitem(sys.modules, "mine_for_a_test", module)
    named = OwnTask(loss="mine_for_a_test:loss", metric="mine_for_a_test:error")
    asked = Examples(inputs=X, targets=Y, task=named)
    assert named.metric.name == "error" and value(asked) == value(examples(metric=error))
    assert OwnTask(loss="mse_loss", metric=error).loss(X, asked) > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": 3}, "metric: got 3; must be a function, or module:function"),
        ({"metric": "error"}, "metric: got 'error'; must be module:function"),
        ({"metric": error, "loss": "crossentropy"}, "loss: got 'crossentropy'"),
        ({"metric": "torchmetrics:Nothing"}, "torchmetrics"),
        ({"metric": error, "arguments": {"k": 1}}, "only metrics of torchmetrics have any"),
        ({"metric": total, "of_all": True, "value": "ratio"}, "is the value itself"),
        ({"metric": error, "value": "median"}, "unknown value of a metric 'median'"),
    ],
)
def test_what_cannot_be_used(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OwnTask(**{"loss": loss, **settings})


def test_functions_that_return_something_else() -> None:
    asked = examples(metric=total)
    with pytest.raises(
        InputError, match="returns one number for 200 examples; return one for each"
    ):
        asked.task.check(X, asked, [asked])
    asked = examples(metric=error, loss=error)
    with pytest.raises(InputError, match=r"loss: must return a tensor of shape \(\)"):
        asked.task.check(X, asked, [asked])
    asked = examples(metric=error, of_all=True)
    with pytest.raises(InputError, match="must be one number"):
        asked.task.check(X, asked, [asked])


SETTINGS = {"higher_is_better": False}


def alone(asked: Examples, outputs: Any, n: int = 3) -> None:
    """As the oracle does before it measures."""
    few = asked[:n]
    singles = [(outputs[k : k + 1], asked[k : k + 1]) for k in range(n)]
    asked.task.check_alone(outputs[:n], few, singles)


@pytest.mark.parametrize(
    "metric",
    [
        lambda outputs, targets: (outputs - targets).abs(),
        lambda outputs, targets: (outputs - targets).abs().mean(1),
        lambda outputs, targets: error(outputs, targets) / error(outputs, targets).max(),
    ],
)
def test_a_metric_that_mixes_examples_is_refused(metric: Any) -> None:
    """Outputs (n, 1) and targets (n,) make pairs; the first column was taken for the metric."""
    with pytest.raises(InputError, match=r"got 3 statistics|alone than among others.*broadcast"):
        alone(examples(metric=metric, **SETTINGS), X)
    alone(examples(metric=error, **SETTINGS), X)


def test_a_loss_of_pairs_is_refused() -> None:
    def of_pairs(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets).square().mean()

    with pytest.raises(
        InputError, match=r"task: loss: .*\(3, 1\), targets \(3,\); are they broadcast"
    ):
        alone(examples(metric=error, loss=of_pairs, **SETTINGS), X)


@pytest.mark.parametrize(
    ("value", "count", "message"),
    [
        ("mean", 2, "got 2 statistics for each example; value 'mean' takes 1"),
        ("ratio", 3, "got 3 statistics for each example; value 'ratio' takes 2"),
        (
            "mean_of_ratios",
            3,
            "got 3 statistics for each example; value 'mean_of_ratios' takes pairs",
        ),
        (lambda means: means.sum(), 2, r"value: returns shape \(\) for means of shape \(2, 3, 2\)"),
        (lambda means: means[..., 5], 2, "value: IndexError"),
    ],
)
def test_statistics_that_are_not_those_of_the_value(value: Any, count: int, message: str) -> None:
    def several(outputs: Tensor, targets: Tensor) -> Tensor:
        return error(outputs, targets)[:, None].expand(-1, count)

    asked = examples(metric=several, value=value)
    with pytest.raises(InputError, match=message):
        asked.task.check(X, asked, [asked])


@pytest.mark.parametrize("returned", [None, "good", {"mae": 1.0}])
def test_a_metric_that_returns_no_numbers(returned: Any) -> None:
    asked = examples(metric=lambda outputs, targets: returned)
    with pytest.raises(InputError, match=r"returns .*must be a number for each example"):
        asked.task.check(X, asked, [asked])


@pytest.mark.parametrize("what", ["loss", "metric"])
def test_a_function_that_fails_is_named_with_its_line(what: str) -> None:
    def fails(outputs: Tensor, targets: Tensor) -> Tensor:
        raise KeyError("mask")

    asked = examples(**{"loss": loss, "metric": error, what: fails})
    with pytest.raises(InputError, match=rf"task: {what}: KeyError: 'mask' \(.*test_own.py, line"):
        asked.task.check(X, asked, [asked])


def test_numbers_that_are_not_finite_are_named() -> None:
    asked = examples(metric=lambda outputs, targets: targets.log())
    with pytest.raises(InputError, match=r"metric '<lambda>': got NaN or infinity"):
        asked.task.check(X, asked, [asked])


def test_a_metric_of_all_outputs_sees_the_part_that_is_meant() -> None:
    """The part was picked twice: the second time, from the part itself."""
    asked = examples(metric=total, of_all=True, output=1)
    outputs = (torch.zeros(200, 1), X)
    asked.task.check(outputs, asked, [asked])
    kept = asked.task.kept(outputs)
    assert float(asked.task.statistics(kept, asked).mean()) == pytest.approx(float(total(X, Y)))


def test_torchmetrics() -> None:
    pytest.importorskip("torchmetrics", reason="the extra `torchmetrics` is not installed")
    asked = Examples(
        inputs=X,
        targets=(Y > 0).long(),
        task=OwnTask(loss=loss, metric="torchmetrics:AUROC", arguments={"task": "binary"}),
    )
    from sklearn.metrics import roc_auc_score

    statistics = asked.task.statistics(torch.sigmoid(X[:, 0]), asked)
    assert float(statistics.mean()) == pytest.approx(roc_auc_score(Y > 0, X[:, 0]), abs=1e-6)


def at_a_prompt(text: str) -> Any:
    names: dict[str, Any] = {}
    exec(text, names)
    return names["loss"]


def test_a_function_without_a_source_is_known_by_what_it_does() -> None:
    """Whoever asks: its digest once depended on how deep the calls were."""
    text = "def loss(outputs, targets):\n    return (outputs[:, 0] - targets).{}().mean()"
    asked, other = (
        OwnTask(loss=at_a_prompt(text.format(name)), metric=error) for name in ("abs", "square")
    )

    def identity(depth: int) -> Any:
        again = OwnTask(loss=at_a_prompt(text.format("abs")), metric=error)
        return identity(depth - 1) if depth else again.identity

    assert identity(0) == identity(7) == asked.identity != other.identity
