"""System files: what they must hold, what is refused, and how one brings one's own."""

import json
import pickle
from pathlib import Path

import pytest

import lionheart_opt
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.plugins import cost_model, load_system, system_names
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import Software, System
from lionheart_opt.testing import CostModelContract

DIGESTS = json.loads((Path(__file__).parent / "golden" / "digests.json").read_text())

SYSTEMS = Path(lionheart_opt.__file__).parent / "cost_models" / "systems"

MINIMAL = """
family = "mine:Mine"
description = "two targets"
host = "cpu"

[targets.cpu]
source = "data sheet"
numerics = "fp32"
kinds = ["*"]
mac_latency_s = 1e-9

[targets.tile]
source = "measured"
numerics = "analog"
kinds = ["linear"]
mac_latency_s = 1e-11
"""

FAMILY = '''
"""A family of one's own: so much time a MAC, so much energy a second."""

from dataclasses import dataclass

from lionheart_opt.cost_models.parts.additive import layer_costs
from lionheart_opt.cost_models.parts.operations import operations
from lionheart_opt.cost import Cost
from lionheart_opt.system import Software, System


@dataclass(frozen=True)
class Mine:
    system: System

    def cost(self, workload, mapping):
        def price(layer, target):
            operations(layer, "mine")  # refuses what nobody knows
            work = layer.macs + layer.output_count
            time_s = work * target.parameters["mac_latency_s"]
            return {"compute": (time_s, 0.5 * time_s)}

        tiles = {name: len(mapping.units_on(name)) for name in self.system.analog_targets}
        return Cost(layers=layer_costs(self.system, workload, mapping, price), tiles=tiles)
'''


def system_of(text: str) -> System:
    return System.from_toml(text, "mine", "mine.toml")


@pytest.mark.parametrize("name", system_names())
def test_shipped_systems_name_a_source_in_every_block(name: str) -> None:
    system = load_system(name)
    assert system.name == name
    assert all(target.source for target in system.targets)
    assert all(link.source for link in system.links)
    assert system.machine is None or system.machine.source
    assert system.software is None or system.software.source


def test_objects_say_in_a_line_what_they_are() -> None:
    system = system_of(MINIMAL)
    assert repr(system) == str(system)
    assert repr(system) == "System('mine': family mine:Mine; cpu (fp32, host), tile (analog))"
    cluster = load_system("imc-cluster")
    assert (
        repr(cluster.target("ima")) == "Target('ima': analog, pcm, runs linear, "
        "conv1d, conv2d, grouped_conv1d, grouped_conv2d, 34 tiles)"
    )
    assert str(cluster.target("dw-engine")) == (
        "Target('dw-engine': int8, runs depthwise_conv2d, kernel (3, 3))"
    )


def test_a_frame_has_a_row_for_each_target() -> None:
    frame = load_system("imc-cluster").to_frame()
    assert frame["name"].tolist() == ["cores", "ima", "dw-engine"]
    assert frame["is_host"].tolist() == [True, False, False]
    assert frame["numerics"].tolist() == ["int8", "analog", "int8"]
    assert frame["tiles"].isna().tolist() == [True, False, True] and frame["tiles"][1] == 34
    assert frame["mvm_latency_s"].dropna().tolist() == [130e-9]
    assert frame["source"].str.contains("Garofalo").all()


def test_a_notebook_shows_a_table_of_targets() -> None:
    html = system_of(MINIMAL)._repr_html_()
    assert "System(&#x27;mine&#x27;: family mine:Mine" in html and "two targets" in html
    assert html.count("<tr") == 1 + 2


def test_a_changed_copy_has_a_digest_of_its_own() -> None:
    """What was computed of the original must not be handed down."""
    system = system_of(MINIMAL)
    before = system.digest
    targets = (system.target("cpu"), system.target("tile").model_copy(update={"tiles": 3}))
    assert system.model_copy(update={"targets": targets}).digest != before


