"""What the recorder is told to do: frozen settings, each key with its default and its check.

The names are those of the configuration file. `config.py` reads it and the environment into these; a test may build
them directly and gets the same checks. Durations are `timedelta`.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from recorder.config_fields import (
    ApiKey,
    BaseUrl,
    CaFile,
    CheckIds,
    Cron,
    DatabaseUrl,
    DistinctIds,
    Duration,
    Folder,
    FolderName,
    OneSecondOrMore,
    ProxyUrl,
    Share,
    Switch,
    TagGroups,
    Text,
    Timeout,
    Uuid,
    VariableName,
    WebAddress,
    WholeNumber,
    Zone,
)
from recorder.durations import format_duration, parse_duration
from recorder.schedule import Cadence, parse_cadence, parse_cron, shortest_gap


class _Frozen(BaseModel):
    """Unknown keys are refused, and no message quotes what was written: it may be a password."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ChecklySettings(_Frozen):
    """How to reach Checkly. The key comes from the environment, the rest from anywhere."""

    api_key: ApiKey | None = None
    account_id: Uuid | None = None
    base_url: BaseUrl = "https://api.checklyhq.com"
    api_version: Literal["v1", "v2"] = "v2"
    requests_per_minute: WholeNumber = Field(default=540, ge=1)
    timeout: Timeout = timedelta(seconds=30)
    ca_file: CaFile | None = None
    proxy: ProxyUrl | None = Field(default=None, repr=False)


class DatabaseSettings(_Frozen):
    """Where the history is kept, and answers of Checkly's until it is; the URL may hold a password: not in the repr."""

    url: DatabaseUrl = Field(default="sqlite:///history.db", repr=False)
    spool: Folder | None = None


class ReportSettings(_Frozen):
    """The zone whose days and weeks reports are about, where they go, and when the daemon writes the weekly one.

    `keep` and `notify_from` are about the weekly one; each of `[[deliveries]]` has its own.
    """

    timezone: Zone = "UTC"
    directory: Folder = Path("reports-out")
    weekly: Cron | None = None
    keep: WholeNumber = Field(default=26, ge=1)
    notify_from: VariableName | None = None
    published_at: WebAddress | None = None

    @property
    def cadence(self) -> Cadence | None:
        """When the weekly report is due; None when the daemon writes none."""
        return None if self.weekly is None else _cadence(self.weekly, None, self.timezone)


class ThresholdSettings(_Frozen):
    """The limits at which a figure of a report becomes a word; what each means: docs/statistics.md."""

    min_runs: WholeNumber = Field(default=20, ge=1)
    isolated_sessions: WholeNumber = Field(default=2, ge=1)
    gap_intervals: WholeNumber = Field(default=3, ge=1)
    gap_hours: WholeNumber = Field(default=24, ge=1)
    gap_min_intervals: WholeNumber = Field(default=4, ge=1)
    broken_in_a_row: WholeNumber = Field(default=3, ge=1)
    broken_failures: WholeNumber = Field(default=6, ge=1)
    broken_results: WholeNumber = Field(default=10, ge=1)
    flaky_events: WholeNumber = Field(default=2, ge=1)
    flaky_rate: Share = 0.01
    fleet_share: Share = 0.80
    location_share: Share = 0.50
    event_checks: WholeNumber = Field(default=4, ge=2)
    location_onsets: WholeNumber = Field(default=3, ge=1)
    location_days: WholeNumber = Field(default=28, ge=1, le=56)
    round_robin_moves: WholeNumber = Field(default=2, ge=1)
    false_discovery_rate: Share = 0.05
    ranking_pairs: WholeNumber = Field(default=30, ge=2)
    ranking_quantile: Share = Field(default=0.05, le=0.5)
    level_change: Share = 0.10
    level_day_sessions: WholeNumber = Field(default=3, ge=1)
    level_week_days: WholeNumber = Field(default=5, ge=1, le=7)
    level_base_weeks: WholeNumber = Field(default=4, ge=2, le=7)
    drift_weeks: WholeNumber = Field(default=8, ge=3, le=8)
    pooled_checks: WholeNumber = Field(default=10, ge=2)
    censored_share: Share = 0.05
    coverage_loss: Share = 0.01
    part_hours: WholeNumber = Field(default=1, ge=1, le=24)

    @field_validator("broken_results")
    @classmethod
    def _holds_its_failures(cls, broken_results: int, info: ValidationInfo) -> int:
        failures = info.data.get("broken_failures", broken_results)
        if broken_results < failures:
            raise ValueError(f"must be at least broken_failures, {failures}: no state could ever be broken by it")
        return broken_results


