"""The number of threads and the device are settings of the oracle, not of the machine it runs on."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, SETTINGS, candidate, mapping, small_oracle

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle import measured_together
from lionheart_opt.oracle.store import weights_digest
from lionheart_opt.oracle.threads import computing_with
from lionheart_opt.questions import Proxies


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_number_is_put_back_whatever_happens() -> None:
    two = SETTINGS.model_copy(update={"threads": 2})
    with pytest.raises(InputError), computing_with(two):
        assert torch.get_num_threads() == 2
        raise InputError("stop")
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("threads", [1, 2])
def test_an_oracle_computes_with_its_own_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    seen: list[int] = []
    real = measured_together.measure

    def spy(*arguments: Any) -> np.ndarray:
        seen.append(torch.get_num_threads())
        return real(*arguments)

    monkeypatch.setattr(measured_together, "measure", spy)
    oracle = small_oracle(tmp_path, SETTINGS.model_copy(update={"threads": threads}))
    losses: list[int] = []
    oracle.watch(lambda _: losses.append(torch.get_num_threads()))
    candidate = Candidate(mapping("conv1"), training="short")
    oracle.accuracy(candidate, Fidelity(draws=(0, 2)), 0)
    oracle.consult(Proxies(units=tuple(u.name for u in oracle.workload.crossbar_units)), 0)
    assert set(seen) == set(losses) == {threads} and seen and losses
    assert torch.get_num_threads() == 3


def test_it_is_part_of_what_decides_the_answers(tmp_path: Path) -> None:
    said = []
    for threads in (1, 2):
        settings = SETTINGS.model_copy(update={"threads": threads})
        said.append(small_oracle(tmp_path, settings).identity["settings"]["threads"])
    assert said == [1, 2]


def test_the_device_is_decided_once_where_the_oracle_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    automatic = SETTINGS.model_copy(update={"device": "auto"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    oracle = small_oracle(tmp_path, automatic)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert oracle.weights.device == pickle.loads(pickle.dumps(oracle)).weights.device
    assert oracle.weights.device.type == "cpu"
    on_gpu = small_oracle(tmp_path, automatic)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    worker = pickle.loads(pickle.dumps(on_gpu))
    with pytest.raises(InputError, match="device: got 'cuda', but torch finds no CUDA device"):
        worker.accuracy(Candidate(mapping("conv1"), training="short"), Fidelity(draws=(0, 1)), 0)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_gives_other_answers_and_other_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    of_cpu = small_oracle(tmp_path, SETTINGS.model_copy(update={"device": "cpu"}))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    of_gpu = small_oracle(tmp_path, SETTINGS.model_copy(update={"device": device}))
    assert "device" not in of_cpu.identity["settings"]  # as in records of before
    assert of_gpu.identity["settings"]["device"] == "cuda"
    assert of_gpu.weights._question != of_cpu.weights._question


def test_a_gpu_computes_alike_every_time_and_with_all_digits() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32
    for device, is_repeatable in (("cpu", False), ("cuda", True)):
        with computing_with(SETTINGS.model_copy(update={"device": device})):
            assert torch.are_deterministic_algorithms_enabled() == is_repeatable
            if is_repeatable:
                assert (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32) == (
                    True,
                    False,
                    False,
                )
        assert (cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32) == before
        assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_trainings_on_a_gpu_are_repeatable(tmp_path: Path) -> None:
    def trained(name: str) -> str:
        on_gpu = SETTINGS.model_copy(update={"device": "cuda"})
        oracle = small_oracle(tmp_path / name, on_gpu)
        return weights_digest(oracle.trained(candidate(*NAMES).with_training("full"), 0).weights)

    assert trained("first") == trained("second")
