"""At most one trigger for each due time, whatever dies: some hundred kills in the normal run, a thousand on request."""

from pathlib import Path

import pytest

from tests.kill.campaign import Campaign
from tests.kill.points import POINTS
from tests.kill.postgresql import PostgresqlServer
from tests.kill.stage import stage


def test_a_daemon_on_sqlite_keeps_its_promise_through_its_deaths(tmp_path: Path, sqlite_url: str) -> None:
    """Fifty kills, at every named point and at random, in bad weather: all eight invariants hold."""
    with stage(tmp_path, sqlite_url, seed=20261122) as scene:
        campaign = Campaign(scene)

        campaign.run(50)
        campaign.drain()

        assert campaign.judge() == [], campaign.summary()
        assert [point for point in POINTS if campaign.kills[point] < 2] == []
        assert len(scene.checkly.witness().triggers) > 50


def test_three_daemons_on_postgresql_keep_their_promise_through_their_deaths(
    tmp_path: Path, own_server: PostgresqlServer
) -> None:
    """Fifty kills while PostgreSQL is restarted without warning, connections are cut and daemons sleep too long."""
    with stage(tmp_path, own_server.url, seed=20261122, copies=2) as scene:
        campaign = Campaign(scene, width=3, server=own_server)

        campaign.run(50)
        campaign.drain()

        assert campaign.judge() == [], campaign.summary()
        assert [point for point in POINTS if campaign.kills[point] < 1] == []
        assert min(campaign.troubles[torment] for torment in ("restart", "cut", "pause")) >= 3
        assert len(scene.checkly.witness().triggers) > 50


@pytest.mark.campaign
@pytest.mark.parametrize("round_", range(10))
def test_a_thousand_kills_leave_the_promise_whole(
    tmp_path: Path, sqlite_url: str, own_server: PostgresqlServer, round_: int
) -> None:
    """Ten rounds of fifty kills on each database, each round with a seed of its own."""
    for name, url, width, server in (("one", sqlite_url, 1, None), ("three", own_server.url, 3, own_server)):
        (tmp_path / name).mkdir()
        with stage(tmp_path / name, url, seed=round_, copies=2 if server else 1) as scene:
            campaign = Campaign(scene, width=width, server=server)

            campaign.run(50)
            campaign.drain()

            assert campaign.judge() == [], campaign.summary()
