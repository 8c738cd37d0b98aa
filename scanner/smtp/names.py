"""Find the server's host name in the words of a greeting.

RFC 5321 4.2 puts the name first, as a Domain or an address literal. Most servers do, so a name with dots at the
beginning is taken after one look. Other beginnings are a product, the protocol, a sentence or a refusal, and
a name of one label looks like all of these; how it is written and what follows it decides:

- words of sentences and of the protocol are never a name, nor is a word without a letter ("421", "2024-01-01"), nor are
  products that are written in small letters;
- in front of a well-known product ("SERVER Microsoft ESMTP MAIL Service", "Zeus ESMTP Postfix") another word is one;
- else a word in small letters is a name ("laposte"), and one with capitals is a product ("Kerio", "CCProxy", "AVG"),
  unless it looks like the name of a computer ("MAIL01") and the protocol follows.

Without a name with dots in front, those places are searched where servers are known to put it: behind blanks, an
enhanced code or the word SMTP, in brackets, and in "ready at NAME", "Welcome to NAME", "Server NAME".

After 4yz and 5yz most servers begin a sentence, often about the client: an address there is the client's, a name of
one label needs ESMTP behind it or a continued line of its own; a name that is "listed" or "blocked" is the client's.

Left out: names beyond ASCII (RFC 6531 3.7.1 keeps the dialogue ASCII), and names in other places of a sentence.
"""

import re
from re import Match
from typing import Final

from scanner import lazy
from scanner.smtp.grammar import ADDRESS_LITERAL, HOST_NAME, IPV4, LABEL, MAX_HOST_NAME

