"""The ranking of flaky pairs, which checks are round-robin, and what the page draws of them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.intervals import wilson
from reports.pairs import round_robin_checks
from reports.quantiles import group_quantiles
from reports.ranking import Prior, fit_prior, flake_floor, posterior_quantile
from reports.thresholds import Thresholds
from reports.weekly import build_report
from tests.framing import results
from tests.past import empty_database, record, session, week


def test_a_pair_with_few_runs_does_not_lead_by_luck() -> None:
    """One of three is more than 40 of 500 to divide, and less to believe."""
    n = np.array([3, 500, *[200] * 60])
    events = np.array([1, 40, *[0, 1, 2] * 20])

    floor = flake_floor(events, n)

    assert floor.argmax() == 1
    assert floor[0] < 0.02


def test_with_few_pairs_the_ranking_is_wilsons_lower_bound() -> None:
    """29 pairs say too little about which rates are usual."""
    events, n = np.arange(29), np.full(29, 100)

    assert flake_floor(events, n).tolist() == wilson(events, n)[0].tolist()


@pytest.mark.parametrize("events", [np.zeros(40), np.full(40, 2)])
def test_without_differences_beyond_chance_no_prior_fits(
    events: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> None:
    """Then too Wilson's bound is used, and a pair without runs has none."""
    n = np.array([*[100.0] * 39, 0.0])
    events = np.where(n > 0, events, 0)

    assert fit_prior(events[:-1], n[:-1]) is None
    assert np.isnan(flake_floor(events, n)[-1])


def test_the_prior_is_that_which_the_pairs_came_from() -> None:
    """2,000 pairs drawn from Beta(2, 98)."""
    n = np.full(2000, 200)
    events = stats.betabinom.rvs(200, 2, 98, size=2000, random_state=np.random.default_rng(5))

    prior = fit_prior(events.astype(float), n.astype(float))

    assert prior is not None
    assert prior.a == pytest.approx(2, rel=0.15)
    assert prior.a / (prior.a + prior.b) == pytest.approx(0.02, rel=0.05)


def test_a_posterior_quantile_is_that_of_the_beta_distribution() -> None:
    """Prior plus what was seen."""
    found = posterior_quantile(0.05, [3], [100], Prior(2.0, 98.0))

    assert found == pytest.approx([stats.beta.ppf(0.05, 5, 195)])


def test_a_check_that_moves_from_session_to_session_is_round_robin() -> None:
    """One that moved once changed its location; one that runs in two places at a time is matched."""
    found = results({1: ". . .", 2: " . . "}, {1: "..   ", 2: "  ..."}, {1: ".....", 2: "....."})

    assert round_robin_checks(found).tolist() == [1]


def test_a_round_robin_check_is_in_no_mean_of_a_location_and_in_no_comparison() -> None:
    """Its results are still counted."""
    engine = empty_database()
    turning = [session(hour, {("eu", "us")[hour % 2]: "fail" if hour % 4 else "pass"}) for hour in range(40)]
    record(engine, turning)

    report = build_report(engine, week())

    assert report.check_location["round_robin"].all()
    assert report.check_location["onsets_p_value"].isna().all()
    assert report.locations["mean_pass_rate"].isna().all()
    assert (report.locations["n"].tolist(), report.locations["compared_checks"].tolist()) == ([20, 20], [0, 0])


def test_equal_pairs_are_ranked_by_name_and_few_runs_have_none() -> None:
    """Two locations with the same flakes, one with fewer runs than are asked for."""
    engine = empty_database()
    ends = [{"eu": "fail" if n == 5 else "pass", "us": "fail" if n == 9 else "pass"} for n in range(24)]
    record(engine, [*(session(n, one) for n, one in enumerate(ends)), session(30, {"ap": "pass"}, retried=["ap"])])

    ranks = build_report(engine, week(), Thresholds(min_runs=20)).check_location.set_index("run_location")["flake_rank"]

    assert ranks.loc[["eu", "us"]].tolist() == [1, 2]
    assert np.isnan(ranks.loc["ap"])


def test_quantiles_of_groups_come_with_values_of_the_sample_as_their_ends() -> None:
    """Ten values: the median lies between the second and the ninth; nothing bounds p95 from above."""
    table = group_quantiles(pd.DataFrame({"key": 1, "ms": [float(n) for n in range(10, 0, -1)]}), ["key"], "ms")

    row = table.loc[1]
    assert (row["median_ms"], row["median_low_ms"], row["median_high_ms"]) == (5.5, 2, 9)
    assert (row["p95_low_ms"], np.isnan(row["p95_high_ms"])) == (8, True)
