"""What calibrating the columns of a chip costs an evaluation, beyond the passes that it needs.

    python benchmarks/calibration_speed.py [--examples 377 1000 2000] [--rounds 3] [--fit-to tile]

An all-analog ResNet-20 with random weights on a chip a day old, with 128 calibration images, in processor
time of one thread. The passes of a calibration are one of the chip and one of what it is fitted to, of
the 128 images: the trained weights on the chip's own inputs, or the floating-point network. The rest is
the share that is reported: moments, and gains and offsets in every later pass.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from time import process_time

import torch
from torch import nn

from lionheart_opt import models
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions, exact_statistics, measure
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.tasks import Classification

#: Calibration images, and images of a pass.
CALIBRATION, BATCH = 128, 128


def images(n: int) -> Examples:
    """Random images and classes."""
    generator = torch.Generator().manual_seed(n)
    inputs = torch.randn(n, 3, 32, 32, generator=generator)
    targets = torch.randint(10, (n,), generator=generator)
    return Examples(inputs=inputs, targets=targets, task=Classification())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, nargs="+", default=[377, 1000, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fit-to", choices=("tile", "network"), default="tile")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = models.build("resnet20").eval()
    paths = [p for p, part in network.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    calibration = {"examples": CALIBRATION, "fit_to": chosen.fit_to}
    settings = OracleSettings.model_validate(
        {"compensation": "columns", "calibration": calibration}
    )
    compensation = Compensation.of(settings, images(CALIBRATION))
    simulator = engine("fast")
    conditions = Conditions(times_s=(86400.0,), draws=range(1), seed=0, batch_size=BATCH)

    def evaluate(examples: Examples, how: Compensation | None) -> Callable[[], object]:
        return lambda: measure(
            simulator, network, (tuple(paths),), lionheart(), examples, conditions, None, how
        )

    def seconds(work: Callable[[], object]) -> float:
        started = process_time()
        work()
        return process_time() - started

    for n in chosen.examples:
        # the same batches twice: what a pass of one batch adds, without programming
        works = {
            "as is": evaluate(images(n), None),
            "calibrated": evaluate(images(n), compensation),
            "one batch": evaluate(images(BATCH), None),
            "two batches": evaluate(images(2 * BATCH), None),
            "floating point": lambda: exact_statistics(network, images(BATCH), BATCH),
        }
        for work in works.values():
            work()  # compiles, warms up
        # they take turns, so that other work on the machine slows all of them alike
        rounds = [
            {name: seconds(work) for name, work in works.items()} for _ in range(chosen.rounds)
        ]
        least = {name: min(round_[name] for round_ in rounds) for name in works}
        own = least["two batches"] - least["one batch"] + least["floating point"]
        share = (least["calibrated"] - least["as is"] - own) / least["as is"]
        print(
            f"{n} images: {least['as is']:.2f} s as is, {least['calibrated']:.2f} s calibrated, of which "
            f"{own:.2f} s are its own passes; beyond them {100 * share:.1f} % of the evaluation",
            flush=True,
        )


if __name__ == "__main__":
    main()
