"""The table of `explore`."""

from lionheart_opt.cli.exploration_tables import print_exploration
from lionheart_opt.results.exploration import Design, Exploration


def exploration(**ends: float) -> Exploration:
    """One design, whose latency has these ends."""
    design = Design(
        trial=0,
        numbers={"targets.ima.rows": 64},
        cheapest="latency_s",
        mapping={"fc": "ima"},
        results={"latency_s": 1e-3, "energy_j": 2e-3, "analog_mac_ratio": 0.5, **ends},
    )
    nothing = Design(
        trial=1, numbers={}, cheapest="latency_s", mapping=None, results={}, problem="none fits"
    )
    return Exploration(
        model="x", system="y", objectives=("latency_s", "energy_j"), designs=(design, nothing)
    )


def test_costs_say_how_well_they_are_known(printed):
    """Designs that an older version has kept do not."""
    out = printed(print_exploration, exploration(latency_low_s=0.5e-3, latency_high_s=2e-3))
    assert "1 ms" in out and out.count("x/2.00") == 1 and "with a confidence of 95 %" in out
    assert "1 without a mapping: none fits" in out
    assert "x/" not in printed(print_exploration, exploration())


def test_a_study_says_what_is_known_of_its_mappings(printed):
    """Two mappings of one design; one search ended with its budget."""
    results = {"latency_s": 1e-3, "energy_j": 2e-3, "analog_mac_ratio": 0.5}
    results |= {"drop": 0.0012, "drop_high": 0.0075}
    designs = [
        Design(
            trial=number,
            numbers={"targets.ima.rows": 64},
            cheapest=objective,
            mapping={"fc": "ima"},
            results=results,
            budget_spent=number == 1,
        )
        for number, objective in enumerate(("latency_s", "energy_j"))
    ]
    found = Exploration(
        model="x", system="y", objectives=("latency_s", "energy_j"), designs=tuple(designs)
    )
    out = " ".join(printed(print_exploration, found).split())
    assert "1 design tried, with the mapping of least latency_s and of least energy_j" in out
    assert "0.0012" in out and "0.0075" in out and "upper confidence bound" in out
    assert "1 of 2 searches for a mapping spent the study's budget" in out
