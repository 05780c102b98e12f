"""Tables of fits; `test_fits.py` looks at them through the verb."""

import pandas as pd

import lionheart_opt as lo
from lionheart_opt.cli import fit_tables
from lionheart_opt.synthetic import convolutional_workload


def test_measurements_outside_their_interval_are_named(printed) -> None:  # type: ignore[no-untyped-def]
    workload = convolutional_workload()
    cost = lo.cost(workload, "lionheart", "all-digital")
    layers = [layer for layer in cost.layers if layer.macs]
    frame = pd.DataFrame(
        {
            "model": "net",
            "layer": [layer.name for layer in layers] * 3,
            "latency_s": [layer.latency_s for layer in layers] * 3,
        }
    )
    frame.loc[2, "latency_s"] *= 10
    fitted = lo.fit("lionheart", frame, models={"net": workload})
    out = printed(fit_tables.print_fit, fitted)
    assert "row 2: latency_s of" in out and "outside its interval" in out
    wrong = fitted.residuals().query("not inside").iloc[0]
    assert f"[{wrong.predicted_low:.4g}, {wrong.predicted_high:.4g}]" in " ".join(out.split())
    counts = {
        part["part"]: f"{part['inside']} of {part['measurements']}" for part in fitted.summary()
    }
    assert counts["held out"] in out and counts["fitted"] in out
    assert "keep their priors" in out and fitted.undetermined[0] in "".join(out.split())
    assert "held out" in out and "Constants of lionheart" in out
