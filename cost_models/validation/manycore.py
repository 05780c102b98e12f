"""The many-core against Bruschi et al. 2023 (DATE; arXiv 2211.12877 v1): ResNet-18 at 256x256.

Rates are those of a batch of 16 images, filling the pipeline included: 16 / (latency + 15 intervals).
That reading makes the published numbers agree: 16 / 3303 images/s is the "4.8 ms" of the introduction,
and 9.2 ms, which the results print, is 16 images at the rate before residuals moved into L1 (3303 / 1.9).

What cannot agree, or is not determined:
- The starting point of the published gains is one copy of every layer. With one copy, the 16,384 jobs of
  130 ns of the first convolution take 2.13 ms, but the published start is at 0.92 ms an image
  (3303 / 1.6 / 1.9), so that it must hold at least three copies. Ours starts with its final number.
- As printed, four convolutions of the last group take 40 clusters each. In ResNet-18 the first of them
  has half the inputs and takes 20. The printed 20.2 TOPS / 3303 images/s = 6.12 GOP an image, against
  4.74 GOP of ResNet-18, fits a network whose first convolution counts at the size of its input and whose
  groups each have four equal convolutions. Ours is ResNet-18.
- With 512 clusters the optimum is faster than the published result, which uses 322. The cases give the
  model the 322 clusters of the paper.
- A cluster of the paper's trees adds as many partial sums as it has ports: 40 clusters for the 36
  crossbars of layer 21, two copies of layer 12. The cases give the model such trees. Trees of more
  clusters, each with fewer sums, are faster: by 43 % with 322 clusters. The model builds those elsewhere.
- Layer 12 without communication is printed as 600 GOPS/mm2, more than its analog jobs allow at the
  printed area of 0.94 mm2 a cluster. There is no case for it.

- Layer 12 has 10 clusters with two copies, as many as it has crossbars. Ours has 12, as a cluster adds
  the partial sums of each copy: that of the larger layers is printed (40 clusters for 36 crossbars).
- How fast a cluster adds partial sums follows from this paper to within 1.23 to 1.73 a cycle only. The
  rate of images is then 3,299 to 3,352, and the clusters of all groups are the same. From 2.0 a cycle on,
  the layers of 32x32 and 16x16 would need one copy, not two: 64 clusters, not 112.

The paper prints the clusters of six groups of layers, which are kept for validation. A group consists of
the layers that work on feature maps of one size. A convolution of stride 2 belongs to the group of its
result; clusters that store residuals belong to the group of the largest residual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.manycore import Manycore
from lionheart_opt.cost_models.parts.manycore_plan import Plan
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.estimates import Estimate, Uncertain
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.published import Case, Role
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.uncertainty import known_cost
from lionheart_opt.workload import INPUT, Layer, Workload

SYSTEM = "manycore"
BATCH = 16
PUBLISHED_CLUSTERS = 322
PUBLISHED_IMAGES_PER_S = 3303.0
PUBLISHED_REPLICATION_GAIN = 1.6
PUBLISHED_RESIDUAL_GAIN = 1.9
PUBLISHED_BATCH_J = 15e-3
_RESULTS = "Bruschi et al. 2023, section VI"
_MAPPING = "Bruschi et al. 2023, section V"
_HALF_THE_INPUTS = (
    f"{_MAPPING}; ResNet-18's has half the inputs, and the printed number all of them"
)
_GROUPS = "Bruschi et al. 2023, clusters of a layer group"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One of the three mappings of section VI: its layout, and the cost of an image."""

    plan: Plan
    cost: Cost

    @property
    def images_per_s(self) -> Uncertain:
        """Rate of a batch of 16 images, filling the pipeline included."""
        filling = self.cost.uncertain("latency_s")
        return BATCH / (filling + self.cost.uncertain("interval_s") * (BATCH - 1))


def resnet18() -> Workload:
    """ResNet-18 on 256x256 images."""
    from lionheart_opt.tracing import trace_model

    return trace_model("resnet18", (3, 256, 256))