@pytest.mark.parametrize("name", DIGESTS["systems"])
def test_digests_of_shipped_systems_have_not_changed(name: str) -> None:
    """Recorded searches are resumed only where the digest of their system is the recorded one."""
    system = load_system(name)
    assert system.digest == DIGESTS["systems"][name]
    again = pickle.loads(pickle.dumps(system))
    assert again == system and again.digest == system.digest


def test_host_comes_first_and_only_able_targets_are_offered() -> None:
    system = system_of(MINIMAL)
    workload = convolutional_workload()
    assert system.targets_of(workload, workload.unit("fc")) == ("cpu", "tile")
    assert system.targets_of(workload, workload.unit("conv1")) == ("cpu",)
    assert system.analog_targets == ("tile",)


def test_an_analog_target_needs_a_matrix() -> None:
    """`*` does not mean that a crossbar adds or pools."""
    system = system_of(MINIMAL.replace('kinds = ["linear"]', 'kinds = ["*"]'))
    tile = system.target("tile")
    workload = convolutional_workload()
    assert [layer.kind for layer in workload.layers if tile.supports(layer)] == [
        *["conv2d"] * 3,
        "linear",
    ]


def test_digest_covers_every_number_and_source() -> None:
    system = system_of(MINIMAL)
    assert system.digest == system_of(MINIMAL).digest
    for old, new in (("1e-11", "2e-11"), ('"measured"', '"guessed"'), ('"fp32"', '"int8"')):
        assert system_of(MINIMAL.replace(old, new)).digest != system.digest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[targets.cpu]", "[targets.cpu", "mine.toml: not valid TOML"),
        ('host = "cpu"', 'host = "cpv"', "unknown target 'cpv' (did you mean 'cpu'?)"),
        ('host = "cpu"', 'host = "tile"', "it must be a digital target"),
        ('kinds = ["*"]', 'kinds = ["linear"]', "must support every layer kind"),
        ('host = "cpu"', 'host = "cpu"\nhots = "cpu"', "unknown key 'hots' (did you mean 'host'?)"),
        ('source = "data sheet"', "", "source' is missing"),
        ('source = "measured"', 'source = ""', "source: got ''"),
        ('numerics = "analog"', 'numerics = "analogue"', "got 'analogue'"),
        ('numerics = "analog"', 'numerics = "analog"\ntiles = -1', "tiles: got -1"),
        ('numerics = "analog"', 'numerics = "analog"\ntiles = "4"', "tiles: got '4'"),
        ("mac_latency_s = 1e-11", "mac_latency_s = [1e-11]", "mac_latency_s"),
        ("mac_latency_s = 1e-11", "mac_latency_s = nan", "targets.tile.mac_latency_s: got nan"),
        ("mac_latency_s = 1e-11", "mac_latency_s = -inf", "targets.tile.mac_latency_s: got -inf"),
        (
            "[targets.cpu]",
            '[machine]\nsource = "data sheet"\nclock_hz = inf\n[targets.cpu]',
            "mine.toml: machine.clock_hz: got inf",
        ),
    ],
)
def test_mistakes_get_one_clear_line(old: str, new: str, message: str) -> None:
    text = MINIMAL.replace(old, new, 1)
    assert text != MINIMAL
    with pytest.raises(InputError) as error:
        system_of(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["diana", "hermes-64", "imc-cluster", "manycore"])
def test_families_without_software_refuse_its_table(name: str) -> None:
    software = Software(source="made up", parameters={"simple_cycles": 1.0})
    with pytest.raises(
        InputError, match=rf"{name}.toml: the family .* reads no table \[software\]"
    ):
        cost_model(load_system(name).model_copy(update={"software": software}))


def test_a_link_joins_targets_that_exist() -> None:
    link = '[[links]]\nsource = "guess"\nbetween = ["cpu", "tiles"]\n'
    with pytest.raises(InputError, match=r"unknown target 'tiles' \(did you mean 'tile'\?\)"):
        system_of(MINIMAL + link)


