"""What networks are for: how they are called, trained and measured."""

from __future__ import annotations

from lionheart_opt.tasks.classification import CLASSIFICATION, Classification, MultiLabel
from lionheart_opt.tasks.language_model import LanguageModel, MaskedLanguageModel
from lionheart_opt.tasks.named import available, task_of
from lionheart_opt.tasks.own import OwnTask
from lionheart_opt.tasks.question_answering import QuestionAnswering
from lionheart_opt.tasks.regression import Regression
from lionheart_opt.tasks.segmentation import Segmentation
from lionheart_opt.tasks.task import Batch, Task

__all__ = [
    "CLASSIFICATION",
    "Batch",
    "Classification",
    "LanguageModel",
    "MaskedLanguageModel",
    "MultiLabel",
    "OwnTask",
    "QuestionAnswering",
    "Regression",
    "Segmentation",
    "Task",
    "available",
    "task_of",
]
