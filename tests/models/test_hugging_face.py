"""Networks of Hugging Face: loaded as they were saved, with their task; or refused."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_transformers import bert, gpt2, save, vit

from lionheart_opt.errors import InputError
from lionheart_opt.models import build_table
from lionheart_opt.models.hugging_face import task_of_network, task_of_table, text_arguments
from lionheart_opt.oracle.store import weights_digest
from lionheart_opt.oracle_context import ModelTable

pytest.importorskip("transformers")


def table(**changes: Any) -> ModelTable:
    return ModelTable.model_validate({"name": "hf:net", **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(bert("BertForSequenceClassification", num_labels=3), tmp_path / "net")
    return tmp_path


def test_the_weights_are_those_that_were_saved(folder: Path, capfd: Any) -> None:
    capfd.readouterr()
    loaded = build_table(table(), folder, seed=5)
    named = build_table(table(**{"class": "AutoModelForSequenceClassification"}), folder)
    saved = bert("BertForSequenceClassification", num_labels=3)
    digests = {weights_digest(network.state_dict()) for network in (loaded, named, saved)}
    assert len(digests) == 1 and type(loaded) is type(named) is type(saved)
    assert not loaded.training and loaded.config._attn_implementation == "eager"
    assert capfd.readouterr() == ("", ""), "no progress bars"


def test_arguments(folder: Path) -> None:
    arguments = {"attn_implementation": "sdpa", "hidden_dropout_prob": 0.0, "use_cache": True}
    loaded = build_table(table(arguments=arguments), folder)
    assert loaded.config._attn_implementation == "sdpa" and loaded.config.use_cache is True
    assert loaded.config.hidden_dropout_prob == 0.0
    with pytest.raises(InputError, match=r"BertForSequenceClassification cannot load .*num_labls"):
        build_table(table(arguments={"num_labls": 2}), folder)
    with pytest.raises(InputError, match="cannot load"):
        build_table(table(arguments={"num_labels": 2}), folder)


def test_a_new_head_is_random_and_seeded(folder: Path) -> None:
    other = table(**{"class": "AutoModelForQuestionAnswering"})
    a, b, c = (build_table(other, folder, seed).qa_outputs.weight for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    with pytest.raises(InputError, match=r"has no weights for qa_outputs.bias, qa_outputs.weight"):
        build_table(other, folder, is_whole=True)
    build_table(table(), folder, is_whole=True)


def test_half_precision_is_computed_in_float32(tmp_path: Path) -> None:
    save(bert("BertForMaskedLM").half(), tmp_path / "net")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = build_table(table(), tmp_path)
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("make", "settings", "task"),
    [
        ("BertForSequenceClassification", {"num_labels": 3}, "classification"),
        ("BertForSequenceClassification", {"num_labels": 1}, "regression"),
        (
            "BertForSequenceClassification",
            {"num_labels": 3, "problem_type": "multi_label_classification"},
            "multi_label",
        ),
        ("BertForMaskedLM", {}, "masked_language_model"),
        ("BertForQuestionAnswering", {}, "question_answering"),
        (gpt2, {}, "language_model"),
        (vit, {"num_labels": 3}, "classification"),
    ],
)
def test_tasks(tmp_path: Path, make: Any, settings: dict[str, Any], task: str) -> None:
    network = bert(make, **settings) if isinstance(make, str) else make(**settings)
    network.save_pretrained(tmp_path / "net")
    made = task_of_table(table(), tmp_path)
    assert made == task_of_network(network)
    assert made["kind"] == task and made.get("shift") is (True if make is gpt2 else None)


def test_the_number_of_labels_may_be_an_argument(folder: Path) -> None:
    one = table(arguments={"num_labels": 1})
    assert task_of_table(one, folder) == {"kind": "regression"}


def test_classes_without_a_task(tmp_path: Path) -> None:
    network = bert("BertForTokenClassification")
    network.save_pretrained(tmp_path / "net")
    message = "class BertForTokenClassification does not say what the network is for: give a task"
    with pytest.raises(InputError, match=message):
        task_of_table(table(), tmp_path)
    with pytest.raises(InputError, match=message):
        task_of_network(network)
    assert task_of_network(torch.nn.Linear(2, 2)) is None


def test_names_of_classes(tmp_path: Path) -> None:
    names = {0: "bad", 1: "good"}
    network = bert("BertForSequenceClassification", id2label=names, label2id={"bad": 0, "good": 1})
    save(network, tmp_path / "net")
    assert text_arguments(table(), tmp_path) == {
        "tokenizer": str(tmp_path / "net"),
        "network_labels": ["bad", "good"],
    }
    save(bert("BertForSequenceClassification"), tmp_path / "plain")
    assert "network_labels" not in text_arguments(table(name="hf:plain"), tmp_path)


def test_a_class_is_for_networks_of_hugging_face() -> None:
    with pytest.raises(ValueError, match="class: it is for networks of Hugging Face"):
        table(name="resnet8", **{"class": "AutoModel"})
