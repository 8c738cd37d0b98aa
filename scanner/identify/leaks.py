"""Find what a server gives away besides its product, and in which of its replies.

`disclosure` lists what a greeting discloses about the software. This module adds what helps an attacker further: host
names that only exist inside a network (`.local`, `.corp` ...) and private addresses. After a dialogue it also lists the
places where each thing was seen, so that a reader knows what is left to close: a version that was removed from the
greeting may still be in HELP, an internal name in the certificate.

A version counts for any product: `version_search` finds those that no rule knows.

A server repeats the client's name and address in EHLO and in some greetings ("access from: ..."). Those belong to the
client and are ignored, as are the address that was visited and a version that looks like an address (`10.4.5.1`).
Typical behaviour does not disclose a product where no reply names it.

Left out: names without a dot (half of them are `localhost`), and what only a DNS search could tell.
Sources: RFC 1918 and 4193 (private addresses); RFC 6762, appendix G, RFC 8375 and ICANN's `.internal` (names).
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Final

from scanner import lazy
from scanner.identify.behaviour import first_reply
from scanner.identify.disclosure import disclosure
from scanner.identify.version_search import find_versions, may_show_version
from scanner.model import DISCLOSED, PLACES, Banner, Dialogue, Software

_SUFFIXES: Final = (
    *(".local", ".lan", ".internal", ".intranet", ".intra", ".corp", ".home", ".home.arpa", ".private", ".priv"),
)
_PRIVATE: Final = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_NAME = lazy.pattern(r"[0-9A-Za-z_-][0-9A-Za-z_.-]{2,254}")
_ADDRESS = lazy.pattern(
    r"(?<![0-9A-Za-z.-])([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[Ff][CcDd][0-9A-Fa-f]{2}:[0-9A-Fa-f:]{2,34})(?![0-9A-Za-z]|\.[0-9])"
)
#: The rest of a line that has no number except those of one usual date. An escaped text may hide numbers.
#: Lines are printable ASCII, and a class of the characters allowed is faster than one of those excluded.
_NO_NUMBER = lazy.pattern(
    r"[ -/:-\[\]-~]*+(?:(?<=(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )[0-9]{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov"
    r"|Dec) (?:19|20)[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?: [+-][0-9]{4})?(?![0-9A-Za-z:.+-])[ -/:-\[\]-~]*+)?\Z"
)
#: Where a greeting begins to describe the client.
_CLIENT = lazy.pattern(r"(?:access|connection) from", re.IGNORECASE)
_SOFTWARE_FIELDS: Final = ("product", "version", "config_version", "patch", "build", "package", "os")
_VERSIONS: Final = ("version", "config_version", "build", "os_version")
#: Characters of one place that are looked at; the longest honest HELP has a tenth of it.
_MAX_TEXT: Final = 16_384


def greeting_disclosure(banner: Banner, software: Software | None, ip: str | None) -> tuple[str, ...]:
    """Return what a greeting discloses: words of `DISCLOSED`, in that order, without "hostname".

    `ip` is the address that was visited, None when it is not known.
    """
    told = disclosure(banner, software)
    name, text = banner.hostname, banner.text
    # This runs for every host of a sweep, so a cheap test that overlooks nothing comes before each costly one.
    said: list[str] = []
    if "version" not in told and _may_show_version(banner) and (said := list(versions_in_greeting(banner, ip))):
        told = tuple(word for word in DISCLOSED if word == "version" or word in told)
    is_internal = name is not None and name.lower().endswith(_SUFFIXES)
    may_be_private = "10." in text or "192.168." in text or "172." in text or "[f" in text or "IPv6:f" in text
    if not (is_internal or may_be_private):
        return told
    words = {*told, "internal_name"} if is_internal else {*told}
    if may_be_private and _shows_private_address(text_about_server(text), _not_addresses(ip, (software,)).union(said)):
        words.add("private_address")
    return tuple(word for word in DISCLOSED if word in words)


def disclosed_in(
    banner: Banner, by_greeting: Software | None, by_behaviour: Software | None, dialogue: Dialogue, ip: str
) -> dict[str, tuple[str, ...]]:
    """Return for each word of `DISCLOSED` in which of `PLACES` it was seen; an empty tuple when nowhere."""
    texts, names = _texts(banner, dialogue), _host_names(banner, dialogue)
    spoken = _without_own_names(texts, banner, dialogue)
    said = dict(_versions_by_place(banner, dialogue, spoken, ip))
    others = _not_addresses(ip, (by_greeting, by_behaviour)).union(*said.values())
    seen: dict[str, set[str]] = {word: set() for word in DISCLOSED}
    for word in disclosure(banner, by_greeting):
        seen[word].add("greeting")
    for software in filter(None, (by_greeting, by_behaviour)):
        for field in _SOFTWARE_FIELDS:
            value = getattr(software, field)
            if value is not None:
                seen[field].update(place for place in ("ehlo", "help", "quit") if _mentions(spoken[place], value))
    seen["version"].update(place for place, versions in said.items() if versions)
    for place, text in texts.items():
        if names[place]:
            seen["hostname"].add(place)
        if any(name.rstrip(".").lower().endswith(_SUFFIXES) for name in _NAME.findall(text)):
            seen["internal_name"].add(place)
        if _shows_private_address(text, others):
            seen["private_address"].add(place)
    return {word: tuple(place for place in PLACES if place in places) for word, places in seen.items()}


def disclosed_anywhere(seen: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the words that were seen in any place, without "hostname": RFC 5321 (4.2) wants one in the greeting."""
    return tuple(word for word in DISCLOSED if seen[word] and word != "hostname")


