"""What an exploration found: its front and its frame."""

from __future__ import annotations

from lionheart_opt.results.exploration import Design, Exploration


def design(trial: int, latency_s: float | None, area_m2: float) -> Design:
    return Design(
        trial=trial,
        numbers={"machine.clusters": trial},
        cheapest="latency_s",
        mapping=None if latency_s is None else {"fc": "tile"},
        results={} if latency_s is None else {"latency_s": latency_s, "area_m2": area_m2},
        problem="no mapping fits" if latency_s is None else "",
    )


def test_the_front_and_the_frame() -> None:
    designs = (design(0, 2.0, 1.0), design(1, 1.0, 2.0), design(2, 2.0, 2.0), design(3, None, 0.0))
    found = Exploration(model="x", system="y", objectives=("latency_s", "area_m2"), designs=designs)
    assert [each.trial for each in found.front] == [1, 0]
    frame = found.to_frame()
    assert list(frame.on_front) == [True, True, False, False]
    assert list(frame["machine.clusters"]) == [0, 1, 2, 3]
    assert frame.problem.iloc[3] == "no mapping fits" and frame.latency_s.isna().iloc[3]
    plain = found.to_json()
    assert plain["front"] == [1, 0] and plain["designs"][3]["mapping"] is None
    assert "4 designs, 2 on the front" in repr(found)


def test_nothing_fits() -> None:
    found = Exploration(
        model="x", system="y", objectives=("latency_s",), designs=(design(0, None, 0),)
    )
    assert found.front == ()
