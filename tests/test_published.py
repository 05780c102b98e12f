"""Published numbers beside predictions: errors and rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import Estimate, Spread, Uncertain
from lionheart_opt.published import Case, rows, summary


def case(published: float | None, predicted: float) -> Case:
    return Case(
        system="mine",
        case="network",
        quantity="latency_s",
        published=published,
        predicted=predicted,
        source="table 1",
    )


def test_the_error_is_relative_to_what_is_published() -> None:
    assert case(2.0, 2.5).error_percent == pytest.approx(25.0)
    assert case(2.0, 1.0).error_percent == pytest.approx(-50.0)
    assert case(None, 1.0).error_percent is None


def test_rows_are_plain_data(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {"a": [case(2.0, 2.5)], "b": [case(None, 1.0)]}
    monkeypatch.setattr(plugins, "available", lambda kind: dict.fromkeys(cases))
    monkeypatch.setattr(plugins, "load", lambda kind, name: lambda: cases[name])
    [first, second] = rows()
    assert first == {
        "system": "mine",
        "case": "network",
        "quantity": "latency_s",
        "published": 2.0,
        "predicted": 2.5,
        "predicted_low": None,
        "predicted_high": None,
        "error_percent": pytest.approx(25.0),
        "within_interval": None,
        "source": "table 1",
        "role": "predicted",
    }
    assert second["error_percent"] is None
    assert rows("b") == [second]
    with pytest.raises(InputError, match=r"unknown validated system 'c'; allowed: a, b"):
        rows("c")


def test_intervals_hold_what_is_published_or_do_not() -> None:
    known: dict[str, Any] = {"system": "mine", "case": "a", "quantity": "speedup", "source": "t"}
    inside = Case.of(Estimate(2.0, 1.0, 4.0), published=4.0, **known)
    assert (inside.predicted, inside.predicted_low, inside.predicted_high) == (2.0, 1.0, 4.0)
    assert inside.within_interval is True
    assert Case.of(Estimate(2.0, 1.0, 4.0), published=4.1, **known).within_interval is False
    assert Case.of(Estimate(2.0, 1.0, 4.0), published=None, **known).within_interval is None
    assert Case.of(2.0, published=4.0, **known).within_interval is None
    spread = Spread(errors=("e",), shifts={}, layers={}, correlations=np.eye(1))
    number = Uncertain(2.0, np.log([2.0]), spread)
    assert Case.of(number, published=3.9, **known).within_interval is True


def test_a_shipped_system_has_rows_of_its_own() -> None:
    diana = rows("diana")
    assert diana and {row["system"] for row in diana} == {"diana"}


def test_a_line_for_each_role() -> None:
    table = [
        {
            "case": name,
            "quantity": "latency_s",
            "role": role,
            "error_percent": error,
            "within_interval": is_within,
        }
        for name, role, error, is_within in (
            ("a", "predicted", -3.0, False),
            ("b", "predicted", 1.0, True),
            ("c", "predicted", 2.0, None),
            ("d", "predicted", None, None),
            ("e", "fitted", 0.5, None),
            ("f", "input", None, None),
            ("g", "input", 1.0, True),
        )
    ]
    assert summary(table) == [
        "1 fitted: median error 0.5 %, worst +0.5 % (e, latency_s)",
        "3 predicted: median error 2.0 %, worst -3.0 % (a, latency_s); 1 of 2 within intervals of 95 %",
        "1 input: median error 1.0 %, worst +1.0 % (g, latency_s)",
    ]


@pytest.mark.parametrize("system", plugins.available("validations"))
def test_the_readme_says_what_validate_says(system: str) -> None:
    """`python tests/test_published.py` prints the rows that belong there."""
    assert readme_rows(system) in README.read_text()


README = Path(__file__).parents[1] / "README.md"


def readme_rows(system: str) -> str:
    """The row of the README's table for a system."""
    said = summary(rows(system)) or ["nothing: the published numbers are kept for validation"]
    return f"| `{system}` | {'<br>'.join(said)} |\n"


if __name__ == "__main__":
    for name in plugins.available("validations"):
        print(readme_rows(name), end="")
