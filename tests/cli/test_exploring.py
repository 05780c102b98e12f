"""The verb `explore`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_setup import call, rows

ARGUMENTS = ("explore", "--model", "mlp", "--model-argument", "width=64", "--input", "64")
SYSTEM = ("--system", "imc-cluster", "--vary", "targets.ima.rows=32,64")


def test_a_front_as_table_json_and_figure(tmp_path: Path) -> None:
    plain = rows(*ARGUMENTS, *SYSTEM, "--vary", "targets.ima.tiles=2:8:2", "--plot", tmp_path)
    assert len(plain["designs"]) == 16 and plain["front"]
    assert {path.name for path in tmp_path.iterdir()} == {"exploration.pdf", "exploration.png"}
    code, out, _ = call(*ARGUMENTS, *SYSTEM, "--objectives", "latency_s,area_m2")
    assert code == 0 and "targets.ima.rows = 64" in out and "2 designs tried" in out
    table, _, _ = out.partition("2 designs tried")
    assert max(map(len, table.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explore",), "either a STUDY or --model"),
        (("explore", "STUDY", "--input", "3x8x8"), "--input: a study has its own network"),
        ((*ARGUMENTS, "--system", "imc-cluster"), "vary: names the numbers"),
        ((*ARGUMENTS, "--vary", "x"), "must be NUMBER=VALUES"),
        ((*ARGUMENTS, *SYSTEM, "--vary", "targets.ima.rows=8"), "is given twice"),
        ((*ARGUMENTS, *SYSTEM, "--objectives", "nothing"), "unknown objective 'nothing'"),
        ((*ARGUMENTS, "--system", "diana", "--vary", "targets.analog.rows=8"), "converters are"),
    ],
)
def test_one_line_of_what_is_wrong(arguments: tuple[str, ...], said: str) -> None:
    code, _, err = call(*arguments)
    assert code == 2 and said in err and len(err.splitlines()) == 1
