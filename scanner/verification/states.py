"""Decide the state of one host from its baseline and several fresh visits.

The states are a closed list. This module decides in the following order:

1. Our reader and the second reader must agree about versions and names. If they do not, the host is `inconclusive`:
   either one of the parsers is wrong, or two hosts share the address. The evidence has both readings.
2. A version that any visit shows, or any header line of a delivered message, is a leak. Clean visits do not outweigh
   it, because a pool of servers leaks as long as one of them does. The state is `regressed` when the same places were
   clean in the baseline, else `still_discloses`.
3. Anything that may be a version makes a host without a certain one `inconclusive`.
4. A version counts as absent only when greeting, EHLO and HELP were all read and enough of the visits agree.

A server that can be recognised without its name (by the order of its extensions, by its wording) is `fixed`, with a
remark that hiding is not patching. Left out: flaws, the validity of certificates, and everything else that a policy
judges.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from scanner.model import Record
from scanner.smoke.received import HeaderLeak
from scanner.verification.assessment import (
    CLEAN,
    KnownWords,
    Reading,
    VerificationState,
    VisitAssessment,
    assess_visit,
    known_words,
    reading_of,
)
from scanner.verification.evidence import (
    Evidence,
    EvidencePlace,
    Opinion,
    lines_of_opinion,
)
from scanner.verification.reasons import (
    both_readings,
    evidence_without_version,
    leaking_lines,
    possible_leaks,
    possible_versions_of,
    received_lines,
    second_opinion_remark,
    unique,
)
from scanner.verification.visits import Visit

__all__ = ["NOT_FIXED", "NOT_SEEN", "Subject", "VerificationState", "Verified", "judge"]

#: Pieces of evidence for one host.
MAX_EVIDENCE: Final = 20

#: States that need work; with `--strict` `HIDDEN_BUT_RECOGNISABLE` does, too.
NOT_FIXED: Final = frozenset(
    {
        VerificationState.STILL_DISCLOSES,
        VerificationState.REGRESSED,
        VerificationState.MASKED,
        VerificationState.REPLACED,
    }
)
#: States in which nothing is known about the finding.
NOT_SEEN: Final = frozenset(
    {VerificationState.REFUSED_US, VerificationState.UNREACHABLE, VerificationState.INCONCLUSIVE}
)


_NO_LINE: Final = Evidence(
    EvidencePlace.RECEIVED, None, "was to be read, and the message has no Received: line of this host"
)


class Verified(NamedTuple):
    """The result for one host.

    `agreed` of `asked` visits showed the same. `after` is one of them in short, `record` the same visit as a whole.
    `shows_version`: a visit or a reader saw a version, whatever the state is.
    """

    ip: str
    port: int
    host: str | None
    state: VerificationState
    evidence: tuple[Evidence, ...]
    before: Visit | None
    after: Visit | None
    record: Record | None
    asked: int
    agreed: int
    shows_version: bool

    @property
    def is_failed(self) -> bool:
        """Whether the finding is still there; an inconclusive host that shows a version counts as well."""
        return self.state in NOT_FIXED or self.shows_version


class Subject(NamedTuple):
    """The host to judge, and its baseline (None when there is none)."""

    ip: str
    port: int
    host: str | None = None
    before: Visit | None = None


class _Ruling(NamedTuple):
    """A state, the evidence for it, and the visits that showed it."""

    state: VerificationState
    evidence: tuple[Evidence, ...]
    chosen: Sequence[VisitAssessment]


def judge(
    subject: Subject,
    records: Sequence[Record],
    *,
    opinion: Opinion | None = None,
    received: Sequence[HeaderLeak] = (),
    asked: int | None = None,
    agree: int | None = None,
    is_unread: bool = False,
) -> Verified:
    """Return the state of one host.

    Args:
        subject: the host, and what was there before.
        records: the fresh visits, in any order; fewer than `asked` when some were not made.
        opinion: what the second reader read, None when it was not asked.
        received: header lines of a message that this host took, with the software they name.
        asked: how many visits were wanted; by default as many as there are.
        agree: how many of them must show the same for any state but a leak; by default all.
        is_unread: a message was given to be read, and has no line of any host that is verified.
    """
    wanted = len(records) if asked is None else asked
    words = known_words(subject.before, records)
    seen = [assess_visit(record, subject.before, words) for record in records]
    second = None if opinion is None else _second_reading(opinion, words)
    leaks = [each for each in received if each.version is not None and each.is_sure]
    leaking = [each for each in seen if each.versions]
    if opinion is not None and second is not None and not _readers_agree(seen, second):
        ruling = _Ruling(VerificationState.INCONCLUSIVE, both_readings(seen, opinion, words), seen)
    elif leaks or leaking:
        evidence = (*unique(leaking_lines(leaking, wanted)), *received_lines(leaks))
        ruling = _Ruling(_leaking_state(subject.before, leaking), evidence, leaking)
    else:
        ruling = _without_version(seen, received, wanted, wanted if agree is None else agree)
        open_points = (*([_NO_LINE] if is_unread else []), *possible_versions_of(opinion))
        if open_points and ruling.state in CLEAN:
            ruling = ruling._replace(state=VerificationState.INCONCLUSIVE, evidence=(*open_points, *ruling.evidence))
    by_second = second is not None and any(versions for versions, _ in second.values())
    shown = ruling.chosen or seen
    is_open = ruling.state is VerificationState.INCONCLUSIVE
    return Verified(
        *subject[:3],
        state=ruling.state,
        evidence=(*ruling.evidence, *second_opinion_remark(opinion, ruling.state, records))[:MAX_EVIDENCE],
        before=subject.before,
        after=shown[0].visit if shown else None,
        record=shown[0].record if shown else None,
        asked=wanted,
        agreed=_largest(ruling.chosen) if is_open else len(ruling.chosen),
        shows_version=bool(leaks or leaking) or by_second,
    )


def _without_version(
    seen: Sequence[VisitAssessment], received: Sequence[HeaderLeak], asked: int, agree: int
) -> _Ruling:
    """Rule on a host that surely shows no version."""
    state, chosen = _common_state(seen, asked, agree)
    if state is VerificationState.FIXED and received:
        state = VerificationState.HIDDEN_BUT_RECOGNISABLE
    doubts = (*unique(line for each in seen for line in each.doubts), *received_lines(possible_leaks(received)))
    if doubts and state in CLEAN:
        return _Ruling(VerificationState.INCONCLUSIVE, doubts, chosen)
    return _Ruling(state, evidence_without_version(state, seen, chosen, received), chosen)


def _second_reading(opinion: Opinion, words: KnownWords) -> Reading:
    """Return what the second reader saw; a temporary failure counts only where it shows a version."""
    replies = {
        EvidencePlace.GREETING: opinion.greeting,
        EvidencePlace.EHLO: opinion.ehlo,
        EvidencePlace.HELP: opinion.help,
    }
    read = [place for place, reply in replies.items() if reply is not None]
    reading = reading_of(lines_of_opinion(opinion), words, read)
    for place, reply in replies.items():
        if reply is not None and (reply.code or 0) // 100 == 4 and not reading[place][0]:
            del reading[place]
    return reading


def _readers_agree(seen: Iterable[VisitAssessment], second: Reading) -> bool:
    """Whether one of our visits read the same as the second reader, in the places that both have read."""
    readings = [each.reading for each in seen if each.reading]
    return not readings or any(
        all(second[place] == reading[place] for place in second if place in reading) for reading in readings
    )


def _leaking_state(before: Visit | None, leaking: Sequence[VisitAssessment]) -> VerificationState:
    """Tell a new leak from one that was there before, or was not looked for."""
    places = {evidence.place for each in leaking for evidence in each.versions}
    if before is None or before.versions_in:
        return VerificationState.STILL_DISCLOSES
    return VerificationState.REGRESSED if places & set(before.looked_at) else VerificationState.STILL_DISCLOSES


def _common_state(
    seen: Sequence[VisitAssessment], asked: int, agree: int
) -> tuple[VerificationState, list[VisitAssessment]]:
    """Return the state that enough visits agree on, and those visits; else `INCONCLUSIVE` and all of them."""
    groups: dict[VerificationState, list[VisitAssessment]] = {}
    for each in seen:
        groups.setdefault(each.state, []).append(each)
    named = groups.get(VerificationState.HIDDEN_BUT_RECOGNISABLE)
    if named is not None:  # a visit that names nothing does not contradict the others: none of them shows a version
        named += groups.pop(VerificationState.FIXED, [])
    enough = [state for state, group in groups.items() if len(group) >= max(1, agree)]
    if len(enough) == 1 and agree <= asked:
        return enough[0], groups[enough[0]]
    return VerificationState.INCONCLUSIVE, list(seen)


def _largest(seen: Iterable[VisitAssessment]) -> int:
    return max(Counter(each.state for each in seen).values(), default=0)
