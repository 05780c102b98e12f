"""Study files: read, resolved and checked; everything that is wrong is said in one line."""

import shutil
from pathlib import Path

import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.table_oracle import TableOracle
from lionheart_opt.study.file import StudyFile
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.recorded_oracle import RecordedOracle

OLD = Path(__file__).parents[1] / "old_records" / "journal"

STUDY = """
question = "Which?"
system = "lionheart"
digital = ["fc"]
[model]
name = "digits_cnn"
[oracle]
kind = "front_door:MadeUp"
[limits]
max_drop = 0.02
draws = [2, 4]
energy_j = 1.0
[budget]
trials = 3
[[run]]
strategy = "random"
seeds = [0, 3]
[[run]]
strategy = "fixed"
label = "digital"
arguments = { mapping = "all-digital" }
budget = { oracle_s = 60.0 }
"""


def written(folder: Path, text: str = STUDY) -> StudyFile:
    (folder / "study.toml").write_text(text)
    return StudyFile.load(folder)


@pytest.fixture
def file(tmp_path: Path) -> StudyFile:
    return written(tmp_path)


@pytest.fixture
def recorded(tmp_path: Path) -> StudyFile:
    """A study on a table, with its record."""
    return StudyFile.load(shutil.copytree(OLD, tmp_path / "journal"))


# --- reading ------------------------------------------------------------------------------------------


def test_a_folder_stands_for_its_study_file(file, tmp_path):
    assert StudyFile.load(tmp_path / "study.toml") == file
    assert file.folder == tmp_path and file.name == tmp_path.name
    assert repr(file) == f"StudyFile('{tmp_path / 'study.toml'}': 'Which?')"


def test_studies_of_one_folder_keep_their_figures_apart(file, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(STUDY)
    assert file.figures == tmp_path / "figures"
    assert StudyFile.load(other).figures == tmp_path / "figures" / "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("question =", r"study\.toml: not valid TOML: "),
        ("question = 3\n" + STUDY.replace('question = "Which?"', ""), r"question: got 3"),
        (STUDY.replace('label = "digital"', 'label = "random"'), "two runs are called 'random'"),
        (STUDY.replace("max_drop", "max_drp"), r"unknown key 'max_drp' \(did you mean 'max_drop'"),
    ],
)
def test_what_is_no_study_is_one_clear_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as error:
        written(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match=r"study\.toml: No such file"):
        StudyFile.load(tmp_path)
    (tmp_path / "study.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"study\.toml: not UTF-8: byte 0 is 0xff"):
        StudyFile.load(tmp_path)


# --- the problem --------------------------------------------------------------------------------------


def test_the_problem_is_what_the_tables_say(file):
    problem = file.problem
    assert problem.system.name == "lionheart" and problem.objectives == ("latency_s",)
    assert problem.accuracy_limit.max_drop == 0.02 and problem.cost_limits == {"energy_j": 1.0}
    assert problem.digital == ("fc",) and problem.choices["fc"] == (problem.system.host,)
    assert isinstance(problem.oracle, RecordedOracle) and not file.is_on_a_table


GROUPED = STUDY + '[units]\ntrunk = ["stem", "embed"]\n'


def test_groups_of_units_move_together(tmp_path):
    units = {unit.name: unit.layers for unit in written(tmp_path, GROUPED).workload.units}
    assert units["trunk"] == ("stem", "embed")


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ('"blocks"', ["stem", "block1", "block2", "embed", "fc"]),
        ('["block*", "fc"]', ["stem", "block*", "embed", "fc"]),
        ('{ends = ["stem", "f*"]}', ["ends", "block1.conv1", "block1.conv2"]),
    ],
)
def test_units_have_the_size_that_is_asked_for(tmp_path, units, expected):
    file = written(tmp_path, f"units = {units}\n{STUDY}")
    assert [unit.name for unit in file.workload.units][: len(expected)] == expected


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ('"block"', "got 'block'"),
        ("3", "got 3"),
        ("[3]", r"got \[3\]"),
        ("{a = 3}", "got {'a': 3}"),
    ],
)
def test_units_of_another_kind_are_refused(tmp_path, units, message):
    allowed = '"projections", "layers", "blocks", a list of names or patterns, or groups of them'
    with pytest.raises(InputError, match=rf"study\.toml: units: {message}; must be {allowed}$"):
        written(tmp_path, f"units = {units}\n{STUDY}")


def test_a_group_of_units_that_do_not_exist_is_named_with_its_place(tmp_path):
    file = written(tmp_path, GROUPED.replace('"embed"', '"embd"'))
    with pytest.raises(InputError, match=r"study\.toml: \[units\]: .*'embd'"):
        _ = file.workload


def test_a_table_is_asked_directly(recorded):
    assert recorded.is_on_a_table
    assert recorded.problem.oracle is recorded.oracle
    assert isinstance(recorded.oracle, TableOracle)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"digits_cnn"', '"digits_cn"', r"study\.toml: \[model\]: .*'digits_cn'"),
        ('"lionheart"', '"lionhart"', r"study\.toml: system: unknown system 'lionhart'"),
    ],
)
def test_what_does_not_exist_is_named_with_its_place(tmp_path, old, new, message):
    file = written(tmp_path, STUDY.replace(old, new))
    with pytest.raises(InputError, match=message):
        _ = file.problem


