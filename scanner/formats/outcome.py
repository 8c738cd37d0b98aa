"""How a visit ended, in the terms of other schemas, and in a sentence for people.

There is one row for each status. `success` is from the scanner's point of view: a server that refuses us in correct
SMTP was visited successfully.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from scanner.formats.severity import UNDECIDED
from scanner.model import Answer, Assessment, Status
from scanner.record.document import FindingDocument, RecordDocument


class Result(StrEnum):
    """ECS's `event.outcome`, from the scanner's point of view."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


class StatusWords(NamedTuple):
    """A status in the terms of other schemas.

    `ecs_types` are ECS's event.type for the category network. `ocsf_activity` is the activity_id of OCSF's Network
    Activity: 1 Open, 3 Reset, 4 Fail, 5 Refuse, 99 Other. `words` follow "192.0.2.1 port 25: ".
    """

    result: Result
    ecs_types: tuple[str, ...]
    ocsf_activity: int
    words: str


_SPOKE: Final = ("connection", "protocol", "info")
_CONNECTED: Final = ("connection", "info")
_DENIED: Final = ("connection", "denied")
_SUCCESS, _FAILURE = Result.SUCCESS, Result.FAILURE

OUTCOMES: Final[Mapping[str, StatusWords]] = {
    Status.READY.value: StatusWords(_SUCCESS, _SPOKE, 1, "an SMTP server is ready"),
    Status.BUSY.value: StatusWords(_SUCCESS, _SPOKE, 1, "an SMTP server is busy"),
    Status.REJECTED.value: StatusWords(_SUCCESS, (*_SPOKE, "denied"), 1, "an SMTP server rejects the client"),
    Status.TEMPORARY.value: StatusWords(_SUCCESS, _SPOKE, 1, "an SMTP server asks to come again"),
    Status.MALFORMED.value: StatusWords(_SUCCESS, _CONNECTED, 1, "bytes that are no SMTP greeting"),
    Status.NOT_SMTP.value: StatusWords(_SUCCESS, _CONNECTED, 1, "another protocol than SMTP"),
    Status.SILENT.value: StatusWords(_FAILURE, _CONNECTED, 1, "connected, and not a byte came"),
    Status.CUT.value: StatusWords(_FAILURE, _CONNECTED, 1, "closed inside the greeting"),
    Status.CLOSED.value: StatusWords(_FAILURE, _CONNECTED, 1, "closed before any byte"),
    Status.SLOW.value: StatusWords(_FAILURE, _CONNECTED, 1, "the greeting took too long"),
    Status.RESET.value: StatusWords(_FAILURE, _CONNECTED, 3, "reset by the server"),
    Status.REFUSED.value: StatusWords(_FAILURE, _DENIED, 5, "the connection was refused"),
    Status.CONNECT_TIMEOUT.value: StatusWords(_FAILURE, _CONNECTED, 4, "no answer to the connection attempt"),
    Status.UNREACHABLE.value: StatusWords(_FAILURE, _CONNECTED, 4, "unreachable"),
    Status.EXCLUDED.value: StatusWords(Result.UNKNOWN, ("info",), 99, "excluded, not visited"),
    Status.BUG.value: StatusWords(Result.UNKNOWN, ("info",), 99, "the scanner failed"),
}


def outcome_of(record: RecordDocument) -> StatusWords:
    """Return the row of a record's status."""
    return OUTCOMES[record["status"]]


def sentence(record: RecordDocument) -> str:
    """Sum up a record in one sentence; of the server's text it has only product and version, as a rule read them."""
    ip, software, flaws = record["ip"], record["software"], flaws_of(record)
    parts = [OUTCOMES[record["status"]].words]
    if software is not None:
        parts.append(" ".join(filter(None, (software["product"], software["version"]))))
    if decided := [each for each in flaws if each["verdict"] != UNDECIDED]:
        exploited = sum(1 for each in decided if each.get("kev"))
        known = f"{len(decided)} known flaw{'s' if len(decided) > 1 else ''}"
        parts.append(f"{known}, {exploited} known to be exploited" if exploited else known)
    if undecided := len(flaws) - len(decided):
        parts.append(f"{undecided} undecided")
    if (answer := maybe_assessment(record)) is not None and answer.answer is not Answer.NO_VERSION:
        if not flaws:
            parts.append(f"flaws: {answer}")
        elif not answer.is_known:
            parts.append(f"other flaws: {answer}")
    where = "an imported banner" if ip is None else f"{ip} port {record['port']}"
    return f"{where}: {', '.join(parts)}"


def flaws_of(record: RecordDocument) -> list[FindingDocument]:
    """Return the known vulnerabilities among the findings, undecided ones too; not those that a package has fixed."""
    return [each for each in record["findings"] if each.get("verdict") not in (None, "vendor_fixed")]


def maybe_assessment(record: RecordDocument) -> Assessment | None:
    """Return the assessment of the findings; None without software, and in records of versions without it."""
    assessment = record.get("assessment")
    if assessment is None:
        return None
    answer = Answer(assessment["answer"])
    return Assessment(answer, assessment["covered_since"], assessment["facts"], assessment["facts_of"])


def flaws_text(record: RecordDocument) -> str:
    """Return the ids of the known flaws in one text, followed by the assessment where it is needed to read them."""
    ids, answer = ", ".join(map(_named, flaws_of(record))), maybe_assessment(record)
    if answer is None or (ids and answer.is_known):
        return ids
    return f"{ids}, others {answer}" if ids else str(answer)


def _named(flaw: FindingDocument) -> str:
    return f"{flaw['id']} (undecided)" if flaw["verdict"] == UNDECIDED else str(flaw["id"])
