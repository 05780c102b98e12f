"""Figures of results: `lo.plot.pareto(study)` and others, each a Matplotlib figure.

Every figure looks right by itself: in a notebook, and as `figure.savefig("pareto.pdf")` in a paper.
"""

# Each function takes the place of the submodule of its name as an attribute of this package. That is
# safe: Python sets that attribute once, when a submodule is first imported, and that is here, before
# anyone else can. What else a submodule offers is had with `from lionheart_opt.plots.pareto import ...`.
from lionheart_opt.plots.beside_best import beside_best
from lionheart_opt.plots.cost import cost
from lionheart_opt.plots.depth import depth
from lionheart_opt.plots.diagnosis import diagnosis
from lionheart_opt.plots.drift import drift
from lionheart_opt.plots.exploration import exploration
from lionheart_opt.plots.lifetime import lifetime
from lionheart_opt.plots.mappings import mappings
from lionheart_opt.plots.pareto import pareto
from lionheart_opt.plots.progress import progress
from lionheart_opt.plots.roofline import roofline
from lionheart_opt.plots.sensitivity import sensitivity
from lionheart_opt.plots.systems import systems
from lionheart_opt.plots.thresholds import thresholds
from lionheart_opt.plots.tornado import tornado

__all__ = [
    "beside_best",
    "cost",
    "depth",
    "diagnosis",
    "drift",
    "exploration",
    "lifetime",
    "mappings",
    "pareto",
    "progress",
    "roofline",
    "sensitivity",
    "systems",
    "thresholds",
    "tornado",
]