def steps(system: System, workload: Workload) -> tuple[Step, Step, Step]:
    """The three mappings: one copy of all layers but the first, replicated, and with residuals in L1.

    All have every convolution on crossbars, within the clusters that the paper uses, and its trees.
    """
    mapping = Space(workload=workload, system=system).all_analog
    as_published = variant(_published(system), "machine", trees="widest")
    in_l1 = variant(as_published, "machine", residuals="l1")
    in_hbm = variant(as_published, "machine", residuals="hbm")
    final = _step(in_l1, workload, mapping)
    first = next(iter(final.plan.copies))
    return (
        _step(in_hbm, workload, mapping, {first: final.plan.copies[first]}),
        _step(in_hbm, workload, mapping, final.plan.copies),
        final,
    )


@dataclass(frozen=True, kw_only=True)
class _StepModel:
    """Prices one of the three mappings."""

    step: Step

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:  # noqa: ARG002
        """What an image costs."""
        return self.step.cost


def known_steps(system: System, workload: Workload) -> tuple[Step, ...]:
    """The three mappings, with intervals; copies and trees are chosen anew for other constants."""
    mapping = Space(workload=workload, system=system).all_analog
    at: dict[str, tuple[Step, ...]] = {}

    def model(changed: System, number: int) -> _StepModel:
        if changed.digest not in at:
            at[changed.digest] = steps(changed, workload)
        return _StepModel(step=at[changed.digest][number])

    return tuple(
        replace(
            step,
            cost=known_cost(step.cost, system, workload, mapping, partial(model, number=number)),
        )
        for number, step in enumerate(steps(system, workload))
    )


def _with_trees_that_pay(system: System) -> System:
    return variant(_published(system), "machine", trees="chosen")


def _published(system: System) -> System:
    """The system with as many clusters as the paper uses; those that it does not use leak, too."""
    name = "machine.cluster_leakage_w"
    clusters = float(system.constant("machine.clusters"))
    used = redesigned(system, {"machine.clusters": PUBLISHED_CLUSTERS})
    return used.with_constants({name: system.constant(name) * clusters / PUBLISHED_CLUSTERS})


def _step(
    system: System, workload: Workload, mapping: Mapping, copies: dict[str, int] | None = None
) -> Step:
    model = Manycore(system)
    plan = model.plan(workload, mapping, copies)
    return Step(plan=plan, cost=model.cost_of(workload, mapping, plan))


def clusters_of_groups(plan: Plan) -> dict[str, int]:
    """Group -> clusters, for a plan of ResNet-18."""
    group_of: dict[str, str] = {}
    group = ""
    for name, layer in plan.graph.layers.items():
        group = _group(layer) or group
        group_of[name] = group
    clusters = dict.fromkeys(group_of.values(), 0)
    for name in group_of:
        clusters[group_of[name]] += plan.clusters_of(name)
    largest = max(plan.graph.skipping, key=lambda layer: layer.output_count)
    for name, read in plan.graph.sources.items():
        if largest.name in read:
            clusters[group_of[name]] += plan.storage_clusters
            break
    return clusters


def _group(layer: Layer) -> str | None:
    """Size of the feature map that the layer works on; None where it belongs to the group before it."""
    first = INPUT in layer.inputs or layer.kind == "max_pool2d"
    shape = layer.input_shapes[0] if first else layer.output_shape
    return f"{shape[2]}x{shape[3]}x{shape[1]}" if len(shape) == 4 and shape[-1] > 1 else None


def losses(step: Step, workload: Workload, model: Manycore) -> dict[str, float]:
    """Why the peak of all 512 crossbars is not reached: factors that multiply to peak / reached rate.

    In the order of section VI: clusters that are not in use, crossbars of used clusters that are not
    filled, stages that wait for the slowest, and the rest, which is moving data and filling the pipeline.
    """
    plan, ima = step.plan, model.ima
    cells_per_s = 1 / ima.mvm_latency_s
    whole = ima.rows * ima.columns * cells_per_s
    filled = cells_per_s * sum(
        plan.copies[name] * layer.weight_count
        for name, layer in plan.graph.layers.items()
        if layer.mvm is not None
    )
    rates = [
        model.machine.clusters * whole,
        plan.clusters * whole,
        filled,
        workload.macs / plan.interval_s,
        workload.macs * step.images_per_s.value,
    ]
    names = ("unused clusters", "unfilled crossbars", "unbalanced stages", "data movement")
    return {
        name: before / after
        for name, before, after in zip(names, rates[:-1], rates[1:], strict=True)
    }


