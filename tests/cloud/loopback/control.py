"""The control port: how a test turns the knobs of a cloud that runs in another process. JSON.

GET  /                      knobs, hosts and their guests, names of the images
PUT  /knobs {…}             see `knobs.Knobs`
PUT  /hosts/<name> {…}      "gpus": how many are left, "up": whether its compute service runs
PUT  /servers/<id> {…}      "lost": the guest vanishes behind Nova's back; "power": "on", "off"
PUT  /keystone {…}          "paused": it hangs
PUT  /look                  what Nova does every few minutes, now
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from tests.cloud.loopback.driver import DRIVERS
from tests.cloud.loopback.front import Environ, Start
from tests.cloud.loopback.knobs import Knobs
from tests.cloud.loopback.services import Services

# As Nova numbers the states of a guest's power.
_POWER = {"on": 1, "off": 4}


class Control:
    """The control port's application. `pause`: hangs Keystone, or has it go on."""

    def __init__(self, services: Services, knobs: Knobs, pause: Callable[[bool], None]) -> None:
        self._services = services
        self._knobs = knobs
        self._pause = pause

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        status, answer = "200 OK", {}
        try:
            if environ["REQUEST_METHOD"] == "PUT":
                self._put(environ["PATH_INFO"].strip("/").split("/"), _body(environ))
            answer = self._state()
        except (KeyError, ValueError) as error:
            status, answer = "400 Bad Request", {"error": repr(error)}
        except Exception as error:
            logging.getLogger(__name__).exception("control port")
            status, answer = "500 Internal Server Error", {"error": repr(error)}
        start(status, [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    def _put(self, path: list[str], body: dict[str, Any]) -> None:
        match path:
            case ["knobs"]:
                self._knobs.change(body)
            case ["hosts", host]:
                self._host(host, **body)
            case ["servers", server]:
                _guest(server, **body)
            case ["keystone"]:
                self._pause(body["paused"])
            case ["look"]:
                self._services.look_after()
            case _:
                raise KeyError("/".join(path))

    def _host(self, host: str, gpus: int | None = None, up: bool | None = None) -> None:
        if up is not None and up is not (host in self._services.up):
            (self._services.start_host if up else self._services.stop_host)(host)
        if gpus is not None:
            self._services.have_gpus(host, gpus)

    def _state(self) -> dict[str, Any]:
        return {
            "knobs": asdict(self._knobs),
            "hosts": {host: sorted(one.instances) for host, one in DRIVERS.items()},
            "images": sorted(one["name"] for one in self._services.glance.images.values()),
        }


def _guest(server: str, lost: bool = False, power: str = "") -> None:
    for one in DRIVERS.values():
        if lost:
            one.instances.pop(server, None)
        elif server in one.instances:
            one.instances[server].state = _POWER[power]


def _body(environ: Environ) -> dict[str, Any]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = json.loads(environ["wsgi.input"].read(length) or b"{}")
    return dict(body)
