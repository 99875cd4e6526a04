"""The `recorder.toml` that `recorder init` writes: valid as it stands, and all that can be set is in it.

A line that begins with `#` and no blank is a setting that is off; without its `#` it is valid too (a test tries).
"""

from typing import Final

STARTER_TOML: Final = """\
# Configuration of the Checkly session recorder.   Check it:  recorder check-config
#
# Lines such as "#timeout = ..." show a default or an example: take the # away to change it. Unknown keys are errors, so
# a misspelt one never goes unnoticed. Durations: 500ms 3s 5m 1h 7d. Paths are relative to the folder you start in.
#
# The API key does not belong in this file. Put it into the environment:
#     export CHECKLY_API_KEY=...                 or  CHECKLY_API_KEY_FILE=/run/secrets/checkly  (a file that holds it)
#     export CHECKLY_ACCOUNT_ID=...
# Every key of [checkly], [database] and [reports] can be set there too, and then goes before this file:
# RECORDER_DATABASE_URL, RECORDER_REPORTS_TIMEZONE, RECORDER_CHECKLY_REQUESTS_PER_MINUTE ...
# Another file than ./recorder.toml: the option --config, or RECORDER_CONFIG.

[checkly]
#account_id = "00000000-0000-4000-8000-000000000000"    # or CHECKLY_ACCOUNT_ID, which goes first
#base_url = "https://api.checklyhq.com"      # or CHECKLY_API_URL; plain http only to this machine
#api_version = "v2"                          # or "v1", the older routes
#requests_per_minute = 540                   # Checkly allows 600; leave some for others with the same key
#timeout = "30s"                             # for one whole request, 1s to 10m; a long poll has its wait on top, a
                                             # trigger 30s at most
#ca_file = "company-ca.pem"                  # certificates (PEM) to trust instead of the public ones
#proxy = "http://proxy.example:3128"         # the only way to set one: HTTPS_PROXY is not read

[database]
# A file is enough for one daemon. Several daemons share one PostgreSQL.
#url = "sqlite:///history.db"                # or "postgresql+psycopg://recorder:password@localhost:5432/history"
#spool = "history.db.spool"                  # keeps answers of Checkly's until the database has them; by default here

# A schedule triggers checks again and again, and records every session to its end. As many of these as you like.
[[schedules]]
name = "hourly"                              # history is kept under this name

# When: exactly one of cron and every.
# cron is standard: minute hour day month weekday, 1 = Monday, 0 and 7 = Sunday; day of month OR weekday when both are
# given; names, ranges, steps, lists; @hourly @daily @weekly @monthly @yearly. It names times on the wall clock of
# `timezone`, each due once: one that the clock skips in spring at the instant of the jump, one that it shows twice in
# autumn the first time only. For the same distance all year write `every`.
cron = "5 * * * *"
timezone = "UTC"                             # an IANA name, such as "Europe/Berlin"

# What: checks by their tags. A check runs when it fits one of the inner lists: has all of its tags, and none of those
# behind a "!". So [["production", "!skip-e2e"], ["critical"]] is (production and not skip-e2e) or critical. An empty
# target is an error: Checkly would run the whole account. As it stands here, checks with the tag "recorder" run.
match_tags = [["recorder"]]
#refresh_cache = false                       # Checkly's refreshCache
#expect_locations = ["eu-central-1"]         # warn when a session did not run there: a trigger cannot choose locations

#jitter = "0s"                               # wait a random part of this after each due time; never shifts the next one
#misfire = "run_once"                        # late by more than misfire_grace: run the newest one, or "skip" them all
#misfire_grace = "5m"                        # up to this late is in time; what does not run is kept, with its reason
#overlap = "skip"                            # while the last one still runs; or "allow"
#session_timeout = "60m"                     # then a session is given up here; a late end is still kept
#cancel_on_timeout = false                   # and cancelled at Checkly (only Playwright suites obey)
#paused = false                              # true: due times are kept as skipped, nothing is triggered

#[[schedules]]
#name = "checkout"
#every = "10m"                               # 1s or more, aligned to the clock of UTC: due at :00, :10, :20 ...
#check_ids = ["a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"]

#[[schedules]]
#name = "nightly-everything"
#cron = "@daily"
#run_everything = true                       # every check of the account, with its alerts and its bill

[reports]
#timezone = "UTC"                            # whose days and weeks the reports are about
#directory = "reports-out"
#weekly = "0 7 * * 1"                        # the daemon writes last week's report then; without it, only when asked
#keep = 26                                   # so many of these stay, older ones are removed
#notify_from = "REPORT_URLS"                 # the variable that holds Apprise URLs of who is told (or REPORT_URLS_FILE)
#published_at = "https://reports.example/"   # where people find the directory, for the link in what they are told

# More reports that the daemon writes by itself, each in a folder of its name inside the directory. As many as you like.
#[[deliveries]]
#name = "checkout-monthly"
#cron = "0 7 1 * *"                          # on the clock of the reports
#period = "monthly"                          # about the last whole month; or "weekly"
#schedules = ["hourly"]                      # checks that these schedules triggered, those that were triggered by these
#match_tags = [["recorder"]]                 # tags or narrower ones, and those listed by id or name;
#check_ids = ["a4cd4ad9-4815-4a9e-92d2-0a7c562ee69a"]
#checks = ["Checkout"]                       # without any of the four: all checks
#keep = 26
#notify_from = "CHECKOUT_REPORT_URLS"

# The limits at which a figure of a report becomes a word. Every report prints them.
[thresholds]
#min_runs = 20                               # with fewer runs nothing is ranked or called anything
#isolated_sessions = 2                       # a failure this short, or shorter, may be a flake
#gap_intervals = 3                           # a silence longer than this many usual intervals and ...
#gap_hours = 24                              # ... than this cuts a sequence
#gap_min_intervals = 4                       # fewer intervals tell no usual one
#broken_in_a_row = 3                         # broken: this many newest results failed, or ...
#broken_failures = 6                         # ... this many of ...
#broken_results = 10                         # ... this many newest ones
#flaky_events = 2                            # flaky: at least this many flake events and ...
#flaky_rate = 0.01                           # ... this share of the results
#fleet_share = 0.8                           # this share of a firing's checks failed: an event, no flakes
#location_share = 0.5                        # the same at one run location
#event_checks = 4                            # neither with fewer checks
#location_onsets = 3                         # unshared failures before a location is compared with its siblings
#location_days = 28                          # days over which it is compared: 1 to 56
#round_robin_moves = 2                       # of a check that runs at one location at a time: it is not compared
#false_discovery_rate = 0.05                 # share of wrong ones accepted among all differences announced
#ranking_pairs = 30                          # with fewer pairs the ranking learns nothing from the others
#ranking_quantile = 0.05                     # chance that a flake rate is below the one it is ranked by: up to 0.5
#level_change = 0.1                          # a smaller change of timeElapsed is not announced
#level_day_sessions = 3                      # a day with fewer sessions has no level
#level_week_days = 5                         # a week with fewer such days has none
#level_base_weeks = 4                        # weeks with a level before a change is looked for: 2 to 7
#drift_weeks = 8                             # weeks through which a drift is a line: 3 to 8
#pooled_checks = 10                          # with fewer checks no variance is learned from the others
#censored_share = 0.05                       # a trend is marked when the share left out of it moved by more
#coverage_loss = 0.01                        # from this share on the first sentence names what was not recorded
#part_hours = 1                              # a history may begin this late and its first week still be whole: 1 to 24
"""
