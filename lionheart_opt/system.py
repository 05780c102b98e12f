"""What it can run on: targets, the links between them, and the numbers of a machine, from TOML."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.hardware.arrays import Array
from lionheart_opt.hardware.constants import Block, Interval, Parameters, Uncertainty
from lionheart_opt.hardware.reprogramming import Reprogramming
from lionheart_opt.text import shown
from lionheart_opt.text_files import parse_toml, read_text
from lionheart_opt.toml_errors import first_problem
from lionheart_opt.workload import Layer, Unit, Workload

if TYPE_CHECKING:
    import pandas

#: How a target multiplies with weights. `lionheart_opt.oracle.digital` says what the digital ones are.
Numerics = Literal["analog", "fp32", "fp16", "int8", "int4", "ternary"]

#: Digest of a system whose file says its numerics, and numbers that stood in code -> digest of the file
#: that did not. Prices and what oracles simulate are the same, so that records answer the same question.
_AS_RECORDED = {
    "8b866b659cc5a7dd": "38575408c26fb77c",  # lionheart.toml
}


class Target(Block):
    """Where a layer can run.

    Attributes:
        name: The block's name.
        numerics: How it multiplies with weights. Only `analog` targets have noise and drift.
        rpu_config: Name of the RPU configuration that says what the tiles of an analog target do, or
            `package.module:factory`. None leaves it to the study. Its arrays must be as large as the
            `rows` and `columns` of the target, where it has them.
        kinds: Layer kinds that it supports; `*` is every kind.
        kernel: The only kernel of convolutions that it supports; None is any.
        tiles: How many crossbars it has; None where the mapping gets as many as it needs.
        array: The converters and the areas of an analog target, where they are known.
        reprogramming: What programming a crossbar during an inference takes; None where that is not done.
    """

    name: str
    numerics: Numerics
    rpu_config: str | None = None
    kinds: tuple[str, ...] = Field(min_length=1, strict=False)
    kernel: tuple[int, ...] | None = Field(default=None, strict=False)
    tiles: int | None = Field(default=None, ge=0)
    array: Array | None = None
    reprogramming: Reprogramming | None = None

    @model_validator(mode="after")
    def _only_tiles_are_configured(self) -> Target:
        for key, value in (("rpu_config", self.rpu_config), ("array", self.array)):
            if value is not None and self.numerics != "analog":
                raise ValueError(
                    f"{key}: got {shown(value)} for a target that computes in {self.numerics}; only "
                    "analog targets have one"
                )
        sizes = self.tiles, self.parameters.get("rows"), self.parameters.get("columns")
        if self.reprogramming and not (self.numerics == "analog" and all(sizes)):
            raise ValueError("reprogramming: needs an analog target with tiles, rows and columns")
        return self

    @property
    def computes_in(self) -> str:
        """Its numerics in a few words, such as `int8` or `analog, lionheart`."""
        return self.numerics + (f", {self.rpu_config}" if self.rpu_config else "")

    def supports(self, layer: Layer) -> bool:
        """Whether it can run that kind of layer; analog targets need the crossbar's view of it."""
        if self.numerics == "analog" and layer.mvm is None:
            return False
        if self.kernel not in (None, layer.kernel):
            return False
        return "*" in self.kinds or layer.kind in self.kinds

    def __repr__(self) -> str:
        kernel = "" if self.kernel is None else f", kernel {self.kernel}"
        tiles = "" if self.tiles is None else f", {self.tiles} tiles"
        return f"Target({self.name!r}: {self.computes_in}, runs {', '.join(self.kinds)}{kernel}{tiles})"

    __str__ = __repr__


class Link(Block):
    """What moving data between two targets takes; parameters as the system family defines them."""

    between: tuple[str, str] = Field(strict=False)

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"[links] between {' and '.join(map(repr, self.between))}"


