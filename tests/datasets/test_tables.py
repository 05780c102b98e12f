"""Tables in files: every ending, and what is refused."""

import json
import sys
from pathlib import Path

import pytest

from lionheart_opt.datasets.tables import read_json, read_plain, read_table
from lionheart_opt.errors import InputError

COLUMNS = {"text": ['say "hi"', "NA", "2024-01-02"], "label": ["1", "0", "1"]}
ROWS = [{"text": text, "label": label} for text, label in zip(*COLUMNS.values(), strict=True)]


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"say ""hi""",1\nNA,0\n\n2024-01-02,1\n'),
        ("a.csv", '\ufefftext, label\r\n"say ""hi""",1\r\nNA,0\r\n2024-01-02,1'),
        ("a.TSV", 'text\tlabel\nsay "hi"\t1\nNA\t0\n2024-01-02\t1\n'),
        ("a.json", json.dumps(ROWS)),
        (
            "a.json",
            json.dumps({"data": ROWS}),
        ),
        ("a.json", json.dumps(COLUMNS)),
        ("a.jsonl", "\n".join(map(json.dumps, ROWS))),
    ],
)
def test_every_ending(tmp_path: Path, name: str, content: str) -> None:
    assert read_table(written(tmp_path, name, content)) == COLUMNS


def test_an_unbalanced_quotation_mark_swallows_no_rows(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.tsv", 'text\tlabel\n"so good\t1\nbad"\t0\n'))
    assert table["text"] == ['"so good', 'bad"']
    with pytest.raises(InputError, match="line 3: unexpected end of data"):
        read_table(written(tmp_path, "a.csv", 'text,label\n"so good,1\nbad,0\n'))


def test_long_cells_and_line_ends_in_cells(tmp_path: Path) -> None:
    long = "a\nb " * 100_000
    assert read_table(written(tmp_path, "a.csv", f'text\n"{long}"\n'))["text"] == [long]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", "", "ending '.xlsx'; must be csv, tsv, json, jsonl, parquet"),
        ("a.csv", "", "has no rows"),
        ("a.csv", "text,label\n", "has no rows"),
        ("a.csv", "text,label\na,1\nb\n", "line 3: 1 cells; must be 2"),
        ("a.csv", "text,label\na,1,2\n", "line 2: 3 cells; must be 2"),
        ("a.csv", "text,text\na,1\n", "two columns have the same name"),
        ("a.json", "[]", "has no rows"),
        ("a.json", "{}", "must be a list of objects"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.json", '{"a": [1], "b": [1, 2]}', "columns of different lengths"),
        ("a.json", '[{"a": 1}, {"b": 1}]', "row 2: must be an object with a"),
        ("a.jsonl", '{"a": 1}\n{', "line 2: not valid JSON"),
        ("a.jsonl", "3", "row 1: must be an object"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_table(written(tmp_path, name, content))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_table(tmp_path / "b.csv")
    with pytest.raises(InputError, match="is empty"):
        read_plain(written(tmp_path, "a.txt", " \n"))
    (tmp_path / "c.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_plain(tmp_path / "c.txt")
    assert read_json(written(tmp_path, "d.json", "[1]")) == [1]


def test_parquet_needs_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "fastparquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="pip install pyarrow"):
        read_table(written(tmp_path, "a.parquet", "PAR1"))


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    pd.DataFrame(COLUMNS).to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet") == COLUMNS
