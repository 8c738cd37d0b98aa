"""What became of a finding at one host: from what was there before and what several fresh visits showed, to a state.

The states are a closed list, and the order in which they are asked is the policy of this module:

1. Our reader and the second one must not contradict each other about versions and names, else `inconclusive`: one of
   two parsers is wrong, or the host is two hosts, and somebody has to look. Both readings are in the evidence.
2. A version that is shown anywhere, by one of several visits, by a header line of a delivered message, is a leak: no
   number of clean visits takes it back, since a pool of servers leaks as long as one of them does. It is `regressed`
   when the places that leak were clean when we looked at them before, else `still_discloses`.
3. What may be a version, in any visit or header line, leaves a host without a sure one `inconclusive`.
4. What is not shown counts only when greeting, EHLO and HELP were all read, and enough of the visits agree.

What a server is recognised by without its name (order of extensions, wording) leaves it `fixed`, with a remark: hiding
is not patching. Left out: certificates' validity, flaws and whatever else a policy asks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from scanner.model import Record, Status
from scanner.smoke.received import HeaderLeak
from scanner.verification.assessment import (
    CLEAN,
    MAX_LINE,
    Reading,
    Sighting,
    VerificationState,
    Words,
    reading_of,
    see,
    words_of,
)
from scanner.verification.evidence import (
    Evidence,
    EvidencePlace,
    Opinion,
    ServerLine,
    doubts_in,
    mentions,
    said_to_second_reader,
    versions_in,
)
from scanner.verification.visits import Visit

__all__ = ["NOT_FIXED", "NOT_SEEN", "Subject", "VerificationState", "Verified", "judge"]

#: Pieces of evidence of one host.
MAX_EVIDENCE: Final = 20

#: States that say that something has to be done or looked at; `HIDDEN_BUT_RECOGNISABLE` joins them when one is strict.
NOT_FIXED: Final = frozenset(
    {
        VerificationState.STILL_DISCLOSES,
        VerificationState.REGRESSED,
        VerificationState.MASKED,
        VerificationState.REPLACED,
    }
)
#: States that say nothing about the finding.
NOT_SEEN: Final = frozenset(
    {VerificationState.REFUSED_US, VerificationState.UNREACHABLE, VerificationState.INCONCLUSIVE}
)


_NO_LINE: Final = Evidence(
    EvidencePlace.RECEIVED, None, "was to be read, and the message has no Received: line of this host"
)


class Verified(NamedTuple):
    """The result for one host. `agreed` of `asked` visits showed the same; `after` is one that showed it.

    `record` is that visit, whole. `shows_version`: a visit or a reader saw a version, whatever the state is.
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
        """Whether the finding is there for all we have seen; an inconclusive host with a version is not let off."""
        return self.state in NOT_FIXED or self.shows_version


class Subject(NamedTuple):
    """Whom it is about, and what was there before (None when nothing is known of it)."""

    ip: str
    port: int
    host: str | None = None
    before: Visit | None = None


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
    words = words_of(subject.before, records)
    seen = [see(record, subject.before, words) for record in records]
    second = None if opinion is None else _second_reading(opinion, words)
    leaks = [each for each in received if each.version is not None and each.is_sure]
    if second is not None and not _readers_agree(seen, second):
        state, evidence, chosen = VerificationState.INCONCLUSIVE, _both_readings(seen, opinion, words), seen
    elif leaks or any(each.versions for each in seen):
        chosen = [each for each in seen if each.versions]
        state = _leaking_state(subject.before, chosen)
        evidence = (*_unique(_leaking_lines(chosen, wanted)), *_received(leaks))
    else:
        state, evidence, chosen = _without_version(seen, received, wanted, wanted if agree is None else agree)
        open_points = (*([_NO_LINE] if is_unread else []), *_doubts_of(opinion))
        if open_points and state in CLEAN:
            state, evidence = VerificationState.INCONCLUSIVE, (*open_points, *evidence)
    by_second = second is not None and any(versions for versions, _ in second.values())
    shown = chosen or seen
    return Verified(
        ip=subject.ip,
        port=subject.port,
        host=subject.host,
        state=state,
        evidence=(*evidence, *_opinion_remark(opinion, state, records))[:MAX_EVIDENCE],
        before=subject.before,
        after=shown[0].visit if shown else None,
        record=shown[0].record if shown else None,
        asked=wanted,
        agreed=_largest(chosen) if state is VerificationState.INCONCLUSIVE else len(chosen),
        shows_version=bool(leaks) or by_second or any(each.versions for each in seen),
    )


