"""Tables of measured costs."""

from pathlib import Path

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.fitting.measurements import read_measurements

TABLE = """model,mapping,layer,latency_s,energy_j,held_out
resnet8,all-analog,conv1,1e-3,,no
resnet8,,,2e-3,0.5,yes
"""


def read(tmp_path: Path, text: str) -> list:  # type: ignore[type-arg]
    (tmp_path / "mine.csv").write_text(text)
    return read_measurements(tmp_path / "mine.csv")[0]


def test_each_number_is_a_measurement(tmp_path: Path) -> None:
    first, second, third = read(tmp_path, TABLE)
    assert first.where.endswith("mine.csv, line 2")
    assert (first.model, first.input, first.mapping, first.layer) == (
        "resnet8",
        "",
        "all-analog",
        "conv1",
    )
    assert (first.quantity, first.value, first.is_held_out) == ("latency_s", 1e-3, False)
    assert (second.mapping, second.layer, second.quantity) == ("all-digital", "total", "latency_s")
    assert (third.quantity, third.value, third.is_held_out) == ("energy_j", 0.5, True)
    [plain] = read(tmp_path, "model,interval_s\nmlp,3\n")
    assert plain.is_held_out is None and plain.quantity == "interval_s"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("latency_s", "latency", "mine.csv: unknown column 'latency' (did you mean 'latency_s'?)"),
        ("model", "input", "needs a column 'model'"),
        ("latency_s,energy_j", "input,mapping", "a column is there more than once"),
        (
            "1e-3",
            "fast",
            "mine.csv, line 2: latency_s: got 'fast'; must be a finite number above 0",
        ),
        ("1e-3", "0", "line 2: latency_s: got '0'"),
        ("1e-3", "-1", "line 2: latency_s: got '-1'"),
        ("1e-3", "inf", "line 2: latency_s: got 'inf'"),
        ("1e-3", "nan", "line 2: latency_s: got 'nan'"),
        ("1e-3", "", "line 2: nothing is measured"),
        ("0.5,yes", "0.5,perhaps", "line 3: held_out: got 'perhaps'; must be yes or no"),
        ("0.5,yes", "0.5,yes,more", "line 3: has more or fewer cells"),
        ("0.5,yes", "0.5", "line 3: has more or fewer cells"),
        ("resnet8,all", ",all", "line 2: model is empty"),
        ("energy_j", "interval_s", None),
    ],
)
def test_mistakes_get_one_clear_line(
    tmp_path: Path, old: str, new: str, message: str | None
) -> None:
    text = TABLE.replace(old, new, 1)
    assert text != TABLE
    if message is None:
        assert len(read(tmp_path, text)) == 3
        return
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_table_without_rows_or_of_an_interval_of_a_layer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mine.csv: no measurement"):
        read(tmp_path, "model,latency_s\n")
    with pytest.raises(InputError, match=r"line 2: interval_s: is of the total, not of layer 'fc'"):
        read(tmp_path, "model,layer,interval_s\nmlp,fc,1\n")
    with pytest.raises(InputError, match="needs a column 'model'"):
        read(tmp_path, "")
