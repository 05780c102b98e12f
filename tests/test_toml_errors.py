"""One clear line for what is wrong in a TOML file, the misspelt key before what it leaves missing."""

import tomllib
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lionheart_opt.errors import InputError, InputErrors
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.schema import StudyTable
from lionheart_opt.system import System
from lionheart_opt.toml_errors import all_problems, first_problem


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Tile(Strict):
    rows: int = Field(gt=0)
    columns: int = 256


class Core(Strict):
    clock_hz: float


class Board(Strict):
    name: str = "board"
    core: Core = Core(clock_hz=1e9)
    tile: Tile | None = None
    tiles: tuple[Tile, ...] = Field(default=(), strict=False)
    shelf: dict[str, Tile] = Field(default_factory=dict)
    either: Tile | Core | None = None
    size: int | str = 1
    settings: dict[str, Any] = Field(default_factory=dict)
    numbers: dict[str, float | bool] = Field(default_factory=dict)
    ends: tuple[str, str] | None = Field(default=None, strict=False)
    kinds: tuple[str, ...] = Field(default=("x",), strict=False, min_length=1)


def message(text: str, model: type[BaseModel] = Board) -> str:
    given = tomllib.loads(text)
    with pytest.raises(ValidationError) as error:
        model.model_validate(given)
    problem = first_problem(error.value, "board.toml", model, given)
    assert isinstance(problem, InputError)
    assert "\n" not in str(problem)
    return str(problem)


def test_a_misspelt_key_comes_before_the_key_that_it_leaves_missing() -> None:
    assert message("[tile]\nrow = 3") == (
        "board.toml: [tile]: unknown key 'row' (did you mean 'rows'?); allowed: columns, rows"
    )


def test_a_misspelt_limit_of_a_study_is_named() -> None:
    text = """
question = "?"
system = "lionheart"
[model]
name = "mlp"
[limits]
max_drp = 0.01
[[run]]
strategy = "random"
"""
    line = message(text, StudyTable)
    assert line.startswith(
        "board.toml: [limits]: unknown key 'max_drp' (did you mean 'max_drop'?); allowed: confidence"
    )
    assert "missing" not in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # anywhere before what is missing elsewhere
        ("nam = 'a'\n[tile]\ncolumns = 1", "board.toml: unknown key 'nam' (did you mean 'name'?)"),
        ("[tile]\ncolumns = 1\n[core]\nclock = 1.0", "[core]: unknown key 'clock' (did you mean"),
        # below lists, dictionaries and unions
        ("[[tiles]]\nrows = 1\n[[tiles]]\nrow = 1", "[tiles.1]: unknown key 'row'"),
        ("[shelf.big]\ncolumn = 1\nrows = 1", "[shelf.big]: unknown key 'column' (did you mean"),
        ("[shelf.rows]\ncolumn = 1\nrows = 1", "[shelf.rows]: unknown key 'column' (did you mean"),
        ("[either]\ncolumn = 1", "[either]: unknown key 'column' (did you mean 'columns'?)"),
        ("[either]\ncolumn = 1", "allowed: clock_hz, columns, rows"),
    ],
)
def test_unknown_keys_anywhere(text: str, expected: str) -> None:
    assert expected in message(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[tile]\ncolumns = 1", "board.toml: key 'tile.rows' is missing"),
        ("[[tiles]]\ncolumns = 1", "board.toml: key 'tiles.0.rows' is missing"),
        ("[tile]\nrows = 0", "board.toml: tile.rows: got 0; must be greater than 0"),
        ("[tile]\nrows = 'a'", "board.toml: tile.rows: got 'a'; must be a valid integer"),
        ("size = 1.5", "board.toml: size: got 1.5; must be a valid integer or a valid string"),
        (
            "[numbers]\na = 'x'",
            "board.toml: numbers.a: got 'x'; must be a valid number or a valid boolean",
        ),
    ],
)
def test_other_problems(text: str, expected: str) -> None:
    assert message(text) == expected


def test_a_key_of_another_member_of_a_union_is_not_unknown() -> None:
    """`columns` belongs to a tile; that a core has none is not what is wrong."""
    assert message("[either]\ncolumns = 4") == "board.toml: key 'either.rows' is missing"


