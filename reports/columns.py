"""The columns of each CSV file, in order: an interface that people script against. New ones are added at the end."""

from typing import Final

from reports.coverage import FIRE_STATES
from reports.flakiness import PARTITION
from reports.location_test import ONSETS

_CHECK: Final = ("check_id", "check_name")
_RESULTS: Final = ("n", "passed", "degraded", "failed", "void", "missing")
_PASS_RATE: Final = ("pass_rate", "pass_rate_low", "pass_rate_high")
_FLAKE_RATE: Final = ("flake_events", "flake_rate", "flake_rate_low", "flake_rate_high")
_DEGRADED: Final = ("degraded_rate_low", "degraded_rate_high")
_FIRST_TRY: Final = ("first_try_pass_rate_low", "first_try_pass_rate_high")
_ADJUSTED: Final = ("n_adjusted", "pass_rate_adjusted")
_STATE: Final = ("round_robin", "retries_seen", "state", "state_since_at")

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "checks": (
        *(*_CHECK, "check_type", "sessions", "rated", "passed", "degraded", "failed", "timed_out", "cancelled"),
        *("unfinished", "left_out", *_PASS_RATE, "degraded_rate", "first_try_pass_rate", *_FIRST_TRY),
        *("incidents", "split_sessions", "missing", "retry_pass", "flake_events"),
        *(*_DEGRADED, "shared_sessions", "split_rate", "split_rate_low", "split_rate_high", *_STATE),
        *_ADJUSTED,
    ),
    "check_location": (
        *(*_CHECK, "run_location", *_RESULTS, *_PASS_RATE, "first_try_pass_rate", "retry_pass", "retry_pass_rate"),
        *("flips", "flip_rate", *_FLAKE_RATE, "incidents"),
        *("degraded_rate", *_DEGRADED, *_FIRST_TRY, "transitions", *PARTITION, "flake_floor_rate", "flake_rank"),
        *(*_STATE, *ONSETS, "worse", "response_n", "response_median_ms", "response_p95_ms"),
        *(*_ADJUSTED, "flake_events_adjusted", "flake_rate_adjusted"),
    ),
    "locations": (
        *("run_location", "checks", *_RESULTS, "mean_pass_rate", "pooled_pass_rate", "retry_pass", "retry_pass_rate"),
        *("flake_events", "mean_flake_rate", "pooled_flake_rate"),
        *("compared_checks", "mean_first_try_pass_rate", "worse_checks", "location_events"),
        *("mean_degraded_rate", "pooled_degraded_rate", "pooled_first_try_pass_rate"),
        *("n_adjusted", "mean_pass_rate_adjusted", "pooled_pass_rate_adjusted"),
    ),
    "daily": (
        *(*_CHECK, "run_location", "day", *_RESULTS, *_PASS_RATE, "degraded_rate", "first_try_pass_rate"),
        *("retry_pass", "retry_pass_rate", *_DEGRADED, *_FIRST_TRY, *_ADJUSTED),
    ),
    "elapsed": (
        *(*_CHECK, "run_locations", "n", "excluded", "median_ms", "p95_ms"),
        *("median_low_ms", "median_high_ms", "p95_low_ms", "p95_high_ms", "excluded_rate", "excluded_before_rate"),
        *("censored", "weeks", "level_ms", "base_ms", "change_rate", "change_low", "change_high", "usual_rate"),
        *("p_value", "q_value", "verdict", "drift_rate", "drift_low", "drift_high", "drift_q_value", "drift"),
        *("n_adjusted", "median_ms_adjusted", "p95_ms_adjusted"),
    ),
    "sessions": (
        *("check_session_id", *_CHECK, "origin", "schedule", "status", "outcome", "started_at", "stopped_at"),
        *("time_elapsed_ms", "run_locations", "missing_locations", "has_attempts", "run_source", "link"),
    ),
    "summary": (
        "figure",
        "kind",
        "now",
        "before",
        *(f"week_{number}" for number in range(1, 9)),
        "before_from",
        "now_adjusted",
        "before_adjusted",
    ),
    "changes": (
        *("kind", *_CHECK, "run_locations", "since_at", "measure", "before", "now"),
        *("change", "change_low", "change_high", "link"),
    ),
    "incidents": (
        *("kind", *_CHECK, "schedule", "run_locations", "failed_sessions", "failed_checks", "checks", "firings"),
        *("last_good_at", "first_failed_at", "last_failed_at", "recovered_at", "link"),
    ),
    "coverage": (
        *("origin", "schedule", "due", *FIRE_STATES, "sessions", "rated", "cancelled", "unfinished", "left_out"),
        *("expected_results", "missing_results"),
    ),
    "exclusions": (
        *("exclusion_id", "starts_at", "ends_at", *_CHECK, "run_location", "reason", "created_at", "created_by"),
        *("sessions", "results", "reaches_into", "sessions_before", "results_before"),
    ),
}
"""File name without its ending -> column names."""
