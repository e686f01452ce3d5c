"""Credentials that may do only some things."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from openstack.identity.v3._proxy import Proxy

from tests.cloud.loopback.options import application, clouds_yaml
from tests.cloud.running import Cloud


@contextmanager
def limited(
    cloud: Cloud, entry: str, rules: Iterable[tuple[str, str]], clouds: Path
) -> Iterator[None]:
    """In `clouds`, an entry for a credential limited to these rules (method, path of Nova)."""
    identity, me = cloud.admin.identity, str(cloud.admin.current_user_id)
    assert isinstance(identity, Proxy)
    made = identity.create_application_credential(
        me,
        f"limited-{entry}",
        roles=[{"name": "member"}],
        access_rules=[
            {"service": "compute", "method": method, "path": f"/v2.1/servers{path}"}
            for method, path in rules
        ],
    )
    options = application(cloud.options, made.id, made.secret)
    clouds.write_text(clouds_yaml({entry: options}), encoding="utf-8")
    yield
    identity.delete_application_credential(me, made.id)
