"""The verbs that need no study: `list`, `cost` and `validate`."""

import re
from pathlib import Path

import pytest
from cli_setup import call, rows

from lionheart_opt.cost_models import systems
from lionheart_opt.plugins import available


def test_list_shows_what_is_installed():
    listed = rows("list")
    kinds = {"strategies", "cost-models", "oracles", "systems", "models", "datasets", "tasks"}
    assert set(listed) == kinds
    assert "question_answering" in {row["name"] for row in listed["tasks"]}
    assert {row["name"] for row in listed["strategies"]} == set(available("strategies"))
    assert {"resnet8", "mobilenet_v2"} <= {row["name"] for row in listed["models"]}
    assert all(row["about"] and row["origin"] for kind in listed.values() for row in kind)
    code, out, _ = call("list", "systems")
    assert code == 0 and "lionheart" in out and "strategies" not in out


def test_cost_has_the_promised_keys():
    data = rows("cost", "--model", "resnet8", "--system", "lionheart", "--input", "3x32x32")
    promised = "system model latency_s energy_j speedup energy_gain analog_mac_ratio fits layers"
    assert set(promised.split()) <= set(data)
    layer = data["layers"][0]
    assert {"name", "kind", "target", "place", "macs", "latency_s", "energy_j"} <= set(layer)
    for quantity, low, high in (
        ("latency_s", "latency_low_s", "latency_high_s"),
        ("energy_j", "energy_low_j", "energy_high_j"),
    ):
        assert 0 < layer[low] < layer[quantity] < layer[high]
        parts = [part[quantity] for part in layer["components"].values()]
        assert len(parts) > 3 and sum(parts) == pytest.approx(layer[quantity])
    assert sum(row["latency_s"] for row in data["layers"]) == pytest.approx(data["latency_s"])
    assert sum(row["energy_j"] for row in data["layers"]) == pytest.approx(data["energy_j"])
    digital = rows(
        "cost", "--model", "resnet8", "--system", "lionheart", "--mapping", "all-digital"
    )
    assert digital["speedup"] == 1 and digital["analog_mac_ratio"] == 0


def test_prices_and_gains_have_intervals_where_constants_have(tmp_path):
    data = rows("cost", "--model", "resnet8", "--system", "lionheart")
    assert data["no_interval"] == ""
    for name in ("latency{}_s", "interval{}_s", "energy{}_j", "speedup{}", "energy_gain{}"):
        low, value, high = (data[name.format(end)] for end in ("_low", "", "_high"))
        assert 0 < low < value < high
    code, out, _ = call("cost", "--model", "resnet8", "--system", "lionheart")
    assert code == 0 and "intervals of 95 %" in out
    assert re.search(r"gains over all-digital: latency 1\.\d+x \[1\.\d+x, \d\.\d+x\], energy", out)
    assert (
        "9 uncertain constants, and what they do not explain" in out and len(data["errors"]) == 15
    )
    text = (Path(systems.__path__[0]) / "lionheart.toml").read_text().split("[uncertainty]")[0]
    (tmp_path / "bare.toml").write_text(re.sub(r"\{ value = (\S+),.*?\}", r"\1", text))
    exact = rows("cost", "--model", "mlp", "--system", tmp_path / "bare.toml")
    assert exact["latency_low_s"] is None and "how well it is known" in exact["no_interval"]
    code, out, _ = call("cost", "--model", "mlp", "--system", tmp_path / "bare.toml")
    assert code == 0 and "no interval: the system file says of no constant" in out
    assert "[" not in out.split("latency ")[1]


def test_a_gain_says_what_it_is_of_and_an_exact_one_has_no_interval():
    _, out, _ = call("cost", "--model", "resnet8", "--system", "manycore")
    assert "gains over all-digital: time per inference 0.18x [" in out
    arguments = ("--system", "manycore", "--mapping", "all-digital")
    _, out, _ = call("cost", "--model", "resnet8", *arguments)
    assert "gains over all-digital: time per inference 1.00x, energy 1.00x" in out


