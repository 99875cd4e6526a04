"""Wilson's interval against an independent implementation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from reports.intervals import ratio, wilson


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_statsmodels(case: tuple[int, int]) -> None:
    """For every count in any number of trials."""
    count, n = case

    low, high = wilson([count], [n])

    np.testing.assert_allclose((low[0], high[0]), proportion_confint(count, n, method="wilson"), atol=1e-12)


def test_the_ends_are_exact_when_nothing_or_everything_succeeded() -> None:
    """A bound of 1e-17 would be written as more than nothing."""
    trials = np.arange(1, 500)

    low, _ = wilson(np.zeros(499), trials)
    _, high = wilson(trials, trials)

    assert (low == 0.0).all()
    assert (high == 1.0).all()


def test_nothing_tried_gives_nothing_known() -> None:
    """Neither 0 nor 1, and no warning about a division."""
    low, high = wilson([0, 1], [0, 2])

    assert np.isnan([low[0], high[0], ratio([0], [0])[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()
