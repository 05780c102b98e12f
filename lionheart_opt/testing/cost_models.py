"""The contract of cost models."""

from __future__ import annotations

from dataclasses import replace
from math import fsum

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.batches import RunsBatches, check_batch
from lionheart_opt.cost import CostModel, HasCeilings, cost_tables
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.roofline import roofline
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.testing.problems import sample


class CostModelContract:
    """What every cost model promises. Fixtures to give: `system`, and `cost_model` if not registered."""

    @pytest.fixture
    def system(self) -> System:
        """The system that the model prices."""
        raise NotImplementedError("give a fixture `system`")

    @pytest.fixture
    def cost_model(self, system: System) -> CostModel:
        """The cost model under test."""
        return plugins.cost_model(system)

    def test_layers_are_complete_and_not_negative(
        self, system: System, cost_model: CostModel
    ) -> None:
        """Every layer once, in order, each component finite and at least zero; sums are exact."""
        workload = convolutional_workload()
        for mapping in sample(Space(workload=workload, system=system)):
            cost = cost_model.cost(workload, mapping)
            assert [layer.name for layer in cost.layers] == [
                layer.name for layer in workload.layers
            ]
            for layer in cost.layers:
                parts = np.array(list(layer.components.values()))
                assert np.all(np.isfinite(parts)) and np.all(parts >= 0)
            assert cost.latency_s == fsum(layer.latency_s for layer in cost.layers) > 0
            assert cost.energy_j == fsum(layer.energy_j for layer in cost.layers) > 0
            assert cost.time_per_inference_s > 0

    def test_layers_are_priced_where_they_run(self, system: System, cost_model: CostModel) -> None:
        """A unit's layers on its target, all others on the host; crossbars only where used."""
        workload = convolutional_workload()
        for mapping in sample(Space(workload=workload, system=system)):
            cost = cost_model.cost(workload, mapping)
            for layer in cost.layers:
                unit = workload.unit_of.get(layer.name)
                assert layer.target == (mapping[unit] if unit else system.host)
            for target, count in cost.tiles.items():
                assert (count > 0) == bool(mapping.units_on(target))

    def test_is_pure(self, system: System, cost_model: CostModel) -> None:
        """The same question has the same answer, whatever was asked in between."""
        workload = convolutional_workload()
        mappings = sample(Space(workload=workload, system=system))
        first = [cost_model.cost(workload, mapping) for mapping in mappings]
        again = [cost_model.cost(workload, mapping) for mapping in reversed(mappings)]
        assert first == again[::-1]
        assert workload == convolutional_workload()

    def test_no_layer_exceeds_its_ceilings(self, system: System, cost_model: CostModel) -> None:
        """Where ceilings are offered, each target has one, and no layer is faster than they allow."""
        if not isinstance(cost_model, HasCeilings):
            pytest.skip("the model names no ceilings")
        targets = [ceiling.target for ceiling in cost_model.ceilings()]
        assert targets == [target.name for target in system.targets]
        workload = convolutional_workload()
        for mapping in sample(Space(workload=workload, system=system)):
            for point in roofline(workload, system, mapping, cost_model).points:
                most = point.attainable_ops_per_s
                assert most is None or point.ops_per_s <= most * (1 + 1e-9), point

    @pytest.mark.parametrize("wider", [0, 1, 2])
    def test_more_work_never_costs_less(
        self, system: System, cost_model: CostModel, wider: int
    ) -> None:
        """Doubling the width of a layer makes no mapping cheaper.

        In a pipeline, that is the interval. Its latency follows from the layout, and may be up to a tenth
        longer with less work.
        """
        channels = [16, 24, 40]
        small = convolutional_workload(channels)
        channels[wider] *= 2
        large = convolutional_workload(channels)
        for mapping in sample(Space(workload=small, system=system)):
            before, after = cost_model.cost(small, mapping), cost_model.cost(large, mapping)
            if before.interval_s is None or after.interval_s is None:
                assert after.latency_s >= before.latency_s
            else:
                assert after.interval_s >= before.interval_s
                assert after.latency_s >= 0.9 * before.latency_s
            assert after.energy_j >= before.energy_j

    def test_unknown_kinds_are_refused(self, system: System, cost_model: CostModel) -> None:
        """An operation that the model does not know is an error that names it, never free."""
        workload = convolutional_workload()
        odd = replace(workload.layer("add"), kind="no_such_kind")
        layers = tuple(odd if layer.name == "add" else layer for layer in workload.layers)
        workload = replace(workload, layers=layers)
        with pytest.raises(InputError, match="no_such_kind"):
            cost_model.cost(workload, Space(workload=workload, system=system).all_digital)

    def test_batches(self, system: System, cost_model: CostModel) -> None:
        """A batch takes longer than an inference; MACs and energies are those of one inference.

        A model that does not say how it runs batches is not asked for any.
        """
        workload = convolutional_workload()
        batch = workload.with_batch(5)
        if not isinstance(cost_model, RunsBatches):
            with pytest.raises(InputError, match="single inferences only"):
                check_batch(cost_model, system, batch)
            return
        tables = cost_tables(cost_model, batch)
        for mapping in sample(Space(workload=workload, system=system)):
            single, cost = cost_model.cost(workload, mapping), cost_model.cost(batch, mapping)
            assert [layer.macs for layer in cost.layers] == [layer.macs for layer in single.layers]
            assert cost.latency_s == fsum(layer.latency_s for layer in cost.layers)
            if cost_model.batch_order == "pipelined":
                assert cost.interval_s == single.interval_s
                further_s = 4 * single.time_per_inference_s
                assert cost.latency_s == pytest.approx(single.latency_s + further_s, rel=1e-9)
                assert cost.energy_j == pytest.approx(single.energy_j, rel=1e-9)
            else:
                assert cost.latency_s > single.latency_s
                assert cost.time_per_inference_s == pytest.approx(cost.latency_s / 5, rel=1e-9)
            if tables is not None:
                latency_s, energy_j = tables.cost_batch(tables.encode([mapping]))
                np.testing.assert_allclose(latency_s, cost.latency_s, rtol=1e-9)
                np.testing.assert_allclose(energy_j, cost.energy_j, rtol=1e-9)

    def test_tables_agree_with_the_cost(self, system: System, cost_model: CostModel) -> None:
        """Where coefficient tables are offered, they price every mapping alike."""
        workload = convolutional_workload()
        tables = cost_tables(cost_model, workload)
        if tables is None:
            pytest.skip("the cost on this system is not a sum over units")
        mappings = sample(Space(workload=workload, system=system))
        costs = [cost_model.cost(workload, mapping) for mapping in mappings]
        latency_s, energy_j = tables.cost_batch(tables.encode(mappings))
        np.testing.assert_allclose(latency_s, [cost.latency_s for cost in costs], rtol=1e-9)
        np.testing.assert_allclose(energy_j, [cost.energy_j for cost in costs], rtol=1e-9)
