"""What oracles know beside accuracies: asked once, recorded, charged to the search that asked."""

from dataclasses import replace

import numpy as np
import pytest
from cli_setup import call, make_study
from counted_study import COUNTED, counted, measure
from counting_oracle import asked

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import oracle_seconds
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.oracle.table_oracle import TableOracle
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, LearnedShares, Proxies
from lionheart_opt.strategies.odimo import Odimo
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem

ASKING = (
    COUNTED[: COUNTED.index("[[run]]")]
    + """
[[run]]
strategy = "counted_study:Asks"
"""
)


def test_the_record_answers_a_resumed_search(tmp_path):
    first = counted(tmp_path / "s", ASKING.replace("trials = 12", "trials = 1"))
    [plan] = first.plans()
    assert first.search(plan).run() == "budget"
    assert asked(tmp_path / "s") == ["proxies", "full 4"]
    again = counted(tmp_path / "s", ASKING)
    [plan] = again.plans()
    assert again.search(plan).run() == "finished"
    assert asked(tmp_path / "s").count("proxies") == 1
    assert set(asked(tmp_path / "s")[2:]) == {"full 0 2 4"}


def test_its_seconds_are_charged_to_the_search(tmp_path):
    file = counted(tmp_path / "s", ASKING)
    [plan] = file.plans()
    search = file.search(plan)
    seconds: list[float] = []
    search.run(lambda now: seconds.append(now.oracle_s))
    evaluations = oracle_seconds(search.record.evaluations())
    assert search.record.answers_s == 3.0
    assert seconds[0] == 3.0 and seconds[-1] == search.record.oracle_s == evaluations + 3.0
    code, out, _ = call("show", tmp_path / "s", "--json")
    assert code == 0 and f'"oracle_seconds": {evaluations + 3.0}' in out


def test_a_profile_answers_at_the_same_price(tmp_path):
    measure(counted(tmp_path / "s", ASKING), proxies=True)
    before = asked(tmp_path / "s").count("proxies")
    file = counted(tmp_path / "s", ASKING)
    [plan] = file.plans()
    search = file.search(plan)
    search.run()
    assert before == asked(tmp_path / "s").count("proxies") == 1
    assert search.record.answers_s == 3.0


def test_a_check_asks_for_nothing(tmp_path):
    file = counted(tmp_path / "s", ASKING)
    file.check_strategies()
    assert asked(tmp_path / "s") == []


def test_a_check_finds_what_the_oracle_lacks(tmp_path):
    folder = make_study(tmp_path / "s", ASKING.replace("counted_study:Asks", "odimo"))
    code, _, err = call("check", folder)
    assert code == 2 and "run 'odimo': the study's oracle has no learned shares" in err
    assert len(err.strip().splitlines()) == 1


def shares(problem: Problem, count: list[LearnedShares], oracle_s: float) -> Problem:
    """A problem whose units are all analog, whatever the strength."""

    def answer(question: LearnedShares) -> Answer:
        count.append(question)
        return Answer(values={"share": dict.fromkeys(question.prices, 1.0)}, oracle_s=oracle_s)

    return replace(problem, answers=answer)


def test_no_question_is_asked_beyond_the_budget():
    """Every strength gives the same mapping, so that nothing but questions is paid for."""
    questions: list[LearnedShares] = []
    problem = shares(tiny_problem(), questions, oracle_s=400.0)
    record = Record(problem)
    search = Search(record, Odimo([1, 2, 3, 4, 5]), seed=0, budget=Budget(oracle_s=1500.0))
    assert search.run() == "budget"
    [only] = record.evaluations()
    assert only.oracle_s < 700.0
    assert len(questions) == 3
    assert record.oracle_s == pytest.approx(only.oracle_s + 3 * 400.0)
    assert search.run() == "budget"
    assert len(questions) == 3


def test_answers_are_read_back_as_they_were():
    problem = tiny_problem()
    record = Record(problem)
    question = Proxies(units=("fc3", "fc1"))
    assert record.answer(question) is None
    assert record.ask(question) == record.answer(question) == problem.ask(question)
    assert record.answer(Proxies(units=("fc1", "fc3"))) is None


def test_a_table_keeps_proxies_and_the_number_of_examples(tmp_path):
    made = tiny_problem().oracle
    proxies = {"hessian_trace": np.arange(5.0), "max_weight": np.ones(5)}
    made = replace(made, n_examples=250, proxies=proxies, proxies_s=12.5)
    made.save(tmp_path / "table.npz")
    table = TableOracle(file=tmp_path / "table.npz")
    assert table.questions == (Proxies,)
    answer = table.consult(Proxies(units=("fc4", "fc1")), seed=0)
    assert answer.oracle_s == 12.5
    assert answer.values == {
        "hessian_trace": {"fc4": 4.0, "fc1": 1.0},
        "max_weight": {"fc4": 1.0, "fc1": 1.0},
    }
    with pytest.raises(InputError, match="unknown unit 'fc9'"):
        table.consult(Proxies(units=("fc9",)), seed=0)
    problem = replace(tiny_problem(), oracle=table)
    evaluation = problem.evaluate(problem.pretrained(problem.all_analog))
    assert evaluation.accuracy is not None and evaluation.accuracy.n_examples == 250
    with pytest.raises(ValueError, match=r"hessian_trace has shape \(4,\), expected \(5,\)"):
        replace(made, proxies={"hessian_trace": np.ones(4)})


def test_a_table_charges_the_training_that_its_rows_share(tmp_path):
    problem = tiny_problem()
    replace(problem.oracle, shared_s=600.0).save(tmp_path / "table.npz")
    problem = replace(problem, oracle=TableOracle(file=tmp_path / "table.npz"))
    shared_s = {}
    for training in ("one_shot", "full"):
        evaluation = problem.evaluate(Candidate(problem.all_analog, training=training))
        shared_s[training] = evaluation.accuracy.shared_s
    assert shared_s == {"one_shot": 600.0, "full": 0.0}


def test_a_table_without_them_can_be_read(tmp_path):
    path = tmp_path / "table.npz"
    tiny_problem().oracle.save(path)
    with np.load(path) as file:
        new = {"n_examples", "proxy_names", "proxies", "proxies_s", "shared_s"}
        older = {name: file[name] for name in file if name not in new}
    np.savez_compressed(tmp_path / "older.npz", **older)
    for name in ("table.npz", "older.npz"):
        table = AccuracyTable.load(tmp_path / name)
        assert (table.n_examples, table.proxies, table.questions) == (None, {}, ())
        with pytest.raises(InputError, match="no proxies of sensitivity"):
            table.consult(Proxies(units=("fc0",)), seed=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_answers_are_finite(value):
    with pytest.raises(InputError, match="answer: macs of unit 'fc': got"):
        Answer(values={"macs": {"conv": 1.0, "fc": value}}, oracle_s=1.0)
    with pytest.raises(InputError, match="answer: oracle_s: got"):
        Answer(values={}, oracle_s=value)