class OperatorPrice(BaseModel):
    """`[operators.KIND]`: the price of an operator that the cost models do not know, on the host.

    Attributes:
        simple: Additions, multiplications, comparisons and moves for each element of its result.
        transcendental: Exponentials, divisions and roots for each element of its result.
        source: Where the numbers come from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    simple: float = Field(ge=0)
    transcendental: float = Field(ge=0)
    source: str = Field(min_length=1)


class Machine(Block):
    """Numbers that belong to no single target: memory, clocks, static power.

    Attributes:
        area_m2: Area of what comes with no array; None where it is not known.
    """

    area_m2: float | None = Field(default=None, gt=0)


class Software(Block):
    """What the code on the digital targets costs. Such numbers are seldom published, but fitted."""


class System(BaseModel):
    """Targets, links and shared numbers of a machine. Quantities are SI, the unit in the key.

    Attributes:
        name: The file's stem.
        family: The cost model that prices it (an entry point of `lionheart_opt.cost_models`).
        description: One sentence.
        host: The digital target of everything that no unit holds.
        targets: What layers can run on.
        links: What moving data between targets takes.
        machine: Numbers that belong to no single target.
        software: What the code on the digital targets costs; None where the family reads no such numbers.
        uncertainty: What is known of the constants together; None where nothing is.
        not_priced: What its prices leave out, each in a few words.
        operators: Kind of layer -> its price, for operators that the cost models do not know.
        origin: What errors call it, if not its name: the path of its file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    family: str
    description: str
    host: str
    targets: tuple[Target, ...]
    links: tuple[Link, ...] = ()
    machine: Machine | None = None
    software: Software | None = None
    uncertainty: Uncertainty | None = None
    operators: dict[str, OperatorPrice] = Field(default_factory=dict)
    not_priced: tuple[str, ...] = Field(default=(), strict=False)
    origin: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _names_exist(self) -> System:
        names = [target.name for target in self.targets]
        for name in (self.name, *names):
            if not name.isprintable():
                raise ValueError(f"got {shown(name)}; a name must have no control characters")
        if self.host not in names:
            raise unknown("target", self.host, names, "host")
        if self.target(self.host).numerics == "analog":
            raise ValueError(f"host {self.host!r} is analog; it must be a digital target")
        if "*" not in self.target(self.host).kinds:
            raise ValueError(f"host {self.host!r} must support every layer kind: kinds = ['*']")
        for link in self.links:
            for end in link.between:
                if end not in names:
                    raise unknown("target", end, names, "links")
            if sum(set(link.between) == set(other.between) for other in self.links) > 1:
                raise ValueError(f"{link.where} is there more than once")
        constants = {f"{at}.{key}" for at, block in self.blocks.items() for key in block.parameters}
        for constant in self.uncertainty.constants if self.uncertainty else ():
            if constant not in constants:  # one that has become a plain number is exact
                raise unknown("constant", constant, self.intervals, "uncertainty.constants")
        return self

    @property
    def blocks(self) -> dict[str, Block]:
        """Name of each table -> its numbers: `machine`, `software`, `targets.NAME`, `links.NUMBER`."""
        shared = {"machine": self.machine, "software": self.software}
        blocks: dict[str, Block] = {name: block for name, block in shared.items() if block}
        blocks |= {f"targets.{target.name}": target for target in self.targets}
        return blocks | {f"links.{number}": link for number, link in enumerate(self.links)}

    @property
    def intervals(self) -> dict[str, Interval]:
        """Constant, such as `software.simple_cycles` -> its interval, for those that have one."""
        return {
            f"{name}.{key}": interval
            for name, block in self.blocks.items()
            for key, interval in block.intervals.items()
        }

    def constant(self, name: str) -> float:
        """Value of a constant that has an interval, such as `software.simple_cycles`."""
        block, key = name.rsplit(".", 1)
        return float(self.blocks[block].parameters[key])

    def with_constants(self, values: dict[str, float]) -> System:
        """A copy with other values by the names of constants, such as `software.simple_cycles`."""
        changed = dict(self.blocks)
        for name, value in values.items():
            block, key = name.rsplit(".", 1)
            before = changed[block].parameters
            is_count = isinstance(before.get(key), int) and float(value).is_integer()
            update = {"parameters": {**before, key: int(value) if is_count else value}}
            changed[block] = changed[block].model_copy(update=update)
        return self.model_copy(
            update={
                "machine": changed.get("machine"),
                "software": changed.get("software"),
                "targets": tuple(changed[f"targets.{target.name}"] for target in self.targets),
                "links": tuple(changed[f"links.{number}"] for number in range(len(self.links))),
            }
        )

    def target(self, name: str) -> Target:
        """The target of that name; InputError with the nearest names if there is none."""
        for target in self.targets:
            if target.name == name:
                return target
        raise unknown("target", name, [t.name for t in self.targets], f"system {self.name!r}")

    @property
    def where(self) -> str:
        """What errors call it: its file, or its name."""
        return self.origin or f"system {self.name!r}"

    def machine_as(self, kind: type[Parameters]) -> Parameters:
        """`[machine]` as the pydantic model that a cost model declares for it.

        Raises:
            InputError: It is missing, or does not fit.
        """
        return self._shared("machine", self.machine, kind)

    def software_as(self, kind: type[Parameters]) -> Parameters:
        """`[software]` as the pydantic model that a cost model declares for it.

        Raises:
            InputError: It is missing, or does not fit.
        """
        return self._shared("software", self.software, kind)

    def refuse_software(self) -> None:
        """Refuse a table `[software]`, where the family reads none.

        Raises:
            InputError: There is one.
        """
        if self.software is not None:
            raise InputError(
                f"{self.where}: the family {self.family!r} reads no table [software]; remove it"
            )

    def _shared(self, name: str, block: Block | None, kind: type[Parameters]) -> Parameters:
        if block is None:
            raise InputError(f"{self.where}: table [{name}] is missing")
        return block.parse(kind, f"{self.where}: [{name}]")

    def target_as(self, name: str, kind: type[Parameters]) -> Parameters:
        """Parameters of a target as the pydantic model that a cost model declares for them.

        Raises:
            InputError: There is no such target, or its parameters do not fit.
        """
        return self.target(name).parse(kind, f"{self.where}: [targets.{name}]")

    def targets_of(self, workload: Workload, unit: Unit) -> tuple[str, ...]:
        """Names of the targets that can run every layer of the unit, host first."""
        layers = workload.layers_of(unit)
        able = [t.name for t in self.targets if all(t.supports(layer) for layer in layers)]
        return tuple(sorted(able, key=lambda name: name != self.host))

    @property
    def analog_targets(self) -> tuple[str, ...]:
        """Names of the analog targets, in the order of the file."""
        return tuple(target.name for target in self.targets if target.numerics == "analog")

    @property
    def numerics(self) -> str:
        """What its targets compute in: `core: fp32; tile: analog, lionheart`."""
        return "; ".join(f"{target.name}: {target.computes_in}" for target in self.targets)

    def to_frame(self) -> pandas.DataFrame:
        """One row a target, in the order of the file.

        Columns: `name`, `is_host`, `numerics`, `rpu_config`, `kinds`, `kernel`, `tiles`, `source`, then
        one for each parameter, missing where a target has none of that name.
        """
        import pandas

        rows = [
            {
                "name": target.name,
                "is_host": target.name == self.host,
                "numerics": target.numerics,
                "rpu_config": target.rpu_config,
                "kinds": target.kinds,
                "kernel": target.kernel,
                "tiles": target.tiles,
                "source": target.source,
                **target.parameters,
            }
            for target in self.targets
        ]
        return pandas.DataFrame(rows)

    def __repr__(self) -> str:
        targets = ", ".join(
            f"{target.name} ({target.computes_in}{', host' * (target.name == self.host)})"
            for target in self.targets
        )
        return f"System({self.name!r}: family {self.family}; {targets})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        heading = f"{escape(repr(self))}<br>{escape(self.description)}"
        return f"<p>{heading}</p>{self.to_frame().to_html(index=False)}"

    @property
    def digest(self) -> str:
        """Digest of every number and source in it, but for intervals and areas, which decide no price."""
        # not cached: `model_copy` would keep it
        data = self.model_dump(mode="json", exclude={"uncertainty", "not_priced"})
        for name in ("machine", "software"):
            if data[name] is not None:
                del data[name]["intervals"]
        if data["software"] is None:  # as in records of versions that did not know it
            del data["software"]
        for block in (*data["targets"], *data["links"]):
            del block["intervals"]
        (data["machine"] or {}).pop("area_m2", None)
        for target in data["targets"]:
            del target["array"]  # it decides no price, and the oracle is asked whether it agrees
            for key in ("rpu_config", "reprogramming"):
                if target[key] is None:  # as in records of versions that did not know it
                    del target[key]
        if not data["operators"]:
            del data["operators"]
        now = digest(data)
        return _AS_RECORDED.get(now, now)

    @staticmethod
    def from_toml(text: str, name: str, where: str) -> System:
        """The system that a TOML text describes.

        Args:
            text: TOML; see `cost_models/systems/` for examples.
            name: Name of the system.
            where: What errors call the text (its path).

        Raises:
            InputError: The text is not TOML, or a key is missing, unknown, or of the wrong type.
        """
        data = parse_toml(text, where)
        allowed = set(System.model_fields) - {"name", "origin"}  # they come from the file's place
        for key in data:
            if key not in allowed:
                raise unknown("key", key, allowed, where)
        targets = data.get("targets")
        if not isinstance(targets, dict) or not targets:
            raise InputError(f"{where}: needs at least one table [targets.NAME]")
        for key, table in targets.items():
            if not isinstance(table, dict):
                raise InputError(f"{where}: targets.{key}: got {shown(table)}; must be a table")
        data["targets"] = tuple({**table, "name": key} for key, table in targets.items())
        if isinstance(data.get("links"), list):
            data["links"] = tuple(data["links"])
        given = {"name": name, "origin": where, **data}
        try:
            return System.model_validate(given)
        except ValidationError as error:
            raise first_problem(error, where, System, given) from error

    @staticmethod
    def load(path: Path) -> System:
        """The system of a TOML file, named after it.

        Raises:
            InputError: The file cannot be read or does not describe a system.
        """
        return System.from_toml(read_text(path), path.stem, str(path))
