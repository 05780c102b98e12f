"""Tasks by name, as studies give them."""

from typing import Any

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Classification, Regression, available, task_of


def test_every_name_makes_a_task() -> None:
    for name, description in available().items():
        assert type(task_of(name)).__name__.lower() == name.replace("_", "")
        assert description.endswith(".")


def test_tables() -> None:
    assert task_of({"kind": "classification", "top_k": 5}) == Classification(top_k=5)
    assert task_of("lionheart_opt.tasks:CLASSIFICATION") == Classification()
    assert task_of({"kind": "lionheart_opt.tasks:Regression", "measure": "r2"}) == Regression(
        measure="r2"
    )
    own = {"loss": "mse_loss", "metric": "torch.nn.functional:mse_loss", "name": "error"}
    assert task_of(own).metric.name == "error"
    task = Classification()
    assert task_of(task) is task


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("clasification", "study: unknown task 'clasification' .did you mean 'classification'"),
        ({"kind": "classification", "topk": 5}, "study: unknown argument 'topk'"),
        ({"kind": 3}, "study: kind: got 3; must be a name"),
        ({"metric": "a:b"}, "study: missing a required (keyword-only )?argument: 'loss'"),
        ("torch.nn:Linear", "study: "),
        ("lionheart_opt.metric:ACCURACY", "study: "),
        (None, "study: got None; must be a name, a table or a Task"),
    ],
)
def test_what_is_no_task(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        task_of(given, "study")