#: What stands before the name: blanks, decoration when the name has dots, and the enhanced code that RFC 2034 keeps out
#: of greetings.
_BEFORE: Final = lazy.pattern(
    r"[ \t]*(?:(?:[#*=~>]{1,8}[ \t]*|-{1,8}[ \t]{1,8})(?=[A-Za-z0-9_-]{1,63}\.[A-Za-z0-9]))?"
    r"([245]\.[0-9]{1,3}\.[0-9]{1,3}[ \t:]{1,8})?"
)
_DOTTED: Final = rf"(?P<name>(?!www\.){LABEL}(?:\.{LABEL})+)"
#: A name in brackets, with or without an id before it: "[mail.example.com]", "<123.456@mail.example.com>". Behind
#: "Service ready" scanners and printers put a name that they are known by in an office.
_BRACKETED: Final = lazy.pattern(
    rf"""(?:[\[<("'](?:[0-9.]{{1,40}}@)?|eSafe@){_DOTTED}(?:[\])>"']|(?=[ \t]|$))"""
    rf"|\[(?P<label>(?![0-9_-]*\]){LABEL})\](?=[ \t]{{1,8}}E?SMTP )|Service ready (?P<konica>{LABEL}) smtpd"
    rf"|<[0-9]{{1,12}}\.[0-9]{{1,12}}@(?P<xmail>{LABEL})>|eSafe@(?P<esafe>{LABEL})(?= )"
    rf"|X1 NT-ESMTP Server (?P<imail>{LABEL}) \(IMail |(?i:host): (?P<host>{LABEL})(?= )"
    rf"|(?:E?SMTP |/)(?P<address>[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}) (?=[A-Z])"
    rf"|SG E?SMTP service ready at (?P<sendgrid>{LABEL})$"
)
#: A product, then the name, then the protocol.
_SECOND: Final = lazy.pattern(rf"[^ \t]{{1,40}}[ \t]{{1,8}}{_DOTTED}(?=[ \t]{{1,8}}E?SMTP(?:[ \t]|$))")
#: The top level of a name in a sentence, where much else has dots: letters, or the form of RFC 3490.
_TOP_LEVEL: Final = lazy.pattern(r"\.(?:[A-Za-z]{2,63}|xn--[0-9A-Za-z-]{1,59})\Z")
#: A name in a sentence. Closed, because sentences name others as well: whose terms apply, who made the software.
_ELSEWHERE: Final = lazy.pattern(
    r"(?<![0-9A-Za-z._-])(?:"
    r"(?:ready|server|service|daemon|listening|running|here|E?SMTP|Postfix|Exim)[ \t]{1,4}(?:at|on)[ \t]{1,4}"
    r"|Welcome to[ \t]{1,4}(?:the )?"
    r"|(?:Willkommen (?:auf|bei)|Bienvenue sur|Bienvenidos? a|Benvenut[io] (?:su|a))[ \t]{1,4}"
    r"|(?:This is|I am|(?:hello|greetings) from|connected to|have reached)[ \t]{1,4}"
    r"|(?:server:?|ready|E?SMTP|host:?)[ \t]{1,4})"
    rf"""[\[<"']?{_DOTTED}(?=\.?(?:[ \t,;!\])>"']|:(?:[ \t]|$)|$))""",
    re.IGNORECASE,
)
#: Software whose name has a dot in it as a host's has.
_SOFTWARE: Final = frozenset(
    {"Dr.Web", "iQ.Suite", "node.js", "Node.js", "Post.Office", "post.office", "David.fx", "Tobit.Software", "ASP.NET",
     "VB.NET", "Pro.NET", "WEB.DE", "ASSP.nospam", "Lotus.Domino"}
)  # fmt: skip
#: What a greeting without a name begins with, and no host is called: no letter is in it, or it is one of these.
_NEVER: Final = lazy.pattern(
    r"[0-9_-]+"
    r"|(?i:ESMTPS?|SMTPS|LMTP|welcome|hello|hi|greetings|ready|ok|connected|connections?|sorry|please|errors?|the|this"
    r"|that|no|not|too|you|your|we|our|all|any|unauthori[sz]ed|authori[sz]ed|warning|notice|attention|blocked|denied"
    r"|rejected|refused|temporar(?:y|ily)|unsolicited|only|for|to|if|and|use|it|is|in|an|on|at|by|from|with|here"
    r"|running|using|powered|speaking|listening|some|his|her|their|its|another|every|each|old|good|powerful|mailbox)"
    r"|SMTP|Debian|AIX|HP|HP-UX|Sun|SGI|MetaInfo|Berkeley|IBM|Lotus|Microsoft|Kerio|Merak|Trend|Cisco|Novell"
    r"|VPOP3|Canon[0-9A-Za-z-]{0,30}|DP-[0-9]{3,4}[A-Z]{0,2}"
)
#: Hosts are called so, and sentences begin so: then the protocol must follow, or nothing.
_COMMON: Final = lazy.pattern(r"smtp|e?mail|server|service|relay|gateway|mx|sendmail|postfix|exim")
#: Names of one label that need a product behind them.
_MAY_BE_SMALL: Final = lazy.pattern(r"smtp|e?mail|server|relay|gateway|mx|[a-z]{1,20}[0-9_-][a-z0-9_-]{0,40}")
#: What a server is like, in sentences, and products that are written like hosts: only in front of a well-known product
#: is it a name.
_KIND: Final = lazy.pattern(
    r"my|new|free|open|fast|simple|tiny|mini|secure|internet|private|public|local|virtual|default|generic|custom|debug"
    r"|test(?:ing)?|sample|demo|example|fake|dummy|mock|python|node|java|authenticated|dev(?:elopment)?"
    r"|[a-z0-9_-]{0,20}smtpd|smtp-sink|network-box|totemomail|mailfront|qmail|netqmail|maddy|mox|mailcow|mailhog|mailpit"
    r"|amavisd?(?:-new)?|smtp[24][a-z]{1,20}|chasquid|haraka|spamd|spampd|smtprelay|genugate|slimta|smap|smtpprox|gen_smtp"
    r"|cmsmtp|samotop|mfiltro|bizsmtp|fssmtpd|notqmail|smtp4dev|smtpevent|proxsmtp|rblsmtpd|smapd?|msmtp|anubis|dovecot"
    r"|nullmailer|piler|proxsmtp|simplesmtp|hydroxide|innovaphone|cqgreylist|papercut|powermta"
    r"|Mail2000|SMTP2GO|IXI-UMS|MTA-CT|N-PLEX"
)
#: The protocol in small letters, in a sentence. Servers that put their name first write it in capitals, or alone.
_SERVICE_NEXT: Final = lazy.pattern(
    r"[ \t]{1,8}e?smtp[ \t]{1,8}(?:server|service|relay|gateway|proxy|daemon|sink|host)\b"
)
#: Any host name in a text: a name with a dot whose last label has only letters.
HOST_IN_TEXT: Final = lazy.pattern(
    r"(?<![\w.-])[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63}){0,10}\.[A-Za-z]{2,24}(?![\w.-])"
)
#: Two words in small letters begin a sentence, but for these.
_SENTENCE_NEXT: Final = lazy.pattern(
    r"[ \t]{1,8}(?!(?:ready|service|server|running|mail|sendmail|postfix|exim)\b)[a-z]"
)
#: A host name of one label is certain when the protocol follows it.
_PROTOCOL_NEXT: Final = lazy.pattern(r"[ \t]{1,8}E?SMTPS?(?![A-Za-z0-9_-])", re.IGNORECASE)
#: What makes a later line of a greeting one that greets itself.
_GREETS_NEXT: Final = lazy.pattern(r"[ \t]{1,8}(?:Microsoft )?E?SMTPS?(?![A-Za-z0-9_-])")
_ESMTP_NEXT: Final = lazy.pattern(r"[ \t]{1,8}ESMTPS?(?![A-Za-z0-9_-])", re.IGNORECASE)
#: A port behind the name, and the protocol.
_PORT_NEXT: Final = lazy.pattern(r":[0-9]{1,5}[ \t]{1,8}E?SMTP(?![A-Za-z0-9_-])")
#: Products that put nothing but the host's name before themselves.
_PRODUCT_NEXT: Final = lazy.pattern(
    r"[ \t]{1,8}(?:"
    r"E?SMTP[ \t]{1,8}(?:Sendmail|Postfix|Exim|OpenSMTPD|MailEnable|MDaemon|hMailServer|CommuniGate|Haraka)\b"
    r"|E?SMTP[ \t]{1,8}Service \((?:Lotus|IBM|HCL) |Microsoft E?SMTP "
    r"|(?:HP )?Sendmail[ \t]{1,8}(?:[0-9(v]|ready|SMI-|AIX)"
    r"|running IBM |smtp4dev\b|\((?:IMail|PowerMTA))",
    re.IGNORECASE,
)
#: Names of one label that have capitals: "MAIL01", "WIN-AB12", "HOST_1", "EXCHANGE", "Server1".
_COMPUTER: Final = lazy.pattern(
    r"[A-Z]{1,15}[0-9_-][A-Z0-9_-]{0,47}|[A-Z][a-z]{0,15}-?[0-9]{1,4}"
    r"|(?:E?MAIL|MX|EXCH(?:ANGE)?|SRV|SERVER|(?:LOCAL)?HOST|GATEWAY|RELAY){1,3}"
)
#: What systems call a new computer, and people one of several, whatever follows.
_GIVEN: Final = lazy.pattern(
    r"localhost|(?:WIN|DESKTOP|LAPTOP|EC2AMAZ|VM|SRV|SERVER|PC)-[A-Z0-9][A-Z0-9-]{2,40}"
    r"|(?:(?:E?MAIL|MX|SMTP|EXCH(?:ANGE)?|SRV|SERVER|SVR|HOST|GW|GATEWAY|RELAY)[_-]?){1,2}[0-9]{1,2}"
)
#: One host of many, as providers number them ("mwinf5c14"). Sentences have no such words but names of standards.
_NUMBERED: Final = lazy.pattern(r"(?!rfc|ipv|tlsv|utf)[a-z]{2,12}[0-9][a-z0-9-]{2,40}")
#: Postfix puts its name between the enhanced code and this word.
_ERROR_NEXT: Final = lazy.pattern(r" Error: ")
#: What a refusal says of the client, behind its name.
_ABOUT_CLIENT: Final = lazy.pattern(
    r"[ \t:,]+(?:is |was |has been )?(?:currently )?"
    r"(?:listed|blocked|rejected|refused|denied|banned|(?:black|block) ?listed|not (?:allowed|permitted|authori[sz]ed)"
    r"|found in|has (?:a poor|no |bad ))",
    re.IGNORECASE,
)


