"""The verb `fit`."""

from pathlib import Path

from cli_setup import call, rows

from lionheart_opt.system import System

EXAMPLE = Path(__file__).parents[2] / "examples" / "measurements.csv"
OF_MLP = "model,mapping,layer,latency_s\n" + "".join(
    line + "\n"
    for line in (
        "mlp,all-analog,fc1,1.1e-4",
        "mlp,all-analog,fc2,5.5e-5",
        "mlp,all-analog,total,1.7e-4",
        "mlp,all-digital,fc1,8.2e-4",
        "mlp,all-digital,fc2,7.3e-4",
        "mlp,all-digital,total,1.6e-3",
    )
)


def test_a_fitted_system_can_be_priced(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(OF_MLP)
    out = tmp_path / "mine.toml"
    arguments = ("fit", "lionheart", tmp_path / "mine.csv", "--holdout", "0", "--out", out)
    data = rows(*arguments)
    assert data["system"] == str(out)
    assert {row["constant"] for row in data["constants"]} == set(System.load(out).intervals)
    assert len(data["residuals"]) == 6 and [row["part"] for row in data["summary"]] == ["fitted"]
    cost = rows("cost", "--model", "mlp", "--system", out)
    assert abs(cost["latency_s"] / 1.7e-4 - 1) < 0.1
    code, _, err = call(*arguments)
    assert code == 2 and "mine.toml exists" in err


def test_the_table_says_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(OF_MLP)
    arguments = ("fit", "lionheart", tmp_path / "mine.csv", "--holdout", "0")
    code, out, err = call(*arguments, "--out", tmp_path / "other.toml")
    assert code == 0 and "Not determined" in out and "nothing checks the fit" in out
    assert "other.toml" in err
    code, _, err = call(*arguments, "--out", tmp_path / "other.txt")
    assert code == 2 and "must end in .toml" in err
    code, _, err = call("fit", "lionheart", tmp_path / "nowhere.csv")
    assert code == 2 and "nowhere.csv" in err
