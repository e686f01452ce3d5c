"""What only SSH can do on a node: look at its units, restart one, fetch the end of its log.

Nothing else goes this way. Jobs, files and orders travel over the node API, which the node calls; a
fleet works without SSH, only then nobody restarts a deaf worker and failures come without a log.
"""

from orchestrator.ssh.connection import Access, Host
from orchestrator.ssh.evidence import evidence
from orchestrator.ssh.restarting import FetchLog, RestartWorker
from orchestrator.ssh.settings import SshSettings, node_shell, ssh_settings
from orchestrator.ssh.shell import NodeShell
from orchestrator.ssh.trouble import SshReason, SshTrouble
from orchestrator.ssh.units import ActiveState, UnitState

__all__ = [
    "Access",
    "ActiveState",
    "FetchLog",
    "Host",
    "NodeShell",
    "RestartWorker",
    "SshReason",
    "SshSettings",
    "SshTrouble",
    "UnitState",
    "evidence",
    "node_shell",
    "ssh_settings",
]
