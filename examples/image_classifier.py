"""Which layers of a digit classifier may be analog? Keeps its record in a folder, and resumes it."""

import sys
import tempfile

import torch
from sklearn.datasets import load_digits
from torch.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

import lionheart_opt as lo

folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
torch.manual_seed(0)  # a record belongs to one set of initial weights
layers = [Conv2d(1, 32, 3, padding=1), ReLU(), Conv2d(32, 32, 3, padding=1), ReLU()]
network = Sequential(*layers, MaxPool2d(8), Flatten(), Linear(32, 10))
images, labels = load_digits(return_X_y=True)
images = images.astype("float32").reshape(-1, 1, 8, 8) / 16
train, test = (images[:1300], labels[:1300]), (images[1300:], labels[1300:])
data = lo.dataset(train=train, test=test, validation_fraction=0.3)
recipes = {"pretrain": {"epochs": 20, "batch_size": 64}, "hat": {"epochs": 3, "batch_size": 64}}
problem = lo.problem(network, data, max_drop=0.01, time=["1 hour", "1 day"], oracle=recipes)
result = lo.search(problem, "mac_greedy", storage=f"sqlite:///{folder}/study.db")
print(f"{result}\n{result.best.mapping if result.best else 'nothing is feasible'}")
result.to_frame().to_csv(f"{folder}/trials.csv", index=False)
