"""Assess one fresh visit: which lines still show a version or a name, and which state follows from this visit alone.

Everything here compares a single record with the baseline; `states` combines the visits of a host. A version counts as
absent only where the replies were read: the greeting was 220, and the replies to EHLO and HELP are complete and are
neither temporary failures nor refusals. A host that was not seen is never called fixed.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from scanner.identify.behaviour import first_reply, why_inconclusive
from scanner.identify.unknown_products import possible_product_names
from scanner.identify.version_search import versions_of_software
from scanner.model import NOT_CONNECTED, Record, Software, Status
from scanner.verification.evidence import (
    Evidence,
    EvidencePlace,
    ServerLine,
    identities,
    lines_of,
    mentions,
    named_products,
    names_in_text,
    possible_versions_in,
    versions_in,
)
from scanner.verification.named_lines import maybe_named
from scanner.verification.visits import RECOGNISED, Visit, is_crossed_out, is_masked, visit_of

#: Characters of a line in the evidence.
MAX_LINE: Final = 500


class VerificationState(StrEnum):
    """What became of a finding. A closed list; a host that was not seen is never `FIXED`."""

    FIXED = "fixed"  # greeting, EHLO and HELP were read, and none of them names a version or the product
    STILL_DISCLOSES = "still_discloses"  # a version is shown: the evidence has the line
    REGRESSED = "regressed"  # a version is shown where an earlier visit saw none
    HIDDEN_BUT_RECOGNISABLE = "hidden_but_recognisable"  # no version anywhere, but what it says names the product
    MASKED = "masked"  # a firewall has overwritten the greeting: the server behind it was not seen
    REPLACED = "replaced"  # another product, or another service, than before
    REFUSED_US = "refused_us"  # the greeting turns away our address, or says that we come too often
    UNREACHABLE = "unreachable"  # no connection: refused, timed out, no route
    INCONCLUSIVE = "inconclusive"  # visits or readers disagree, something may be a version, or not all was seen

    __hash__ = str.__hash__


#: States that say that no version is shown.
CLEAN: Final = frozenset({VerificationState.FIXED, VerificationState.HIDDEN_BUT_RECOGNISABLE})

#: By place, what a reader took from it: the versions, and whether the product is named.
Reading = dict[EvidencePlace, tuple[frozenset[str], bool]]


class VisitAssessment(NamedTuple):
    """What one visit showed.

    `versions` and `names` are the lines that show a version or name the product, `remarks` further evidence. `doubts`
    are lines with what may be a version: while there are any, the host cannot be called clean.
    """

    state: VerificationState
    record: Record
    visit: Visit
    versions: tuple[Evidence, ...]
    names: tuple[Evidence, ...]
    remarks: tuple[Evidence, ...]
    reading: Reading
    doubts: tuple[Evidence, ...] = ()


class KnownWords(NamedTuple):
    """What to look for in the lines of a host: versions that are known of it, and names of products."""

    versions: frozenset[str]
    products: tuple[str, ...]


def known_words(before: Visit | None, records: Iterable[Record]) -> KnownWords:
    """Return what is known of a host from before and from all fresh visits together."""
    softwares: list[Software | None] = []
    for record in records:
        softwares += (*identities(record), record.software)
    products = {software.product for software in softwares if software is not None} | named_products()
    versions = set(versions_of_software(softwares))
    if before is not None:
        products |= {before.product} if before.product else set()
        versions |= {before.version} if before.version and any(map(str.isdigit, before.version)) else set()
    return KnownWords(frozenset(versions), tuple(sorted(products)))


def assess_visit(record: Record, before: Visit | None, words: KnownWords) -> VisitAssessment:
    """Assess one visit: the lines with a known version or product, and the state that follows from it alone."""
    said = lines_of(record)
    versions = tuple(_version_lines(said, words.versions))
    found = tuple(_name_lines(record, said, words.products))
    # A certificate is often made once, by the installation: its names are a remark and do not decide.
    names = tuple(each for each in found if each.place is not EvidencePlace.CERTIFICATE)
    visit = visit_of(record, {each.place for each in versions})
    if not found:  # a host called postfix.example.com does not name its software by that
        visit = visit._replace(disclosure=tuple(word for word in visit.disclosure if word != "product"))
    state, remarks = (
        (VerificationState.STILL_DISCLOSES, ()) if versions else _state_of(record, before, names_product=bool(names))
    )
    doubts = tuple(_doubtful_lines(said))
    if doubts and state in CLEAN:
        state, remarks = VerificationState.INCONCLUSIVE, doubts
    elif state is VerificationState.FIXED and (unknown := tuple(_perhaps_named(record))):
        state, remarks = VerificationState.INCONCLUSIVE, (*unknown, *remarks)
    remarks += tuple(each for each in found if each.place is EvidencePlace.CERTIFICATE)
    return VisitAssessment(
        state, record, visit, versions, names, remarks, reading_of(said, words, visit.looked_at), doubts
    )


def _state_of(
    record: Record, before: Visit | None, *, names_product: bool
) -> tuple[VerificationState, tuple[Evidence, ...]]:
    """Return the state of a visit without any version, and the evidence for it."""
    refusal, state, what = record.refusal, VerificationState.INCONCLUSIVE, None
    if record.status in NOT_CONNECTED:
        state, what = VerificationState.UNREACHABLE, _ending(record)
    elif refusal is not None and refusal.refused_us:
        state, what = VerificationState.REFUSED_US, f"refuses this address ({refusal.kind.value})"
    elif (other := _other_service(record, before)) is not None:
        state, what = VerificationState.REPLACED, other
    elif is_masked(record):
        state, what = VerificationState.MASKED, "overwritten by a firewall: the server behind it was not seen"
    else:
        what = _not_seen(record)
    if what is not None:
        line = None if record.banner is None else record.banner.text[:MAX_LINE]
        return state, (Evidence(EvidencePlace.GREETING, line, what),)
    if names_product:
        return VerificationState.HIDDEN_BUT_RECOGNISABLE, ()
    return VerificationState.FIXED, _recognised_by_behaviour(record)


def _ending(record: Record) -> str:
    return record.status.value.replace("_", " ") + (f" ({record.error})" if record.error else "")


def _other_service(record: Record, before: Visit | None) -> str | None:
    """Return what has replaced the earlier software or service; None when it may be the same."""
    if before is None:
        return None
    if record.status is Status.NOT_SMTP and before.status is not Status.NOT_SMTP:
        return "another service than before: no SMTP"
    software = record.software
    if software is None or software.confidence < RECOGNISED or before.product is None or is_masked(record):
        return None
    return None if software.product == before.product else f"{software.product}, where {before.product} was before"


def _not_seen(record: Record) -> str | None:
    """Return which reply is missing; None when greeting, EHLO and HELP were all read."""
    if record.status is not Status.READY:
        return f"no greeting to judge by: {_ending(record)}"
    dialogue = record.dialogue
    if dialogue is None:
        return "no dialogue was held: EHLO and HELP were not seen"
    ehlo, answer = first_reply(dialogue, "EHLO"), first_reply(dialogue, "HELP")
    for verb, reply in (("EHLO", ehlo), ("HELP", answer)):
        if reply is None:
            return f"{verb} got no reply: {dialogue.error or 'it was not said'}"
        if (why := why_inconclusive(reply)) is not None:
            return f"{verb} {why}"
    if ehlo is not None and any(map(is_crossed_out, ehlo.lines)):
        return "a firewall has crossed out lines of the reply to EHLO"
    return None


def _recognised_by_behaviour(record: Record) -> tuple[Evidence, ...]:
    """Return a remark when the product is known by its behaviour alone."""
    _, software = identities(record)
    if software is None or record.dialogue is None:
        return ()
    ehlo = first_reply(record.dialogue, "EHLO")
    line = f"{ehlo.code}-{ehlo.lines[0]}"[:MAX_LINE] if ehlo is not None and ehlo.lines else None
    what = (
        f"no text names it, but it behaves like {software.product} ({software.confidence:.0%}): hiding is not patching"
    )
    return (Evidence(EvidencePlace.EHLO, line, what),)


def _version_lines(said: Iterable[ServerLine], known: Collection[str]) -> Iterator[Evidence]:
    for each in said:
        if found := versions_in(each, known):
            yield Evidence(each.place, each.line[:MAX_LINE], f"shows version {', '.join(found)}")


def _doubtful_lines(said: Iterable[ServerLine]) -> Iterator[Evidence]:
    for each in said:
        if found := possible_versions_in(each):
            yield Evidence(each.place, each.line[:MAX_LINE], f"may show a version: {', '.join(found)}")


def _perhaps_named(record: Record) -> Iterator[Evidence]:
    """Yield the greeting when it may name a product that no rule knows: it cannot be called clean then."""
    banner = record.banner
    if banner is not None and (names := possible_product_names(banner)):
        yield Evidence(EvidencePlace.GREETING, banner.text[:MAX_LINE], f"may name a product: {', '.join(names)}")


def _name_lines(record: Record, said: Sequence[ServerLine], products: Iterable[str]) -> Iterator[Evidence]:
    """Yield the lines that name the product, also where a rule knows a name that is spelt in another way."""
    named_in: set[EvidencePlace] = set()
    for each in said:
        for product in products:
            if mentions(each.own, product):
                named_in.add(each.place)
                yield Evidence(each.place, each.line[:MAX_LINE], f"names {product}")
                break
    by_greeting, by_behaviour = identities(record)
    if (
        EvidencePlace.GREETING not in named_in
        and names_in_text(by_greeting, by_behaviour=False)
        and not is_masked(record)
    ):
        yield from _first_line(said, EvidencePlace.GREETING, by_greeting)
    if not named_in & {EvidencePlace.EHLO, EvidencePlace.HELP} and names_in_text(by_behaviour, by_behaviour=True):
        place = (
            EvidencePlace.HELP
            if by_behaviour is not None and "help:" in (by_behaviour.evidence or "")
            else EvidencePlace.EHLO
        )
        named_in.add(place)
        yield from _first_line(said, place, by_behaviour)
    if EvidencePlace.HELP not in named_in:
        for each in said:
            if each.place is EvidencePlace.HELP and (software := maybe_named(each.own)) is not None:
                yield Evidence(each.place, each.line[:MAX_LINE], f"names {software.product}")


def _first_line(said: Iterable[ServerLine], place: EvidencePlace, software: Software | None) -> Iterator[Evidence]:
    line = next((each.line for each in said if each.place is place), None)
    if line is not None and software is not None:
        yield Evidence(place, line[:MAX_LINE], f"names {software.product}")


def reading_of(said: Iterable[ServerLine], words: KnownWords, looked_at: Iterable[EvidencePlace]) -> Reading:
    """Return what a reader took from the lines of each place; the second reader does not read certificates."""
    found: dict[EvidencePlace, tuple[set[str], bool]] = {
        place: (set(), False) for place in looked_at if place is not EvidencePlace.CERTIFICATE
    }
    for each in said:
        if each.place in found:
            versions, named = found[each.place]
            versions.update(versions_in(each, words.versions))
            found[each.place] = versions, named or any(mentions(each.own, product) for product in words.products)
    return {place: (frozenset(versions), named) for place, (versions, named) in found.items()}
