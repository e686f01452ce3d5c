"""`python -m orchestrator.ssh commands|sudoers`: what a node has to allow, one on each line.

`commands` is for the forced command of docs/security.md, `sudoers` for /etc/sudoers.d. Both are
made from the settings of the environment.
"""

from __future__ import annotations

import sys

from gpu_node.contracts.settings import SettingError
from orchestrator.ssh.settings import ssh_settings
from orchestrator.ssh.units import allowed, sudoers


def main(arguments: list[str]) -> None:
    """Write the list. Raises SystemExit with a sentence."""
    try:
        settings = ssh_settings()
    except SettingError as error:
        sys.exit(str(error))
    match arguments:
        case ["commands"]:
            lines = allowed(settings.fleet_ssh_units, settings.fleet_ssh_log_lines)
        case ["sudoers"]:
            lines = sudoers(settings.fleet_ssh_user, settings.fleet_ssh_units)
        case _:
            sys.exit("Say which list: commands or sudoers.")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