def _texts(banner: Banner, dialogue: Dialogue) -> dict[str, str]:
    """Return the text of each place without the client's name and address."""
    ehlo, answer, end = (first_reply(dialogue, verb) for verb in ("EHLO", "HELP", "QUIT"))
    first = ehlo.lines[0] if ehlo is not None and ehlo.lines else ""
    # "mail Hello client [192.0.2.1], pleased to meet you": the first word, and what follows the client's address
    own = (first.partition(" ")[0], first.rpartition("]")[2] if "]" in first else "")
    parts = {
        "greeting": (text_about_server(banner.text),),
        "ehlo": (*own, *dialogue.extensions, *dialogue.tls_extensions),
        "help": answer.lines if answer is not None else (),
        "quit": end.lines if end is not None else (),
        "certificate": _certificate_texts(dialogue),
    }
    return {place: "\n".join(part)[:_MAX_TEXT] for place, part in parts.items()}


def _certificate_texts(dialogue: Dialogue) -> tuple[str, ...]:
    certificates = dialogue.tls.certificates if dialogue.tls is not None else ()
    return tuple(
        text
        for certificate in certificates
        for text in (certificate.subject or "", certificate.issuer or "", *certificate.names)
    )


def _without_own_names(texts: Mapping[str, str], banner: Banner, dialogue: Dialogue) -> Mapping[str, str]:
    """Return the texts without the server's own host names: sendmail.example.com does not name software."""
    ehlo = first_reply(dialogue, "EHLO")
    first = ehlo.lines[0].partition(" ")[0] if ehlo is not None and ehlo.lines else ""
    own = sorted({name for name in (banner.hostname or "", first) if "." in name})
    if not own:
        return texts
    pattern = re.compile("|".join(map(re.escape, own)), re.IGNORECASE)
    return {place: pattern.sub("", text) for place, text in texts.items()}


def _host_names(banner: Banner, dialogue: Dialogue) -> dict[str, bool]:
    """Tell where a host is named: the first word of greeting and EHLO, the same word in HELP, a certificate's names."""
    ehlo, answer = first_reply(dialogue, "EHLO"), first_reply(dialogue, "HELP")
    first = ehlo.lines[0].partition(" ")[0] if ehlo is not None and ehlo.code == 250 and ehlo.lines else ""
    own = {name.lower() for name in (banner.hostname or "", first) if name}
    told = "\n".join(answer.lines)[:_MAX_TEXT].lower() if answer is not None else ""
    certificates = dialogue.tls.certificates if dialogue.tls is not None else ()
    return {
        "greeting": banner.hostname is not None,
        "ehlo": bool(first),
        "help": any(name in told for name in own),
        "quit": False,  # its host name is the one of the greeting
        "certificate": any(certificate.names for certificate in certificates[:1]),
    }


def _may_show_version(banner: Banner) -> bool:
    """Tell quickly whether a greeting may hold a version, its own host name apart; False only when it holds none.

    Most greetings have no number but in their name and their date.
    """
    name, text = banner.hostname or "", banner.text
    if "." not in name or not name[-1].isalpha():
        name = ""  # "v5" in a host name's place is a version
    if len(banner.lines) == 1:
        line = banner.lines[0]
        if _NO_NUMBER.match(line, len(name) if line.startswith(name) else 0) is not None:
            return False
    return may_show_version(text, 4 + len(name) if name and text.startswith(name, 4) else 0)


def versions_in_greeting(banner: Banner, ip: str | None) -> Iterator[str]:
    """Yield the certain versions in a greeting, without the part that describes the client."""
    hosts = [name for name in (banner.hostname, ip) if name]
    for line in banner.lines:
        said = find_versions(text_about_server(line), code=banner.code, hosts=hosts)
        yield from (each.version for each in said if each.is_sure)


def _versions_by_place(
    banner: Banner, dialogue: Dialogue, spoken: Mapping[str, str], ip: str
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each place with the certain versions there, of any product."""
    yield "greeting", frozenset(versions_in_greeting(banner, ip))
    hosts = [name for name in (banner.hostname, ip) if name]
    for place in ("ehlo", "help", "quit", "certificate"):
        exchange = first_reply(dialogue, place.upper())
        code = None if exchange is None else exchange.code
        said = (find_versions(line, code=code, hosts=hosts) for line in spoken[place].split("\n"))
        yield place, frozenset(each.version for versions in said for each in versions if each.is_sure)


def _mentions(text: str, value: str) -> bool:
    """Whether a text has a value as a word of its own."""
    return re.search(rf"(?<![0-9A-Za-z.]){re.escape(value)}(?![0-9A-Za-z])", text, re.IGNORECASE) is not None


def text_about_server(text: str) -> str:
    """Return the part of a greeting before it describes the client ("... access from: [192.0.2.1]")."""
    client = _CLIENT.search(text)
    return text if client is None else text[: client.start()]


def _not_addresses(ip: str | None, softwares: tuple[Software | None, ...]) -> frozenset[str]:
    """Return texts that look like a private address but do not disclose one: the address visited, and versions."""
    versions = {getattr(software, field) for software in softwares if software is not None for field in _VERSIONS}
    return frozenset({ip, *versions} - {None})


def _shows_private_address(text: str, others: frozenset[str]) -> bool:
    for found in _ADDRESS.findall(text):
        with suppress(ValueError):
            if found not in others and any(ip_address(found) in network for network in _PRIVATE):
                return True
    return False
