"""The evidence that a verification shows for a state: the lines of the server, each with what it shows.

`states` decides the state of a host; the functions here put together what a person needs to follow that decision.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from scanner.model import Record, Status
from scanner.smoke.received import HeaderLeak
from scanner.verification.assessment import MAX_LINE, KnownWords, VerificationState, VisitAssessment
from scanner.verification.evidence import (
    Evidence,
    EvidencePlace,
    Opinion,
    ServerLine,
    lines_of_opinion,
    mentions,
    possible_versions_in,
    versions_in,
)


def possible_versions_of(opinion: Opinion | None) -> Iterator[Evidence]:
    """Yield the lines of the second reader that may show a version."""
    for said in () if opinion is None else lines_of_opinion(opinion):
        if found := possible_versions_in(said):
            yield Evidence(
                EvidencePlace.SECOND_OPINION, said.line[:MAX_LINE], f"may show a version: {', '.join(found)}"
            )


def both_readings(seen: Sequence[VisitAssessment], opinion: Opinion, words: KnownWords) -> tuple[Evidence, ...]:
    """Return what each of the two readers saw."""
    ours = next(each for each in seen if each.reading)
    first = ours.versions or ours.names or (Evidence(EvidencePlace.GREETING, ours.visit.greeting, "names no software"),)
    said = lines_of_opinion(opinion)
    theirs = [
        Evidence(EvidencePlace.SECOND_OPINION, each.line[:MAX_LINE], f"{each.place.value}: {_taken(each, words)}")
        for each in said
        if versions_in(each, words.versions) or any(mentions(each.own, product) for product in words.products)
    ]
    silent = Evidence(EvidencePlace.SECOND_OPINION, said[0].line[:MAX_LINE] if said else None, "names no software")
    return (*unique(first), *(theirs or (silent,)))


def _taken(said: ServerLine, words: KnownWords) -> str:
    versions = versions_in(said, words.versions)
    if versions:
        return f"shows version {', '.join(versions)}"
    return f"names {next(product for product in words.products if mentions(said.own, product))}"


def leaking_lines(leaking: Sequence[VisitAssessment], asked: int) -> Iterator[Evidence]:
    """Yield the lines that leak; where not every visit showed a line, with the number of visits that did."""
    counts = Counter((evidence.place, evidence.what) for each in leaking for evidence in set(each.versions))
    for each in leaking:
        for evidence in each.versions:
            count = counts[evidence.place, evidence.what]
            some = f" (in {count} of {asked} visits)" if count < asked else ""
            yield evidence._replace(what=evidence.what + some)


def possible_leaks(received: Iterable[HeaderLeak]) -> Iterator[HeaderLeak]:
    """Yield the header lines with what may be a version."""
    return (leak for leak in received if leak.version is not None and not leak.is_sure)


def received_lines(leaks: Iterable[HeaderLeak]) -> Iterator[Evidence]:
    """Yield header lines as evidence, each with the version or the product that it names."""
    for leak in leaks:
        shown = f"{'shows' if leak.is_sure else 'may show'} version {leak.version}"
        shown = shown if leak.version is not None else f"names {leak.product}"
        yield Evidence(EvidencePlace.RECEIVED, leak.text[:MAX_LINE], shown)


def unique(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """Return one piece for each place and remark: lines with dates differ from visit to visit."""
    return tuple({(each.place, each.what): each for each in reversed(list(evidence))}.values())[::-1]


def evidence_without_version(
    state: VerificationState,
    seen: Sequence[VisitAssessment],
    chosen: Sequence[VisitAssessment],
    received: Sequence[HeaderLeak],
) -> tuple[Evidence, ...]:
    """Return the evidence for a state without a version."""
    names = unique(evidence for each in chosen for evidence in each.names)
    remarks = unique(remark for each in chosen for remark in each.remarks)
    if not seen:
        return (Evidence(EvidencePlace.GREETING, None, "was not visited"),)
    if state is VerificationState.INCONCLUSIVE and len({each.state for each in seen}) > 1:
        counts = Counter(each.state for each in seen)
        said = ", ".join(f"{count} {each.value}" for each, count in counts.items())
        return (Evidence(EvidencePlace.GREETING, None, f"visits disagree: {said}"), *names, *remarks)
    if state is VerificationState.FIXED:
        return (Evidence(EvidencePlace.GREETING, chosen[0].visit.greeting, "names no software"), *remarks)
    if state is VerificationState.HIDDEN_BUT_RECOGNISABLE:
        return (*names, *received_lines(received))
    return (*remarks, *names)


def second_opinion_remark(
    opinion: Opinion | None, state: VerificationState, records: Sequence[Record]
) -> Iterator[Evidence]:
    """Yield whether the second reader reads the same, or why there is no second opinion."""
    if opinion is None or not any(record.status is Status.READY for record in records):
        return
    if opinion.error is not None or opinion.greeting is None:
        yield Evidence(EvidencePlace.SECOND_OPINION, None, f"not to be had: {opinion.error or 'no greeting'}")
    elif opinion.greeting.code != 220:
        line = " ".join((str(opinion.greeting.code), *opinion.greeting.lines[:1]))
        yield Evidence(EvidencePlace.SECOND_OPINION, line[:MAX_LINE], "not to be had: another greeting")
    elif state in {VerificationState.FIXED, VerificationState.HIDDEN_BUT_RECOGNISABLE}:
        yield Evidence(EvidencePlace.SECOND_OPINION, f"220 {opinion.greeting.lines[0]}"[:MAX_LINE], "reads the same")
