"""Keystone as a process: a database, a project, credentials and a catalogue, then its API.

Keystone's providers can be loaded once in a process, and both its set-up and its API load them, so
the set-up is done in a fork.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import keystone.conf
import keystone.server
from keystone.cmd import bootstrap
from keystone.common import fernet_utils, provider_api
from keystone.common.sql import upgrades
from keystone.server.flask import core
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.cloud.loopback.options import (
    ADMIN_PASSWORD,
    MEMBER,
    PROJECT,
    READER,
    REGION,
    Options,
    read,
)

_CONFIGURATION = """
[DEFAULT]
log_file = {folder}/keystone.log
public_endpoint = http://127.0.0.1:{port}
[database]
connection = sqlite:///{folder}/keystone.db
[fernet_tokens]
key_repository = {folder}/fernet
[fernet_receipts]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[token]
expiration = {token_seconds}
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = oslo_cache.dict
"""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  werkzeug's name
        """Say nothing: nobody reads it."""


def main() -> None:
    """Set up, then serve until killed."""
    options = read(sys.argv[1])
    # Keystone looks for options of its own there.
    sys.argv = ["keystone"]
    file = options.file("keystone.conf")
    file.write_text(
        _CONFIGURATION.format(
            folder=options.folder, port=options.keystone, token_seconds=options.token_seconds
        )
    )
    _in_fork(lambda: _set_up(options, file))
    application = core.initialize_application(name="public", config_files=[str(file)])
    make_server(
        "127.0.0.1", options.keystone, application, threaded=True, request_handler=_Quiet
    ).serve_forever()


def _in_fork(work: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit("Keystone could not be set up.")


def _set_up(options: Options, file: Path) -> None:
    keystone.server.configure(config_files=[str(file)])
    _make_keys()
    upgrades.offline_sync_database_to_version()
    boot = _bootstrapped(options)
    apis = provider_api.ProviderAPIs
    apis.resource_api.create_project(
        PROJECT,
        {
            "id": PROJECT,
            "name": "fleet",
            "domain_id": "default",
            "parent_id": "default",
            "description": "",
            "enabled": True,
            "is_domain": False,
        },
    )
    roles = {"member": boot.member_role_id, "reader": boot.reader_role_id}
    _make_user(apis, roles)
    apis.assignment_api.add_role_to_user_and_project(
        boot.admin_user_id, PROJECT, boot.admin_role_id
    )
    _offer(apis, "compute", "nova", options.nova_url)
    _offer(apis, "placement", "placement", options.placement_url)


def _make_keys() -> None:
    settings = keystone.conf.CONF
    for group in ("fernet_tokens", "credential"):
        keys = fernet_utils.FernetUtils(
            settings[group].key_repository, settings.fernet_tokens.max_active_keys, group
        )
        keys.create_key_directory()
        keys.initialize_key_repository()


def _bootstrapped(options: Options) -> bootstrap.Bootstrapper:
    """What every Keystone has: the administrator, its roles, itself in the catalogue."""
    boot = bootstrap.Bootstrapper()
    boot.admin_username, boot.admin_password = "admin", ADMIN_PASSWORD
    boot.project_name, boot.admin_role_name = "admin", "admin"
    boot.service_name, boot.region_id = "keystone", REGION
    boot.immutable_roles = True
    boot.admin_url = boot.public_url = boot.internal_url = options.keystone_url
    boot.bootstrap()
    return boot


def _make_user(apis: type[provider_api.ProviderAPIs], roles: dict[str, str]) -> None:
    user = apis.identity_api.create_user(
        {"name": "fleet", "domain_id": "default", "enabled": True, "password": uuid4().hex}
    )
    for role in roles.values():
        apis.assignment_api.add_role_to_user_and_project(user["id"], PROJECT, role)
    for credential in (MEMBER, READER):
        apis.application_credential_api.create_application_credential(
            {
                "id": credential.id,
                "name": "-".join(credential.roles),
                "secret": credential.secret,
                "user_id": user["id"],
                "project_id": PROJECT,
                "unrestricted": False,
                "roles": [{"id": roles[role]} for role in credential.roles],
            }
        )


def _offer(apis: type[provider_api.ProviderAPIs], kind: str, name: str, url: str) -> None:
    service, endpoint = uuid4().hex, uuid4().hex
    apis.catalog_api.create_service(
        service, {"id": service, "type": kind, "name": name, "enabled": True}
    )
    apis.catalog_api.create_endpoint(
        endpoint,
        {
            "id": endpoint,
            "service_id": service,
            "interface": "public",
            "region_id": REGION,
            "url": url,
            "enabled": True,
        },
    )


if __name__ == "__main__":
    main()
