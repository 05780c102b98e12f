"""The oracle that a study file describes, and study files that describe none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.store import weights_digest
from lionheart_opt.study.file import StudyFile

STUDY = """
question = "Does the oracle work in a study?"
system = "lionheart"
training = "short"
limits = { max_drop = 0.02 }
model = { name = "digits_cnn" }
data = { name = "digits", validation_fraction = 0.2, seed = 4 }
run = [{ strategy = "mac_greedy" }]

[oracle]
device = "cpu"
times_s = [60, 86400]
pretrain = { epochs = 2, batch_size = 64, seed = 3 }
hat = { short_epochs = 1, batch_size = 128 }
"""


def test_a_study_file_makes_the_oracle(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    file = StudyFile.load(tmp_path)
    oracle = file.oracle
    assert isinstance(oracle, HatOracle)
    assert oracle.settings.times_s == (60.0, 86400.0)
    assert oracle.system == file.system
    assert len(oracle.splits.validation) == pytest.approx(0.2 * 1257, abs=5)
    again = StudyFile.load(tmp_path).oracle  # initial weights and data are decided by seeds
    assert isinstance(again, HatOracle)
    assert weights_digest(oracle.model.state_dict()) == weights_digest(again.model.state_dict())
    assert oracle.splits.digest == again.splits.digest
    assert not (tmp_path / "artifacts").exists()  # nothing is trained before it is asked
    problem = file.problem
    answer = oracle.accuracy(
        Candidate(problem.all_analog, training="short"), Fidelity(draws=(0, 2)), 0
    )
    assert answer.samples.shape == (2, 2)
    assert len(list((tmp_path / "artifacts").glob("*.pt.sha256"))) == 2
    given = tmp_path / "given.pt"
    torch.save(oracle.pretrained.weights, given)
    text = STUDY.replace('"digits_cnn" }', '"digits_cnn", weights = "given.pt" }')
    (tmp_path / "study.toml").write_text(text)
    same = StudyFile.load(tmp_path).oracle
    assert isinstance(same, HatOracle)
    assert same.settings.pretrain is None
    assert same.baseline("validation") == oracle.baseline("validation")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("epochs = 2,", "epoch = 2,", r"oracle\.pretrain\]|\[pretrain\].*'epoch'.*'epochs'"),
        ("times_s = [60, 86400]", "times_s = [-1]", "times_s"),
        ("times_s = [60, 86400]", "times_s = [1]", r"limits\] time_s: got 86400; must be .* 1$"),
        ('device = "cpu"', 'device = "tpu"', "device"),
        ('device = "cpu"', 'rpu_config = "lionhart"', "did you mean 'lionheart'"),
        ('"digits_cnn" }', '"digits_cnn", weights = "no.pt" }', r"no\.pt: No such file"),
        ('name = "digits",', 'name = "digit",', "digits"),
    ],
)
def test_wrong_oracle_tables_are_refused(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in STUDY
    (tmp_path / "study.toml").write_text(STUDY.replace(before, after))
    with pytest.raises(InputError, match=message):
        _ = StudyFile.load(tmp_path).oracle


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Settings, hardware, weights and data; the network is compared with data only if both are there."""
    text = STUDY.replace('"digits_cnn" }', '"digits_cnn", weights = "no.pt" }')
    text = text.replace('name = "digits",', 'name = "digit",').replace("[60, 86400]", "[1]")
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(InputError) as error:
        _ = StudyFile.load(tmp_path).oracle
    for part in ("time_s: got 86400", "no.pt: No such file", "'digit'"):
        assert part in str(error.value)
