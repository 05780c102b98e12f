"""All figures of a study, as files; and the package that offers them."""

import importlib
from types import ModuleType

import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt import plots
from lionheart_opt.plots.figures import draw_study

NAMES = (
    *("pareto", "mac_ratio", "hypervolume_trials", "hypervolume_seconds"),
    *("thresholds", "mappings", "drift"),
)


@pytest.mark.parametrize("drop", [0.02, 0.5, None])
def test_every_figure_is_written_as_pdf_and_png(tmp_path, drop):
    problem = made_up_problem()
    result = search("x", answer(problem, 5, drop), problem=problem)
    paths = draw_study([result], None, tmp_path / "figures")
    assert [path.name for path in paths] == [
        f"{name}.{kind}" for name in NAMES for kind in ("pdf", "png")
    ]
    for path in paths:
        head = path.read_bytes()[:5]
        assert head.startswith(b"%PDF-" if path.suffix == ".pdf" else b"\x89PNG")


def test_a_study_brings_its_truth(tmp_path):
    problem = made_up_problem()
    result = search("x", answer(problem, 5, 0.02), problem=problem)
    asked = []

    class MadeUpStudy:
        def results(self):
            return [result]

        def truth(self):
            asked.append("truth")
            return result

    assert len(draw_study(MadeUpStudy(), None, tmp_path)) == 2 * len(NAMES)
    assert asked == ["truth"], "once: it may take long"


def test_the_package_offers_functions_whatever_is_imported_later():
    assert len(plots.__all__) == 15
    for name in plots.__all__:
        module = importlib.import_module(f"lionheart_opt.plots.{name}")
        assert isinstance(module, ModuleType)
        assert getattr(plots, name) is getattr(module, name)


def test_several_strategies_are_compared_beside_the_best(tmp_path):
    problem = made_up_problem()
    results = [search(label, answer(problem, 5, 0.02), problem=problem) for label in "xy"]
    names = [path.stem for path in draw_study(results, None, tmp_path)]
    assert names[-1] == "beside_best" and len(names) == 2 * len(NAMES) + 2
