"""At most one trigger for each due time, whatever dies: a hundred kills; `bench.kill_campaign` makes it a thousand."""

from pathlib import Path

from tests.kill.campaign import Campaign
from tests.kill.postgresql import PostgresqlServer
from tests.kill.stage import stage
from tests.kill.zygote import Zygote

SEED = 20261122


def test_a_daemon_on_sqlite_keeps_its_promise_through_its_deaths(
    tmp_path: Path, sqlite_url: str, parent: Zygote
) -> None:
    """Fifty kills, at every named point and at random, in every weather: all eight invariants hold."""
    with stage(tmp_path, sqlite_url, parent, seed=SEED) as scene:
        campaign = Campaign(scene)

        campaign.run(50, each=2)
        campaign.drain()

        assert campaign.judge() == [], campaign.summary()
        assert campaign.missing(each=2) == [], campaign.summary()
        assert len(scene.checkly.witness().triggers) > 50


def test_three_daemons_on_postgresql_keep_their_promise_through_their_deaths(
    tmp_path: Path, own_server: PostgresqlServer, parent: Zygote
) -> None:
    """Fifty kills while PostgreSQL is restarted without warning, connections are cut and daemons sleep too long."""
    with stage(tmp_path, own_server.url, parent, seed=SEED, copies=2) as scene:
        campaign = Campaign(scene, width=3, server=own_server)

        campaign.run(50, each=1)
        campaign.drain()

        assert campaign.judge() == [], campaign.summary()
        assert campaign.missing(each=1) == [], campaign.summary()
        assert len(scene.checkly.witness().triggers) > 50
