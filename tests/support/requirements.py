"""What a test needs from the machine: skip with one line where it is missing, or fail where nothing may skip.

A developer without root still gets a green run that says what it left out. Continuous integration (`CI=true`)
and whoever sets `SMTPSWEEP_REQUIRE_REAL=1` get a failure instead, so that no test stops running unnoticed.
"""

import os
import shutil

import pytest


def skips_are_failures() -> bool:
    """Whether a missing requirement has to fail the test (`CI=true` or `SMTPSWEEP_REQUIRE_REAL=1`)."""
    return os.environ.get("CI") == "true" or os.environ.get("SMTPSWEEP_REQUIRE_REAL") == "1"


def require_or_skip(condition: bool, reason: str) -> None:
    """Go on when `condition` holds; otherwise skip with `reason`, or fail where skips are failures."""
    if condition:
        return
    if skips_are_failures():
        pytest.fail(f"nothing may be skipped here, but: {reason}", pytrace=False)
    pytest.skip(reason)


def require_network_namespaces() -> None:
    """Skip (or fail) unless this process may make network namespaces: root, and `ip` of iproute2."""
    require_or_skip(os.geteuid() == 0, "needs root for network namespaces")
    require_or_skip(shutil.which("ip") is not None, "needs `ip` (package iproute2) for network namespaces")