@pytest.mark.parametrize("block", ["numeric = 'int8'", "kinds = ['*']\nnumeric = 'int8'"])
def test_a_misspelt_key_of_a_block_that_takes_any_key(block: str) -> None:
    """Keys that a target does not know are parameters of its family: one of them may be meant."""
    text = f"family = 'f'\ndescription = 'd'\nhost = 'cpu'\n[targets.cpu]\n{block}"
    with pytest.raises(InputError) as error:
        System.from_toml(text, "mine", "mine.toml")
    assert str(error.value) == (
        "mine.toml: key 'targets.cpu.numerics' is missing (is 'numeric' a misspelling of it?)"
    )
    with pytest.raises(
        InputError, match=r"'targets.cpu.kinds' is missing .is 'kind' a misspelling"
    ):
        System.from_toml(text.replace(block, "kind = ['*']"), "mine", "mine.toml")


def test_entries_of_a_list_are_called_by_their_name() -> None:
    class Named(Tile):
        name: str

    class Shelf(Strict):
        tiles: tuple[Named, ...] = Field(strict=False)

    text = "[[tiles]]\nname = 'a'\nrows = 1\n[[tiles]]\nname = 'b'\n"
    assert message(text, Shelf) == "board.toml: key 'tiles.b.rows' is missing"
    assert message(text + "rows = 1\nrow = 1", Shelf).startswith(
        "board.toml: [tiles.b]: unknown key"
    )


def test_what_a_validator_says_is_kept() -> None:
    given = {
        "name": "x",
        "family": "f",
        "description": "d",
        "host": "gpu",
        "targets": ({"name": "cpu", "numerics": "fp32", "kinds": ["*"], "source": "s"},),
    }
    with pytest.raises(ValidationError) as error:
        System.model_validate(given)
    assert str(first_problem(error.value, "x.toml", System, given)) == (
        "x.toml: host: unknown target 'gpu' (did you mean 'cpu'?); allowed: cpu"
    )


def test_every_wrong_key_has_a_line_of_its_own(tmp_path):
    """Unknown keys first; what a misspelt key stands for is not said to be missing, too."""
    text = """
sytem = "lionheart"
seed = "one"
[model]
name = 3
[limits]
max_drop = -7.0
confidenz = 0.9
[[run]]
strategy = "random"
seeds = ["a", "b"]
"""
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(InputErrors) as error:
        StudyFile.load(tmp_path)
    # of a long line, folders are left out
    said = [str(each).partition("study.toml: ")[2] for each in error.value.errors]
    starts = (
        "unknown key 'sytem' (did you mean 'system'",
        "[limits]: unknown key 'confidenz' (did you mean 'confidence'",
        "key 'question' is missing",
        "seed: got 'one'",
        "model.name: got 3",
        "limits.max_drop: got -7.0",
        "run.0.seeds.0: got 'a'",
        "run.0.seeds.1: got 'b'",
    )
    assert len(said) == len(starts)
    for start in starts:
        assert sum(line.startswith(start) for line in said) == 1, start
    assert all("unknown key" in line for line in said[:2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ends = []", "ends: got []; must have at least 2 entries"),
        ('ends = ["a"]', "ends: got ['a']; must have at least 2 entries"),
        ('ends = ["a", "b", "c"]', "ends: got ['a', 'b', 'c']; must have at most 2 entries"),
        ("ends = [1]", "ends.0: got 1; must be a valid string"),
        ("kinds = []", "kinds: got []; must have at least 1 entry"),
    ],
)
@pytest.mark.parametrize("beside", ["", "tile = 3", 'size = 1.5\neither = {clock_hz = "x"}'])
def test_lists_of_a_wrong_length(text: str, said: str, beside: str) -> None:
    given = tomllib.loads(f"{text}\n{beside}")
    with pytest.raises(ValidationError) as error:
        Board.model_validate(given)
    problems = all_problems(error.value, "board.toml", Board, given)
    lines = [str(each) for each in getattr(problems, "errors", [problems])]
    assert f"board.toml: {said}" in lines
    assert "board.toml: " + said == lines[0] or beside