def test_links_are_checked_like_targets() -> None:
    text = (SYSTEMS / "lionheart.toml").read_text()
    link = '\n[[links]]\nsource = "guess"\nbetween = ["core", "tile"]\nlatency_s = 0.0\n'
    with pytest.raises(InputError, match=r"mine.toml: links.0.bytes_per_s: got nan"):
        system_of(text + link + "bytes_per_s = nan")
    with pytest.raises(
        InputError, match=r"mine.toml: \[links\] between 'core' and 'tile': key 'bytes_per_s'"
    ):
        cost_model(system_of(text + link))
    with pytest.raises(InputError, match=r"\[links\] between 'tile' and 'core' is there more than"):
        system_of(text + link.replace('"core", "tile"', '"tile", "core"') + link)


@pytest.mark.parametrize("name", system_names())
def test_mistakes_in_any_block_of_a_shipped_system_show_at_once(name: str) -> None:
    """Not only when a mapping first uses the block."""
    system = load_system(name)
    blocks = {target.name: target for target in system.targets}
    shared = {"machine": system.machine, "software": system.software}
    blocks |= {name: block for name, block in shared.items() if block}
    keys = [(block, key) for block, owner in blocks.items() for key in owner.parameters]
    assert keys
    for block, key in keys:
        with pytest.raises(InputError, match=rf"{block}.*{key}"):
            cost_model(variant(system, block, **{key: float("nan")}))


@pytest.mark.parametrize("name", system_names())
def test_the_least_sizes_of_every_block(name: str) -> None:
    """Sizes begin with 1, ports with 2; what takes no time or energy may be 0."""
    system = load_system(name)
    least = {"ports": 2, "level_latency_cycles": 0, "cycles_per_result": 0}
    blocks = {target.name: target for target in system.targets}
    shared = {"machine": system.machine, "software": system.software}
    blocks |= {name: block for name, block in shared.items() if block}
    n_sizes = 0
    for block, owner in blocks.items():
        for key, value in owner.parameters.items():
            if type(value) is int:
                n_sizes += 1
                whole = variant(system, block, **{key: least.get(key, 1)})
                if key == "clusters":  # each has a tile on every target
                    whole = redesigned(system, {"machine.clusters": 1})
                cost_model(whole)
                with pytest.raises(InputError, match=rf"{block}\]: {key}: got"):
                    cost_model(variant(system, block, **{key: least.get(key, 1) - 1}))
            elif key.endswith(("_j", "_j_per_byte", "leakage_w", "idle_j_per_cycle")):
                is_free = not key.startswith(("active", "ops", "peak"))
                if is_free:
                    cost_model(variant(system, block, **{key: 0.0}))
    assert n_sizes


def test_families_say_what_targets_they_need() -> None:
    for name, message in (
        ("manycore", "the family 'manycore' has the host and one analog target"),
        ("diana", "got targets 'digital'; the family 'diana' has the host and one analog target"),
        ("hermes-64", "the family 'fabric' has the host and one analog target"),
    ):
        system = load_system(name)
        digital = tuple(target for target in system.targets if target.numerics != "analog")
        with pytest.raises(InputError, match=message):
            cost_model(system.model_copy(update={"targets": digital}))


def test_a_file_without_targets_or_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs at least one table \[targets.NAME\]"):
        system_of('family = "alpine"\n')
    with pytest.raises(InputError, match=r"nowhere.toml: No such file"):
        load_system("nowhere.toml", folder=tmp_path)
    with pytest.raises(InputError, match=r"unknown system 'lionhart' \(did you mean 'lionheart'"):
        load_system("lionhart")


class TestOwnSystem(CostModelContract):
    """A system of one's own for a known family is one TOML file."""

    @pytest.fixture
    def system(self, tmp_path: Path) -> System:
        (tmp_path / "small.toml").write_text(OWN_ALPINE)
        return load_system("small.toml", folder=tmp_path)

    def test_its_numbers_count(self, system: System) -> None:
        workload = convolutional_workload()
        mapping = Space(workload=workload, system=system).all_analog
        ours = cost_model(system).cost(workload, mapping)
        theirs = cost_model(load_system("lionheart")).cost(workload, mapping)
        assert ours.tiles["tile"] > theirs.tiles["tile"]
        assert ours.latency_s > theirs.latency_s

    def test_its_software_counts(self, system: System) -> None:
        workload = convolutional_workload()
        mapping = Space(workload=workload, system=system).all_digital
        faster = variant(system, "software", convolution_efficiency=0.4)
        slow_s, fast_s = (
            cost_model(each).cost(workload, mapping).latency_s for each in (system, faster)
        )
        assert fast_s < slow_s

    def test_it_must_describe_its_software(self, system: System) -> None:
        with pytest.raises(InputError, match=r"small.toml: table \[software\] is missing"):
            cost_model(system.model_copy(update={"software": None}))