def test_the_input_of_an_own_network_is_that_of_the_data_set(tmp_path):
    network = 'name = "own_plugins:network"\narguments = { hidden = 5 }'
    text = STUDY.replace('name = "digits_cnn"', network).replace('digital = ["fc"]', "")
    file = written(tmp_path, text + '[data]\nname = "digits"\n')
    with pytest.raises(InputError, match=r"\[model\]: "):  # 8x8 pixels do not fit its 16 inputs
        _ = file.workload
    own = 'name = "own_plugins:network"\ninput_shape = [1, 4, 4]\narguments = { hidden = 5 }'
    file = written(tmp_path, text.replace(network, own) + '[data]\nname = "digits"\n')
    assert [unit.name for unit in file.workload.units] == ["1", "3"]
    assert file.workload.layer("1").output_shape == (1, 5)


# --- searches -----------------------------------------------------------------------------------------


def test_every_run_has_a_search_for_each_seed(file):
    assert [plan.name for plan in file.plans()] == [
        "random/seed0",
        "random/seed3",
        "digital/seed0",
    ]
    assert [plan.budget for plan in file.plans()] == [
        *[Budget(trials=3, oracle_s=None)] * 2,
        Budget(trials=None, oracle_s=60.0),
    ]


def test_searches_are_chosen_by_label_or_name(file):
    assert [plan.name for plan in file.plans(["random"])] == ["random/seed0", "random/seed3"]
    assert [plan.name for plan in file.plans(["digital", "random/seed3"])] == [
        "random/seed3",
        "digital/seed0",
    ]
    with pytest.raises(InputError, match=r"study\.toml: unknown run 'random/seed1' \(did you mean"):
        file.plans(["random/seed1"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("all-digital", "all-digtal", "run 'digital': .*unknown mapping 'all-digtal'"),
        ("{ mapping =", "{ maping =", "run 'digital': .*unknown argument 'maping'"),
        ('"all-digital"', '{ "fc1" = "tile" }', "run 'digital': .*unknown unit 'fc1'"),
        ('"fixed"', '"hilal"', "run 'digital': .*unknown argument 'mapping'"),
    ],
)
def test_a_strategy_that_cannot_start_is_found_before_anything_runs(tmp_path, old, new, message):
    assert old in STUDY
    file = written(tmp_path, STUDY.replace(old, new))
    with pytest.raises(InputError, match=message) as error:
        file.check_strategies()
    assert str(file.path) in str(error.value) and "\n" not in str(error.value)


def test_strategies_that_ask_are_checked_up_to_their_question(tmp_path, recorded):
    recorded.check_strategies()  # HILAL asks for proxies, which the table has
    run = '[[run]]\nstrategy = "hilal"\n'
    with pytest.raises(InputError, match="run 'hilal': the study's oracle has no proxies"):
        written(tmp_path, STUDY + run).check_strategies()


# --- records ------------------------------------------------------------------------------------------


def test_reading_creates_nothing(file, tmp_path):
    assert list(file.records()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_a_search_leaves_a_record_that_is_tied_to_the_question(file, tmp_path):
    plan = file.plans(["digital"])[0]
    file.search(plan).run()
    again = written(tmp_path)
    [(searched, record)] = again.records()
    assert searched.name == "digital/seed0" and len(record.evaluations()) == 1
    changed = written(tmp_path, STUDY.replace("max_drop = 0.02", "max_drop = 0.03"))
    with pytest.raises(InputError, match=r"limits\.max_drop: recorded 0\.02, now 0\.03"):
        list(changed.records())


def test_budgets_and_labels_are_no_part_of_the_question(file, tmp_path):
    specification = file.specification(file.plans()[0])
    text = STUDY.replace("trials = 3", "trials = 30").replace("Which?", "Which one?")
    other = written(tmp_path, text)
    assert other.specification(other.plans()[0]) == specification
    assert other.specification(other.plans()[1]) != specification, "another seed"
    another = written(tmp_path, STUDY.replace("energy_j = 1.0", "energy_j = 2.0"))
    assert another.question != file.question
    assert another.oracle_specification == file.oracle_specification


def test_every_record_of_an_old_study_is_found(recorded):
    assert [plan.name for plan, _ in recorded.records()] == [plan.name for plan in recorded.plans()]


def test_a_batch_decides_costs_but_not_what_the_oracle_answers(file, tmp_path):
    plan = file.plans(["digital"])[0]
    file.search(plan).run()
    batch = written(tmp_path, "batch = 8\n" + STUDY)
    assert batch.problem.digital_cost == lo.cost(file.workload, "lionheart", "all-digital", batch=8)
    assert batch.oracle_specification == file.oracle_specification
    with pytest.raises(InputError, match="batch: recorded None, now 8"):
        list(batch.records())
    with pytest.raises(InputError, match="batch"):
        written(tmp_path, "batch = 0\n" + STUDY)