def maybe_hostname(text: str, code: int, *, alone: bool = False) -> str | None:
    """Return the host name that a line of a greeting gives, or its address literal; None when it gives none.

    Args:
        text: the line without its code.
        code: its code, of which the first digit counts.
        alone: whether the line is continued, so that a single word on it is a name.
    """
    match = HOST_NAME.match(text)
    if match is not None:
        name = match[0]
        dot = name.rfind(".")  # `_is_domain`, without a call for every host of a sweep
        if dot > 0 and name[dot + 1].isalpha() and len(name) <= MAX_HOST_NAME and name not in _SOFTWARE:
            return name if code < 400 else _maybe_ours(text, match)
    start = _BEFORE.match(text)
    if start is not None and start.end():
        text = text[start.end() :]
        match = HOST_NAME.match(text)
        if match is not None and _is_domain(match[0]):
            return match[0] if code < 400 else _maybe_ours(text, match)
    if code >= 300:
        return _maybe_refusing(text, match, alone=alone)
    found = _maybe_address(text, match) or _maybe_elsewhere(text)
    if found is not None:
        return found
    return _maybe_label(text, match) if start is None or start[1] is None else maybe_certain_hostname(text)


def maybe_certain_hostname(text: str) -> str | None:
    """Return the first word when it is a host name in any sentence: with dots, or followed by the protocol."""
    match = HOST_NAME.match(text)
    if match is None or not (_is_domain(match[0]) or _PROTOCOL_NEXT.match(text, match.end())):
        return None
    return None if _NEVER.fullmatch(match[0]) else match[0]


