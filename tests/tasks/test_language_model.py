"""Perplexity, bits and token accuracy; which tokens count."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import LanguageModel, MaskedLanguageModel

GENERATOR = torch.Generator().manual_seed(0)
SCORES = torch.randn(6, 5, 9, generator=GENERATOR)
TOKENS = torch.randint(9, (6, 5), generator=GENERATOR)


def value(task: LanguageModel, inputs: Any, targets: Any, scores: torch.Tensor = SCORES) -> float:
    examples = Examples(inputs=inputs, targets=targets, task=task)
    return float(task.metric.of(task.statistics(scores, examples).double().mean(0).numpy()))


def test_every_token_counts_alike() -> None:
    targets = TOKENS.clone()
    targets[0, 1:] = -100  # a short piece of text
    loss = float(F.cross_entropy(SCORES.flatten(0, 1), targets.flatten()))
    assert value(LanguageModel(), TOKENS, targets) == pytest.approx(np.exp(loss), rel=1e-5)
    bits = value(LanguageModel(measure="bits"), TOKENS, targets)
    assert bits == pytest.approx(loss / np.log(2), rel=1e-5)
    counts = targets >= 0
    share = float((SCORES.argmax(-1) == targets)[counts].float().mean())
    assert value(LanguageModel(measure="accuracy"), TOKENS, targets) == pytest.approx(share)
    hidden = MaskedLanguageModel(measure="bits")
    assert value(hidden, TOKENS, targets) == pytest.approx(bits)


def test_without_targets_they_are_the_next_tokens_of_the_input() -> None:
    mask = torch.ones_like(TOKENS)
    mask[2, 3:] = 0
    targets = TOKENS.masked_fill(mask == 0, -100)
    loss = float(F.cross_entropy(SCORES[:, :-1].flatten(0, 1), targets[:, 1:].flatten()))
    inputs = {"input_ids": TOKENS, "attention_mask": mask}
    assert value(LanguageModel(), inputs, None) == pytest.approx(np.exp(loss), rel=1e-5)
    shifted = LanguageModel(shift=True)
    assert value(shifted, inputs, targets) == pytest.approx(np.exp(loss), rel=1e-5)
    examples = Examples(inputs=inputs, targets=None, task=LanguageModel())
    assert float(examples.task.loss(SCORES, examples)) == pytest.approx(loss)


def test_labels_that_repeat_the_input_are_refused() -> None:
    """As `labels` of Hugging Face's models do: the perplexity would be that of copying."""
    labels = TOKENS.clone()
    labels[1, 3:] = -100
    examples = Examples(inputs={"input_ids": TOKENS}, targets=labels, task=LanguageModel())
    with pytest.raises(InputError, match=r"the input.s own tokens .* shift = true"):
        examples.task.check(SCORES, examples, [examples])
    shifted = examples.for_task(LanguageModel(shift=True))
    shifted.task.check(SCORES, shifted, [shifted])


@pytest.mark.parametrize(
    ("targets", "scores", "message"),
    [
        (TOKENS + 1, SCORES, "tokens from 1 to 9; the network knows 9"),
        (torch.full_like(TOKENS, -100), SCORES, "no token counts"),
        (TOKENS, SCORES[:, 0], r"the network returns \(6, 9\) for tokens of shape \(6, 5\)"),
        (TOKENS, SCORES[:, 1:], r"the network returns \(6, 4, 9\)"),
    ],
)
def test_what_does_not_fit(targets: Any, scores: torch.Tensor, message: str) -> None:
    examples = Examples(inputs=TOKENS.flip(0), targets=targets, task=LanguageModel())
    with pytest.raises(InputError, match=message):
        examples.task.check(scores, examples, [examples])


def test_targets_and_settings() -> None:
    with pytest.raises(InputError, match="unknown measure"):
        LanguageModel(measure="bleu")
    with pytest.raises(InputError, match="needs tokens"):
        Examples(inputs=TOKENS, targets=TOKENS[:, 0], task=LanguageModel())
    with pytest.raises(InputError, match="needs the hidden tokens"):
        Examples(inputs=TOKENS, targets=None, task=MaskedLanguageModel())
    examples = Examples(inputs={"x": TOKENS}, targets=None, task=LanguageModel())
    with pytest.raises(InputError, match="without targets, a language model needs input_ids"):
        examples.task.check(SCORES, examples, [examples])


@pytest.mark.parametrize("measure", ["perplexity", "bits", "accuracy"])
def test_texts_of_one_token_have_no_next_one(measure: str) -> None:
    """Their perplexity was 1."""
    examples = Examples(inputs=TOKENS[:, :1], task=LanguageModel(measure=measure))
    with pytest.raises(InputError, match="no token counts"):
        examples.task.check(SCORES[:, :1], examples, [examples])
    assert np.isnan(value(LanguageModel(), TOKENS[:, :1], None, SCORES[:, :1]))
