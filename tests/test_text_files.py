"""Files of text: UTF-8 whatever the locale is, one line for what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.text_files import (
    check_file,
    parse_json,
    parse_toml,
    read_text,
    replacing,
    reported,
    write_text,
)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_as_utf_8_with_or_without_its_mark(tmp_path, mark):
    (tmp_path / "a").write_bytes(mark + "a = 'é漢'\n".encode())
    assert read_text(tmp_path / "a") == "a = 'é漢'\n"


def test_a_mark_that_comes_with_the_text_is_no_part_of_it():
    assert parse_toml("\ufeffa = 1", "x") == {"a": 1}


def test_what_is_written_is_utf_8(tmp_path):
    write_text(tmp_path / "a", "é漢")
    assert (tmp_path / "a").read_bytes() == "é漢".encode()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_file_that_is_not_finished_leaves_the_one_before(error, tmp_path):
    write_text(tmp_path / "a", "before")
    with pytest.raises(error), replacing(tmp_path / "a") as part:
        part.write_text("half of ")
        raise error
    assert (tmp_path / "a").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a"], "nothing is left behind"


def test_links_are_followed_and_devices_written_to(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "a")
    for text in ("first", "second"):
        write_text(tmp_path / "link", text)
        assert (tmp_path / "folder" / "a").read_text() == text
    assert (tmp_path / "link").is_symlink()
    write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()


def test_other_encodings_are_refused_with_the_place(tmp_path):
    (tmp_path / "a").write_bytes("a = 'é'".encode("latin-1"))
    with pytest.raises(InputError, match=r"a: not UTF-8: byte 5 is 0xe9$"):
        read_text(tmp_path / "a")


def test_what_is_no_file_is_refused_before_it_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in (
        (tmp_path, "is a folder; must be a file"),
        (tmp_path / "pipe", "is a pipe or a device; must be a file"),
        (Path("/dev/zero"), "is a pipe or a device; must be a file"),
        (tmp_path / "none", "No such file or directory"),
        (tmp_path / ("x" * 5000), "File name too long"),
        (tmp_path / "a\0b", "not a name of a file"),
        (tmp_path / "\ud800", "not a name of a file|No such file"),
        (tmp_path / "pipe" / "a", "Not a directory"),
    ):
        for read in (check_file, read_text):
            with pytest.raises(InputError, match=what) as error:
                read(path)
            assert len(str(error.value)) <= 300 and str(error.value).isprintable()


def test_a_file_that_grows_without_end_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("lionheart_opt.text_files.LARGEST", 10)
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert read_text(tmp_path / "a") == "x" * 10
    (tmp_path / "a").write_bytes(b"x" * 11)
    with pytest.raises(InputError, match="more than 10 bytes"):
        read_text(tmp_path / "a")


def test_what_the_system_refuses_is_bad_input(tmp_path):
    (tmp_path / "file").touch()
    for place, problem in (("file", "Not a directory"), ("none", "No such file or directory")):
        path = tmp_path / place / "a"
        with pytest.raises(InputError, match=f"^{path}: {problem}$"):
            write_text(path, "text")
    with pytest.raises(KeyError), reported(tmp_path):
        raise KeyError("not about files")
    with pytest.raises(ValueError, match="another") as error, reported(tmp_path):
        raise ValueError("another")
    assert not isinstance(error.value, InputError)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("a = ", "x: not valid TOML: Invalid value"),
        ("a = " + "[" * 10_000 + "]" * 10_000, "x: not valid TOML: too many levels"),
        ("a = " + "{b = " * 10_000 + "1" + "}" * 10_000, "x: not valid TOML: too many levels"),
        ("[" + "a." * 60 + "a]", "x: a.a.a"),
        ("a = " + "[" * 60 + "]" * 60, "more than 50 levels deep"),
        ("a = " + "1" * 5000, "x: not valid TOML: Exceeds the limit"),
        (
            "a = 0x" + "f" * 5000,
            "x: a: got a value of type int; must be an integer of at most 64 bits",
        ),
        ("a = [9223372036854775808]", "x: a.0: got 9223372036854775808; must be an integer of at"),
        ("a = -9223372036854775809", "must be an integer of at most 64 bits"),
        ("a.b = 1979-05-27", "x: a.b: got the date or time 1979-05-27; must be a text or a number"),
        ("a = 07:32:00", "x: a: got the date or time 07:32:00; must be a text or a number"),
        ("a = 1979-05-27T07:32:00Z", "x: a: got the date or time"),
        ("a = '" + "x" * 10**6 + "'", "x: a: a text of 1,000,000 characters; at most 10,000"),
        ("x" * 20_000 + " = 1", "a text of 20,000 characters"),
        ('a = "\\u0000"', r"x: a: a text with the character '\x00'"),
    ],
)
def test_toml_that_no_file_of_ours_holds_is_one_short_line(toml, message):
    with pytest.raises(InputError) as error:
        parse_toml(toml, "x")
    assert message in str(error.value)
    assert len(str(error.value)) <= 300 and str(error.value).isprintable()


@pytest.mark.parametrize(
    ("json", "message"),
    [
        ("{", "x: not valid JSON"),
        ("[" * 10_000 + "]" * 10_000, "x: not valid JSON: too many levels"),
        ("[" * 60 + "]" * 60, "more than 50 levels deep"),
        ("[NaN]", "x: not valid JSON: NaN is not a number"),
        ('[{"a": 1, "b": 2, "a": 1}]', "x: not valid JSON: the key 'a' is there more than once"),
        ("-Infinity", "x: not valid JSON: -Infinity is not a number"),
        ("1" * 5000, "x: not valid JSON: Exceeds the limit"),
        (f"[{2**63}]", "x: 0: got 9223372036854775808; must be an integer of at most 64 bits"),
        ('{"a": "\\ud800"}', r"x: a: a text with the character '\ud800'"),
        ('{"\\ud800": 1}', r"x: (top level): a text with the character '\ud800'"),
    ],
)
def test_json_that_no_file_of_ours_holds_is_one_short_line(json, message):
    with pytest.raises(InputError) as error:
        parse_json(json, "x")
    assert message in str(error.value)
    assert len(str(error.value)) <= 300 and str(error.value).isprintable()


def test_data_at_the_edge_are_read():
    text = "x" * 10_000
    toml = f"a = {'[' * 50}{']' * 50}\nb = [{2**63 - 1}, {-(2**63)}]\nc = '{text}'\nd = inf"
    data = parse_toml(toml, "x")
    assert data["b"] == [2**63 - 1, -(2**63)] and data["c"] == text
    assert parse_json('{"a": [1, 2.5, null, true, "é"]}', "x") == {"a": [1, 2.5, None, True, "é"]}
