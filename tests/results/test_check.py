"""`check` says everything that would stop a run, all of it at once, and writes nothing."""

import json
import tomllib
from pathlib import Path

import pytest
from cli_setup import STUDY, call, make_study
from front_door import data, small
from unfit_plugins import Odd

import lionheart_opt as lo
from lionheart_opt.errors import CannotBeAnalog, InputError, InputErrors
from lionheart_opt.results.check import named_code

NETWORK, DATA, HARDWARE = "own_plugins:network", "own_plugins:data", "own_plugins:noisy_tiles"


def study(folder: Path, **changes: str) -> Path:
    """The tiny study with other texts; keys of `changes` are names of constants, lower case."""
    text = STUDY
    for old, new in ((NETWORK, "network"), (DATA, "data"), (HARDWARE, "hardware")):
        if new in changes:
            text = text.replace(old, f"unfit_plugins:{changes[new]}")
    for old, new in changes.get("texts", ()):  # type: ignore[union-attr]
        assert old in text
        text = text.replace(old, new, 1)
    return make_study(folder, text)


def problems(folder: Path) -> list[str]:
    """What `check` says of a study; the same on standard error, as JSON, and in Python."""
    before = sorted(folder.rglob("*"))
    code, out, err = call("check", folder, "--json")
    said: list[str] = json.loads(out)["problems"]
    assert code == (2 if said else 0), err
    assert err.splitlines() == [f"error: {line}" for line in said]
    if said:
        with pytest.raises(InputError) as error:
            lo.load(folder).check()
        assert str(error.value).splitlines() == said
    assert sorted(folder.rglob("*")) == before, "it has written something"
    return said


