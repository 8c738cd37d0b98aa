"""Start the command as its users do: as a process of its own, and look at what it prints, returns and leaves."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def smtpsweep(*arguments: str | Path, cwd: Path, stdin: str = "") -> Done:
    """Run `python -m scanner` in a folder; everything it makes without being told where is found there."""
    done = subprocess.run(
        [sys.executable, "-m", "scanner", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        input=stdin.encode("utf-8", "surrogateescape"),
        capture_output=True,
        timeout=50,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())
