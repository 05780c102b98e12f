"""Published numbers beside predictions: errors and rows."""

import pytest

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.published import Case, rows


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
        "error_percent": pytest.approx(25.0),
        "source": "table 1",
    }
    assert second["error_percent"] is None
    assert rows("b") == [second]
    with pytest.raises(InputError, match=r"unknown validated system 'c'; allowed: a, b"):
        rows("c")


def test_a_shipped_system_has_rows_of_its_own() -> None:
    diana = rows("diana")
    assert diana and {row["system"] for row in diana} == {"diana"}