ALONE = {
    "products that tiles do not know": (
        {"network": "Odd"},
        ["units 'odd_a', 'odd_b' cannot be analog", 'digital = ["odd_a", "odd_b"]'],
    ),
    "a way that depends on the input": (
        {"network": "DependsOnLight", "data": "bright_data"},
        ["unit 'dark' cannot be analog", "its weights are in 0 products", 'digital = ["dark"]'],
    ),
    "labels that are fractions": ({"data": "data_of_fractions"}, ["labels of type torch.float32"]),
    "labels beyond the outputs": ({"data": "data_of_five_classes"}, ["each of 5 classes"]),
    "inputs that are NaN": ({"data": "data_with_nan"}, ["inputs have NaN"]),
    "data that cannot be made": ({"data": "broken_data"}, ["KeyError", "unfit_plugins.py, line"]),
    "times that a noise model does not know": (
        {"hardware": "only_some_times", "texts": [("[1.0, 86400.0]", "[1.0, 3600.0, 86400.0]")]},
        ["times_s: got 3600; noise model ReRamWan2022NoiseModel", "times_s = [1.0, 86400.0]"],
    ),
    "a spread of output noise on rows": (
        {"network": "Rows", "hardware": "spread_of_noise"},
        ["unit 'row' cannot be analog", "out_noise_std", 'digital = ["row"]'],
    ),
    "wires that resist": ({"hardware": "wires_that_resist"}, ["IR drop not supported"]),
    "arrays of another size": (
        {"hardware": "small_arrays"},
        ["arrays of 128x256", "'tile'", "256x256", "mapping.max_input_size = 256"],
    ),
    "hardware that fails when it drifts": (
        {"hardware": "fails_when_it_drifts"},
        ["NotImplementedError: no compensation on this hardware"],
    ),
    "a strategy that crashes": (
        {"texts": [("own_plugins:LargestOnly", "unfit_plugins:Crashes")]},
        ["KeyError", "unfit_plugins.py"],
    ),
    "a final measurement that fails": (
        {"texts": [("[oracle]", '[oracle]\nkind = "unfit_plugins:ForgetsTest"')]},
        ["final measurement: OSError: the test data are on another disk"],
    ),
    "pretraining that diverges": (
        {"texts": [("[oracle.pretrain]", "[oracle.pretrain]\nlearning_rate = 1e30")]},
        ["pretraining"],
    ),
    "a pattern that matches nothing": (
        {"texts": [("[model]", 'digital = ["1", "fc*"]\n[model]')]},
        ["digital: unknown unit 'fc*'", "allowed: 1, 3"],
    ),
    "a storage in a folder that does not exist": (
        {"texts": [("[model]", 'storage = "sqlite:///none/study.db"\n[model]')]},
        ["storage: folder", "does not exist"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ALONE)
def test_what_would_stop_a_run_is_one_line(case, tmp_path):
    changes, named = ALONE[case]
    [line] = problems(study(tmp_path / "study", **changes))
    for text in named:
        assert text in line


def test_everything_is_said_at_once(tmp_path):
    """Bad patterns, hardware, data, strategies and storage, each in a line of its own."""
    texts = [
        ("[model]", 'digital = ["nothing*"]\nstorage = "sqlite:///none/study.db"\n[model]'),
        ('strategy = "mac_greedy"', 'strategy = "mac_greedi"'),
    ]
    folder = study(
        tmp_path / "study", data="data_of_fractions", hardware="small_arrays", texts=texts
    )
    said = problems(folder)
    for text in ("'nothing*'", "torch.float32", "128x256", "mac_greedi", "sqlite:///none"[10:]):
        assert sum(text in line for line in said) == 1, text
    assert len(said) == 5


def test_the_remedy_can_be_pasted(tmp_path):
    """The line that `check` proposes keeps what is there, and with it nothing is wrong any more."""
    texts = [("[model]", 'digital = ["fir*"]\n[model]')]
    folder = study(tmp_path / "study", network="Odd", texts=texts)
    code, out, _ = call("check", folder)
    line = next(line for line in out.splitlines() if "digital = [" in line)
    remedy = line[line.index("digital = [") :]
    assert code == 2 and tomllib.loads(remedy) == {"digital": ["fir*", "odd_a", "odd_b"]}
    text = (folder / "study.toml").read_text().replace('digital = ["fir*"]', remedy)
    (folder / "study.toml").write_text(text)
    assert problems(folder) == []
    assert call("run", folder, "--only", "mac_greedy")[0] == 0


def test_the_remedy_holds_for_one_shot_training_too(tmp_path):
    """It draws random mappings, of units that may be analog only."""
    texts = [
        ("[model]", 'digital = ["odd_*"]\n[model]'),
        ("own_plugins:LargestOnly", "unfit_plugins:OneShot"),
    ]
    folder = study(tmp_path / "study", network="Odd", texts=texts)
    assert problems(folder) == []
    assert call("run", folder, "--only", "own")[0] == 0


def test_attention_can_be_analog(tmp_path):
    folder = study(tmp_path / "study")
    text = (folder / "study.toml").read_text().replace(NETWORK, "own_plugins:Attends")
    (folder / "study.toml").write_text(text)
    assert problems(folder) == []


def test_a_study_that_is_right_says_what_was_checked(tmp_path):
    folder = study(tmp_path / "study")
    code, out, err = call("check", folder)
    assert (code, err) == (0, "")
    for text in ("Checked in", "drift to every time", "training 'full'", "own_plugins:data"):
        assert text in " ".join(out.split())
    checked = lo.load(folder).check()
    assert checked["problems"] == [] and checked["seconds"] > 0 and checked["not_checked"] == []
    assert checked["code"] == [
        *("own_plugins:LargestOnly", "own_plugins:data", "own_plugins:network", HARDWARE),
    ]


def test_whole_labels_of_other_types_are_no_problem(tmp_path):
    assert problems(study(tmp_path / "study", data="data_of_int32")) == []


def test_what_strategies_ask_and_train_is_tried(tmp_path):
    text = STUDY.replace("own_plugins:LargestOnly", "unfit_plugins:AsksFirst")
    text = text.replace('strategy = "mac_greedy"', 'strategy = "unfit_plugins:OneShot"')
    checked = lo.load(make_study(tmp_path / "study", text)).check()
    assert "training 'one_shot', two steps" in checked["checked"]
    assert "proxies of sensitivity, which run 'own' asks for" in checked["checked"]


def test_an_oracle_without_a_small_copy_is_said_not_to_be_tried(tmp_path):
    text = STUDY.replace("[oracle]", '[oracle]\nkind = "own_plugins:Patient"')
    checked = lo.load(make_study(tmp_path / "study", text)).check()
    assert checked["problems"] == [] and "Patient" in checked["not_checked"][0]


def test_a_record_of_another_question_is_said(tmp_path):
    folder = study(tmp_path / "study")
    assert call("run", folder, "--only", "own")[0] == 0
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(text.replace("max_drop = 0.9", "max_drop = 0.8"))
    [line] = problems(folder)
    assert "'study/own/seed0'" in line and "max_drop" in line
    (folder / "study.toml").write_text(text.replace("noisy_tiles", "network"))
    assert any("noisy_tiles" in line or "RPUConfig" in line for line in problems(folder))


def test_what_does_not_fit_is_said(tmp_path):
    """Some units alone: a note. All units: there is nothing to search."""
    system = Path(lo.__file__).parent / "cost_models" / "systems" / "imc-cluster.toml"
    texts = [('"lionheart"', '"tiny.toml"'), ("own_plugins:LargestOnly", "random")]
    folder = study(tmp_path / "study", texts=texts)
    (folder / "tiny.toml").write_text(system.read_text().replace("tiles = 34", "tiles = 1"))
    text = (folder / "study.toml").read_text()
    (folder / "study.toml").write_text(
        text.replace("input_shape", "arguments = { hidden = 6000 }\ninput_shape")
    )
    assert problems(folder) == []
    note = "unit '1' never fits: it needs 2 crossbars on 'ima', which has 1"
    assert note in lo.load(folder).check()["notes"]
    (folder / "tiny.toml").write_text(system.read_text().replace("tiles = 34", "tiles = 0"))
    [line] = problems(folder)
    assert "no unit fits on an analog target" in line and "on 'ima', which has 0" in line


def test_a_problem_in_python_has_the_same_check():
    settings = {"hat": {"epochs": 1, "batch_size": 16}, "times_s": [1.0, 86400.0]}
    problem = lo.problem(small(), data(), oracle=settings, draws=(2, 3), digital=["fir*"])
    assert problem.digital == ("first",)
    checked = lo.check(problem)
    assert "programming, and drift to every time" in checked["checked"]
    assert lo.Study.of(problem, ["mac_greedy", "random"], trials=2).check()["problems"] == []
    with pytest.raises(InputError, match="unknown strategy"):
        lo.Study.of(problem, ["mac_greedy", "randon"], trials=2).check()
    network = Odd()
    odd = lo.problem(network, data(), oracle=settings, draws=(2, 3), training="none")
    with pytest.raises(CannotBeAnalog, match=r'digital = \["odd_a", "odd_b"\]'):
        lo.check(odd)


def test_a_problem_in_python_is_refused_for_all_reasons_at_once():
    oracle = {"rpu_config": "unfit_plugins:small_arrays", "times_s": [1.0]}
    with pytest.raises(InputErrors) as error:
        lo.problem(small(), data(), oracle=oracle)
    assert ["time_s" in str(error.value.errors[0]), "128x256" in str(error.value.errors[1])] == [
        True,
        True,
    ]


def test_code_is_named_by_module_and_attribute_only(tmp_path):
    file = lo.load(study(tmp_path / "study")).file
    assert named_code(file) == ["own_plugins:LargestOnly", DATA, NETWORK, HARDWARE]


def test_too_few_examples_to_decide_a_limit_are_said(tmp_path):
    """The tiny study has 40 validation examples."""
    folder = study(tmp_path)
    text = (folder / "study.toml").read_text()
    assert "max_drop = 0.9" in text

    def notes(max_drop: float, more: str = "") -> list[str]:
        changed = text.replace("max_drop = 0.9", f"max_drop = {max_drop}\n{more}")
        (folder / "study.toml").write_text(changed)
        assert problems(folder) == []
        return [note for note in lo.load(folder).check()["notes"] if "examples" in note]

    [note] = notes(0.01)
    assert note.startswith(
        "40 validation examples cannot decide a limit of 1 point; about 3,100 can"
    )
    assert "never" not in note and notes(0.1) == [] == notes(0.01, 'over = "examples"')
    assert "cannot decide a limit of 0 points" in notes(0.0)[0]
