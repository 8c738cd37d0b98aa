"""Build the record of a finished attempt: parse the bytes, decide the status, identify the software, assess it.

This is the one place where a finished connection becomes a record, so it is the one place that may catch any exception
of our own code. That target's status is then `bug`, the trace is in the log, and the sweep goes on.
"""

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner import lazy
from scanner.assess import Assessor
from scanner.identify import RefusalRules
from scanner.identify.behaviour import shipped_behaviours
from scanner.identify.combine import contradiction, merge
from scanner.identify.databases import load_fingerprints
from scanner.identify.host_correction import with_corrected_hostname
from scanner.identify.leaks import disclosed_anywhere, disclosed_in, greeting_disclosure
from scanner.model import Answer, Assessment, Attempt, Banner, Dialogue, Finding, Record, Refusal, Software, Status
from scanner.record import EventIds
from scanner.settings import Settings
from scanner.smtp import maybe_clock_skew, parse_banner

if TYPE_CHECKING:
    from scanner.importers import ImportedBanner

log = logging.getLogger(__name__)

#: The beginning of a reply. A greeting that is cut after two bytes is `cut`, and binary noise is `malformed`.
_BEGINS_LIKE_A_REPLY = lazy.pattern(rb"[\r\n]*(?:[2-5][0-9]{2}(?:[ \t\r\n-]|\Z)|[2-5][0-9]?\Z)")


class _Meaning(NamedTuple):
    """What a banner means; `banner` itself has the host name that its product tells from a word."""

    banner: Banner | None
    software: Software | None
    disclosure: tuple[str, ...]
    findings: tuple[Finding, ...]
    assessment: Assessment | None
    clock_skew_s: int | None
    refusal: Refusal | None


_NOT_ASSESSED: Final = ((), None)
_NOTHING = _Meaning(None, None, (), (), None, None, None)


