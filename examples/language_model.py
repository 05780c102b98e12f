"""A language model: an LSTM predicts the next character. The limit is in bits a character."""

from pydoc_data.topics import topics

import torch
from torch import nn

import lionheart_opt as lo


class CharLSTM(nn.Sequential):  # noqa: D101
    def forward(self, input_ids):  # noqa: D102
        return self[2](self[1](self[0](input_ids))[0])


torch.manual_seed(0)
network = CharLSTM(nn.Embedding(128, 32), nn.LSTM(32, 256, batch_first=True), nn.Linear(256, 128))
text = "".join(topics[name] for name in sorted(topics)).encode("ascii", "replace")
blocks = torch.tensor(list(text[:30_000])).view(-1, 50)  # each character is to predict the next
parts = {"train": {"input_ids": blocks[:500]}, "test": {"input_ids": blocks[500:]}}
recipe = {"optimizer": "AdamW", "learning_rate": 0.01, "batch_size": 50, "epochs": 8}
oracle = {"pretrain": recipe, "hat": {**recipe, "epochs": 1}, "times_s": [86400.0]}
data = lo.dataset(**parts, task={"kind": "language_model", "measure": "bits"})
problem = lo.problem(network, data, max_drop=0.05, training="none", draws=(5,), oracle=oracle)
print(lo.search(problem, "exhaustive"))