def _without_version(
    seen: Sequence[Sighting], received: Sequence[HeaderLeak], asked: int, agree: int
) -> tuple[VerificationState, tuple[Evidence, ...], list[Sighting]]:
    """Return state, evidence and the visits that count of a host that surely shows no version."""
    state, chosen = _common_state(seen, asked, agree)
    if state is VerificationState.FIXED and received:
        state = VerificationState.HIDDEN_BUT_RECOGNISABLE
    doubts = (*_unique(line for each in seen for line in each.doubts), *_received(_doubtful(received)))
    if doubts and state in CLEAN:
        return VerificationState.INCONCLUSIVE, doubts, chosen
    return state, _quiet_evidence(state, seen, chosen, received), chosen


def _second_reading(opinion: Opinion, words: Words) -> Reading:
    """Return what the second reader took from the host; replies that put it off say only what they show."""
    replies = {
        EvidencePlace.GREETING: opinion.greeting,
        EvidencePlace.EHLO: opinion.ehlo,
        EvidencePlace.HELP: opinion.help,
    }
    read = [place for place, reply in replies.items() if reply is not None]
    reading = reading_of(said_to_second_reader(opinion), words, read)
    for place, reply in replies.items():
        if reply is not None and (reply.code or 0) // 100 == 4 and not reading[place][0]:
            del reading[place]
    return reading


def _doubts_of(opinion: Opinion | None) -> Iterator[Evidence]:
    """Yield the lines that the second reader got with what may be a version, and that no visit showed."""
    for said in () if opinion is None else said_to_second_reader(opinion):
        if found := doubts_in(said):
            yield Evidence(
                EvidencePlace.SECOND_OPINION, said.line[:MAX_LINE], f"may show a version: {', '.join(found)}"
            )


def _readers_agree(seen: Iterable[Sighting], second: Reading) -> bool:
    """Whether one of our visits read the same as the second reader, in the places that both have read."""
    readings = [each.reading for each in seen if each.reading]
    return not readings or any(
        all(second[place] == reading[place] for place in second if place in reading) for reading in readings
    )


def _both_readings(seen: Sequence[Sighting], opinion: Opinion | None, words: Words) -> tuple[Evidence, ...]:
    """Show what each of the two readers took from the host."""
    ours = next(each for each in seen if each.reading)
    first = ours.versions or ours.names or (Evidence(EvidencePlace.GREETING, ours.visit.greeting, "names no software"),)
    said = said_to_second_reader(opinion) if opinion is not None else ()
    theirs = [
        Evidence(EvidencePlace.SECOND_OPINION, each.line[:MAX_LINE], f"{each.place.value}: {_taken(each, words)}")
        for each in said
        if versions_in(each, words.versions) or any(mentions(each.own, product) for product in words.products)
    ]
    silent = Evidence(EvidencePlace.SECOND_OPINION, said[0].line[:MAX_LINE] if said else None, "names no software")
    return (*_unique(first), *(theirs or (silent,)))


def _taken(said: ServerLine, words: Words) -> str:
    versions = versions_in(said, words.versions)
    if versions:
        return f"shows version {', '.join(versions)}"
    return f"names {next(product for product in words.products if mentions(said.own, product))}"


def _leaking_state(before: Visit | None, leaking: Sequence[Sighting]) -> VerificationState:
    """Tell a leak that is new from one that was there, or that nobody had looked for."""
    places = {evidence.place for each in leaking for evidence in each.versions}
    if before is None or before.versions_in:
        return VerificationState.STILL_DISCLOSES
    return VerificationState.REGRESSED if places & set(before.looked_at) else VerificationState.STILL_DISCLOSES


