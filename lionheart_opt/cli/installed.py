"""What is installed: plug-ins, systems, networks, data sets and tasks, and where each comes from."""

from __future__ import annotations

from enum import StrEnum


class Listed(StrEnum):
    """The kinds of things that `list` can list."""

    STRATEGIES = "strategies"
    COST_MODELS = "cost-models"
    ORACLES = "oracles"
    SYSTEMS = "systems"
    MODELS = "models"
    DATASETS = "datasets"
    TASKS = "tasks"


def installed(kind: Listed) -> list[dict[str, str]]:
    """Name, first line of the description and origin of everything of one kind."""
    from lionheart_opt import plugins

    if kind is Listed.SYSTEMS:
        systems = [plugins.load_system(name) for name in plugins.system_names()]
        return [
            {"name": s.name, "about": f"{s.description} ({s.numerics})", "origin": s.origin}
            for s in systems
        ]
    if kind is Listed.MODELS:
        from lionheart_opt import models

        return [
            {"name": name, "about": info.description, "origin": info.source}
            for name, info in models.available().items()
        ]
    if kind is Listed.DATASETS:
        from lionheart_opt import datasets

        return [
            {"name": name, "about": info.description, "origin": info.source}
            for name, info in datasets.available().items()
        ]
    if kind is Listed.TASKS:
        from lionheart_opt import tasks

        return [
            {"name": name, "about": about, "origin": "lionheart_opt.tasks"}
            for name, about in tasks.available().items()
        ]
    group: plugins.Kind = {  # type: ignore[assignment]
        Listed.STRATEGIES: "strategies",
        Listed.COST_MODELS: "cost_models",
        Listed.ORACLES: "oracles",
    }[kind]
    rows = []
    for name, origin in plugins.available(group).items():
        about = (plugins.load(group, name).__doc__ or "").strip().splitlines()
        where = f"{origin.reference} ({origin.distribution} {origin.version})"
        rows.append({"name": name, "about": about[0] if about else "", "origin": where})
    return rows
