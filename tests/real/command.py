"""The scanner's command in the network of the real servers, and what their packages say of themselves."""

import subprocess
import sys
from pathlib import Path

from tests.real.mta_lab import MtaLab
from tests.real.mta_servers import MAIL_SERVERS

_PROJECT = Path(__file__).resolve().parents[2]


def scanner(lab: MtaLab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the network of the servers."""
    command = lab.in_network(sys.executable, "-m", "scanner", *arguments)
    return subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, timeout=120, check=False)


def installed_version(lab: MtaLab, name: str) -> str:
    """Return the version of a server's package: epoch, upstream version, hyphen, Debian's revision."""
    return lab.in_server(name, "dpkg-query", "--show", "--showformat=${Version}", MAIL_SERVERS[name].program)
