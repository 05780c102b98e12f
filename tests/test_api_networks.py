"""Networks of Hugging Face through the front door: every task, from a search to its result."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_transformers import SIZES, bert, gpt2, save, vit

import lionheart_opt as lo
from lionheart_opt.errors import InputError

pytest.importorskip("transformers")

N, LENGTH = 32, 8
HAT = {"epochs": 1, "short_epochs": 1, "one_shot_epochs": 1, "batch_size": 16}


def tokens() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, SIZES["vocab_size"], (N, LENGTH), generator=generator)
    mask = torch.ones_like(ids)
    mask[::3, 6:] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}


def classes() -> tuple[Any, Any]:
    return bert("BertForSequenceClassification", num_labels=3), {
        **tokens(),
        "labels": torch.arange(N) % 3,
    }


def next_tokens() -> tuple[Any, Any]:
    data = tokens()
    labels = data["input_ids"].masked_fill(data["attention_mask"] == 0, -100)
    return gpt2(), {**data, "labels": labels}


def hidden_tokens() -> tuple[Any, Any]:
    data = tokens()
    labels = torch.full_like(data["input_ids"], -100)
    labels[:, 2] = data["input_ids"][:, 2]
    return bert("BertForMaskedLM"), {**data, "labels": labels}


def images() -> tuple[Any, Any]:
    return vit(num_labels=3), {
        "pixel_values": torch.randn(N, 3, 16, 16, generator=torch.Generator().manual_seed(0)),
        "labels": torch.arange(N) % 3,
    }


def answers() -> tuple[Any, Any]:
    data = {name: part[:, None].repeat(1, 2, 1) for name, part in tokens().items()}
    data["attention_mask"][...] = 1
    offsets = torch.full((N, 2, LENGTH, 2), -1)
    for token in range(3, LENGTH):
        offsets[:, :, token] = torch.tensor([3 * token - 9, 3 * token - 7])
    return bert("BertForQuestionAnswering"), {
        **data,
        "start": torch.full((N, 2), 4),
        "end": torch.full((N, 2), 5),
        "offsets": offsets,
        "context": ["aa bb cc dd ee"] * N,
        "answers": [("bb cc",)] * N,
    }


class Rows:
    """As data sets of the library `datasets`: rows of lists, with columns that no network takes."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return N

    def __getitem__(self, number: int) -> dict[str, Any]:
        row = {name: values[number] for name, values in self.columns.items()}
        row = {name: v.tolist() if torch.is_tensor(v) else v for name, v in row.items()}
        return {"idx": number, "text": "a text", **row}


def made(network: Any, data: Any, **arguments: Any) -> lo.Problem:
    oracle = {"hat": HAT, **arguments.pop("oracle", {})}
    usual = {"max_drop": 0.5, "draws": [2], "oracle": oracle}
    return lo.problem(network, {"train": data, "test": data}, **{**usual, **arguments})


@pytest.mark.parametrize("make", [classes, next_tokens, hidden_tokens, images, answers])
def test_every_task_is_searched(make: Any) -> None:
    network, data = make()
    problem = made(network, data, max_drop=100.0 if "tokens" in make.__name__ else 0.5)
    n_matrices = {"images": 8, "next_tokens": 5, "answers": 7}.get(make.__name__, 8)
    assert len(problem.workload.units) == n_matrices
    result = lo.search(problem, "greedy", trials=2)
    assert len(result.to_frame()) == 2


@pytest.mark.parametrize("make", [hidden_tokens, next_tokens])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_ideal_tiles_change_nothing(make: Any, attention: str) -> None:
    """Every product of a unit is where the oracle thinks it is."""
    network, data = make()
    network.config._attn_implementation = attention
    oracle = {"rpu_config": "oracle_setup:ideal"}
    problem = made(network, data, max_drop=100.0, training="none", oracle=oracle)
    result = lo.search(problem, "fixed", trials=1, arguments={"mapping": "all-analog"})
    assert abs(result.to_frame()["drop"][0]) < 1e-3
    noisy = made(network, data, max_drop=100.0, training="none")
    result = lo.search(noisy, "fixed", trials=1, arguments={"mapping": "all-analog"})
    assert abs(result.to_frame()["drop"][0]) > 1e-2


@pytest.mark.parametrize("make", [classes, next_tokens])
def test_calibrated_columns_and_diagnosis(make: Any) -> None:
    network, data = make()
    largest = 0.5 if make is classes else 100.0
    oracle = {"compensation": "columns", "calibration": {"examples": 4}}
    problem = made(network, data, max_drop=largest, training="none", oracle=oracle)
    result = lo.search(problem, "fixed", trials=1, arguments={"mapping": "all-analog"})
    assert len(result.to_frame()) == 1
    diagnosis = lo.diagnose(problem, "all-analog", draws=1, examples=4)
    assert len(diagnosis.matrices) == len(problem.workload.units)


def test_columns_that_the_network_does_not_take() -> None:
    network, data = classes()
    by_rows, by_columns = made(network, Rows(data)), made(network, data)
    assert by_rows.oracle.splits.digest == by_columns.oracle.splits.digest
    with pytest.raises(InputError, match="got idx, which the network does not take; it takes"):
        made(network, {**data, "idx": torch.arange(N)})


@pytest.mark.parametrize("token", [-1, 99])
def test_tokens_that_the_network_does_not_know(token: int) -> None:
    """One in the last example used to end a search with a traceback."""
    network, data = classes()
    data["input_ids"][-1, 0] = token
    with pytest.raises(InputError, match=r"tokens from -?\d+ to \d+; the network knows 23"):
        made(network, data)


def test_the_task_of_the_class_gives_way_to_that_of_the_user() -> None:
    network, data = classes()
    assert made(network, data).metric.name == "accuracy"
    assert made(network, data, task={"kind": "classification", "top_k": 2}).metric.name == (
        "top-2 accuracy"
    )
    part = {**tokens(), "labels": torch.rand(N)}
    own = lo.dataset(train=part, test=part, task="regression")
    one = bert("BertForSequenceClassification", num_labels=1)
    assert lo.problem(one, own, max_drop=1.0).metric.name == "MAE"
    assert made(one, part, max_drop=1.0).metric.name == "MAE"
    with pytest.raises(InputError, match="max_drop: is missing; MAE has no usual one"):
        made(one, part, max_drop=None)


def test_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = classes()
    save(network, tmp_path / "net")
    monkeypatch.chdir(tmp_path)
    named, given = made("hf:net", data), made(network, data)
    assert named.oracle.identity == given.oracle.identity
    assert named.oracle.settings.pretrain is None
    table = {"name": "hf:net", "class": "AutoModelForSequenceClassification"}
    assert made(table, data).oracle.identity == given.oracle.identity
    head = {"name": "hf:net", "class": "AutoModelForQuestionAnswering"}
    with pytest.raises(InputError, match=r"has no weights for qa_outputs.bias"):
        made(head, data)
    with pytest.raises(InputError, match="unknown key 'klass'"):
        made({"name": "hf:net", "klass": "AutoModel"}, data)
    example = {name: part[:1] for name, part in tokens().items()}
    assert len(lo.trace("hf:net", example).units) == 8
    assert lo.cost("hf:net", example=example).latency_s > 0
    with pytest.raises(InputError, match="example: is missing"):
        lo.trace("hf:net")
    with pytest.raises(InputError, match="neither a folder nor in the cache"):
        lo.trace("hf:nett")


def test_arguments_of_a_named_network() -> None:
    table = {"name": "torch.nn:Linear", "arguments": {"in_features": 3, "out_features": 2}}
    assert lo.trace(table, (3,)).macs == 6
