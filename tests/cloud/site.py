"""The main server with all its processes, whose fleet is at a loopback cloud."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from campus.standalone import redis
from campus.standalone.processes import Layout, SitePorts, environment, processes
from campus.standalone.ready import Check, http_answers, wait_until_ready
from campus.standalone.secrets import kept, write_private
from campus.standalone.supervisord import Supervision
from tests.cloud.running import FLEET, Cloud
from tests.support.redis import free_port
from tests.support.remote import Remote

_READY_SECONDS = 90.0
_STOP_SECONDS = 30.0
_ELSEWHERE = frozenset({"cloud", "flower"})
"""Programs of a site on one machine that this one is without."""

SETTINGS = {
    "FLEET_IDLE_MINUTES": "0.05",
    "FLEET_LEASE_SECONDS": "10",
    "FLEET_HEARTBEAT_SECONDS": "1",
    "FLEET_TICK_SECONDS": "1",
    "FLEET_CALL_SECONDS": "10",
    "FLEET_PRICE_PER_HOUR": "82.76",
}


class CloudSite(Remote):
    """A running site, and somebody in it who does what the test says."""

    def __init__(self, layout: Layout, told: Mapping[str, str]) -> None:
        super().__init__("tests.cloud.remote", told)
        self.layout = layout
        self.for_nodes = {key: told[key] for key in ("SITE_URL", "REDIS_URL_FILE")}


@contextmanager
def cloud_site(cloud: Cloud, folder: Path, servers: tuple[str, ...]) -> Iterator[CloudSite]:
    """Run the site below `folder`; at the end of the block nothing of it is left."""
    program = redis.find()
    ports = SitePorts(site=free_port(), flower=free_port(), redis=free_port())
    layout = Layout(folder / "data", folder / "log", ports, nodes=())
    told = {
        **environment(layout, os.environ),
        **SETTINGS,
        "FLEET_PROVIDER": "openstack",
        "FLEET_CLOUD": FLEET,
        "FLEET_SERVERS": ",".join(servers),
        "OS_CLIENT_CONFIG_FILE": str(cloud.clouds_yaml),
    }
    password = _write_files(layout)
    _prepare(layout, told)
    programs = [one for one in processes(layout, program) if one.name not in _ELSEWHERE]
    supervision = Supervision(layout.folder, layout.logs, tuple(programs), told)
    try:
        supervision.start()
        checks = (
            Check("redis", lambda: redis.answers(ports.redis, password)),
            Check("web", lambda: http_answers(ports.site, "/healthz")),
        )
        wait_until_ready(checks, supervision.alive, str(layout.logs), _READY_SECONDS)
        site = CloudSite(layout, told)
        try:
            yield site
        finally:
            site.close()
    finally:
        supervision.stop(_STOP_SECONDS)


def _write_files(layout: Layout) -> str:
    """The site's secrets and what holds them; Redis's password."""
    layout.redis_data.mkdir(parents=True)
    layout.logs.mkdir(parents=True)
    kept(layout.secrets / "django-secret-key")
    password = kept(layout.secrets / "redis-password")
    port, data = layout.ports.redis, layout.redis_data.relative_to(layout.folder)
    write_private(layout.run / "redis.conf", redis.config(port, password, str(data)))
    write_private(layout.run / "redis-url", redis.url(port, password))
    return password


def _prepare(layout: Layout, told: Mapping[str, str]) -> None:
    """Tables and static files. The nodes are enrolled later, by what the cloud calls them."""
    done = subprocess.run(
        [sys.executable, "-m", "campus.standalone.prepare"],
        cwd=layout.folder,
        env={**told, "FLEET_PROVIDER": "local", "FLEET_SERVERS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
