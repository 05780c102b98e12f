"""Text from outside, as a terminal can show it."""

import io

import pytest

from lionheart_opt.text import LONGEST, never_fail, one_line, printable, shown


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain [b]text[/b] $x$ é漢😀", "plain [b]text[/b] $x$ é漢😀"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\ud800", "\\ud800"),
        ("é漢\n".encode().decode("ascii", "surrogateescape"), "é漢\\n"),
        ("\x00\x9b", "\\x00\\x9b"),
        ("", ""),
    ],
)
def test_what_controls_a_terminal_is_escaped(text, printed):
    assert printable(text) == printed and printed.isprintable()


def test_line_breaks_become_spaces():
    assert one_line("first\n  second\r\nthird\n") == "first second third"


@pytest.mark.parametrize("length", [299, 300, 301, 1_000, 100_000])
def test_of_a_long_text_the_middle_is_left_out(length):
    text = "begin" + "x" * (length - 8) + "end"
    line = one_line(text)
    assert len(line) == min(length, LONGEST)
    assert line.startswith("begin") and line.endswith("end")
    assert (" ... " in line) == (length > LONGEST)


def test_a_long_path_takes_no_room_from_what_is_wrong():
    wrong = "[oracle]: unknown key 'epoch' (did you mean 'epochs'?); must be " + "name, " * 30
    line = one_line(f"/home/{'deep/' * 30}study/study.toml: {wrong}")
    assert line == f".../study/study.toml: {wrong}".strip()
    assert one_line(f"/home/study/study.toml: {wrong}").startswith("/home/study/study.toml: ")


def test_escapes_count_as_characters():
    assert len(one_line("\x1b" * 200)) <= LONGEST and "\x1b" not in one_line("\x1b" * 200)


def test_any_value_can_be_shown():
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(3) == "3" and shown("a\nb") == "'a\\nb'"
    assert shown(10**5000) == "a value of type int"
    assert shown(Broken()) == "a value of type Broken"
    assert len(shown(deep)) <= 80 and len(shown("x" * 1000)) <= 80


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_stream_without_unicode_gets_similar_letters(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    never_fail(stream)
    stream.write("12 µs 2× ± … → ─ 漢 \u202e")
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding)
    assert written.startswith("12 ") and written.endswith("? ?") and "> -" in written


def test_a_stream_of_unicode_stays_as_it_is():
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8")
    never_fail(stream)
    never_fail(io.StringIO())  # not made of bytes
    assert stream.errors == "strict"
