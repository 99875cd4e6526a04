"""The worked cases 15 and 16: pure statistics, against the functions that the measures call.

Mann-Kendall and Theil-Sen of case 15 belong to no measure of the reports: a drift is a moderated slope.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.frames import SERIES
from reports.levels import fit_variance_prior, level_changes, moderated
from reports.location_test import adjusted, upper_tails
from reports.quantiles import interval_ranks
from reports.ranking import Prior, posterior_quantile
from reports.thresholds import Thresholds
from tests.past import golden

STATISTICS = golden("15-statistics")
WEEKS = golden("16-moderated-week-change")


def weekly(levels: list[list[float]], now: list[float]) -> pd.DataFrame:
    """Seven levels before this week's, behind one that is unknown."""
    index = pd.MultiIndex.from_product([range(len(now)), [1]], names=SERIES)
    return pd.DataFrame(np.column_stack([np.full(len(now), np.nan), levels, now]), index=index)


def test_p_values_are_adjusted_as_benjamini_and_hochberg_do() -> None:
    """And unknown ones stay unknown and change nothing."""
    case = STATISTICS["benjamini_hochberg"]

    found = adjusted([*case["p"], float("nan")])

    assert found.tolist()[:-1] == pytest.approx(case["adjusted"], abs=1e-6)
    assert np.isnan(found[-1])
    assert (found[:-1] <= 0.05).tolist() == case["rejected_at_05"]


def test_the_tail_of_a_poisson_binomial() -> None:
    """One hit or more in trials of 1/2, 1/3 and 1/3."""
    case = STATISTICS["poisson_binomial"]

    assert upper_tails([np.array(case["ps"])], [case["a"]]) == pytest.approx([case["p_ge"]], abs=1e-6)


def test_with_two_locations_the_location_test_is_the_exact_test_of_mcnemar() -> None:
    """Each unshared failure is the toss of a coin."""
    case = STATISTICS["mcnemar_exact"]
    tosses = np.full(case["b"] + case["c"], 0.5)

    (tail,) = upper_tails([tosses], [case["b"]])

    assert 2 * tail == pytest.approx(case["p_two_sided"], abs=1e-6)


@pytest.mark.parametrize("case", STATISTICS["jeffreys"], ids=lambda case: f"{case['x']}-of-{case['n']}")
def test_a_posterior_quantile_with_half_an_event_each_is_jeffreys_interval(case: dict[str, Any]) -> None:
    """Without an event its lower end is 0 by convention."""
    ends = [float(posterior_quantile(q, case["x"], case["n"], Prior(0.5, 0.5))) for q in (0.025, 0.975)]

    assert ends[0 if case["x"] else 1 :] == pytest.approx(case["ci95"][0 if case["x"] else 1 :], abs=1e-6)


@pytest.mark.parametrize("case", STATISTICS["median_ci_order_stat"], ids=lambda case: f"{case['q']}-of-{case['n']}")
def test_the_ranks_between_which_a_quantile_lies(case: dict[str, Any]) -> None:
    """None where so few values bound it on no side."""
    assert interval_ranks(case["n"], case["q"]) == (case["lower_rank"], case["upper_rank"])


def test_the_common_variance_is_fitted_as_by_smyth() -> None:
    """Degrees, variance, and each check's own variance drawn towards it."""
    s2 = np.var(WEEKS["baseline_log_levels"], axis=1, ddof=1)

    prior = fit_variance_prior(s2, df=6)

    assert (prior.d0, prior.s0_sq) == pytest.approx((WEEKS["d0"], WEEKS["s0_sq"]), rel=1e-6)
    assert moderated(s2, 6, prior) == pytest.approx(WEEKS["s2_moderated"], rel=1e-6)


def test_a_weeks_change_is_that_of_the_worked_case() -> None:
    """p, adjusted p, change and interval; announced is what is certain and large."""
    found = level_changes(weekly(WEEKS["baseline_log_levels"], WEEKS["current"]), Thresholds(pooled_checks=2))

    assert found["p_value"].tolist() == pytest.approx(WEEKS["p"], rel=1e-6)
    assert found["q_value"].tolist() == pytest.approx(WEEKS["p_bh"], rel=1e-6)
    assert np.expm1(found["effect"]).tolist() == pytest.approx([x / 100 for x in WEEKS["change_pct"]], abs=1e-9)
    ends = np.expm1(found[["low", "high"]].to_numpy()) * 100
    assert ends == pytest.approx(np.array(WEEKS["change_ci95_pct"]), rel=1e-6)
    assert found["announced"].tolist() == [True, False, True, False, False, True]
