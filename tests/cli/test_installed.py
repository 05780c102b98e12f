"""What is installed: a row for everything of a kind, with what it is and where it comes from."""

import pytest

from lionheart_opt import datasets, models, plugins, tasks
from lionheart_opt.cli.installed import Listed, installed

NAMES = {
    Listed.STRATEGIES: plugins.available("strategies"),
    Listed.COST_MODELS: plugins.available("cost_models"),
    Listed.ORACLES: plugins.available("oracles"),
    Listed.SYSTEMS: plugins.system_names(),
    Listed.MODELS: models.available(),
    Listed.DATASETS: datasets.available(),
    Listed.TASKS: tasks.available(),
}


@pytest.mark.parametrize("kind", Listed)
def test_everything_of_a_kind_has_a_row(kind):
    rows = installed(kind)
    assert [row["name"] for row in rows] == list(NAMES[kind])
    assert rows
    for row in rows:
        assert set(row) == {"name", "about", "origin"}
        assert row["about"] and row["origin"] and "\n" not in row["about"] + row["origin"]


def test_plugins_are_described_by_the_first_line_of_their_docstring():
    [row] = [row for row in installed(Listed.STRATEGIES) if row["name"] == "mac_greedy"]
    about = plugins.load("strategies", "mac_greedy").__doc__.splitlines()[0]
    version = plugins.available("strategies")["mac_greedy"].version
    assert row["about"] == about
    assert row["origin"] == (
        f"lionheart_opt.strategies.mac_greedy:MacGreedy (lionheart_opt {version})"
    )


class Bare:
    pass


def test_a_plugin_without_a_docstring_is_listed(monkeypatch):
    origin = plugins.Origin("mine", "1.0", f"{__name__}:Bare")
    monkeypatch.setattr(plugins, "available", lambda _: {"bare": origin})
    monkeypatch.setattr(plugins, "load", lambda *_: Bare)
    assert installed(Listed.ORACLES) == [
        {"name": "bare", "about": "", "origin": f"{__name__}:Bare (mine 1.0)"}
    ]
