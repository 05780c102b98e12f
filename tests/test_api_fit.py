"""`lo.fit`: made-up measurements give back the constants that they were made with."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.fitting.system_fit import SystemFit
from lionheart_opt.plugins import load_system, system_text
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System

NETWORKS = {"small": convolutional_workload(), "wide": convolutional_workload([32, 48, 80])}
TRUE = {"software.convolution_efficiency": 0.07, "software.convert_cycles": 30.0}
EXAMPLE = Path(__file__).parents[1] / "examples" / "measurements.csv"


def measured(noise: float = 0.03, seed: int = 0) -> pd.DataFrame:
    """Every layer that takes time, and the totals, of two networks on a system with other constants."""
    system = load_system("lionheart").with_constants(TRUE)
    rng, rows = np.random.default_rng(seed), []
    for model, workload in NETWORKS.items():
        for mapping in ("all-digital", "all-analog"):
            cost = lo.cost(workload, system, mapping)
            rows += [
                {
                    "model": model,
                    "mapping": mapping,
                    "layer": layer.name,
                    "latency_s": layer.latency_s,
                }
                for layer in cost.layers
                if layer.macs
            ]
            total = {"latency_s": cost.latency_s, "energy_j": cost.energy_j}
            rows.append({"model": model, "mapping": mapping, "layer": "total", **total})
    frame = pd.DataFrame(rows)
    for column in ("latency_s", "energy_j"):
        frame[column] *= np.exp(rng.normal(0, noise, len(frame)))
    return frame


@pytest.fixture(scope="module")
def fitted() -> SystemFit:
    return lo.fit("lionheart", measured(), models=NETWORKS)


def test_true_constants_lie_in_the_intervals(fitted: SystemFit) -> None:
    assert set(TRUE) <= set(fitted.fitted)
    for name, value in TRUE.items():
        interval = fitted.system.intervals[name]
        assert interval.low < value < interval.high
        assert interval.high / interval.low < 1.3


def test_what_is_not_determined_keeps_its_prior(fitted: SystemFit) -> None:
    """No core hands anything to another, so that no measurement depends on what that takes."""
    assert "software.handoff_cycles" in fitted.undetermined
    before = load_system("lionheart")
    for name in fitted.undetermined:
        assert fitted.system.intervals[name] == before.intervals[name]
        assert fitted.system.constant(name) == before.constant(name)
    frame = fitted.to_frame().set_index("constant")
    assert frame.loc["software.handoff_cycles", "found"] == "not determined: keeps its prior"
    assert frame.loc["software.convert_cycles", "found"] == "fitted"


def test_the_fit_is_checked_on_what_is_held_out(fitted: SystemFit) -> None:
    frame, (first, second) = fitted.residuals(), fitted.summary()
    assert frame.held_out.sum() == int(0.2 * len(frame)) > 0
    assert (first["part"], second["part"]) == ("fitted", "held out")
    assert second["measurements"] == frame.held_out.sum()
    assert float(second["median_error_percent"]) < 6 < float(second["prior_median_error_percent"])
    assert frame.inside.mean() > 0.8
    is_there = (frame.predicted_low <= frame.measured) & (frame.measured <= frame.predicted_high)
    assert is_there.tolist() == frame.inside.tolist()
    assert (frame.predicted_low < frame.predicted).all()
    assert repr(fitted).startswith("SystemFit('lionheart': ") and "held out" in repr(fitted)
    assert "<table" in fitted._repr_html_()


def test_the_file_is_a_system_that_says_where_it_comes_from(
    fitted: SystemFit, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(fitted.text)
    system = System.load(tmp_path / "mine.toml")
    assert system.intervals == fitted.system.intervals
    assert system.uncertainty is not None
    for said in ("fitted to a data frame (sha256 ", "scipy", "from lionheart", "scatter"):
        assert said in system.uncertainty.source
    again = lo.fit(str(tmp_path / "mine.toml"), measured(seed=1), models=NETWORKS)
    for name in TRUE:  # more measurements, narrower intervals
        before, after = system.intervals[name], again.system.intervals[name]
        assert after.high / after.low < before.high / before.low


def test_a_wrong_measurement_hardly_matters() -> None:
    frame = measured()
    frame.loc[3, "latency_s"] *= 20
    fitted = lo.fit("lionheart", frame, models=NETWORKS, holdout=0)
    for name, value in TRUE.items():
        assert fitted.system.constant(name) == pytest.approx(value, rel=0.1)
    assert [row["part"] for row in fitted.summary()] == ["fitted"]


def test_only_the_named_constants_are_fitted() -> None:
    fitted = lo.fit("lionheart", measured(), models=NETWORKS, constants=["software.conv*"])
    names = {
        name for name in load_system("lionheart").intervals if name.startswith("software.conv")
    }
    assert set(fitted.fitted) | set(fitted.undetermined) == names


def test_a_column_says_what_is_held_out() -> None:
    frame = measured().assign(held_out="no")
    frame.loc[5, "held_out"] = "yes"
    fitted = lo.fit("lionheart", frame, models=NETWORKS)
    held_out = fitted.residuals().query("held_out")
    assert held_out["where"].tolist() == ["row 5"]


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"layer": "conv9"}, {}, "row 0: unknown layer 'conv9' .did you mean 'conv"),
        ({"mapping": "all"}, {}, "row 0: mapping"),
        ({"mapping": "no.json"}, {}, "no.json"),
        ({"model": "resnet9"}, {}, "row 0: .*resnet9"),
        ({"input": "3xx"}, {}, "row 0: input: got '3xx'"),
        ({}, {"constants": ["software.none"]}, "unknown constant with an interval"),
        ({}, {"holdout": 1.0}, "holdout: got 1.0"),
        ({}, {"holdout": "a fifth"}, "holdout: got 'a fifth'; must be at least 0"),
        ({}, {"seed": -1}, "seed: got -1; must be a whole number from 0 on"),
        ({}, {"seed": "x"}, "seed: got 'x'; must be a whole number from 0 on"),
        ({}, {"constants": []}, "constants: got none; must be at least one pattern"),
        ({}, {"constants": 3}, "constants: got 3; must be a name"),
        ({}, {"models": [1]}, r"models: got \[1\]; must be a dictionary"),
        ({"mapping": "best"}, {}, "row 0: mapping: got 'best', which depends on the constants"),
        ({}, {"system": "imc"}, "unknown system 'imc'"),
        ({"held_out": "yes"}, {}, "every measurement is held out"),
        (
            {"layer": "add", "mapping": "all-digital"},
            {"constants": "software.hand*"},
            "no constant",
        ),
    ],
)
def test_mistakes_get_one_clear_line(
    changes: dict[str, str], arguments: dict[str, object], message: str
) -> None:
    frame = measured().iloc[:1] if changes else measured()
    frame = frame.assign(**changes)  # type: ignore[arg-type]
    given = {"system": "lionheart", "measurements": frame, "models": NETWORKS, **arguments}
    with pytest.raises(InputError, match=message) as error:
        lo.fit(**given)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_whole_numbers_and_known_ones_are_not_fitted(tmp_path: Path) -> None:
    """A number of bytes has no value between two others, and no width leaves nothing to fit."""
    text = system_text("lionheart")
    for key, value in (("dram_access_bytes", "64"), ("llc_leakage_w", "3.49632")):
        low = "32" if key == "dram_access_bytes" else value
        table = f"{{ value = {value}, low = {low}, high = {value} }}"
        text = re.sub(rf"(?m)^{key} = {re.escape(value)}\b", f"{key} = {table}", text)
    file = tmp_path / "mine.toml"
    file.write_text(text)
    fitted = lo.fit(file, measured(), models=NETWORKS)
    assert not {name for name in (*fitted.fitted, *fitted.undetermined) if "machine" in name}
    for name in ("machine.dram_access_bytes", "machine.llc_leakage_w"):
        with pytest.raises(InputError, match=f"{name} cannot be fitted: it is a whole number, or"):
            lo.fit(file, measured(), models=NETWORKS, constants=name)


def test_too_few_measurements_are_refused() -> None:
    with pytest.raises(InputError, match="too few to say how far predictions are off"):
        lo.fit("lionheart", measured().iloc[:1], models=NETWORKS, holdout=0)
    with pytest.raises(InputError, match="must be a CSV file or a data frame"):
        lo.fit("lionheart", 3)  # type: ignore[arg-type]


def test_the_example_is_fitted() -> None:
    """It was made with these constants, and 5 % of noise."""
    fitted = lo.fit("lionheart", EXAMPLE, constants=["software.conv*"])
    assert "measurements.csv" in fitted.text
    assert fitted.system.constant("software.convolution_efficiency") == pytest.approx(0.08, rel=0.1)
    assert fitted.system.constant("software.convert_cycles") == pytest.approx(30, rel=0.1)
