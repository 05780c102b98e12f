"""Nothing in a system file is passed over: links, targets and kinds that a family does not price."""

from __future__ import annotations

import pytest
from weight_uses import networks

from lionheart_opt.cost_models.parts.targets import check_kinds, one_analog_target, refuse_links
from lionheart_opt.errors import InputError
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.system import Link, OperatorPrice, System, Target
from lionheart_opt.tracing import trace

NAMES = ("lionheart", "imc-cluster", "manycore", "diana", "hermes-64")
WITHOUT_LINKS = NAMES[1:]
TWO_TARGETS = NAMES[2:]


def more(system: System, name: str, **changes: object) -> System:
    """With a further target, like the host."""
    other = system.target(system.host).model_copy(update={"name": name, **changes})
    return system.model_copy(update={"targets": (*system.targets, other)})


def changed(system: System, target_name: str, **changes: object) -> System:
    targets: list[Target] = [
        target.model_copy(update=changes) if target.name == target_name else target
        for target in system.targets
    ]
    return system.model_copy(update={"targets": tuple(targets)})


@pytest.mark.parametrize("name", WITHOUT_LINKS)
def test_links_without_a_price_are_refused(name: str) -> None:
    system = load_system(name)
    refuse_links(system)
    ends = system.host, system.analog_targets[0]
    link = Link(source="made up", between=ends, latency_s=1.0, bytes_per_s=1.0)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="prices no links; remove them"):
        cost_model(system.model_copy(update={"links": (link,)}))


@pytest.mark.parametrize("name", TWO_TARGETS)
def test_further_targets_are_refused(name: str) -> None:
    """A second in-memory array would be priced as the digital one."""
    system = load_system(name)
    assert one_analog_target(system).numerics == "analog"
    for numerics in ("int8", "analog"):
        with pytest.raises(InputError, match="has the host and one analog target"):
            cost_model(more(system, "other", numerics=numerics, rpu_config=None))


def test_the_array_of_diana_may_have_any_name() -> None:
    system = changed(load_system("diana"), "analog", name="imc")
    assert [ceiling.target for ceiling in cost_model(system).ceilings()] == ["digital", "imc"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_kinds_that_no_network_has_are_refused(name: str) -> None:
    """A target would never run them, and nobody would notice."""
    system = load_system(name)
    [analog, *_] = system.analog_targets
    with pytest.raises(InputError, match=r"kinds: unknown kind on a crossbar 'linaer'.*'linear'"):
        cost_model(changed(system, analog, kinds=("conv2d", "linaer")))
    for kind in ("softmax", "depthwise_conv2d"):
        with pytest.raises(InputError, match=f"unknown kind on a crossbar {kind!r}"):
            cost_model(changed(system, analog, kinds=("conv2d", kind)))
    own = OperatorPrice(simple=1, transcendental=0, source="made up")
    mine = system.model_copy(update={"operators": {"my_kind": own}})
    check_kinds(changed(mine, analog, kinds=("conv2d", "my_kind")))


def test_crossbars_run_all_kinds_that_are_traced_as_products() -> None:
    kinds = {
        layer.kind
        for name, (network, inputs) in networks().items()
        for layer in trace(network, inputs[:1], name).layers
        if layer.mvm is not None
    }
    lionheart = load_system("lionheart")
    assert len(kinds) > 5
    check_kinds(changed(lionheart, "tile", kinds=tuple(sorted(kinds))))


def test_a_kernel_has_as_many_sizes_as_its_kinds_have_axes() -> None:
    system = load_system("imc-cluster")
    engine = "dw-engine"
    with pytest.raises(InputError, match=r"kernel: got \[3\]; must have 2 sizes for 'depthwise"):
        cost_model(changed(system, engine, kernel=(3,)))
    with pytest.raises(InputError, match=r"kinds: unknown kind 'depthwise_conv'"):
        cost_model(changed(system, engine, kinds=("depthwise_conv",)))