def _leaking_lines(leaking: Sequence[Sighting], asked: int) -> Iterator[Evidence]:
    """Yield the lines that leak; a line that not every visit showed says in how many it was."""
    counts = Counter((evidence.place, evidence.what) for each in leaking for evidence in set(each.versions))
    for each in leaking:
        for evidence in each.versions:
            count = counts[evidence.place, evidence.what]
            some = f" (in {count} of {asked} visits)" if count < asked else ""
            yield evidence._replace(what=evidence.what + some)


def _doubtful(received: Iterable[HeaderLeak]) -> Iterator[HeaderLeak]:
    return (leak for leak in received if leak.version is not None and not leak.is_sure)


def _received(leaks: Iterable[HeaderLeak]) -> Iterator[Evidence]:
    for leak in leaks:
        shown = f"{'shows' if leak.is_sure else 'may show'} version {leak.version}"
        shown = shown if leak.version is not None else f"names {leak.product}"
        yield Evidence(EvidencePlace.RECEIVED, leak.text[:MAX_LINE], shown)


def _unique(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return one piece for each place and remark: dates in a greeting make its lines differ from visit to visit."""
    return tuple({(each.place, each.what): each for each in reversed(list(evidence))}.values())[::-1]


def _common_state(seen: Sequence[Sighting], asked: int, agree: int) -> tuple[VerificationState, list[Sighting]]:
    """Return the state that enough visits agree on, and those visits; else `INCONCLUSIVE` and all of them."""
    groups: dict[VerificationState, list[Sighting]] = {}
    for each in seen:
        groups.setdefault(each.state, []).append(each)
    named = groups.get(VerificationState.HIDDEN_BUT_RECOGNISABLE)
    if named is not None:  # a visit that names nothing contradicts no other: none of them shows a version
        named += groups.pop(VerificationState.FIXED, [])
    enough = [state for state, group in groups.items() if len(group) >= max(1, agree)]
    if len(enough) == 1 and agree <= asked:
        return enough[0], groups[enough[0]]
    return VerificationState.INCONCLUSIVE, list(seen)


def _largest(seen: Iterable[Sighting]) -> int:
    return max(Counter(each.state for each in seen).values(), default=0)


def _quiet_evidence(
    state: VerificationState, seen: Sequence[Sighting], chosen: Sequence[Sighting], received: Sequence[HeaderLeak]
) -> tuple[Evidence, ...]:
    """Return what a state without a version rests on."""
    names = _unique(evidence for each in chosen for evidence in each.names)
    remarks = _unique(remark for each in chosen for remark in each.remarks)
    if not seen:
        return (Evidence(EvidencePlace.GREETING, None, "was not visited"),)
    if state is VerificationState.INCONCLUSIVE and len({each.state for each in seen}) > 1:
        counts = Counter(each.state for each in seen)
        said = ", ".join(f"{count} {each.value}" for each, count in counts.items())
        return (Evidence(EvidencePlace.GREETING, None, f"visits disagree: {said}"), *names, *remarks)
    if state is VerificationState.FIXED:
        return (Evidence(EvidencePlace.GREETING, chosen[0].visit.greeting, "names no software"), *remarks)
    if state is VerificationState.HIDDEN_BUT_RECOGNISABLE:
        return (*names, *_received(received))
    return (*remarks, *names)


def _opinion_remark(opinion: Opinion | None, state: VerificationState, records: Sequence[Record]) -> Iterator[Evidence]:
    """Say what the second reader adds: that it reads the same, or why it could not be had."""
    if opinion is None or not any(record.status is Status.READY for record in records):
        return
    if opinion.error is not None or opinion.greeting is None:
        yield Evidence(EvidencePlace.SECOND_OPINION, None, f"not to be had: {opinion.error or 'no greeting'}")
    elif opinion.greeting.code != 220:
        line = " ".join((str(opinion.greeting.code), *opinion.greeting.lines[:1]))
        yield Evidence(EvidencePlace.SECOND_OPINION, line[:MAX_LINE], "not to be had: another greeting")
    elif state in {VerificationState.FIXED, VerificationState.HIDDEN_BUT_RECOGNISABLE}:
        yield Evidence(EvidencePlace.SECOND_OPINION, f"220 {opinion.greeting.lines[0]}"[:MAX_LINE], "reads the same")
