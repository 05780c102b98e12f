"""Published numbers beside predictions: errors and rows."""

from pathlib import Path

import pytest

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
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
        "source": "table 1",
        "role": "predicted",
    }
    assert second["error_percent"] is None
    assert rows("b") == [second]
    with pytest.raises(InputError, match=r"unknown validated system 'c'; allowed: a, b"):
        rows("c")


def test_a_shipped_system_has_rows_of_its_own() -> None:
    diana = rows("diana")
    assert diana and {row["system"] for row in diana} == {"diana"}


def test_a_line_for_each_role() -> None:
    table = [
        {"case": name, "quantity": "latency_s", "role": role, "error_percent": error}
        for name, role, error in (
            ("a", "predicted", -3.0),
            ("b", "predicted", 1.0),
            ("c", "predicted", 2.0),
            ("d", "predicted", None),
            ("e", "fitted", 0.5),
            ("f", "input", None),
        )
    ]
    assert summary(table) == [
        "1 fitted: median error 0.5 %, worst +0.5 % (e, latency_s)",
        "3 predicted: median error 2.0 %, worst -3.0 % (a, latency_s)",
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
