"""A strategy of one's own is a frozen dataclass whose `search` is a generator."""

from dataclasses import dataclass, replace
from pathlib import Path

import lionheart_opt as lo


@dataclass(frozen=True)
class RandomBackward:
    """Moves random units from the tiles to the host until the limit holds."""

    def search(self, problem, rng):  # noqa: D102
        mapping = problem.all_analog
        for number in rng.permutation(len(problem.units)):
            [evaluation] = yield [problem.pretrained(mapping)]
            if evaluation.feasible:
                return
            mapping = mapping.move(problem.units[number].name, problem.system.host)


table_study = Path(__file__).parents[1] / "studies" / "resnet8-cifar10" / "on-table.toml"
problem = lo.load(table_study).problem
problem = replace(problem, accuracy_limit=replace(problem.accuracy_limit, max_drop=0.02))
print(lo.search(problem, RandomBackward(), seed=1))
