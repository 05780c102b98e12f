"""Whatever own code prints, standard output has the results and nothing else."""

from __future__ import annotations

import json

import pytest
from cli_setup import call
from table_study import table_study

LOUD = """
from lionheart_opt.strategies.random import Random
print("imported")

class Loud(Random):
    def search(self, problem, rng):
        print("searching")
        return super().search(problem, rng)
"""


@pytest.fixture
def loud(tmp_path):
    folder = table_study(tmp_path / "study")
    (folder / "mine.py").write_text(LOUD)
    file = folder / "study.toml"
    file.write_text(file.read_text().replace('"random"', '"mine:Loud"'))
    return folder


def test_json_is_whole(loud):
    code, out, err = call("run", loud, "--json")
    assert code == 0 and json.loads(out)[0]["trials"] == 3
    assert "imported\n" in err and "searching\n" in err
    for verb in ("check", "show", "compare", "plot", "table"):
        code, out, _ = call(verb, loud, "--json")
        assert code == 0 and json.loads(out)


def test_tables_are_whole(loud):
    code, out, _ = call("run", loud)
    assert code == 0 and out.startswith("Best mapping of each search")
    assert "imported" not in out and "searching" not in out
    code, out, _ = call("table", loud)
    assert code == 0 and "table.npz: " in out


def test_help_is_no_result_of_a_verb_and_goes_to_standard_output():
    code, out, err = call("run", "--help")
    assert code == 0 and "--workers" in out and not err
