"""A limit is about the population: examples are a sample, as chips are."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.statistics.bounds import Losses, examples_needed
from lionheart_opt.statistics.outcomes import Outcomes

LIMIT = AccuracyLimit(max_drop=0.02, time_s=1.0, draws=(5, 10, 20))


def chips(
    rng: np.random.Generator, n: int, draws: int, shift: float, spread: float, skewness: float = 0.0
) -> Outcomes:
    """Examples with margins; a chip shifts all of them, and a little each one of them."""
    margins = rng.normal(1.34, 1.0, n)
    levels = rng.normal(size=draws)
    if skewness:
        shape = 4.0 / skewness**2
        levels = (rng.gamma(shape, size=draws) - shape) / np.sqrt(shape)
    own = 0.25 * rng.normal(size=n) + 0.15 * rng.normal(size=(draws, n))
    moved = margins + own - (shift + spread * levels)[:, None]
    return Outcomes.of(margins > 0, (moved > 0)[:, None])


def true_drop(shift: float, spread: float, skewness: float = 0.0) -> float:
    """Mean over the population of `chips`."""
    margins = np.random.default_rng(1).normal(1.34, 1.0, 200_000)
    grid = np.linspace(shift - 8 * spread - 0.1, shift + 8 * spread + 0.1, 41)
    drops = [
        (margins > 0).mean() - ndtr((margins - each) / np.hypot(0.25, 0.15)).mean() for each in grid
    ]
    levels = np.random.default_rng(2).normal(size=200_000)
    if skewness:
        shape = 4.0 / skewness**2
        levels = (np.random.default_rng(2).gamma(shape, size=200_000) - shape) / np.sqrt(shape)
    return float(np.interp(shift + spread * levels, grid, drops).mean())


def decide(limit: AccuracyLimit, whole: Outcomes) -> tuple[str, Accuracy]:
    """Look after look, as a problem does."""
    everything = replace(Accuracy.of(whole, times_s=(1.0,)), of_examples=whole.n_examples)
    accuracy = everything.part(limit.first_look)
    assert accuracy is not None
    while (look := limit.next_look(accuracy)) is not None:
        more = everything.part(look)
        assert more is not None
        accuracy = accuracy.extend(more) if look.draws[0] else accuracy.widen(more)
    return limit.decision(accuracy), accuracy


def test_the_half_widths_over_chips_and_examples_add_in_squares() -> None:
    outcomes = chips(np.random.default_rng(0), 1000, 20, 0.1, 0.02)
    answer = Accuracy.of(outcomes, times_s=(1.0,))
    both = LIMIT.bounds(answer)
    drops = answer.drops_at(1.0)
    student = stats.t(19).isf(0.025)  # half of the error is for the last look
    over_chips = student + 1.5 * (2 * student**2 + 1) / (6 * np.sqrt(20))
    over_chips *= drops.std(ddof=1) / np.sqrt(20)
    losses = np.append(outcomes.mean_losses[0], [1.0, -1.0])
    student = stats.t(999).isf(0.025)
    third = max(((losses - losses.mean()) ** 3).mean() / losses.var(), 0.0)
    over_examples = student * losses.std() / np.sqrt(1000) + third * (2 * student**2 + 1) / 6000
    assert both.estimate == pytest.approx(drops.mean())
    assert both.high - both.estimate == pytest.approx(np.hypot(over_chips, over_examples))
    alone = replace(LIMIT, over="examples").bounds(answer)
    assert alone.high - alone.estimate < over_chips < both.high - both.estimate


@pytest.mark.parametrize(
    ("n", "shift", "spread", "skewness"),
    [(377, 0.03, 0.02, 0.0), (1000, 0.1, 0.05, 1.5), (1000, 0.4, 0.2, 0.7), (377, 0.4, 0.05, 0.0)],
)
def test_a_mapping_at_the_limit_is_rarely_accepted(
    n: int, shift: float, spread: float, skewness: float
) -> None:
    """The true drop over chips and population is exactly the limit: at most 5 % are accepted."""
    rng = np.random.default_rng(0)
    limit = replace(LIMIT, max_drop=true_drop(shift, spread, skewness))
    old = replace(limit, over="examples")
    answers = [chips(rng, n, 20, shift, spread, skewness) for _ in range(300)]
    accepted = sum(decide(limit, answer)[0] == "holds" for answer in answers)
    assert accepted <= 24  # 5 % of 300, and three standard deviations
    if spread < 0.1:
        assert sum(decide(old, answer)[0] == "holds" for answer in answers) > 1.5 * accepted + 10


def test_a_good_mapping_is_accepted() -> None:
    rng = np.random.default_rng(0)
    limit = replace(LIMIT, max_drop=true_drop(0.02, 0.01) + 0.01)
    answers = [chips(rng, 5000, 20, 0.02, 0.01) for _ in range(40)]
    assert sum(decide(limit, answer)[0] == "holds" for answer in answers) >= 38


def test_examples_and_draws_are_added_until_it_is_decided() -> None:
    rng = np.random.default_rng(0)
    limit = replace(LIMIT, examples=(500, "all"))
    assert limit.first_look == Fidelity(draws=(0, 5), examples=(0, 500))
    decision, clear = decide(limit, chips(rng, 4000, 20, 0.9, 0.02))
    assert decision == "broken" and (len(clear.samples), clear.n_examples) == (5, 500)
    # a difference that 500 examples cannot show, but all of them do
    limit = replace(limit, max_drop=true_drop(0.02, 0.005) + 0.012)
    decision, close = decide(limit, chips(rng, 4000, 20, 0.02, 0.005))
    assert decision == "holds" and close.n_examples == 4000
    # chips that differ much: more of them
    _, spread = decide(limit, chips(rng, 4000, 20, 0.15, 0.3))
    assert len(spread.samples) == 20


def test_looks_at_examples_share_the_error() -> None:
    """Half of it is for all examples; a look at fewer has the rest."""
    outcomes = chips(np.random.default_rng(0), 4000, 5, 0.1, 0.02)
    limit = replace(LIMIT, draws=(5,), examples=(500, 1000, "all"))
    whole = replace(Accuracy.of(outcomes, times_s=(1.0,)), of_examples=4000)
    for n, share in ((500, 0.25), (1000, 0.25), (4000, 0.5)):
        answer = whole.part(Fidelity(draws=(0, 5), examples=(0, n)))
        assert answer is not None and answer.n_examples == n
        same = replace(limit, examples=("all",), confidence=1.0 - 0.05 * share)
        alone = same.bounds(replace(answer, of_examples=n))
        assert limit.bounds(answer).high == pytest.approx(alone.high)
    few = whole.part(Fidelity(draws=(0, 5), examples=(0, 300)))
    assert few is not None
    one_look = replace(few, of_examples=300)  # all that there are
    assert limit.bounds(one_look) == replace(limit, examples=("all",)).bounds(one_look)


def test_without_outcomes_losses_are_the_worst_that_accuracies_allow() -> None:
    outcomes = chips(np.random.default_rng(0), 1000, 10, 0.1, 0.02)
    known = Accuracy.of(outcomes, times_s=(1.0,))
    unknown = replace(known, spread=None, outcomes=None)
    assert LIMIT.bounds(unknown).high > LIMIT.bounds(known).high
    worst = Losses.worst(1000, 0.9, 0.8)
    # 30 % disagree: 20 % are lost, 10 % of them gained
    assert worst.deviation == pytest.approx(np.sqrt(0.3 - 0.01))


def test_exact_samples_have_no_examples_to_be_uncertain_about() -> None:
    exact = Accuracy(samples=np.full((5, 1), 0.9), times_s=(1.0,), baseline=0.9)
    assert LIMIT.bounds(exact).high == 0.0


def test_no_loss_in_a_few_examples_does_not_show_that_there_is_none() -> None:
    """With a true loss of 1 %, 200 examples have none in one case of seven."""
    right = np.ones(200, bool)
    answer = Accuracy.of(Outcomes.of(right, np.ones((20, 1, 200), bool)), times_s=(1.0,))
    assert 0.01 < LIMIT.bounds(answer).high < 0.03


def test_a_quantile_has_the_examples_of_its_chip() -> None:
    outcomes = chips(np.random.default_rng(0), 1000, 60, 0.1, 0.05)
    answer = Accuracy.of(outcomes, times_s=(1.0,))
    limit = AccuracyLimit(max_drop=0.05, time_s=1.0, quantile=0.9, draws=(60,))
    chips_only, both = replace(limit, over="examples").bounds(answer), limit.bounds(answer)
    assert both.estimate == chips_only.estimate
    assert both.low < chips_only.low <= both.estimate <= chips_only.high < both.high


@pytest.mark.parametrize(
    "examples",
    [(), (1000,), ("all", 1000), (1000, 500, "all"), (0, "all"), (1.5, "all"), ("all", "all")],
)
def test_nonsense_numbers_of_examples_are_refused(examples: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match="examples: got"):
        replace(LIMIT, examples=examples)
    with pytest.raises(InputError, match="over"):
        replace(LIMIT, over="chips")


def test_how_many_examples_a_limit_needs() -> None:
    """At 5 % disagreement and 80 % power: 1.8 points with 1,000 examples, 0.8 with 5,000."""
    assert examples_needed(0.01, 0.95) == 3092
    assert examples_needed(0.0176, 0.95) == pytest.approx(1000, rel=0.01)
    assert examples_needed(0.0079, 0.95) == pytest.approx(5000, rel=0.02)


def test_examples_are_not_added_to_those_that_nobody_named() -> None:
    """An oracle that has more examples, but does not say which were right, is asked for draws only."""
    samples = np.array([[0.88], [0.89], [0.9], [0.87], [0.88]])
    answer = Accuracy(
        samples=samples, times_s=(1.0,), baseline=0.9, n_examples=500, of_examples=5000
    )
    limit = replace(LIMIT, examples=(500, "all"))
    assert limit.next_look(answer) == Fidelity(draws=(5, 10), examples=(0, 500))
    assert replace(limit, draws=(5,)).next_look(answer) is None
