"""What tables print at 80 columns."""

import pytest

from lionheart_opt.results import wording


@pytest.fixture
def printed(capsys, monkeypatch):
    """What a table prints at 80 columns; no number is cut."""
    monkeypatch.setattr(wording, "PIPE_WIDTH", 80)

    def read(print_table, *arguments) -> str:
        print_table(*arguments)
        out = capsys.readouterr().out
        assert out and max(map(len, out.splitlines())) <= 80
        assert "…" not in out
        return out

    return read
