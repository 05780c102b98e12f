"""Hypothesis strategies of our nouns."""

from hypothesis import strategies as st

from lionheart_opt.mapping import TRAININGS, Candidate, Mapping

names = st.text(min_size=1, max_size=8)


@st.composite
def mappings(draw: st.DrawFn, units: list[str] | None = None) -> Mapping:
    """Any mapping; over the given units if there are any."""
    if units is None:
        units = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    return Mapping.of({unit: draw(names) for unit in units})


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    """A candidate with a lineage of up to four generations."""
    units = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    candidate: Candidate | None = None
    for _ in range(draw(st.integers(1, 4))):
        training = draw(st.none() | st.sampled_from(TRAININGS))
        candidate = Candidate(draw(mappings(units)), parent=candidate, training=training)
    assert candidate is not None
    return candidate
