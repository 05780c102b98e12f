"""Progress: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from by_hand import DropList
from made_up_runs import priced_problem
from rich.console import Console
from rich.text import Text

from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.results import live
from lionheart_opt.results.live import Live
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem

#: Width of a terminal -> columns that it leaves out.
LEFT_OUT = {20: 4, 30: 2, 40: 1, 60: 0, 80: 0, 120: 0}


@dataclass
class Trains:
    """Says how far a training is, twice for each answer."""

    oracle: Any
    watchers: list[Any] = field(default_factory=list)

    def watch(self, report: Any) -> None:
        self.watchers = [report]

    def accuracy(self, candidate, fidelity, seed):
        for percent in (0, 50):
            self.watchers[0](f"training: {percent} % [of {candidate.trained_by}]")
        return self.oracle.accuracy(candidate, fidelity, seed)


def shown(budget: Budget) -> tuple[Trains, Search]:
    problem = tiny_problem()
    oracle = Trains(problem.oracle)
    search = Search(
        Record(replace(problem, oracle=oracle), InMemory("random/seed0")), Random(), 0, budget
    )
    with Live(oracle, ["random/seed0"]) as progress:
        progress.ended("random/seed0", search.run(progress.start(search, "random/seed0")))
    return oracle, search


def test_where_output_is_piped_each_answer_is_a_line(capfd):
    _, search = shown(Budget(trials=3))
    out, err = capfd.readouterr()
    lines = err.strip().splitlines()
    assert out == "" and len(lines) == 4
    for number, (line, trial) in enumerate(zip(lines, search.record.trials(), strict=False)):
        assert line.startswith(f"random/seed0 trial {number}: drop +")
        feasible = ", feasible" if trial.evaluation.feasible else ", not feasible: "
        assert feasible in line
    assert lines[-1].startswith("random/seed0: budget spent")


def test_long_trainings_say_so_now_and_then(capfd, monkeypatch):
    monkeypatch.setattr(live, "QUIET_S", 0.0)
    shown(Budget(trials=1))
    assert "random/seed0: training: 50 % [of full]\n" in capfd.readouterr().err
    monkeypatch.setattr(live, "QUIET_S", 60.0)
    shown(Budget(trials=1))
    assert "training" not in capfd.readouterr().err


def test_what_workers_say_of_trainings_is_shown(capfd, monkeypatch):
    monkeypatch.setattr(live, "QUIET_S", 0.0)
    with Live(tiny_problem().oracle) as progress:
        progress.heard("training: epoch 3/40")
    assert capfd.readouterr().err == "a worker: training: epoch 3/40\n"
    terminal = Console(force_terminal=True, width=80, record=True)
    monkeypatch.setattr(live, "console", lambda stderr: terminal)
    with Live(tiny_problem().oracle) as progress:
        progress.heard("training: epoch 4/40")
    assert "a worker: training: epoch 4/40" in terminal.export_text()


def test_when_it_ends_nobody_listens_to_the_oracle(capfd):
    oracle, _ = shown(Budget(trials=1))
    capfd.readouterr()
    oracle.watchers[0]("training: 100 %")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("budget", [Budget(trials=4), Budget(oracle_s=5000.0), Budget()])
def test_an_overview_on_a_terminal(budget, monkeypatch):
    terminal = Console(force_terminal=True, width=80, record=True)
    monkeypatch.setattr(live, "console", lambda stderr: terminal)
    monkeypatch.setattr(live, "REFRESH_S", 0.01)
    problem = tiny_problem()
    names = ["[bold]odd/seed0", "waits/seed0"]
    search = Search(Record(problem, InMemory(names[0])), Random(), 0, budget)
    shown: list[str] = []
    with Live(problem.oracle, names) as progress:
        watch = progress.start(search, names[0])

        def look(now):
            watch(now)
            with terminal.capture() as capture:
                terminal.print(progress._rows())
            shown.append(capture.get())

        progress.ended(names[0], search.run(look))
        terminal.print(progress._rows())
    text = terminal.export_text()
    assert "[bold]odd/seed0" in text, "a label is no markup"
    assert "1 of 2 searches finished, 1 waiting" in text
    assert (
        max(len(line) for each in shown for line in Text.from_ansi(each).plain.splitlines()) <= 80
    )
    limited = budget != Budget()
    assert any("left at most" in each for each in shown) == limited
    assert any("best " in each for each in shown)


def test_a_resumed_search_starts_where_it_was(capfd):
    problem = tiny_problem()
    record = Record(problem, InMemory("random/seed0"))
    Search(record, Random(), 0, Budget(trials=2)).run()
    search = Search(record, Random(), 0, Budget(trials=3))
    with Live(problem.oracle, ["random/seed0"]) as progress:
        progress.ended("random/seed0", search.run(progress.start(search, "random/seed0")))
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and lines[0].startswith("random/seed0 trial 2: ")


@pytest.mark.parametrize(
    ("how", "text"),
    [("finished", "finished"), ("budget", "budget spent"), ("repeats", "proposed nothing new")],
)
def test_how_it_ended(how, text, capfd):
    problem = tiny_problem()
    with Live(problem.oracle) as progress:
        progress.start(Search(Record(problem, InMemory("a/seed0")), Random()), "a/seed0")
        progress.ended("a/seed0", how)
    said = capfd.readouterr().err
    assert said.startswith("a/seed0: ") and text in said


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 120])
def test_a_narrow_terminal_leaves_columns_out_but_cuts_no_number(width, monkeypatch):
    terminal = Console(force_terminal=True, width=width, record=True)
    monkeypatch.setattr(live, "console", lambda stderr: terminal)
    problem = tiny_problem()
    name = "a label that is much too long for a terminal/seed12"
    search = Search(Record(problem, InMemory(name)), Random(), 0, Budget(trials=3))
    with Live(problem.oracle, [name]) as progress:
        progress.ended(name, search.run(progress.start(search, name)))
        with terminal.capture() as capture:
            terminal.print(progress._rows())
    text = Text.from_ansi(capture.get()).plain
    assert max(map(len, text.splitlines())) <= width
    row = next(line for line in text.splitlines() if "/seed12" in line)
    has = {each: each in row for each in ("━━━━━━━━", "budget spent", "3/3", "best 5.05x")}
    assert [name for name, is_there in has.items() if is_there] == list(has)[LEFT_OUT[width] :]
    assert "…/" not in row and not any(part in row for part in ("3/…", "best…", "5.0…"))


def test_the_best_so_far_is_marked_and_has_an_interval(capfd):
    """A line for a trial that is not the best has none: finding it takes longer than pricing."""
    limit = AccuracyLimit(max_drop=0.1, time_s=1.0, draws=(4,))
    problem = replace(priced_problem(), oracle=DropList({}), accuracy_limit=limit)
    search = Search(Record(problem, InMemory("a/seed0")), Random(), 0, Budget(trials=8))
    with Live(problem.oracle, ["a/seed0"]) as progress:
        progress.ended("a/seed0", search.run(progress.start(search, "a/seed0")))
    *lines, end = capfd.readouterr().err.strip().splitlines()
    best = []
    for line, evaluation in zip(lines, search.record.evaluations(), strict=True):
        is_best = evaluation.cost.latency_s < min([problem.digital_cost.latency_s, *best])
        assert ("the best so far" in line) == ("(x/" in line) == is_best
        best.append(evaluation.cost.latency_s)
    assert "; best: " in end and end.endswith(")")