def maybe_greeting_again(text: str) -> str | None:
    """Return the first word of a later line when it is a host name or an address that the protocol follows."""
    match = HOST_NAME.match(text) or ADDRESS_LITERAL.match(text)
    if match is None or _NEVER.fullmatch(match[0]) is not None or _GREETS_NEXT.match(text, match.end()) is None:
        return None
    name = match[0]
    if "." not in name:
        return (
            name
            if name.islower() and not _KIND.fullmatch(name) and not _SERVICE_NEXT.match(text, match.end())
            else None
        )
    return name if _is_domain(name) or _maybe_address(text, match) is not None or name.startswith("[") else None


def maybe_name_of_one_label(text: str) -> str | None:
    """Return the first word when it may be a name of one label by how it is written, if a product stands behind it.

    In small letters it is a common name of hosts or has a digit or a hyphen, and with capitals it is a computer's.
    """
    text = text.strip(" \t")
    match = HOST_NAME.match(text)
    if match is None or "." in match[0] or not text.startswith(" ", match.end()):
        return None
    name = match[0]
    if _NEVER.fullmatch(name) is not None or _KIND.fullmatch(name) is not None:
        return None
    return name if (_MAY_BE_SMALL if name.islower() else _COMPUTER).fullmatch(name) is not None else None


def _is_domain(name: str) -> bool:
    """Whether a name has dots, and a top level that is not a number's or a version's: RFC 1123 2.1, a letter first."""
    dot = name.rfind(".")
    return dot > 0 and name[dot + 1].isalpha() and len(name) <= MAX_HOST_NAME and name not in _SOFTWARE


def _maybe_ours(text: str, match: Match[str]) -> str | None:
    """Return the name that a refusal begins with, unless the refusal says that it is the client's."""
    return match[0] if _ABOUT_CLIENT.match(text, match.end()) is None else None


def _maybe_address(text: str, match: Match[str] | None) -> str | None:
    """Return an address at the beginning, in brackets as RFC 5321 wants it, or without."""
    found = IPV4.fullmatch(match[0]) if match is not None else ADDRESS_LITERAL.match(text)
    return found and found[0]


def _maybe_elsewhere(text: str) -> str | None:
    """Return a name from brackets at the beginning, or from a sentence."""
    found = _BRACKETED.match(text)
    if found is not None and found["name"] is None:
        return found[found.lastgroup or 0]
    found = found or _SECOND.match(text) or _ELSEWHERE.search(text)
    return (
        found["name"] if found is not None and _is_domain(found["name"]) and _TOP_LEVEL.search(found["name"]) else None
    )


def _maybe_label(text: str, match: Match[str] | None) -> str | None:
    """Return the first word when it is a name of one label."""
    if match is None or "." in match[0]:
        return None
    text = text.rstrip(" \t")
    name, end = match[0], match.end()
    if _NEVER.fullmatch(name) is not None:
        return None
    end += text.startswith(". ", end)  # the dot of the root
    if _PRODUCT_NEXT.match(text, end) is not None:
        return name
    end = match.end()
    marked = end < len(text) and text[end] not in " \t;"
    if _KIND.fullmatch(name) is not None or (marked and _PORT_NEXT.match(text, end) is None):
        return None
    followed = marked or _PROTOCOL_NEXT.match(text, end) is not None or _GIVEN.fullmatch(name) is not None
    if name == name.lower():
        return name if _may_be_small(text, name, end, followed=followed) else None
    return name if followed and _COMPUTER.fullmatch(name) is not None else None


def _may_be_small(text: str, name: str, end: int, *, followed: bool) -> bool:
    """Whether a word in small letters is a name, by what stands behind it; `followed` says that the protocol does."""
    if (followed and not _SERVICE_NEXT.match(text, end)) or end == len(text) or text.startswith(";", end):
        return True
    return not (_COMMON.fullmatch(name) or (name.isalpha() and _SENTENCE_NEXT.match(text, end)))


def _maybe_refusing(text: str, match: Match[str] | None, *, alone: bool) -> str | None:
    """Return the first word of a refusal when ESMTP follows it, or a name of one label when it is alone."""
    found = match or ADDRESS_LITERAL.match(text)
    if found is None or _NEVER.fullmatch(found[0]) is not None:
        return None
    name, end = found[0], found.end()
    if _ESMTP_NEXT.match(text, end) is not None:
        return name if "." not in name or _maybe_address(text, match) is not None else None
    if text.startswith(" ", end) and (_NUMBERED.fullmatch(name) or (name.islower() and _ERROR_NEXT.match(text, end))):
        return name
    if end == len(text) and _GIVEN.fullmatch(name) is not None:
        return name
    if not alone or end != len(text) or "." in name or ":" in name:
        return None
    return name if name == name.lower() or _COMPUTER.fullmatch(name) is not None else None
