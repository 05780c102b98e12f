"""The package: light to import, with every name that it promises."""

from __future__ import annotations

import pickle

import cloudpickle
import pytest
from front_door import output_of

import lionheart_opt as lo


def test_importing_the_package_loads_nothing_heavy(tmp_path):
    heavy = "torch optuna pandas matplotlib numba typer rich cloudpickle loky scipy pydantic"
    code = (
        "import sys, lionheart_opt as lo\n"
        "lo.Mapping, dir(lo)\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    assert output_of(tmp_path, "-c", code).strip() == "[]"


def test_a_search_without_a_storage_needs_neither_optuna_nor_pytest(tmp_path):
    code = (
        "import sys\n"
        "from lionheart_opt import search\n"
        "from lionheart_opt.synthetic import synthetic_problem\n"
        "for strategy in ('mac_greedy', 'random', 'knapsack'):\n"
        "    assert len(search(synthetic_problem(n_units=4), strategy, trials=3))\n"
        "print([name for name in ('optuna', 'pytest', 'torch') if name in sys.modules])"
    )
    assert output_of(tmp_path, "-c", code).strip() == "[]"


@pytest.mark.parametrize(
    "imports",
    [
        "import lionheart_opt.cost, lionheart_opt.problem; lo.cost",
        "lo.cost, lo.problem; import lionheart_opt.problem, lionheart_opt.cost",
        "from lionheart_opt.cost import Cost; from lionheart_opt.problem import Problem",
        "from lionheart_opt import problem, cost; from lionheart_opt.problem import Problem",
        "import lionheart_opt.api, lionheart_opt.cli.main",
        "from lionheart_opt import Accuracy, Cost, LayerCost, Mapping, System, Workload",
    ],
)
def test_functions_stay_functions_whatever_is_imported(imports, tmp_path):
    code = (
        f"import lionheart_opt as lo\n{imports}\n"
        "import lionheart_opt.api as api\n"
        "assert (lo.cost, lo.problem) == (api.cost, api.problem)\n"
        "from lionheart_opt import cost, problem\n"
        "assert (cost, problem) == (api.cost, api.problem)\n"
        "from lionheart_opt.cost import Cost\n"
        "from lionheart_opt.problem import Problem\n"
        "assert (lo.Cost, lo.Problem) == (Cost, Problem)\n"
    )
    output_of(tmp_path, "-c", code)


def test_plug_ins_that_use_it_travel_to_workers():
    here = {"lo": lo}
    exec("def plug_in():\n    return lo.Accuracy", here)
    sent = cloudpickle.dumps(here["plug_in"])
    assert cloudpickle.loads(sent)() is lo.Accuracy
    assert pickle.loads(pickle.dumps(lo)) is lo


def test_names_of_the_package():
    assert [name for name in dir(lo) if not name.startswith("__")] == sorted(lo.__all__)
    assert set(lo.__all__) == set(lo._NAMES)
    for name in lo.__all__:
        assert getattr(lo, name) is not None
    assert lo.plot.__name__ == "lionheart_opt.plots"
    with pytest.raises(AttributeError, match="module 'lionheart_opt' has no attribute 'nosuch'"):
        _ = lo.nosuch
    with pytest.raises(ImportError, match="nosuch"):
        from lionheart_opt import nosuch  # noqa: F401
