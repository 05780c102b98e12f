"""The kinds of files that the product reads, each with how it is damaged and how it is read."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
import torch
from dataset_files import cifar_batch, idx_files
from fuzzing import Kind
from mutations import EXTREMES, as_json, as_toml, changed, damaged, places

import lionheart_opt as lo
from lionheart_opt import datasets, models, plugins, tracing
from lionheart_opt.cli.systems import _mapping
from lionheart_opt.datasets import files
from lionheart_opt.oracle.store import Trained, WeightStore, load_weights
from lionheart_opt.space import Space
from lionheart_opt.study.file import StudyFile
from lionheart_opt.system import System
from lionheart_opt.tracing import trace_model
from lionheart_opt.workload import Workload

ROOT = Path(__file__).parents[2]
OLD = ROOT / "tests/old_records"
SYSTEMS = sorted((ROOT / "cost_models/systems").glob("*.toml"))
#: A study that trains nothing, and one of a network that is trained.
STUDIES = (OLD / "journal/study.toml", ROOT / "studies/quickstart/study.toml")


@cache
def toml_of(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@cache
def donors() -> list[Any]:
    """Values of all files, to be put into others."""
    everything = [toml_of(path) for path in (*STUDIES, *SYSTEMS)]
    return [container[key] for data in everything for container, key in places(data)]


@cache
def digits() -> Workload:
    return trace_model("digits_cnn")


def damaged_toml(source: Path, others: tuple[Path, ...] | list[Path], rng: Random) -> bytes:
    if rng.random() < 0.3:
        return damaged(source.read_bytes(), rng, rng.choice(others).read_bytes())
    return as_toml(changed(toml_of(source), rng, donors())).encode()


# --- studies and systems ----------------------------------------------------------------------------


def damage_study(folder: Path, rng: Random) -> None:
    if not (folder / "table.npz").exists():
        shutil.copy(OLD / "journal/table.npz", folder)
    source = STUDIES[0] if rng.random() < 0.9 else STUDIES[1]
    (folder / "study.toml").write_bytes(damaged_toml(source, STUDIES, rng))


def check_study(folder: Path) -> None:
    lo.load(folder).check()


def damage_system(folder: Path, rng: Random) -> None:
    (folder / "own.toml").write_bytes(damaged_toml(rng.choice(SYSTEMS), SYSTEMS, rng))


def price_system(folder: Path) -> None:
    system = System.load(folder / "own.toml")
    space = Space(workload=digits(), system=system)
    for mapping in (space.all_digital, space.all_analog):
        cost = plugins.cost_model(system).cost(digits(), mapping)
        assert np.isfinite([cost.latency_s, cost.energy_j]).all()
    repr(system), system.to_frame(), system.digest


# --- JSON -------------------------------------------------------------------------------------------


def damaged_json(data: Any, rng: Random) -> bytes:
    if rng.random() < 0.3:
        return damaged(as_json(data).encode(), rng)
    return as_json(changed(data, rng, donors())).encode(errors="surrogatepass")


@cache
def workload_data() -> Any:
    return json.loads(as_json(digits().to_json()))


def damage_workload(folder: Path, rng: Random) -> None:
    (folder / "workload.json").write_bytes(damaged_json(workload_data(), rng))


def price_workload(folder: Path) -> None:
    workload = Workload.load(folder / "workload.json")
    cost = lo.cost(workload, "lionheart")
    assert np.isfinite([cost.latency_s, cost.energy_j]).all()
    repr(workload), workload.to_frame(), cost.to_frame(), workload.digest


def damage_mapping(folder: Path, rng: Random) -> None:
    mapping = Space(workload=digits(), system=plugins.load_system("lionheart")).all_analog
    data = mapping.to_json()
    if rng.random() < 0.4:  # few mappings are left by other damage
        data = {unit: rng.choice(("cpu", "tile")) for unit in rng.sample(list(data), 5)}
    content = damaged_json(data, rng) if rng.random() < 0.8 else as_json(data).encode()
    (folder / "mapping.json").write_bytes(content)


def price_mapping(folder: Path) -> None:
    space = Space(workload=digits(), system=plugins.load_system("lionheart"))
    lo.cost(digits(), space.system, _mapping(space, str(folder / "mapping.json")))


# --- arrays and tensors -----------------------------------------------------------------------------


def changed_array(array: np.ndarray, rng: Random) -> Any:
    match rng.randrange(9):
        case 0:
            return array[..., :-1] if array.ndim else array.reshape(1)
        case 1:
            return np.concatenate([array, array]) if array.ndim else np.array([array, array])
        case 2:
            return (
                array.astype(
                    rng.choice((float, np.float32, np.int8, np.int64, complex, str, object)),
                    copy=True,
                )
                if array.dtype.kind in "iuf"
                else array.astype(object)
            )
        case 3:
            return array.reshape(1, *array.shape)
        case 4 if array.size and array.dtype.kind in "iuf":
            array = array.copy()
            array.flat[rng.randrange(array.size)] = rng.choice(
                (0, 1, 2, 200) if array.dtype.kind in "iu" else (np.nan, np.inf, -1.0, 0.5, 2.0)
            )
            return array
        case 5:
            return array[:0] if array.ndim else np.array([])
        case 6:
            return np.array(rng.choice((None, "x", 1, 2.5, [1], [["a"]], {}, b"x")))
        case 7 if array.size and array.dtype.kind in "f":
            return np.clip(array * 1.001, 0, 1)
        case _:
            return array.copy()[::-1] if array.ndim else array


def damage_table(folder: Path, rng: Random) -> None:
    for name in ("study.toml", "table.npz"):
        shutil.copy(OLD / "journal" / name, folder)
    path = folder / "table.npz"
    if rng.random() < 0.3:
        path.write_bytes(damaged(path.read_bytes(), rng))
        return
    with np.load(path) as file:
        arrays = dict(file)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(arrays))
        match rng.randrange(8):
            case 0:
                del arrays[name]
            case 1:
                arrays[rng.choice(list(arrays))] = arrays[name]
            case _:
                arrays[name] = changed_array(np.asarray(arrays[name]), rng)
    with path.open("wb") as out:
        np.savez(out, **arrays)


def ask_table(folder: Path) -> None:
    study = StudyFile.load(folder)
    problem = study.problem
    assert study.oracle.table.digest
    for mapping in (problem.all_digital, problem.all_analog):
        problem.evaluate(problem.pretrained(mapping))


def changed_tensors(data: Any, rng: Random) -> Any:
    tensors = dict(data)
    name = rng.choice(list(tensors))
    tensor = tensors[name]
    match rng.randrange(8):
        case 0:
            del tensors[name]
        case 1:
            tensors[rng.choice(list(tensors))] = tensor
        case 2:
            tensors[name] = tensor.to(
                rng.choice((torch.float64, torch.int8, torch.complex64, torch.bfloat16))
            )
        case 3:
            tensors[name] = rng.choice(
                (tensor[None], tensor.flatten()[:0], tensor.to_sparse(), tensor.to("meta"))
            )
        case 4:
            tensors[name] = rng.choice(
                [value for value in EXTREMES if not hasattr(value, "isoformat")]
            )
        case 5:
            tensors[name] = torch.full_like(tensor, rng.choice((0, 1)))
        case 6:
            return rng.choice(
                (
                    {"state_dict": tensors},
                    [tensors],
                    tensor,
                    {"state_dict": None},
                    {3: tensor},
                    {"x": tensors},
                )
            )
        case _:
            tensors[rng.choice(("x", "\x1b[1m", "a\nb"))] = tensor
    return tensors


@cache
def network() -> torch.nn.Module:
    return models.build_seeded("digits_cnn", {})


def damage_weights(folder: Path, rng: Random) -> None:
    buffer = io.BytesIO()
    is_changed = rng.random() < 0.6
    state = dict(network().state_dict())
    torch.save(changed_tensors(state, rng) if is_changed else state, buffer)
    content = buffer.getvalue()
    (folder / "weights.pt").write_bytes(content if is_changed else damaged(content, rng))


def read_weights(folder: Path) -> None:
    network().load_state_dict(load_weights(folder / "weights.pt", network()))


@cache
def artifact() -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        store = WeightStore.folder(Path(folder))
        store.put("key", Trained(weights=dict(network().state_dict()), losses=(1.0, 0.5)))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def damage_artifact(folder: Path, rng: Random) -> None:
    for name, content in artifact().items():
        (folder / name).write_bytes(content)
    name = rng.choice(list(artifact()))
    if rng.random() < 0.3:  # an older version wrote no checksums
        (folder / "key.pt.sha256").unlink()
    if rng.random() < 0.8 and (folder / name).exists():
        (folder / name).write_bytes(damaged(artifact()[name], rng))


def read_artifact(folder: Path) -> None:
    trained = WeightStore.folder(folder).get("key")
    if trained is None:
        raise lo.InputError("a warning is given, and the training is done again")


# --- data sets --------------------------------------------------------------------------------------


def damage_mnist(folder: Path, rng: Random) -> None:
    content = idx_files()
    name = rng.choice(list(content))
    content[name] = damaged(content[name], rng, content[rng.choice(list(content))])
    for each, data in content.items():
        (folder / each).write_bytes(data)


def load_mnist(folder: Path) -> None:
    datasets.load("mnist", folder).split()


@cache
def cifar_files() -> dict[str, Any]:
    names = files.LAYOUTS["cifar10"].files
    return {name: cifar_batch(20, first=2 * k) for k, name in enumerate(names)}


def damage_cifar(folder: Path, rng: Random) -> None:
    batches = dict(cifar_files())
    name = rng.choice(list(batches))
    if rng.random() < 0.5:
        batch = dict(batches[name])
        key = rng.choice(list(batch))
        batch[key] = (
            changed_array(np.asarray(batch[key]), rng)
            if rng.random() < 0.5
            else rng.choice([value for value in EXTREMES if not hasattr(value, "isoformat")])
        )
        content = pickle.dumps(batch, protocol=rng.choice((2, 4)))
    else:
        content = damaged(pickle.dumps(batches[name], protocol=2), rng)
    for each, data in batches.items():
        (folder / each).write_bytes(content if each == name else pickle.dumps(data, protocol=2))


def load_cifar(folder: Path) -> None:
    datasets.load("cifar10", folder).split()


FILES = (
    Kind(name="study", damage=damage_study, read=check_study),
    Kind(name="system", damage=damage_system, read=price_system),
    Kind(name="workload", damage=damage_workload, read=price_workload),
    Kind(name="mapping", damage=damage_mapping, read=price_mapping),
    Kind(name="table", damage=damage_table, read=ask_table),
    Kind(name="weights", damage=damage_weights, read=read_weights),
    Kind(name="artifact", damage=damage_artifact, read=read_artifact, writes=True),
    Kind(name="idx", damage=damage_mnist, read=load_mnist),
    Kind(name="cifar", damage=damage_cifar, read=load_cifar),
)


@contextmanager
def harmless() -> Iterator[None]:
    """While the block runs, damaged names import nothing but this package.

    Networks are traced, and entry points looked up, once: the damage is not about them.
    """
    trace, registered, find = tracing.trace_model, plugins._registered, plugins.find_module
    workloads: dict[str, Workload] = {}

    def traced(name: str, shape: Any = None, **arguments: Any) -> Workload:
        key = repr((name, shape, arguments))
        if key not in workloads:
            workloads[key] = trace(name, shape, **arguments)
        return workloads[key]

    def found(name: str) -> ModuleType:
        if name.partition(".")[0] != "lionheart_opt":
            raise ModuleNotFoundError(f"no module {name!r}", name=name)
        return find(name)

    tracing.trace_model, plugins._registered = traced, cache(registered)
    plugins.find_module = found
    try:
        yield
    finally:
        tracing.trace_model, plugins._registered = trace, registered
        plugins.find_module = find