def test_a_mapping_that_does_not_fit_is_priced_and_says_so():
    arguments = ("cost", "--model", "mobilenet_v2", "--system", "imc-cluster")
    data = rows(*arguments)
    used = data["tiles"]["ima"]
    assert (
        data["fits"] is False and data["misfit"] == f"{used} of 34 crossbars on 'ima': does not fit"
    )
    code, out, _ = call(*arguments)
    assert code == 0 and f"{used} of 34 crossbars on 'ima': does not fit" in out
    digital = rows(*arguments, "--mapping", "all-digital")
    assert digital["fits"] is True and digital["misfit"] == ""
    assert "does not fit" not in call(*arguments, "--mapping", "all-digital")[1]


def test_area_where_the_system_gives_it():
    data = rows("cost", "--model", "resnet8", "--system", "imc-cluster")
    assert data["area_m2"] == pytest.approx(29.9e-6, rel=0.01)
    operations = 2 * sum(layer["macs"] for layer in data["layers"])
    reached = operations / data["interval_s"] / 29.89 / 1e12
    assert data["tops_per_mm2"] == pytest.approx(reached, rel=1e-3)
    assert "area 29.9 mm2" in call("cost", "--model", "resnet8", "--system", "imc-cluster")[1]
    assert rows("cost", "--model", "resnet8", "--system", "lionheart")["area_m2"] is None


def test_the_best_mapping_by_name():
    arguments = ("cost", "--model", "resnet8", "--system", "lionheart")
    best = rows(*arguments, "--mapping", "best")
    assert best["exact"] is True and set(best["mapping"].values()) <= {"core", "tile"}
    assert best["speedup"] >= rows(*arguments)["speedup"]
    code, out, _ = call(*arguments, "--mapping", "best")
    assert code == 0 and "whatever its accuracy" in out


@pytest.mark.parametrize("name", ["all-digital", "all-analog"])
def test_gains_of_a_file_with_the_name_of_a_mapping(tmp_path, name):
    """The file used to be taken for all-digital itself, so that nothing was gained."""
    arguments = ("cost", "--model", "resnet8", "--system", "lionheart", "--mapping")
    (tmp_path / "other.json").write_text('{"fc": "tile"}')
    (tmp_path / f"{name}.json").write_text('{"fc": "tile"}')
    expected = rows(*arguments, tmp_path / "other.json")
    assert rows(*arguments, tmp_path / f"{name}.json") == expected and expected["speedup"] != 1
    code, _, _ = call(*arguments, tmp_path / f"{name}.json", "--plot", tmp_path / "figures")
    assert code == 0


def test_cost_of_a_mapping_file_with_figures(tmp_path):
    (tmp_path / "mapping.json").write_text('{"fc": "tile"}')
    arguments = ("cost", "--model", "resnet8", "--system", "lionheart")
    code, out, _ = call(
        *arguments, "--mapping", tmp_path / "mapping.json", "--plot", tmp_path / "figures"
    )
    assert code == 0 and "crossbars: 1 on tile" in out
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {
        f"{figure}.{kind}" for figure in ("costs", "roofline", "tornado") for kind in ("pdf", "png")
    }


def test_every_system_side_by_side(tmp_path):
    listed = rows("systems", "--model", "resnet8", "--input", "3x32x32")
    names = {row["name"] for row in rows("list", "systems")["systems"]}
    assert {row["system"] for row in listed} == names
    ours = {row["mapping"]: row for row in listed if row["system"] == "lionheart"}
    assert set(ours) == {"all-digital", "all-analog", "best"} and ours["best"]["fits"] is True
    cost = rows("cost", "--model", "resnet8", "--system", "lionheart", "--mapping", "best")
    for key in ("latency_s", "interval_s", "energy_j", "speedup", "energy_gain"):
        assert ours["best"][key] == pytest.approx(cost[key])
    two = ("--system", "imc-cluster", "--system", "diana", "--plot", tmp_path)
    code, out, err = call("systems", "--model", "mobilenet_v2", *two)
    assert code == 0 and "systems.pdf" in err and "lionheart" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert "imc-cluster, all-analog: 54 of 34 crossbars on 'ima': does not fit" in out
    assert call("systems", "--model", "resnet8", "--system", "nowhere")[0] == 2