#: Numbers that decide a parameter: the clusters are the budget within which layers are replicated.
_ROLES: dict[tuple[str, str], Role] = {
    ("resnet18 replicated", "clusters"): "input",
    ("resnet18", "clusters"): "input",
    ("resnet18", "speedup"): "fitted",
    ("resnet18 batch of 16", "energy_j"): "fitted",
}


def cases() -> list[Case]:
    """Every published number of the many-core, and the groups kept for validation."""
    system = load_system(SYSTEM)
    workload = resnet18()
    naive, replicated, final = known_steps(system, workload)
    copies = final.plan.copies
    layer_12 = final.plan.graph.layers["layer2.1.conv2"]
    tiles = len(Manycore(system).ima.tiles(layer_12, SYSTEM))
    all_analog = Space(workload=workload, system=system).all_analog
    chosen = _step(_with_trees_that_pay(system), workload, all_analog)
    chosen_cost = known_cost(
        chosen.cost,
        system,
        workload,
        all_analog,
        lambda changed: Manycore(_with_trees_that_pay(changed)),
    )
    whole = _step(system, workload, all_analog)
    whole_cost = known_cost(whole.cost, system, workload, all_analog, cost_model)
    chosen, whole = replace(chosen, cost=chosen_cost), replace(whole, cost=whole_cost)
    numbers: list[tuple[str, str, float | None, float | Estimate | Uncertain, str]] = [
        ("resnet18 naive", "images_per_s", None, naive.images_per_s, _RESULTS),
        ("resnet18 naive", "clusters", 259, naive.plan.clusters, _RESULTS + " (322 - 2 - 61)"),
        ("resnet18 replicated", "images_per_s", None, replicated.images_per_s, _RESULTS),
        ("resnet18 replicated", "clusters", 320, replicated.plan.clusters, _RESULTS),
        (
            "resnet18 replicated",
            "speedup",
            PUBLISHED_REPLICATION_GAIN,
            replicated.images_per_s / naive.images_per_s,
            _RESULTS,
        ),
        ("resnet18", "images_per_s", PUBLISHED_IMAGES_PER_S, final.images_per_s, _RESULTS),
        ("resnet18", "clusters", PUBLISHED_CLUSTERS, final.plan.clusters, _RESULTS),
        (
            "resnet18",
            "speedup",
            PUBLISHED_RESIDUAL_GAIN,
            final.images_per_s / replicated.images_per_s,
            _RESULTS,
        ),
        (
            "resnet18 batch of 16",
            "energy_j",
            PUBLISHED_BATCH_J,
            final.cost.uncertain("energy_j") * BATCH,
            _RESULTS,
        ),
        ("resnet18", "interval_s", None, final.cost.estimate("interval_s"), _RESULTS),
        ("resnet18", "latency_s", None, final.cost.estimate("latency_s"), _RESULTS),
        ("layer 12", "copies", 2, copies[layer_12.name], _RESULTS),
        ("layer 12", "clusters", 10, final.plan.clusters_of(layer_12.name), _RESULTS),
        ("layer 12", "crossbars", None, tiles * copies[layer_12.name], _RESULTS),
        ("layer 20", "clusters", 40, final.plan.clusters_of("layer4.0.conv1"), _HALF_THE_INPUTS),
        ("layer 21", "clusters", 40, final.plan.clusters_of("layer4.0.conv2"), _MAPPING),
        ("resnet18 with trees that pay", "images_per_s", None, chosen.images_per_s, _RESULTS),
        ("resnet18 with trees that pay", "clusters", None, chosen.plan.clusters, _RESULTS),
        ("resnet18 on 512 clusters", "images_per_s", None, whole.images_per_s, _RESULTS),
        ("resnet18 on 512 clusters", "clusters", None, whole.plan.clusters, _RESULTS),
    ]
    numbers += [
        (f"group {group}", "clusters", None, count, _GROUPS)
        for group, count in clusters_of_groups(final.plan).items()
    ]
    numbers += [
        (f"loss by {name}", "factor", None, factor, _RESULTS + ", Fig. 6")
        for name, factor in losses(final, workload, Manycore(system)).items()
    ]
    return [
        Case.of(
            predicted,
            system=SYSTEM,
            case=case,
            quantity=quantity,
            published=published,
            source=source,
            role=_ROLES.get((case, quantity), "predicted"),
        )
        for case, quantity, published, predicted, source in numbers
    ]
