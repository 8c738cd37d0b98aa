"""The judges of a policy's rules: each judges one record, or returns that it cannot.

A check that passes unseen hosts would let everything through on the day the network is down. So a rule passes a host
only on what was seen: a complete greeting for rules about greetings (`220`, or a refusal that every client gets), a
reply for rules about HELP, a certificate for rules about certificates. Else the outcome is `not_judged`. An incomplete
greeting can still break a rule.

An unknown product can show its version, too. A number that is certainly a version breaks the rule; where it only may be
one, the rule is not judged (`scanner.identify.version_search`). The same holds for a word in the place of a product's
name (`scanner.identify.unknown_products`).

Left out: levels, waivers and ranges (`policy.check`), and trust in the issuers of certificates, which hardly any mail
server requires. Sources: RFC 3207 (STARTTLS), RFC 6125, 6.4 (names), RFC 3463.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final, NamedTuple

from scanner.identify.behaviour import first_reply, why_inconclusive
from scanner.identify.unconfirmed import possible_products
from scanner.identify.version_search import find_versions, versions_of_software
from scanner.model import CONCLUSIVE, USUAL_GREETING, Certificate, Dialogue, Exchange, Record, Status

Options = Mapping[str, Any]

#: Characters of a server's text in a verdict.
MAX_EVIDENCE: Final = 300
_NO_DIALOGUE: Final = "no dialogue was held: sweep with --probe dialogue"


class RuleOutcome(StrEnum):
    """The outcome of one rule at one host. A closed list."""

    PASSED = "passed"  # the host was seen to keep the rule
    FAILED = "failed"  # the host breaks the rule
    WAIVED = "waived"  # the host breaks the rule, and an owner accepts that
    NOT_JUDGED = "not_judged"  # not enough was seen to judge; never a pass

    __hash__ = str.__hash__


class Judgement(NamedTuple):
    """What a rule finds in a record: our `message`, and `evidence` from the server (escaped like `Banner.text`).

    `hidden`: the host hides what the rule judges, as other rules demand. It is not judged then, and does not count
    against the coverage.
    """

    outcome: RuleOutcome
    message: str
    evidence: str | None = None
    hidden: bool = False


#: A rule's judge: record, options, today. None when the rule does not apply to the host.
Judge = Callable[[Record, Options, date], Judgement | None]


def passed(message: str) -> Judgement:
    """Return that a host keeps a rule."""
    return Judgement(RuleOutcome.PASSED, message)


def failed(message: str, evidence: str | None = None) -> Judgement:
    """Return that a host breaks a rule; long `evidence` is cut."""
    return Judgement(RuleOutcome.FAILED, message, None if evidence is None else evidence[:MAX_EVIDENCE])


def not_judged(message: str, *, hidden: bool = False) -> Judgement:
    """Return that not enough was seen to judge a host."""
    return Judgement(RuleOutcome.NOT_JUDGED, message, hidden=hidden)


def why_not_seen(record: Record) -> str | None:
    """Return why a visit did not show what other clients would see; None when it did.

    A server that refuses our address, or asks us to try again later, greets other clients in another way.
    """
    if record.refusal is not None and record.refusal.refused_us:
        return f"it refuses this scanner ({record.refusal.kind.value})"
    if record.status not in CONCLUSIVE:
        return record.status.value
    return None if record.banner is not None else "no greeting"


def shows_version(record: Record) -> bool:
    """Tell whether a host shows a version, including one that no rule knows."""
    return (record.software is not None and record.software.version is not None) or "version" in record.disclosure


def judge_greeting(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `no-version-in-greeting` and `no-product-in-greeting` by the words in `fields`."""
    del today
    banner = record.banner
    if banner is None:
        return not_judged("no greeting was read")
    fields: tuple[str, ...] = options["fields"]
    told = _told(record, fields, "greeting")
    if told:
        return failed(f"the greeting gives away {', '.join(told)}{named(record)}", banner.text)
    if "version" in fields and (written := _written("the greeting", banner.code, banner.lines, record)):
        return written
    if reason := why_not_seen(record):
        return not_judged(f"its usual greeting was not seen: {reason}")
    if record.status not in USUAL_GREETING:
        return not_judged(f"no mail server's greeting: {record.status.value}")
    names = possible_products(banner, record.software) if "product" in fields else ()
    return _unknown(banner.text, names) if names else passed(f"the greeting gives away none of {', '.join(fields)}")


def _unknown(text: str, names: Collection[str]) -> Judgement:
    """Return that a greeting may name a product which no rule knows."""
    message = f"the greeting may name a product that is not known here: {', '.join(names)}"
    return Judgement(RuleOutcome.NOT_JUDGED, message, text[:MAX_EVIDENCE])