OWN_ALPINE = """
family = "alpine"
description = "a slow core with small tiles"
host = "core"

[machine]
source = "data sheet"
frequency_hz = 5e8
simd_macs_per_cycle = 8
l1_data_bytes = 16384
llc_bytes = 131072
active_j_per_cycle = 50e-12
memory_wait_j_per_cycle = 40e-12
idle_j_per_cycle = 10e-12
llc_leakage_w = 0.1
llc_read_j_per_byte = 1e-12
llc_write_j_per_byte = 1e-12
dram_bytes_per_s = 1e9
dram_access_j = 120e-12
dram_access_bytes = 64
memory_controller_w = 0.1

[software]
source = "measured"
linear_efficiency = { value = 0.2, low = 0.1, high = 0.4, source = "measured on 20 layers" }
convolution_efficiency = 0.2
sparse_mac_cycles = 9.0
simple_cycles = 1.0
transcendental_cycles = 80.0
convert_cycles = 20.0
input_cycles = 10.0
handoff_cycles = 1e5
dram_stall_s_per_byte = 2e-9

[targets.core]
source = "data sheet"
numerics = "int8"
kinds = ["*"]

[targets.tile]
source = "measured"
numerics = "analog"
kinds = ["conv2d", "linear"]
core = "core"
rows = 64
columns = 16
mvm_latency_s = 200e-9
io_bytes_per_s = 1e9
ops_per_j = 5e12
energy_scale = 1.0
"""


class TestOwnFamily(CostModelContract):
    """A family of one's own is one short file, named `module:attr` in the system file."""

    @pytest.fixture
    def system(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
        (tmp_path / "mine.py").write_text(FAMILY)
        monkeypatch.syspath_prepend(tmp_path)
        return system_of(MINIMAL)


def test_a_family_that_does_not_exist_is_refused() -> None:
    system = system_of(MINIMAL.replace("mine:Mine", "alpin"))
    with pytest.raises(InputError, match=r"unknown cost model 'alpin' \(did you mean 'alpine'"):
        cost_model(system)
    with pytest.raises(InputError, match="no module 'nowhere_to_be_found'"):
        cost_model(system_of(MINIMAL.replace("mine:Mine", "nowhere_to_be_found:Mine")))


def test_targets_say_what_they_compute_in() -> None:
    assert load_system("diana").numerics == "digital: int8; analog: analog, diana"
    configs = load_system("lionheart").to_frame()["rpu_config"]
    assert configs.isna().tolist() == [True, False] and configs[1] == "lionheart"
    array = 'array = { source = "made up", converters = "sar", input_bits = 8, output_bits = 8 }'
    for line in ('rpu_config = "pcm"', array):
        with pytest.raises(InputError, match="for a target that computes in fp32; only analog"):
            system_of(MINIMAL.replace('numerics = "fp32"', f'numerics = "fp32"\n{line}'))
    for numerics in ("fp16", "int8", "int4", "ternary"):
        text = MINIMAL.replace('numerics = "fp32"', f'numerics = "{numerics}"')
        assert system_of(text).target("cpu").computes_in == numerics


def test_digests_follow_what_targets_compute_in() -> None:
    texts = [
        MINIMAL,
        MINIMAL.replace('numerics = "fp32"', 'numerics = "int8"'),
        MINIMAL.replace('numerics = "analog"', 'numerics = "analog"\nrpu_config = "pcm"'),
        MINIMAL.replace('numerics = "analog"', 'numerics = "analog"\nrpu_config = "hermes"'),
    ]
    assert len({system_of(text).digest for text in texts}) == len(texts)
