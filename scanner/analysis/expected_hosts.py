"""The hosts that sweeps were to visit, from their summaries: what a file of records alone cannot tell."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from scanner.analysis.comparable import require_no_records
from scanner.errors import InputError
from scanner.files.text_input import utf_8
from scanner.model import Status
from scanner.sweeps.summary import SUMMARY_SCHEMA


class ExpectedHosts:
    """What the summaries say the sweeps were to visit."""

    def __init__(self, files: Iterable[Path], ignore: frozenset[Status]) -> None:
        self._scans: dict[str, int] = {}
        for file in files:
            scan, hosts = _planned(file, ignore)
            if scan in self._scans:
                raise InputError(f"{file}: is a second summary of one sweep: give one for each sweep")
            self._scans[scan] = hosts

    @property
    def hosts(self) -> int | None:
        """The number of planned hosts without those of ignored statuses; None without a summary."""
        return sum(self._scans.values()) if self._scans else None

    def require(self, scan: str, file: str) -> None:
        """Refuse a record of a sweep whose summary was not given: what is missing could not be told."""
        if self._scans and scan not in self._scans:
            raise InputError(f"{file}: has records of the sweep {scan!a}, but no --summary of that sweep was given")


def _planned(file: Path, ignore: frozenset[Status]) -> tuple[str, int]:
    try:
        raw = utf_8(file.read_bytes())
        require_no_records(raw, str(file))
        document: Any = orjson.loads(raw)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from None
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("schema") != SUMMARY_SCHEMA:
        raise InputError(f"{file}: is not a summary of a sweep ({SUMMARY_SCHEMA})")
    statuses = document.get("statuses")
    counts = statuses if isinstance(statuses, dict) else {}
    numbers = [document.get("planned"), document.get("excluded"), *(counts.get(status, 0) for status in ignore)]
    if any(type(number) is not int or number < 0 for number in numbers) or not isinstance(statuses, Mapping):
        raise InputError(f"{file}: its counts are damaged")
    planned, *left_out = numbers
    return str(document.get("scan_id")), max(planned - sum(left_out), 0)
