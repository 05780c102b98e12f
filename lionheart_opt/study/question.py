"""From a study's network, data, system and limits to the problem that its searches answer."""

from __future__ import annotations

from typing import Any

from lionheart_opt import plugins
from lionheart_opt.accuracy import AccuracyOracle, Enumerates
from lionheart_opt.cost import CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Training
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.text import shown

#: The oracle of a study that names none.
USUAL_ORACLE = "hat"


def oracle_class(settings: dict[str, Any], where: str) -> Any:
    """The oracle plug-in that `[oracle]` names: an object with `from_study`.

    Raises:
        InputError: `kind` is not the name of an oracle.
    """
    kind = settings.get("kind", USUAL_ORACLE)
    if not isinstance(kind, str):
        raise InputError(f"{where} kind: got {kind!r}; must be a name")
    return plugins.load("oracles", kind, f"{where} kind")


def recorded_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The `[oracle]` of a study file as records hold it: without where the usual oracle computes.

    Its identity says that. So a study that began with `auto` goes on with the name of that device.
    """
    if settings.get("kind", USUAL_ORACLE) != USUAL_ORACLE:
        return settings
    return {key: value for key, value in settings.items() if key != "device"}


def build_oracle(context: OracleContext, settings: dict[str, Any]) -> AccuracyOracle:
    """The oracle of a study; it loads data, but trains nothing yet.

    Raises:
        InputError: A setting, the data or the network cannot be used.
    """
    plugin = oracle_class(settings, context.where)
    own = {key: value for key, value in settings.items() if key != "kind"}
    if not hasattr(plugin, "from_study"):
        raise InputError(
            f"{context.where} kind: {settings['kind']!r} has no `from_study`, which builds the oracle "
            "of a study; see lionheart_opt.accuracy.BuiltFromStudy"
        )
    oracle: AccuracyOracle = plugin.from_study(context, own)
    if not callable(getattr(oracle, "accuracy", None)):
        raise InputError(
            f"{context.where} kind {settings['kind']!r}: from_study: got {shown(oracle)}; it has no "
            "method `accuracy`"
        )
    return oracle


def build_problem(
    context: OracleContext,
    oracle: AccuracyOracle,
    *,
    accuracy_limit: AccuracyLimit,
    objectives: tuple[Objective, ...],
    cost_limits: dict[CostObjective, float],
    training: Training,
    seed: int,
) -> Problem:
    """The problem that every search of a study answers."""
    return Problem(
        workload=context.workload,
        system=context.system,
        digital=context.digital,
        cost_model=plugins.cost_model(context.system),
        oracle=oracle,
        objectives=objectives,
        accuracy_limit=accuracy_limit,
        cost_limits=cost_limits,
        training=training,
        seed=seed,
    )


def is_table(settings: dict[str, Any], where: str) -> bool:
    """Whether the oracle of these settings can list its mappings: its answers are free, and no record.

    The usual oracle cannot, which is said without loading it, and torch.

    Raises:
        InputError: `kind` is not the name of an oracle.
    """
    if settings.get("kind", USUAL_ORACLE) == USUAL_ORACLE:
        return False
    plugin = oracle_class(settings, where)
    return isinstance(plugin, type) and issubclass(plugin, Enumerates)
