"""SST-2: sentences of film reviews, which are positive or negative."""

from pathlib import Path

import pandas
from transformers import AutoTokenizer

import lionheart_opt as lo
from lionheart_opt.datasets import usual_folder
from lionheart_opt.errors import InputError
from lionheart_opt.pretrained import place_of

#: Tokens that are read of a sentence; few are longer.
LENGTH = 40


def sentences() -> lo.Dataset:
    """67,349 sentences for training and validation; the 872 of the development set are the test data."""
    folder = usual_folder() / "sst2"
    place = place_of("hf:package:cognition/model", Path())
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    parts = {}
    for part, name in {"train": "train.tsv", "test": "dev.tsv"}.items():
        if not (folder / name).is_file():
            raise InputError(
                f"{folder / name} is missing: put GLUE's SST-2 there, or set LIONHEART_OPT_DATA"
            )
        table = pandas.read_csv(folder / name, sep="\t", quoting=3)
        texts = table.drop(columns="label").iloc[:, 0].astype(str).tolist()
        encoded = tokenizer(
            texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
        )
        inputs = {key: encoded[key] for key in ("input_ids", "attention_mask")}
        parts[part] = {**inputs, "labels": table["label"].to_numpy()}
    return lo.dataset(**parts, name="SST-2")
