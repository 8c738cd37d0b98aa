"""Load the fingerprints to use: the shipped rules, then a database of the user's own (`--fingerprints`)."""

import logging
from functools import cache
from pathlib import Path

from scanner.errors import InputError
from scanner.identify.fingerprint import Fingerprints

log = logging.getLogger(__name__)

_RECOG = "recog:"
#: Fingerprints left out that are named one by one in the log; the rest are counted.
_NAMED = 5


@cache
def load_fingerprints(wanted: str | None) -> Fingerprints:
    """Return the shipped rules, followed by the database that `wanted` names ("recog:FOLDER").

    Fingerprints of the database that cannot be used are left out, with a warning in the log.

    Raises:
        InputError: when it is of no known kind, or cannot be read.
    """
    if wanted is None:
        return Fingerprints.shipped()
    if not wanted.startswith(_RECOG):
        raise InputError(f"--fingerprints {wanted!a}: must be recog:FOLDER")
    from scanner.identify.recog import RecogDatabase  # noqa: PLC0415  with it comes a reader of XML

    database = RecogDatabase.load(Path(wanted.removeprefix(_RECOG)))
    if database.skipped:
        log.warning("--fingerprints %s: %d left out, %d in use", wanted, len(database.skipped), len(database))
    for sentence in database.skipped[:_NAMED]:
        log.warning("%s", sentence)
    return Fingerprints.shipped(after=database)