class ScheduleSettings(_Frozen):
    """When to trigger what, and what to do when that is late, overlaps or takes too long."""

    name: Text
    cron: Cron | None = None
    timezone: Zone = "UTC"
    every: OneSecondOrMore | None = Field(default=None, validate_default=True)
    match_tags: TagGroups = ()
    check_ids: CheckIds = ()
    run_everything: Switch = Field(default=False, validate_default=True)
    refresh_cache: Switch = False
    expect_locations: tuple[Text, ...] = ()
    jitter: Duration = timedelta(0)
    misfire: Literal["run_once", "skip"] = "run_once"
    misfire_grace: Duration = timedelta(minutes=5)
    overlap: Literal["skip", "allow"] = "skip"
    session_timeout: OneSecondOrMore = timedelta(minutes=60)
    cancel_on_timeout: Switch = False
    paused: Switch = False

    # Each check below stands on the last of the fields that it compares: pydantic has then read those before it. What
    # was written and is wrong in itself is absent from `info.data`.

    @field_validator("every")
    @classmethod
    def _is_one_of_cron_and_every(cls, every: timedelta | None, info: ValidationInfo) -> timedelta | None:
        has_cron = info.data.get("cron", "a wrong one") is not None
        if has_cron == (every is not None):
            raise ValueError("write exactly one of cron and every")
        return every

    @field_validator("run_everything")
    @classmethod
    def _has_a_target(cls, run_everything: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's signature
        named = any(info.data.get(field, "a wrong one") for field in ("match_tags", "check_ids"))
        if run_everything and named:
            raise ValueError("run_everything runs every check: leave it out, or leave out match_tags and check_ids")
        if not run_everything and not named:
            raise ValueError(
                'has no target: write match_tags = [["production"]] or check_ids = ["..."], '
                "or run_everything = true for every check of the account"
            )
        return run_everything

    @field_validator("jitter")
    @classmethod
    def _ends_before_the_next_is_due(cls, jitter: timedelta, info: ValidationInfo) -> timedelta:
        if {"cron", "every"} <= info.data.keys():
            gap = shortest_gap(_cadence(info.data["cron"], info.data["every"]))
            if jitter >= gap:
                raise ValueError(
                    f"must be shorter than {format_duration(gap)}, the shortest time between two due times"
                )
        return jitter

    @property
    def cadence(self) -> Cadence:
        """When this schedule is due."""
        return _cadence(self.cron, self.every, self.timezone)


class DeliverySettings(_Frozen):
    """A report that the daemon writes by itself: when, about which span and which checks, and who is told.

    A check is in it when one of the schedules triggered it in the span, when it was triggered there by tags that make
    it fit `match_tags`, or when its id or its name is listed; all are when nothing is.
    """

    name: FolderName
    cron: Cron
    period: Literal["weekly", "monthly"] = "weekly"
    schedules: tuple[Text, ...] = ()
    match_tags: TagGroups = ()
    check_ids: DistinctIds = ()
    checks: tuple[Text, ...] = ()
    keep: WholeNumber = Field(default=26, ge=1)
    notify_from: VariableName | None = None

    def cadence(self, timezone: str) -> Cadence:
        """When it is due, on the clock of the reports."""
        return _cadence(self.cron, None, timezone)


class FileSettings(_Frozen):
    """What a configuration file may hold."""

    checkly: ChecklySettings = ChecklySettings()
    database: DatabaseSettings = DatabaseSettings()
    schedules: tuple[ScheduleSettings, ...] = ()
    reports: ReportSettings = ReportSettings()
    deliveries: tuple[DeliverySettings, ...] = ()
    thresholds: ThresholdSettings = ThresholdSettings()


class Settings(FileSettings):
    """Everything that the recorder is told; `source` is the file that it was read from, if any."""

    source: Path | None = None


def definition(schedule: ScheduleSettings) -> str:
    """The schedule as canonical JSON: one text for one meaning, keys sorted, durations as in the file."""
    return json.dumps(
        schedule.model_dump(), default=_as_json, sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )


def cadence_in(definition: str) -> Cadence | None:
    """The cadence of a schedule's canonical JSON; None when another version of the recorder wrote it otherwise."""
    try:
        written = json.loads(definition)
        every = None if written["every"] is None else parse_duration(written["every"])
        return parse_cadence(cron=written["cron"], every=every, timezone=written["timezone"])
    except (ValueError, KeyError, TypeError):
        return None


def _as_json(value: Any) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _cadence(cron: str | None, every: timedelta | None, timezone: str = "UTC") -> Cadence:
    return Cadence(None if cron is None else parse_cron(cron), every, timezone)
