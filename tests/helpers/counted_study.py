"""A study whose oracle writes down what it is asked, and its profile and searches."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cli_setup import make_study

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Proxies
from lionheart_opt.results.profiling import profile_search, read_profile
from lionheart_opt.strategy import Proposals
from lionheart_opt.study.file import StudyFile

COUNTED = """
question = "What is asked twice?"
system = "lionheart"
training = "full"
storage = "journal:///study.log"
[model]
name = "counting_oracle:deep"
input_shape = [8]
[oracle]
kind = "counting_oracle:Counting"
[limits]
max_drop = 0.02
draws = [2, 4]
[budget]
trials = 12
[[run]]
strategy = "one_at_a_time"
[[run]]
strategy = "harmonica"
[[run]]
strategy = "knapsack"
[[run]]
strategy = "greedy"
arguments = { order = "sensitivity" }
"""


def counted(folder: Path, text: str = COUNTED) -> StudyFile:
    return StudyFile.load(make_study(folder, text))


def measure(file: StudyFile, training="none", pairs=False, proxies=False):
    search = profile_search(file, training, pairs)
    assert search.run() == "finished"
    return read_profile(search.record, training, proxies=proxies)


def searched(file: StudyFile, label: str) -> list[Evaluation]:
    [plan] = file.plans([label])
    search = file.search(plan)
    search.run()
    return search.record.evaluations()


@dataclass(frozen=True)
class Asks:
    """Asks for proxies, then tries the unit with the largest `right` and all units."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        units = tuple(unit.name for unit in problem.units)
        right = problem.ask(Proxies(units=units)).values["right"]
        best = max(right, key=right.__getitem__)
        yield [problem.pretrained(problem.mapping({best: problem.analog_target(best)}))]
        yield [problem.pretrained(problem.all_analog)]
