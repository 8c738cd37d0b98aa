"""The greeting forms of real mail servers, and what each of them says about its software.

Problem: a lab that only says "220 host ESMTP" proves nothing about identification.
Approach: a `Form` is the text of one greeting with places for host name and date, beside the facts a reader should
take from it. Forms come from greetings recorded in public (scanner rule sets, bug trackers, manuals) and from Debian's
own packages; host names are always `h-<n>.example` here. A form is rendered once for each of a few moments, cut at
the host name, so that making the greeting of an address is one `bytes.join`.

What a form does not list is not checked: where two readings of an old banner are defensible (is `SMI-SVR4` a
configuration version?), the field is named in `open_fields`.

Sources: RFC 5321 (4.2, 4.3.1); the Sendmail manual (SmtpGreetingMessage); Postfix `smtpd_banner`; Exim `smtp_banner`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

#: The fields of `scanner.model.Software` that a form speaks about; None where the greeting does not say.
SOFTWARE_FIELDS = (
    "product",
    "version",
    "config_version",
    "patch",
    "vendor_tag",
    "package",
    "os",
    "os_version",
)
#: How many moments a form is rendered for. A power of two.
MOMENTS = 16
#: Stands for the number of a host inside a rendered greeting: no greeting form has this byte.
_MARK = b"\x00"
_ZONES = ((0, ""), (60, "CET"), (-480, "PST"), (330, ""), (540, "JST"), (-300, "EST"), (0, ""), (120, ""))
_FIRST = datetime(2026, 11, 16, 0, 14, 7, tzinfo=UTC)
_GAP = timedelta(hours=10, minutes=37, seconds=11)


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """One greeting, as text with the places `{host}`, `{rfc}`, `{ctime}` and `{short}`, and what it says.

    `text` has its reply codes and inner line ends, not the last one. `software` maps fields of `Software` to the
    value that must be found, None for "the greeting does not say". `has_hostname` is False where the first word is
    no host name. `never` is a product that the greeting must not
    be taken for.
    """

    id: str
    text: str
    software: Mapping[str, str | None]
    has_hostname: bool = True
    never: str | None = None

    @property
    def code(self) -> int:
        """The reply code of the greeting."""
        return int(self.text[:3])


@dataclass(frozen=True, slots=True)
class Rendering:
    """A form at one moment: the bytes around the host number, and the moment when the greeting says it readably.

    `server_time` is ISO 8601 with offset; None when the form names no date, or one without century or zone.
    """

    parts: tuple[bytes, ...]
    server_time: str | None

    def greeting(self, host: int) -> bytes:
        """Return the whole greeting of the host of this number, with its last line end."""
        return (b"%d" % host).join(self.parts)


def says(product: str | None, *, open_fields: tuple[str, ...] = (), **fields: str | None) -> dict[str, str | None]:
    """Return what a greeting says: every software field, None unless given, without the `open_fields`."""
    facts: dict[str, str | None] = dict.fromkeys(SOFTWARE_FIELDS)
    facts |= {"product": product, **fields}
    return {name: value for name, value in facts.items() if name not in open_fields}


def render(form: Form) -> tuple[Rendering, ...]:
    """Return the form at each of the `MOMENTS`, in a fixed order."""
    return tuple(_render_at(form, number) for number in range(MOMENTS))


def host_name(host: int) -> str:
    """Return the host name that the host of this number greets with."""
    return f"h-{host}.example"


def _render_at(form: Form, number: int) -> Rendering:
    minutes, zone_name = _ZONES[number % len(_ZONES)]
    moment = (_FIRST + number * _GAP).astimezone(timezone(timedelta(minutes=minutes)))
    offset = moment.strftime("%z") if minutes else "GMT"
    dates = {
        "{rfc}": moment.strftime(f"%a, %d %b %Y %H:%M:%S {offset}") + (f" ({zone_name})" if zone_name else ""),
        "{ctime}": moment.strftime("%a %b %e %H:%M:%S %Y"),
        "{short}": moment.strftime("%a, %d %b %y %H:%M:%S PST"),
    }
    text = form.text
    for place, date in dates.items():
        text = text.replace(place, date)
    raw = f"{text}\r\n".encode("latin-1").replace(b"{host}", b"h-" + _MARK + b".example")
    return Rendering(tuple(raw.split(_MARK)), moment.isoformat() if "{rfc}" in form.text else None)


_OS = ("os", "os_version")

#: Servers other than Sendmail's family that greet with 220.
OTHER_FORMS = (
    Form("postfix", "220 {host} ESMTP Postfix", says("Postfix")),
    Form("postfix-debian", "220 {host} ESMTP Postfix (Debian/GNU)", says("Postfix", open_fields=_OS)),
    Form("postfix-ubuntu", "220 {host} ESMTP Postfix (Ubuntu)", says("Postfix", open_fields=_OS)),
    Form("postfix-version", "220 {host} ESMTP Postfix (3.7.11)", says("Postfix", version="3.7.11")),
    Form("postfix-old", "220 {host} ESMTP Postfix (2.11.3)", says("Postfix", version="2.11.3")),
    Form("exim", "220 {host} ESMTP Exim 4.96 {rfc}", says("Exim", version="4.96")),
    Form("exim-patch", "220 {host} ESMTP Exim 4.94.2 {rfc}", says("Exim", version="4.94.2")),
    Form("exim-hundred", "220 {host} ESMTP Exim 4.100 {rfc}", says("Exim", version="4.100")),
    Form(
        "exim-hosting",
        "220-{host} ESMTP Exim 4.98.1 #2 {rfc} \r\n"
        "220-We do not authorize the use of this system to transport unsolicited, \r\n"
        "220 and/or bulk e-mail.",
        says("Exim", version="4.98.1", open_fields=("patch",)),
    ),
    Form("opensmtpd", "220 {host} ESMTP OpenSMTPD", says("OpenSMTPD")),
    Form(
        "exchange",
        "220 {host} Microsoft ESMTP MAIL Service ready at {rfc}",
        says("Microsoft Exchange Server", open_fields=_OS),
    ),
    Form(
        "iis",
        "220 {host} Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at  {rfc}",
        says("Microsoft SMTP Service", version="6.0.3790.4675", open_fields=_OS),
    ),
    Form(
        "exchange-5.5",
        "220 {host} ESMTP Server (Microsoft Exchange Internet Mail Service 5.5.2653.13) ready",
        says("Microsoft Exchange Server", version="5.5.2653.13", open_fields=_OS),
    ),
    Form("courier", "220 {host} ESMTP Courier", says("Courier")),
    Form("qmail", "220 {host} ESMTP qmail", says("qmail")),
    Form("qmail-before", "220 {host} qmail ESMTP", says("qmail")),
)

#: Greetings that say nothing about the software: Courier's and qmail's default, and any server after hardening.
SILENT_FORMS = (
    Form("hidden", "220 {host} ESMTP", says(None)),
    Form("hidden-ready", "220 {host} ESMTP ready", says(None)),
    Form("hidden-plain", "220 {host}", says(None)),
    Form("hidden-text", "220 {host} ESMTP Welcome, please speak slowly; {rfc}", says(None)),
)
