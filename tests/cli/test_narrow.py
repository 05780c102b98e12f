"""Tables without room become lists, in which every number is whole."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from lionheart_opt.cli.tables import new_table, say

ROWS = [
    ("a label with several words", "1,234,567", "12.3 ms\nx/1.40", "yes"),
    ("", "8", "-", "a long explanation of nothing at all"),
    ("encoder.layer.11.attention.output", "99.5 %", "0.25 s", Text("no")),
]
NUMBERS = ("1,234,567", "12.3", "x/1.40", "99.5", "0.25", "layer.11.attention")


def shown(width: int, title: str = "What it costs") -> str:
    table = new_table(title, "name", ">MA-\nCs", ">latency\nof all", "fits")
    for row in ROWS:
        table.add_row(*row)
    out = Console(file=io.StringIO(), width=width)
    say(out, table, "A caption.")
    return out.file.getvalue()


@pytest.mark.parametrize("width", [1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 120])
def test_numbers_are_whole_at_every_width(width):
    text = shown(width)
    assert "…" not in text
    for number in NUMBERS[: 5 if 60 <= width < 90 else 6]:  # a long name may be broken
        assert number in text, text
    longest = max(len(line) for line in text.splitlines())
    assert longest <= max(width, len("encoder.layer.11.attention.output"))


def test_where_there_is_room_it_is_a_table():
    lines = shown(80).splitlines()
    assert lines[0].startswith("What it costs")
    assert lines[2].split() == ["name", "Cs", "of", "all", "fits"]
    assert sum("latency" in line for line in lines) == 1


def test_where_there_is_none_each_row_is_a_list():
    assert shown(40).splitlines() == [
        "What it costs",
        "",
        "a label with several words",
        "  MACs: 1,234,567",
        "  latency of all: 12.3 ms, x/1.40",
        "  fits: yes",
        "  MACs: 8",
        "  latency of all: -",
        "  fits: a long explanation of nothing at",
        "  all",
        "",
        "encoder.layer.11.attention.output",
        "  MACs: 99.5 %",
        "  latency of all: 0.25 s",
        "  fits: no",
        "A caption.",
        "",
    ]


def test_a_table_without_a_title_or_rows():
    assert shown(40, "").startswith("\na label")
    out = Console(file=io.StringIO(), width=8)
    say(out, new_table("No searches", ">one number", ">another"))
    assert out.file.getvalue().split() == ["No", "searches"]
