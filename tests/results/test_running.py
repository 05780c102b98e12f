"""Running the searches of a study: what is shown, and where output is piped."""

from __future__ import annotations

import pytest
from deadly import toy

import lionheart_opt as lo
from lionheart_opt.results.live import Live, Silent
from lionheart_opt.results.running import live


@pytest.mark.parametrize(("progress", "kind"), [(True, Live), (False, Silent), (None, Silent)])
def test_what_shows_the_progress(progress, kind):
    assert type(live(toy().oracle, progress, ["a/seed0"])) is kind


@pytest.mark.parametrize("workers", [1, 2])
def test_piped_output_says_in_lines_where_the_study_stands(workers, capfd):
    lo.Study.of(toy(), ["random", "mac_greedy"], trials=3).run(workers=workers, progress=True)
    lines = capfd.readouterr().err.splitlines()
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "2 of 2 searches finished"
    assert [line for line in lines if line.startswith("1 of 2 searches finished")]
    assert len([line for line in lines if " trial " in line]) >= 5
    assert any(line.startswith("random/seed0: budget spent; best: ") for line in lines)