NETWORK = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self, depth=1, bias="yes"):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        layers = [nn.Linear(4, 4, bias=bias == "yes") for _ in range(depth)]
        self.layers = nn.Sequential(*layers)

    def forward(self, ids, weights):
        return self.layers(self.embedding(ids) * weights[..., None])

ids, weights = torch.zeros(1, 5, dtype=torch.int64), torch.ones(1, 5)
positional = (ids, weights)

def named():
    return {"ids": ids, "weights": weights}

shape = (3, 4)
"""


@pytest.fixture
def network(tmp_path, monkeypatch):
    (tmp_path / "mine_priced.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    return ("cost", "--system", "lionheart", "--model", "mine_priced:Network")


@pytest.mark.parametrize("example", ["positional", "named"])
def test_cost_with_an_example_and_arguments(network, example):
    arguments = (*network, "--example", f"mine_priced:{example}")
    data = rows(*arguments, "--model-argument", "depth=3", "--model-argument", "bias=no")
    linear = [layer for layer in data["layers"] if layer["kind"] == "linear"]
    assert len(linear) == 3 and all(layer["macs"] == 5 * 16 for layer in linear)
    assert len([1 for layer in rows(*arguments)["layers"] if layer["kind"] == "linear"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--example", "mine_priced"), "--example: got 'mine_priced'; must be package.module:attr"),
        (("--example", "mine_priced:nme"), "--example: mine_priced: unknown attribute 'nme'"),
        (
            ("--example", "mine_priced:shape"),
            "must be a tensor, or a tuple or dictionary of tensors",
        ),
        (("--example", "mine_priced:named", "--input", "3"), "both are given; choose one"),
        (("--example", "mine_priced:ids"), "missing 1 required positional argument"),
        (("--example", "mine_priced:named", "--model-argument", "x"), "must be KEY=VALUE"),
        (("--example", "mine_priced:named", "--model-argument", "dept=1"), "did you mean 'depth'"),
        (
            ("--example", "mine_priced:named", *("--model-argument", "depth=1") * 2),
            "depth is given twice",
        ),
        (("--example", "mine_priced:named", "--model-class", "X"), "class: it is for networks of"),
    ],
)
def test_examples_and_arguments_that_are_refused(network, arguments, message):
    code, _, err = call(*network, *arguments)
    assert code == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("networks/a.onnx", "ONNX files are not read; convert it in a function of your own"),
        ("A.ONNX", "onnx2torch.convert('A.ONNX')"),
        ("a.safetensors", "a file of weights is no network"),
    ],
)
def test_files_that_are_no_networks(model, message):
    code, _, err = call("cost", "--system", "lionheart", "--model", model)
    assert code == 2 and message in err and err.count("\n") == 1


def test_validate_prints_published_beside_predicted():
    validated = rows("validate", "imc-cluster")
    keys = {
        "system",
        "case",
        "quantity",
        "published",
        "predicted",
        "predicted_low",
        "predicted_high",
        "error_percent",
        "within_interval",
        "source",
        "role",
    }
    assert all(set(row) == keys for row in validated)
    assert any(row["published"] is None for row in validated)
    code, out, _ = call("validate", "imc-cluster")
    assert code == 0 and "row 17 ADD" in out
    assert " fitted: median error" in out and " predicted: median error" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["cost", "--model", "resnet9", "--system", "lionheart"], ["resnet9", "resnet8"]),
        (["cost", "--model", "resnet8", "--system", "lion"], ["lion", "lionheart"]),
        (["cost", "--model", "resnet8", "--system", "lionheart", "--input", "3x0"], ["3x0"]),
        (["cost", "--model", "resnet8", "--system", "lionheart", "--mapping", "x"], ["all-analog"]),
        (["cost", "--model", "resnet8", "--system", "no.toml"], ["no.toml"]),
        (["show", "no/such/study"], ["no/such/study"]),
        (["validate", "lion"], ["lion", "lionheart"]),
    ],
)
def test_wrong_arguments_are_one_clear_line(arguments, named):
    code, _, err = call(*arguments)
    assert code == 2 and err.startswith("error: ") and len(err.strip().splitlines()) == 1
    for name in named:
        assert name in err


@pytest.mark.parametrize("text", ["[]", "3", "{", '{"fc": '])
def test_a_mapping_file_that_is_no_object_is_refused(tmp_path, text):
    path = tmp_path / "mapping.json"
    path.write_text(text)
    arguments = ("cost", "--model", "resnet8", "--system", "lionheart", "--mapping", path)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert (
        f"{path}: must be a JSON object unit -> target" in err or f"{path}: not valid JSON" in err
    )
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [('{"fc9": "tile"}', "unknown unit 'fc9'"), ('{"fc": "moon"}', "unknown target 'moon'")],
)
def test_a_mapping_file_that_does_not_fit_is_named(tmp_path, text, named):
    path = tmp_path / "mapping.json"
    path.write_text(text)
    arguments = ("cost", "--model", "resnet8", "--system", "lionheart", "--mapping", path)
    code, _, err = call(*arguments)
    assert code == 2 and f"{path}: " in err and named in err


def test_a_mapping_file_that_is_missing_is_named(tmp_path):
    arguments = ("cost", "--model", "resnet8", "--system", "lionheart", "--mapping")
    code, _, err = call(*arguments, tmp_path / "no.json")
    assert code == 2 and f"--mapping: {tmp_path / 'no.json'}: no such file" in err


@pytest.mark.parametrize("text", ["", "x", "3x", "3x-1", "3x32.5"])
def test_sizes_of_the_input_are_positive_numbers(text):
    code, _, err = call("cost", "--model", "resnet8", "--system", "lionheart", "--input", text)
    assert code == 2
    assert f"--input: got {text!r}; must be positive sizes such as 3x32x32" in err


def test_a_folder_named_like_a_mapping_is_no_mapping_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all-digital").mkdir()
    arguments = ("cost", "--model", "mlp", "--system", "lionheart", "--mapping", "all-digital")
    assert call(*arguments)[0] == 0


def test_costs_of_a_token():
    arguments = ("cost", "--model", "mlp", "--system", "lionheart")
    data = rows(*arguments, "--tokens", "4")
    assert data["tokens"] == 4
    assert data["tokens_per_s"] == pytest.approx(4 / data["latency_s"])
    assert data["energy_per_token_j"] == pytest.approx(data["energy_j"] / 4)
    assert " tokens/s, " in call(*arguments, "--tokens", "4")[1]
    assert rows(*arguments)["tokens_per_s"] is None
    code, _, error = call(*arguments, "--tokens", "0")
    assert code == 2 and "--tokens" in error


def test_costs_of_a_batch():
    arguments = ("cost", "--model", "mlp", "--system", "diana", "--mapping", "all-digital")
    single, batch = rows(*arguments), rows(*arguments, "--batch", "16", "--tokens", "4")
    assert (single["batch"], batch["batch"]) == (1, 16)
    assert single["inferences_per_s"] == pytest.approx(1 / single["latency_s"])
    assert batch["inferences_per_s"] == pytest.approx(16 / batch["latency_s"])
    assert batch["interval_s"] == pytest.approx(batch["latency_s"] / 16)
    assert batch["tokens_per_s"] == pytest.approx(4 * 16 / batch["latency_s"])
    assert batch["energy_per_token_j"] == pytest.approx(batch["energy_j"] / 4)
    assert batch["energy_j"] < single["energy_j"], "the digital array has 16 pixels at once"
    assert "batch of 16: " in call(*arguments, "--batch", "16")[1]
    code, _, error = call(*arguments, "--batch", "0")
    assert code == 2 and "batch: got 0; must be a whole number from 1 to" in error


def test_systems_with_a_batch():
    arguments = ("systems", "--model", "mlp", "--system", "diana")
    single, batch = (rows(*arguments, *more)[0] for more in ((), ("--batch", "16")))
    assert batch["interval_s"] < single["interval_s"]
    assert batch["interval_s"] == pytest.approx(batch["latency_s"] / 16)
