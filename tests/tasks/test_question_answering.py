"""Answers as SQuAD counts them: its rules, windows of long texts, several right answers."""

from typing import Any

import pytest
import torch

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks.question_answering import (
    QuestionAnswering,
    exact_match,
    f1,
    normalised,
    objects,
)

CONTEXT = "The cat sat on a mat."
#: Where the words are: The cat sat on a mat
WORDS = [(0, 3), (4, 7), (8, 11), (12, 14), (15, 16), (17, 20)]


@pytest.mark.parametrize(
    ("said", "right", "same", "overlap"),
    [
        ("the Cat", "cat!", True, 1.0),
        ("An apple a day", "apple day", True, 1.0),
        ("theatre", "atre", False, 0.0),
        ("black cat sat", "the cat", False, 0.5),
        ("cat cat", "cat", False, 2 / 3),
        ("", "the", True, 1.0),
        ("", "cat", False, 0.0),
        ("U.S.", "us", True, 1.0),
    ],
)
def test_rules(said: str, right: str, same: bool, overlap: float) -> None:
    assert exact_match(said, right) is same
    assert f1(said, right) == f1(right, said) == pytest.approx(overlap)


def test_normalised() -> None:
    assert normalised("  The  (old) A-team,  an owl ") == "old ateam owl"


def targets(answers: list[tuple[str, ...]]) -> dict[str, Any]:
    """Two windows of four tokens: the question's, then words 0-2 and words 3-5 of the text."""
    offsets = torch.tensor([[[(-1, -1), *WORDS[:3]], [(-1, -1), *WORDS[3:]]]] * len(answers))
    zeros = torch.zeros(len(answers), 2, dtype=torch.int64)
    contexts = objects([CONTEXT] * len(answers))
    return {
        "start": zeros,
        "end": zeros,
        "offsets": offsets,
        "context": contexts,
        "answers": objects(answers),
    }


def outputs(*places: tuple[int, int, int]) -> dict[str, torch.Tensor]:
    """Scores that prefer, for each example, a window and its first and last token."""
    first, last = torch.zeros(2, len(places), 2, 4)
    for number, (window, begin, end) in enumerate(places):
        first[number, window, begin] = last[number, window, end] = 5.0
    return {"start_logits": first.flatten(0, 1), "end_logits": last.flatten(0, 1)}


def examples(answers: list[tuple[str, ...]], **settings: Any) -> Examples:
    inputs = {"input_ids": torch.zeros(len(answers), 2, 4, dtype=torch.int64)}
    task = QuestionAnswering(**settings)
    return Examples(inputs=inputs, targets=targets(answers), task=task)


def test_the_best_piece_over_all_windows() -> None:
    asked = examples([("cat",), ("a mat", "dog"), ("on",)])
    values = asked.task.statistics(outputs((0, 2, 2), (1, 2, 3), (1, 2, 3)), asked)
    assert values.flatten().tolist() == [1.0, 1.0, 0.0]


def test_no_answer_is_backwards_in_the_question_or_too_long() -> None:
    asked = examples([("the cat sat",)] * 3, measure="exact_match", longest=3)
    backwards, question = outputs((0, 3, 1), (0, 0, 0), (0, 1, 3)), (0, 1, 3)
    backwards["start_logits"][0, 1] = backwards["end_logits"][0, 3] = 9.0  # forwards
    values = asked.task.statistics(backwards, asked).flatten().tolist()
    assert values[0] and values[2] and not values[1]
    short = examples([("the cat sat",)], measure="exact_match", longest=2)
    assert not bool(short.task.statistics(outputs(question), short))


def test_a_text_without_tokens_has_no_answer() -> None:
    asked = examples([("cat",)])
    asked.targets["offsets"][:] = -1  # type: ignore[index, call-overload]
    assert float(asked.task.statistics(outputs((0, 1, 1)), asked)) == 0.0


def test_windows_are_fed_as_one_batch() -> None:
    asked = examples([("cat",), ("mat",)])
    fed = asked.task.feed(asked.inputs)
    assert isinstance(fed, dict) and fed["input_ids"].shape == (4, 4)
    one = asked.task.feed_one(asked)
    assert isinstance(one, dict) and one["input_ids"].shape == (1, 4)


def test_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="unknown measure"):
        QuestionAnswering(measure="rouge")
    with pytest.raises(InputError, match="longest: got 0"):
        QuestionAnswering(longest=0)
    with pytest.raises(InputError, match=r"an example has none"):
        examples([("cat",), ()])
    with pytest.raises(InputError, match="needs a dictionary with start, end, offsets"):
        Examples(inputs=torch.zeros(2, 2), targets=torch.zeros(2), task=QuestionAnswering())
    asked = examples([("cat",)])
    with pytest.raises(InputError, match="question answering needs start_logits and end_logits"):
        asked.task.check(torch.zeros(2, 4), asked, [asked])
    with pytest.raises(InputError, match=r"\(2, 4\) is needed"):
        asked.task.check((torch.zeros(2, 5), torch.zeros(2, 5)), asked, [asked])
