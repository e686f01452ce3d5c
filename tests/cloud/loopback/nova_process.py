"""The cloud's main process: Keystone is started beside it, Nova and Placement run in it.

`python -m tests.cloud.loopback.nova_process OPTIONS` writes a line READY when everything answers,
and runs until SIGTERM. Its folder is removed at the end, and its end is Keystone's too.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any, NoReturn

from tests.cloud.loopback.options import Options, read

_PR_SET_PDEATHSIG = 1
_KEYSTONE_SECONDS = 120.0


def main() -> None:
    """Start everything; never returns."""
    options = read(sys.argv[1])
    # Nova looks for options of its own there.
    sys.argv = ["nova"]
    os.environ.pop("OS_TEST_TIMEOUT", None)
    keystone = _start_keystone(options)

    def end(*_: object) -> NoReturn:
        keystone.kill()
        shutil.rmtree(options.folder, ignore_errors=True)
        # Nova's green threads would go on.
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    _run(options, keystone)
    # Nova's services put their own in the place of ours.
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    sys.stdout.write("READY\n")
    sys.stdout.flush()
    while keystone.poll() is None:
        time.sleep(0.5)
    sys.stderr.write("Keystone ended.\n")
    end()


def _start_keystone(options: Options) -> subprocess.Popen[bytes]:
    with options.file("keystone.out").open("wb") as out:
        return subprocess.Popen(
            (sys.executable, "-m", "tests.cloud.loopback.keystone_process", options.text()),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_us,
        )


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _run(options: Options, keystone: subprocess.Popen[bytes]) -> None:
    # Here, not above: from this import on everything in the process is eventlet's.
    from tests.cloud.loopback import services as nova

    # isort: split
    from placement import deploy

    from tests.cloud.loopback.control import Control
    from tests.cloud.loopback.driver import GpuDriver
    from tests.cloud.loopback.front import with_faults
    from tests.cloud.loopback.knobs import Knobs

    knobs = Knobs()
    GpuDriver.knobs, GpuDriver.gpus = knobs, options.gpus_per_host
    nova.prepare(options.file("nova.log"))
    services = nova.Services(options)
    services.setUp()

    def pause(paused: bool) -> None:
        keystone.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    _serve(options.nova, with_faults(nova.api(options), knobs))
    _serve(options.control, Control(services, knobs, pause))
    _serve(options.placement, deploy.loadapp(services.placement_fixture.conf_fixture.conf))
    _wait_for(options.keystone, keystone)


def _serve(port: int, application: Any) -> None:
    import eventlet
    import eventlet.wsgi

    listening = eventlet.listen(("127.0.0.1", port), backlog=256)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    eventlet.spawn(eventlet.wsgi.server, listening, application, log_output=False, max_size=256)


def _wait_for(port: int, keystone: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _KEYSTONE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if keystone.poll() is not None or time.monotonic() > until:
                sys.exit("Keystone did not start.")
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
