"""The contract of cost models: every registered one keeps it, and it notices those that do not."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System, Target
from lionheart_opt.testing import CostModelContract, tiny_problem
from lionheart_opt.workload import Workload

Check = Callable[..., None]


@dataclass(frozen=True)
class Costs:
    """A cost model with one flaw."""

    system: System
    flaw: str

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        layers = []
        for layer in workload.layers:
            unit = workload.unit_of.get(layer.name)
            target = mapping[unit] if unit else self.system.host
            if layer.kind not in ("conv2d", "linear", "relu", "add", "avg_pool2d"):
                if self.flaw != "forgives":
                    raise InputError(f"no cost of {layer.kind}")
                continue
            latency_s = 1e-9 * (layer.macs + layer.output_count)
            if self.flaw == "shrinks" and layer.macs > 300_000:
                latency_s = 1e-9
            if self.flaw == "negative" and target == "tile":
                latency_s = -1e-9
            if self.flaw == "misplaces":
                target = self.system.host
            if self.flaw == "drifts":
                latency_s *= 1.0 + 1e-6 * np.random.default_rng().random()
            components = {"compute": (latency_s, 1e-3 * abs(latency_s))}
            if self.flaw == "skips" and layer.kind == "relu":
                continue
            layers.append(
                LayerCost(
                    name=layer.name,
                    kind=layer.kind,
                    target=target,
                    macs=layer.macs,
                    components=components,
                )
            )
        return Cost(layers=tuple(layers))


costs = CostModelContract()


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("negative", costs.test_layers_are_complete_and_not_negative),
        ("skips", costs.test_layers_are_complete_and_not_negative),
        ("misplaces", costs.test_layers_are_priced_where_they_run),
        ("drifts", costs.test_is_pure),
        ("shrinks", lambda system, model: costs.test_more_work_never_costs_less(system, model, 1)),
        ("forgives", costs.test_unknown_kinds_are_refused),
    ],
)
def test_bad_cost_models_are_caught(flaw: str, check: Check) -> None:
    targets = tiny_problem().system.targets
    tile = Target(name="tile", numerics="analog", kinds=("*",), source="made up")
    system = tiny_problem().system.model_copy(update={"targets": (targets[0], tile)})
    check(system, Costs(system, "none"))
    with pytest.raises((AssertionError, pytest.fail.Exception, InputError)):
        check(system, Costs(system, flaw))


class TestSystems(CostModelContract):
    """Every installed system with the cost model of its family."""

    @pytest.fixture(params=plugins.system_names())
    def system(self, request: pytest.FixtureRequest) -> System:
        return plugins.load_system(request.param)
