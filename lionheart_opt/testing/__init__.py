"""Contract tests for plug-ins: subclass one, give its fixtures, and pytest runs what we promise.

    from lionheart_opt.testing import StrategyContract

    class TestMine(StrategyContract):
        @pytest.fixture
        def strategy(self):
            return Mine()

Put `pytest.register_assert_rewrite("lionheart_opt.testing")` into your `conftest.py` for readable
failures.
"""

from lionheart_opt.testing.cost_models import CostModelContract
from lionheart_opt.testing.oracles import OracleContract
from lionheart_opt.testing.problems import brute_force, digests, drive, tiny_problem
from lionheart_opt.testing.strategies import PROBLEMS, StrategyContract
from lionheart_opt.testing.tasks import TaskContract

__all__ = [
    "PROBLEMS",
    "CostModelContract",
    "OracleContract",
    "StrategyContract",
    "TaskContract",
    "brute_force",
    "digests",
    "drive",
    "tiny_problem",
]
