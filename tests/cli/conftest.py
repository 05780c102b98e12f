"""What tables print, at several widths."""

import re

import pytest

from lionheart_opt.results import wording

#: Columns at which every number is whole; 80 are the usual ones.
WIDTHS = (80, 60, 40, 30)
WIDE = 10_000


def numbers(text: str) -> set[str]:
    """Everything that reads as a number, with what is written to it."""
    return {word.strip(",;.:()") for word in re.findall(r"\S*\d\S*", text)}


@pytest.fixture
def printed(capsys, monkeypatch):
    """What a table prints at 80 columns; at these, and at fewer, no number is cut or broken."""

    def read(print_table, *arguments) -> str:
        texts = {}
        for width in (WIDE, *WIDTHS):
            monkeypatch.setattr(wording, "PIPE_WIDTH", width)
            print_table(*arguments)
            texts[width] = out = capsys.readouterr().out
            assert out and "…" not in out
        whole = numbers(texts[WIDE])
        for width in WIDTHS:
            lines = texts[width].splitlines()
            longest = max((len(word) for line in lines for word in line.split()), default=0)
            assert max(map(len, lines)) <= max(width, longest + 4)
            broken = {word for word in whole - numbers(texts[width]) if len(word) <= 20}
            assert not broken, (width, broken, texts[width])
        return texts[80]

    return read