def judge_help(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `no-version-in-help` by the reply to HELP."""
    del today
    if record.dialogue is None:
        return not_judged(_NO_DIALOGUE)
    answer = first_reply(record.dialogue, "HELP")
    if answer is None:
        return not_judged(f"HELP got no reply{_because(record.dialogue)}")
    told = _told(record, options["fields"], "help")
    if told:
        return failed(f"HELP gives away {', '.join(told)}{named(record)}", _telling_line(answer, record))
    if written := _written("HELP", answer.code, answer.lines, record):
        return written
    if (why := why_inconclusive(answer)) is not None:
        return not_judged(f"HELP {why}")
    return passed(f"HELP ({answer.code}) gives away none of {', '.join(options['fields'])}")


def _told(record: Record, fields: tuple[str, ...], place: str) -> list[str]:
    """Return which of these words of `DISCLOSED` a place gives away."""
    if record.disclosed_in is None:
        return [word for word in fields if word in record.disclosure and place == "greeting"]
    return [word for word in fields if place in record.disclosed_in.get(word, ())]


def named(record: Record) -> str:
    """Return the software of a record in brackets, after a space; empty when none is known."""
    software = record.software
    return "" if software is None else f" ({' '.join(filter(None, (software.product, software.version)))})"


def _written(place: str, code: int | None, lines: tuple[str, ...], record: Record) -> Judgement | None:
    """Judge by anything written like a version, whatever the product; None when there is nothing."""
    found = [(line, is_sure) for line in lines if (is_sure := _maybe_shown(line, code, record)) is not None]
    for line, is_sure in found:
        if is_sure:
            return failed(f"{place} shows what is written like a version", line)
    if not found:
        return None
    return Judgement(RuleOutcome.NOT_JUDGED, f"{place} has a number that may be a version", found[0][0][:MAX_EVIDENCE])


def _maybe_shown(line: str, code: int | None, record: Record) -> bool | None:
    """Tell whether a line certainly shows a version; None when it shows nothing like one."""
    banner = record.banner
    hosts = [name for name in (record.host, record.ip, banner.hostname if banner is not None else None) if name]
    said = find_versions(line, code=code, hosts=hosts, known=versions_of_software((record.software,)))
    return any(each.is_sure for each in said) if said else None


def _telling_line(answer: Exchange, record: Record) -> str:
    """Return the line that shows a version; the whole reply when no line certainly does."""
    lines = (line for line in answer.lines if _maybe_shown(line, answer.code, record))
    return next(lines, "\\x0d\\x0a".join(answer.lines))


def _because(dialogue: Dialogue) -> str:
    return "" if dialogue.error is None else f": {dialogue.error}"


def judge_starttls(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `starttls-offered`: EHLO must offer it, and by default the handshake must succeed."""
    del today
    dialogue = record.dialogue
    if dialogue is None:
        return not_judged(_NO_DIALOGUE)
    if dialogue.tls is not None and dialogue.tls.implicit and dialogue.tls.error is None:
        return passed("TLS from the first byte")
    answer = first_reply(dialogue, "EHLO")
    if answer is None:
        return not_judged(f"EHLO got no reply{_because(dialogue)}")
    if not dialogue.starttls:
        return failed(f"STARTTLS is not offered (EHLO: {answer.code})", "\\x0d\\x0a".join(answer.lines))
    if options["must_work"] and dialogue.tls is not None and dialogue.tls.error is not None:
        return failed(f"STARTTLS is offered and does not work: {dialogue.tls.error}")
    return passed("STARTTLS is offered")


def judge_certificate(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `certificate-valid` on a day; the rule does not apply to a server without TLS."""
    dialogue = record.dialogue
    if dialogue is None:
        return not_judged(_NO_DIALOGUE)
    tls = dialogue.tls
    if tls is None:
        if not dialogue.starttls and first_reply(dialogue, "EHLO") is not None:
            return None
        return not_judged(f"no TLS session was made{_because(dialogue)}")
    if not tls.certificates:
        return not_judged(f"no certificate was seen: {tls.error or 'the server sent none'}")
    certificate = tls.certificates[0]
    if certificate.error is not None:
        return failed("the certificate cannot be read", certificate.error)
    return _dated(certificate, options["min_days_left"], today) or _signed_and_named(certificate, record, options)


def _dated(certificate: Certificate, min_days_left: int, today: date) -> Judgement | None:
    """Judge the dates of a certificate; None when they are valid."""
    first, last = _maybe_day(certificate.not_before), _maybe_day(certificate.not_after)
    if first is None or last is None:
        return not_judged("the certificate's dates cannot be read")
    if last < today:
        return failed(f"the certificate expired on {last}", certificate.subject)
    if first > today:
        return failed(f"the certificate is not valid before {first}", certificate.subject)
    if (days := (last - today).days) < min_days_left:
        return failed(
            f"the certificate expires on {last}, in {days} days; {min_days_left} are required", certificate.subject
        )
    return None


def _maybe_day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def _signed_and_named(certificate: Certificate, record: Record, options: Options) -> Judgement:
    if certificate.self_signed and not options["allow_self_signed"]:
        return failed("the certificate is self-signed", certificate.subject)
    if options["match_name"]:
        name = record.host or (record.banner.hostname if record.banner is not None else None)
        if name is None:
            return not_judged("no host name is known that the certificate should be made out to")
        own = name.lower().rstrip(".")
        if not {own, f"*.{own.partition('.')[2]}"} & {each.lower().rstrip(".") for each in certificate.names}:
            return failed(f"the certificate is not made out to {name}", ", ".join(certificate.names))
    return passed(f"the certificate is valid until {(certificate.not_after or '')[:10]}")


def judge_banner(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `banner-equals`: the greeting after its code, lines joined by a line feed, `$host` for its host name."""
    del today
    banner = record.banner
    if banner is None or record.status is not Status.READY:
        return not_judged("no greeting with code 220 was read")
    text: str = options["text"]
    if "$host" in text and banner.hostname is None:
        return failed("the greeting has no host name", banner.text)
    wanted = text.replace("$host", banner.hostname or "")
    if "\n".join(banner.lines) != wanted:
        return failed(f"the greeting is not {text!a}", banner.text)
    return passed("the greeting is as wanted")
