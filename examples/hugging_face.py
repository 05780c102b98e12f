"""A classifier of Hugging Face: a small BERT, given as it is, with encodings of its tokeniser."""

import torch
from transformers import BertConfig, BertForSequenceClassification

import lionheart_opt as lo

# AutoModelForSequenceClassification.from_pretrained("FOLDER") and what its tokeniser returns for texts
# go the same way. Here are random weights, and tokens of which 5 or 6 are in the majority.
torch.manual_seed(0)
config = BertConfig(vocab_size=20, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
                    intermediate_size=512, max_position_embeddings=16)  # fmt: skip
model = BertForSequenceClassification(config)
tokens = torch.randint(5, 20, (600, 15)).where(
    torch.rand(600, 15) < 0.5, torch.randint(5, 7, (600, 15))
)
mask = (torch.arange(15) < torch.randint(8, 16, (600, 1))).long()
labels = (((tokens == 5).long() - (tokens == 6).long()) * mask).sum(1) > 0
encodings = {"input_ids": tokens * mask, "attention_mask": mask, "labels": labels.long()}
parts = {"train": slice(0, 400), "test": slice(400, 600)}
data = {part: {key: each[rows] for key, each in encodings.items()} for part, rows in parts.items()}
recipe = {"optimizer": "AdamW", "learning_rate": 0.001, "batch_size": 40, "epochs": 5}
oracle = {"pretrain": recipe, "hat": {**recipe, "epochs": 1}, "times_s": [86400.0]}
problem = lo.problem(model, data, max_drop=0.1, training="none", draws=(5,), oracle=oracle)
print(lo.search(problem, "mac_greedy", trials=4))
