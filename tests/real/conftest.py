"""The real mail servers, started once for all tests of this folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.mta_lab import DEFAULT_FOLDER, LabError, MtaLab, obstacle
from tests.support.requirements import require_or_skip


@pytest.fixture(scope="session")
def mail_servers() -> Iterator[MtaLab]:
    """The running lab; `SMTPSWEEP_MTA_LAB` names another folder for its packages and logs.

    Whoever uses it first waits for the servers: give that test 300 s.
    """
    why = obstacle()
    require_or_skip(why is None, why or "")
    with MtaLab(Path(os.environ.get("SMTPSWEEP_MTA_LAB", DEFAULT_FOLDER))).locked() as lab:
        try:
            lab.up()
        except LabError as error:
            require_or_skip(False, str(error))
        try:
            yield lab
        finally:
            lab.down()
