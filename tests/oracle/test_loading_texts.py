"""Studies of Hugging Face's networks on texts: what the network decides where the study does not."""

import csv
import random
from pathlib import Path
from typing import Any

import pytest
from tiny_transformers import WORDS, bert, gpt2, save

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.hat import HatOracle

STUDY = """
question = "?"
system = "lionheart"
training = "none"
task = {task}
model = {{ name = "{model}"{more} }}
data = {{ name = "text", folder = "texts", arguments = {{ {data} }} }}
limits = {{ max_drop = {drop}, draws = [2] }}
budget = {{ trials = 2 }}
oracle = {{ {oracle} }}
run = [ {{ strategy = "greedy" }} ]
"""
CLASSES = 'train = "train.csv", test = "test.csv"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = random.Random(0)
    (tmp_path / "texts").mkdir()
    for part, count in (("train", 40), ("test", 16)):
        with (tmp_path / "texts" / f"{part}.csv").open("w") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for number in range(count):
                text = " ".join(draw.choices(WORDS, k=draw.randint(2, 6)))
                writer.writerow([text, ["neg", "pos"][number % 2]])
        text = " ".join(draw.choices(WORDS, k=300))
        (tmp_path / "texts" / f"{part}.txt").write_text(text)
    return tmp_path


def study(folder: Path, **changes: Any) -> lo.Study:
    values = {
        "model": "hf:net",
        "more": "",
        "data": CLASSES,
        "drop": 0.9,
        "oracle": "",
        "task": "",
        **changes,
    }
    text = STUDY.format(**values)
    (folder / "study.toml").write_text("\n".join(x for x in text.splitlines() if x != "task = "))
    return lo.load(folder)


def oracle_of(made: lo.Study) -> HatOracle:
    oracle = made.file.oracle
    assert isinstance(oracle, HatOracle)
    return oracle


def test_a_classifier(folder: Path) -> None:
    pytest.importorskip("transformers")
    names = {"id2label": {0: "pos", 1: "neg"}, "label2id": {"pos": 0, "neg": 1}}
    save(bert("BertForSequenceClassification", **names), folder / "net")
    made = study(folder)
    checked = made.check()
    assert checked["problems"] == [] and checked["code"] == []
    oracle = oracle_of(made)
    assert oracle.settings.pretrain is None, "it is trained already"
    targets = oracle.splits.test.targets
    assert targets.tolist()[:2] == [1, 0], "classes have the network's order"  # type: ignore[union-attr]
    made.run()
    assert len(made.to_frame()) > 0
    asked = oracle_of(study(folder, oracle="pretrain = { epochs = 1 }"))
    assert asked.settings.pretrain is not None
    before = oracle.identity["weights"]
    save(bert("BertForSequenceClassification", **names, initializer_range=0.5), folder / "net")
    assert oracle_of(study(folder)).identity["weights"] != before
    with pytest.raises(InputError, match="recorded with another network"):
        study(folder).run()


def test_a_record_is_tied_to_the_configuration(folder: Path) -> None:
    """It may change results although modules and weights are the same."""
    pytest.importorskip("transformers")
    save(gpt2(), folder / "net")
    data = 'train = "train.txt", test = "test.txt", max_length = 10'
    before = oracle_of(study(folder, data=data, drop=5.0)).identity
    save(gpt2(scale_attn_by_inverse_layer_idx=True), folder / "net")
    after = oracle_of(study(folder, data=data, drop=5.0)).identity
    assert before["network"] != after["network"] and before["weights"] == after["weights"]


def test_language_models(folder: Path) -> None:
    pytest.importorskip("transformers")
    save(gpt2(), folder / "net")
    data = 'train = "train.txt", test = "test.txt", max_length = 10'
    oracle = oracle_of(study(folder, data=data, drop=5.0))
    assert oracle.metric.name == "perplexity" and oracle.task.identity["shift"]
    assert oracle.splits.test.inputs["input_ids"].shape == (30, 10)  # type: ignore[call-overload, index]
    save(bert("BertForMaskedLM"), folder / "net")
    masked = oracle_of(study(folder, data=data, drop=5.0))
    assert masked.task.identity["kind"].endswith("MaskedLanguageModel")


def test_what_is_refused(folder: Path) -> None:
    pytest.importorskip("transformers")
    save(bert("BertForMaskedLM"), folder / "net")
    more = ', class = "AutoModelForSequenceClassification"'
    for changes, message in [
        ({"more": more}, "has no weights for .*classifier.bias"),
        ({"more": ', clas = "X"'}, r"unknown key 'clas' \(did you mean 'class'"),
        ({"model": "hf:nett"}, "'nett' is neither a folder nor in the cache"),
        ({"model": "net.onnx"}, "ONNX files are not read"),
        ({"data": f"{CLASSES}, task = 'regression'"}, "belongs there, not into"),
        (
            {
                "model": "torch.nn:Linear",
                "more": ", arguments = { in_features = 2, out_features = 2 }",
            },
            "tokenizer: is missing",
        ),
        ({"data": f"{CLASSES}, lable = 'x'"}, "unknown argument 'lable'"),
    ]:
        with pytest.raises(InputError, match=message):
            _ = study(folder, **changes).file.oracle
    table = study(folder, more=more).file.table
    assert type(table).model_validate(table.model_dump(mode="json")) == table
    new_head = study(folder, more=more, oracle="pretrain = { epochs = 1 }")
    assert oracle_of(new_head).settings.pretrain is not None


CHARACTERS = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, size=30):
        super().__init__()
        self.embedding, self.head = nn.Embedding(size, 8), nn.Linear(8, size)

    def forward(self, tokens):
        return self.head(torch.tanh(self.embedding(tokens)))
"""


def test_characters_for_a_network_of_ones_own(folder: Path) -> None:
    (folder / "mine_characters.py").write_text(CHARACTERS)
    data = 'train = "train.txt", test = "test.txt", tokenizer = "characters", max_length = 16'
    task = '{ kind = "language_model", measure = "bits" }'
    made = study(
        folder,
        model="mine_characters:Network",
        data=data,
        drop=1.0,
        task=task,
        oracle="pretrain = { epochs = 1 }",
    )
    assert oracle_of(made).metric.name == "bits per token"
    made.run()
    assert len(made.to_frame()) > 0
