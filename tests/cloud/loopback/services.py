"""Nova's services in this process, put together by Nova's own functional test case.

Importing this replaces the standard library's blocking calls by eventlet's, as Nova wants it.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from nova import test as nova_test  # first: it does the replacing

# isort: split
import fixtures
import nova.conf
import nova.policy
from keystoneauth1 import loading
from keystonemiddleware.auth_token import _opts as middleware_options
from nova import context, objects
from nova.api import wsgi
from nova.api.openstack import wsgi_app
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional import fixtures as functional_fixtures
from nova.tests.functional import integrated_helpers

from tests.cloud.loopback import driver
from tests.cloud.loopback.options import ADMIN_PASSWORD, FLAVOURS, GPUS, HOSTS, REGION, Options

_AUTHTOKEN = "keystone_authtoken"
_TRIES = 5
_QUIET = ("alembic", "oslo_db.sqlalchemy", "stevedore")


class Services(integrated_helpers._IntegratedTestBase):
    """Conductor, scheduler, the hosts' computes, Placement; the API comes with `api`."""

    STUB_KEYSTONE = False
    # Otherwise shelving answers only when it is over.
    CAST_AS_CALL = False

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.up: set[str] = set()

    def runTest(self) -> None:  # noqa: N802  unittest's name
        """A test case must have a test."""

    def setUp(self) -> None:
        # The base class's own base: what lies between starts an API without Keystone.
        nova_test.TestCase.setUp(self)
        self.placement_fixture = self.useFixture(functional_fixtures.PlacementFixture())
        self.placement = self.placement_fixture.api
        self.neutron = self.useFixture(nova_fixtures.NeutronFixture(self))
        self.cinder = self.useFixture(nova_fixtures.CinderFixture(self))
        self.glance = self.useFixture(nova_fixtures.GlanceFixture(self))
        self._configure()
        self._have_real_policies()
        self.conductor = self.start_service("conductor")
        self.scheduler = self.start_service("scheduler")
        for host in HOSTS:
            self.start_host(host)
        self._make_flavours()

    def start_host(self, host: str) -> None:
        """Start a host's compute service; what ran there runs on."""
        nova.conf.CONF.set_override("host", host)
        ran = driver.DRIVERS[host].instances if host in driver.DRIVERS else {}
        self._start_compute(host)
        driver.DRIVERS[host].instances.update(ran)
        self.up.add(host)

    def stop_host(self, host: str) -> None:
        """Stop a host's compute service; its servers know nothing of it."""
        self.computes[host].stop()
        self.up.discard(host)

    def have_gpus(self, host: str, count: int) -> None:
        """Leave a host so many of its GPUs, and see that Placement has it so.

        Another update may come in between; then ours is refused, and the host thinks that it was
        not.
        """
        driver.FREE_GPUS[host] = count
        for _ in range(_TRIES):
            self._run(host, "update_available_resource")
            if self._free_gpus(host) == count:
                return
            self.computes[host].manager.reportclient.clear_provider_cache()
        raise ValueError(f"Placement does not take the GPUs of {host}")

    def _free_gpus(self, host: str) -> int:
        found = self.placement.get(f"/resource_providers?name={host}").body
        [provider] = found["resource_providers"]
        inventories = self.placement.get(f"/resource_providers/{provider['uuid']}/inventories").body
        inventory = inventories["inventories"][GPUS]
        return int(inventory["total"] - inventory["reserved"])

    def look_after(self) -> None:
        """What Nova does every few minutes: see which servers run, and what hosts have."""
        for host in self.up:
            self._run(host, "_sync_power_states", "update_available_resource")

    def _run(self, host: str, *tasks: str) -> None:
        administrator = context.get_admin_context()
        with context.target_cell(administrator, self.cell_mappings["cell1"]) as cell:
            for task in tasks:
                getattr(self.computes[host].manager, task)(cell)

    def _configure(self) -> None:
        self.flags(
            compute_driver=driver.NAME,
            # Long: this process does everybody's work, and on a busy machine it falls behind.
            report_interval=2,
            service_down_time=120,
            periodic_enable=True,
            periodic_fuzzy_delay=0,
        )
        self.flags(response_validation="warn", group="api")
        self.flags(instances=self.options.quota, cores=-1, ram=-1, group="quota")
        self.flags(driver=["noop"], group="oslo_messaging_notifications")
        self.flags(transport_url=self.cell_mappings["cell1"].transport_url)

    def _have_real_policies(self) -> None:
        """Who may do what: Nova's own rules, where its tests let almost everybody do anything."""
        file = self.options.file("policy.yaml")
        file.write_text("{}")
        self.flags(policy_file=str(file), enforce_new_defaults=True, group="oslo_policy")
        nova.policy.reset()
        nova.policy.init(suppress_deprecation_warnings=True)

    def _make_flavours(self) -> None:
        for flavour, gpus in FLAVOURS.items():
            objects.Flavor(
                context.get_admin_context(),
                name=flavour,
                flavorid=flavour,
                memory_mb=65536,
                vcpus=8,
                root_gb=100,
                ephemeral_gb=0,
                swap=0,
                rxtx_factor=1.0,
                vcpu_weight=0,
                disabled=False,
                is_public=True,
                extra_specs={f"resources:{GPUS}": str(gpus)},
            ).create()


def prepare(log: Path) -> None:
    """Have Nova's test case behave as a service would. Before any is made."""

    class _Log(fixtures.Fixture):
        """A file; Nova's tests keep all that is logged in memory."""

        def _setUp(self) -> None:  # noqa: N802  fixtures' name
            root = logging.getLogger()
            handler = logging.FileHandler(log)
            handler.setFormatter(
                logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s")
            )
            root.handlers = [handler]
            root.setLevel(logging.INFO)
            for name in _QUIET:
                logging.getLogger(name).setLevel(logging.WARNING)
            self.useFixture(fixtures.MonkeyPatch("oslo_log.log.setup", lambda *_, **__: None))

    nova_fixtures.StandardLogging = _Log
    nova_test.nova_fixtures.StandardLogging = _Log
    # In Nova's tests a warning of something deprecated is an error, and would be an HTTP 500 here.
    nova_fixtures.WarningsFixture = fixtures.Fixture


def api(options: Options) -> Any:
    """Nova's API as a WSGI application, which asks Keystone whose token it was shown."""
    settings = nova.conf.CONF
    for group, known in middleware_options.list_opts():
        settings.register_opts(known, group=group)
    loading.register_auth_conf_options(settings, _AUTHTOKEN)
    settings.register_opts(loading.get_auth_plugin_conf_options("password"), group=_AUTHTOKEN)
    root = options.keystone_url.removesuffix("/v3")
    for name, value in {
        "auth_type": "password",
        "auth_url": root,
        "www_authenticate_uri": root,
        "username": "admin",
        "user_domain_id": "default",
        "password": ADMIN_PASSWORD,
        "project_name": "admin",
        "project_domain_id": "default",
        "region_name": REGION,
        "interface": "public",
        # Whose access rules a token is held to, when it has any.
        "service_type": "compute",
        "service_token_roles_required": True,
    }.items():
        settings.set_override(name, value, group=_AUTHTOKEN)
    paste = Path(sys.prefix) / "etc" / "nova" / "api-paste.ini"
    settings.set_override("api_paste_config", str(paste), group="wsgi")
    application = wsgi.Loader().load_app("osapi_compute")
    wsgi_app._setup_service("api", "osapi_compute")
    return application
