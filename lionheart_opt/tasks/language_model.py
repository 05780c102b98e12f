"""Tokens: the next one (`language_model`), or those that are hidden (`masked_language_model`)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, log
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs, Targets
from lionheart_opt.tasks.task import Batch, Task, tensor_targets, whole_numbers

#: Number in the targets of tokens that do not count, as in Hugging Face's libraries.
IGNORED = -100
#: What may be measured, by name.
METRICS = {
    "perplexity": Metric(
        name="perplexity", value="exponential", higher_is_better=False, low=1.0, high=inf, unit=""
    ),
    "bits": Metric(
        name="bits per token", value="ratio", higher_is_better=False, high=inf, unit="bits"
    ),
    "accuracy": Metric(name="token accuracy", value="ratio"),
}


class LanguageModel(Task):
    """The next token. Trained on the cross entropy; measured by the perplexity.

    Networks return scores of tokens, shape (n_examples, n_tokens, n_vocabulary). Targets, if there are
    any, are the tokens that belong at these places, shape (n_examples, n_tokens). Without targets they
    are the input's own tokens, one place later; padding (`attention_mask` of 0) does not count. An
    example is a piece of text; all tokens count alike, so long pieces count more.

    Args:
        measure: `perplexity`, `bits` (per token, which may be a character), or `accuracy` of tokens.
        shift: Whether targets are the tokens at the same places, as `labels` of Hugging Face's models
            are, so that those one place later are meant.
        output: See `Task`.
    """

    split_by: Literal["classes", "random", "blocks"] = "blocks"
    class_axis = -1

    def __init__(
        self, *, measure: str = "perplexity", shift: bool = False, output: str | int | None = None
    ) -> None:
        if measure not in METRICS:
            raise unknown("measure", measure, METRICS)
        super().__init__(output=output)
        self.measure, self.shift = measure, shift
        self._measures(METRICS[measure])

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        scores, right = self._both(outputs, batch)
        return F.cross_entropy(scores.flatten(0, 1), right.flatten(), ignore_index=IGNORED)

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`: what is summed up over tokens, and their number."""
        scores, right = self._both(outputs, batch)
        counts = right != IGNORED
        if self.measure == "accuracy":
            values = (scores.argmax(-1) == right) & counts
        else:
            values = F.cross_entropy(
                scores.flatten(0, 1).float(),
                right.flatten(),
                ignore_index=IGNORED,
                reduction="none",
            ).view_as(right)
            if self.measure == "bits":
                values = values / log(2.0)
        sums = [values.sum(1, dtype=torch.float64), counts.sum(1, dtype=torch.float64)]
        return torch.stack(sums, dim=1)

    def prepared(self, targets: Targets) -> Tensor | None:
        """See `Task.prepared`."""
        if targets is None:
            return None
        tokens = whole_numbers(targets, "language_model")
        if tokens.ndim != 2:
            raise InputError(
                f"targets of shape {tuple(tokens.shape)}; a language model needs tokens, shape "
                "(n_examples, n_tokens)"
            )
        return tokens

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        scores = self.pick(outputs)
        tokens = self._tokens(batch)
        if scores.ndim != 3 or scores.shape[1] != tokens.shape[1]:
            raise InputError(
                f"the network returns {tuple(scores.shape)} for tokens of shape {tuple(tokens.shape)}; "
                "must be (n_examples, n_tokens, n_vocabulary)"
            )
        self._refuse_copies(batch)
        for part in parts:
            right = self._right(part)
            counted = right[right != IGNORED]
            if not len(counted):
                raise InputError(f"targets: no token counts ({IGNORED} does not)")
            low, high = int(counted.min()), int(counted.max())
            if low < 0 or high >= scores.shape[2]:
                raise InputError(
                    f"targets: tokens from {low} to {high}; the network knows {scores.shape[2]} "
                    f"(tokens that do not count: {IGNORED})"
                )
        super().check(outputs, batch, parts)

    def _refuse_copies(self, batch: Batch) -> None:
        """Refuse targets that are the input's own tokens at the same places."""
        if self.shift or batch.targets is None:
            return
        inputs = batches.parts(batch.inputs)
        right = tensor_targets(batch.targets, "language_model")
        tokens = inputs.get("input_ids", next(iter(inputs.values())))
        counts = right != IGNORED
        if (
            tokens.shape == right.shape
            and counts.sum() > 1
            and bool((tokens == right)[counts].all())
        ):
            raise InputError(
                "targets: they are the input's own tokens at the same places; say shift = true, so that "
                "each token is compared with the one before it"
            )

    def _both(self, outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores, shape (n, n_tokens, n_vocabulary), and the tokens that are right."""
        scores = self.pick(outputs)
        is_shifted = self.shift or batch.targets is None
        return scores[:, :-1] if is_shifted else scores, self._right(batch)

    def _right(self, batch: Batch) -> Tensor:
        """The tokens that are right, shape (n, n_tokens)."""
        tokens = self._tokens(batch)
        return tokens[:, 1:] if self.shift or batch.targets is None else tokens

    def _tokens(self, batch: Batch) -> Tensor:
        """Targets, or the input's own tokens where there are none."""
        if batch.targets is not None:
            return tensor_targets(batch.targets, "language_model")
        tokens, mask = _tokens_of(batch.inputs)
        return tokens if mask is None else tokens.masked_fill(mask == 0, IGNORED)


class MaskedLanguageModel(LanguageModel):
    """Hidden tokens. Trained on the cross entropy; measured by the perplexity.

    Networks return scores of tokens, shape (n_examples, n_tokens, n_vocabulary). Targets are the hidden
    tokens, and -100 at all other places.

    Args:
        measure: As for `LanguageModel`.
        output: See `Task`.
    """

    split_by = "random"

    def __init__(self, *, measure: str = "perplexity", output: str | int | None = None) -> None:
        super().__init__(measure=measure, output=output)

    def _refuse_copies(self, batch: Batch) -> None:
        """Some of the hidden tokens may be shown."""

    def prepared(self, targets: Targets) -> Tensor | None:
        """See `Task.prepared`."""
        if targets is None:
            raise InputError(
                "targets: are missing; masked_language_model needs the hidden tokens, and "
                f"{IGNORED} elsewhere"
            )
        return super().prepared(targets)


def _tokens_of(inputs: Inputs) -> tuple[Tensor, Tensor | None]:
    """Tokens that a network is called with, and which of them are no padding."""
    if isinstance(inputs, dict):
        if "input_ids" not in inputs:
            raise InputError(
                f"inputs: got {', '.join(inputs)}; without targets, a language model needs input_ids"
            )
        return inputs["input_ids"], inputs.get("attention_mask")
    return (inputs[0] if isinstance(inputs, tuple) else inputs), None
