"""Questions whose answer is a piece of a text, as in SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs, Targets
from lionheart_opt.tasks.task import Batch, Task

#: What may be measured, by name.
METRICS = {"f1": Metric(name="F1"), "exact_match": Metric(name="exact match", counts=True)}
#: What targets must hold.
_PARTS = ("start", "end", "offsets", "context", "answers")


class QuestionAnswering(Task):
    """A piece of a text. Trained on the first and the last token; measured as SQuAD is.

    A long text is read in windows. Inputs are a dictionary of tensors of shape
    (n_examples, n_windows, n_tokens); the network is called with all windows as one batch and returns
    `start_logits` and `end_logits`, or a pair of them, shape (n_windows, n_tokens). The answer is the
    piece with the largest sum of both over all windows. `lionheart_opt.datasets.text` makes such inputs
    and targets from texts.

    Targets are a dictionary:

    - `start`, `end`: Number of the answer's first and last token, shape (n_examples, n_windows); 0 where
      it is not in the window, -100 in windows that only fill up and do not count.
    - `offsets`: Where each token begins and ends in the text, shape (n_examples, n_windows, n_tokens, 2);
      -1 for tokens of the question and padding.
    - `context`: The texts, an array of objects, shape (n_examples,).
    - `answers`: For each example, all answers that count as right.

    Args:
        measure: `f1`, the overlap of words with the best of the answers, or `exact_match`. Both ignore
            case, punctuation and articles (Rajpurkar et al., EMNLP 2016, section 6.1, and its evaluation
            script).
        longest: Largest number of tokens of an answer.
    """

    class_axis = 1  # of the tokens, one of which is an end of the answer

    def __init__(self, *, measure: str = "f1", longest: int = 30) -> None:
        if measure not in METRICS:
            raise unknown("measure", measure, METRICS)
        if isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
            raise InputError(f"longest: got {longest!r}; must be a positive whole number")
        super().__init__()
        self.measure, self.longest = measure, longest
        self._measures(METRICS[measure])

    def feed(self, inputs: Inputs) -> Inputs:
        """See `Task.feed`: the windows of all examples, one after the other."""
        fed: Inputs = batches.apply(lambda part: part.flatten(0, 1), inputs)
        return fed

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.loss`."""
        right = _parts_of(batch.targets)
        ends = zip(self._ends(outputs), (right["start"], right["end"]), strict=True)
        losses = [F.cross_entropy(scores, place.flatten()) for scores, place in ends]
        return torch.stack(losses).mean()

    def statistics(self, outputs: Any, batch: Batch) -> Tensor:
        """See `Task.statistics`."""
        right = _parts_of(batch.targets)
        said = self._answers(outputs, right["offsets"], right["context"])
        rule = exact_match if self.measure == "exact_match" else f1
        values = [
            max(rule(text, answer) for answer in answers)
            for text, answers in zip(said, right["answers"], strict=True)
        ]
        kind = torch.bool if self.metric.counts else torch.float32
        return torch.tensor(values, dtype=kind)[:, None]

    def prepared(self, targets: Targets) -> Targets:
        """See `Task.prepared`."""
        parts = _parts_of(targets)
        if any(not len(answers) for answers in parts["answers"]):
            raise InputError(
                "targets: answers: an example has none; leave it out, or give an answer"
            )
        return targets

    def check(self, outputs: Any, batch: Batch, parts: Sequence[Batch]) -> None:
        """See `Task.check`."""
        offsets = _parts_of(batch.targets)["offsets"]
        shape = (offsets.shape[0] * offsets.shape[1], offsets.shape[2])
        for scores in self._ends(outputs):
            if tuple(scores.shape) != shape:
                raise InputError(
                    f"the network returns {tuple(scores.shape)} for an end of the answer; {shape} is "
                    "needed: a score for each token of each window"
                )
        super().check(outputs, batch, parts)

    def kept(self, outputs: Any) -> Any:
        """See `Task.kept`."""
        return torch.stack(self._ends(outputs), dim=-1)

    def _ends(self, outputs: Any) -> tuple[Tensor, Tensor]:
        """Scores of first and last tokens, each of shape (n_windows, n_tokens)."""
        if isinstance(outputs, dict) and {"start_logits", "end_logits"} <= set(outputs):
            return outputs["start_logits"], outputs["end_logits"]
        if isinstance(outputs, (tuple, list)) and len(outputs) >= 2:
            return outputs[0], outputs[1]
        raise InputError(
            f"the network returns a {type(outputs).__name__}; question answering needs start_logits and "
            "end_logits, or a pair of tensors"
        )

    def _answers(self, outputs: Any, offsets: Tensor, contexts: Any) -> list[str]:
        """The text that the network answers for each example."""
        n, n_windows, n_tokens, _ = offsets.shape
        first, last = (
            scores.float().view(n, n_windows, n_tokens) for scores in self._ends(outputs)
        )
        is_text = offsets[..., 0] >= 0
        first, last = (scores.masked_fill(~is_text, -torch.inf) for scores in (first, last))
        best = torch.full((n, n_windows, n_tokens), -torch.inf)
        length = torch.zeros_like(best, dtype=torch.int64)
        for extra in range(min(self.longest, n_tokens)):
            sums = first[..., : n_tokens - extra] + last[..., extra:]
            better = sums > best[..., : n_tokens - extra]
            best[..., : n_tokens - extra][better] = sums[better]
            length[..., : n_tokens - extra][better] = extra
        answers = []
        for number in range(n):
            place = int(best[number].argmax())
            window, begin = divmod(place, n_tokens)
            if best[number, window, begin] == -torch.inf:  # no window has any text
                answers.append("")
                continue
            end = begin + int(length[number, window, begin])
            text = contexts[number]
            answers.append(
                text[offsets[number, window, begin, 0] : offsets[number, window, end, 1]]
            )
        return answers


def normalised(text: str) -> str:
    """A text without case, punctuation, articles and superfluous spaces, as SQuAD compares them."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(said: str, right: str) -> bool:
    """Whether two answers are the same."""
    return normalised(said) == normalised(right)


def f1(said: str, right: str) -> float:
    """Overlap of the words of two answers, from 0 to 1."""
    a, b = normalised(said).split(), normalised(right).split()
    if not a or not b:
        return float(a == b)
    both = sum((Counter(a) & Counter(b)).values())
    return 2.0 * both / (len(a) + len(b))


def _parts_of(targets: Targets) -> dict[str, Any]:
    if not isinstance(targets, dict) or not set(_PARTS) <= set(targets):
        held = ", ".join(targets) if isinstance(targets, dict) else type(targets).__name__
        raise InputError(
            f"targets: got {held}; question_answering needs a dictionary with {', '.join(_PARTS)}"
        )
    return dict(targets)


def objects(values: Sequence[Any]) -> np.ndarray:
    """An array of objects, one for each example, whatever they are."""
    array = np.empty(len(values), dtype=object)
    for number, value in enumerate(values):
        array[number] = value
    return array
