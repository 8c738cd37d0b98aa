"""Commands in processes of their own, which hear signals as a shell would let them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.ending_sweeps import hear_signals

ROOT = Path(__file__).parents[2]


PATIENCE_S = 40


@contextmanager
def started(arguments: Sequence[str], cwd: Path, code: str = "") -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "scanner", *arguments]
    environment = {"PYTHONPATH": str(ROOT), **os.environ}
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=hear_signals,  # noqa: PLW1509  it takes no lock
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Return how it ended by itself, while its standard input stays open."""
    code = process.wait(PATIENCE_S)
    assert process.stderr is not None
    return code, process.stderr.read().decode()