class RecordBuilder:
    """Makes the records of one scan."""

    def __init__(self, scan_id: str, settings: Settings, sample_of: Callable[[int], int] | None = None) -> None:
        """Prepare; `sample_of` returns, for a position, which of several visits to its target it is."""
        self._scan_id = scan_id
        self._event_id = EventIds(scan_id).of
        # Loaded now: during the sweep there may be no descriptor for it.
        self._identify = load_fingerprints(settings.fingerprints).identify
        self._refusal = RefusalRules.shipped().classify
        if settings.will_speak:
            shipped_behaviours()
        assessor = Assessor.installed()
        self._assess = assessor.answer
        self.data_warning = assessor.facts.maybe_warning
        self.facts_of = assessor.facts.compiled
        self._sample_of = sample_of
        self._logs_debug = log.isEnabledFor(logging.DEBUG)  # asked once, not for every host
        self._limits = (settings.max_greeting_bytes, settings.max_greeting_lines)

    def record(self, attempt: Attempt) -> Record:
        """Return the record of a finished attempt; never raises."""
        try:
            return self._record(attempt)
        except Exception:  # a bug of ours is this target's status, not the end of the sweep
            log.exception("bug: no record of %s could be made from %s", attempt.target.ip, attempt.raw[:200].hex())
            return self._filled(attempt, Status.BUG, None)

    def _record(self, attempt: Attempt) -> Record:
        raw, status = attempt.raw, attempt.status
        if not raw:
            return self._filled(attempt, status or Status.MALFORMED, None)
        max_bytes, max_lines = self._limits
        banner = parse_banner(raw, max_bytes=max_bytes, max_lines=max_lines)
        return self._filled(attempt, final_status(status, banner), banner)

    def _filled(self, attempt: Attempt, status: Status, banner: Banner | None) -> Record:
        target, meaning = attempt.target, _NOTHING
        if banner is not None:
            meaning = self._meaning(banner, attempt.started_at + (attempt.first_byte_s or 0.0), target.ip)
        sample = None if self._sample_of is None else self._sample_of(target.position)
        if self._logs_debug:
            outcome = status if attempt.error is None else f"{status} ({attempt.error})"
            log.debug("%s port %d: %s after %.3f s", target.ip, target.port, outcome, attempt.total_s)
        record = Record(
            self._scan_id, self._event_id(target.ip, target.port, sample), attempt.started_at,
            target.ip, target.port, target.host,
            status, attempt.connect_s, attempt.first_byte_s, attempt.total_s, attempt.tries,
            meaning.banner, meaning.software, meaning.disclosure, meaning.findings,
            attempt.error, meaning.clock_skew_s, meaning.refusal, attempt.dialogue,
            sample=sample, assessment=meaning.assessment,
        )  # fmt: skip
        if attempt.dialogue is None or meaning.banner is None:
            return record
        return self._with_dialogue(record, meaning.banner, attempt.dialogue, target.ip)

    def _with_dialogue(self, record: Record, banner: Banner, dialogue: Dialogue, ip: str) -> Record:
        """Add what the server said after its greeting."""
        by_greeting, by_behaviour = record.software, shipped_behaviours().identify(dialogue)
        software, odd = merge(by_greeting, by_behaviour), contradiction(by_greeting, by_behaviour)
        findings, assessment = self._assess(software) if software is not None else _NOT_ASSESSED
        seen = disclosed_in(banner, by_greeting, by_behaviour, dialogue, ip)
        return record._replace(
            software=software,
            disclosure=disclosed_anywhere(seen),
            findings=findings if odd is None else (*findings, odd),
            disclosed_in=seen,
            assessment=_worth(assessment, disclosed_anywhere(seen)),
        )

    def imported(self, imported: "ImportedBanner", number: int) -> Record:
        """Return the record of a banner that was collected elsewhere, the `number`-th of its run; nothing is visited.

        `status` is what its bytes mean. The event id is made from the number, since an address may occur again.
        """
        max_bytes, max_lines = self._limits
        banner = parse_banner(imported.raw, max_bytes=max_bytes, max_lines=max_lines)
        meaning = self._meaning(banner, imported.observed_at, imported.ip)
        return Record(
            self._scan_id, self._event_id(f"{imported.ip or ''}#{number}", imported.port or 0), imported.observed_at,
            imported.ip, imported.port, imported.host,
            banner.status, None, None, None, 0,
            meaning.banner, meaning.software, meaning.disclosure, meaning.findings,
            clock_skew_s=meaning.clock_skew_s, refusal=meaning.refusal, assessment=meaning.assessment,
        )  # fmt: skip

    def _meaning(self, banner: Banner, came_at: float | None, ip: str | None) -> _Meaning:
        software = self._identify(banner)
        if software is not None and "." not in (banner.hostname or ""):
            banner = with_corrected_hostname(banner, software, self._identify)
        findings, assessment = self._assess(software) if software is not None else _NOT_ASSESSED
        disclosed = greeting_disclosure(banner, software, ip)
        return _Meaning(
            banner,
            software,
            disclosed,
            findings,
            _worth(assessment, disclosed),
            None if came_at is None else maybe_clock_skew(banner.server_time, came_at),
            self._refusal(banner),
        )


def _worth(assessment: Assessment | None, disclosed: Collection[str]) -> Assessment | None:
    """Correct the answer "no version shown" when a version was shown that no rule can read."""
    if assessment is not None and assessment.answer is Answer.NO_VERSION and "version" in disclosed:
        return assessment._replace(answer=Answer.UNDECIDED)
    return assessment


def final_status(ending: Status | None, banner: Banner) -> Status:
    """Return the status by how the connection ended or by what its bytes say.

    Bytes that no SMTP server sends outweigh the ending: SSH waits for us until the time-out, but is not a tarpit.
    """
    if ending is None or banner.status is Status.NOT_SMTP:
        return banner.status
    if not _BEGINS_LIKE_A_REPLY.match(banner.raw):
        return Status.MALFORMED
    return ending
