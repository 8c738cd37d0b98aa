"""Refuse files that cannot be a configuration of Sendmail, before the readers judge them.

The readers take any text, as m4 and Sendmail do. Random bytes, a list of targets or the other kind of file would count
as a configuration that sets nothing, and the report would describe defaults of no real server. A file without a single
construct of its kind is refused, and the message names what it is, where that is known.

Left out: whether the configuration is complete, or any good. A fragment with one `define` is one.
"""

import re
from typing import Final

from scanner.errors import InputError
from scanner.files.text_input import utf_16_or_32
from scanner.remediation.sendmail.reader import ConfigKind

#: Calls of macros that only Sendmail's configurations make, and the settings of `define`. The words of m4 itself are
#: those of other languages too, so they count with m4's own quote, or in a file with its comment (`_DNL`).
_MC: Final = re.compile(
    r"\b(?:VERSIONID|OSTYPE|DOMAIN|FEATURE|MAILER|DAEMON_OPTIONS|CLIENT_OPTIONS|MASQUERADE_AS|MAILER_DEFINITIONS"
    r"|EXPOSED_USER|LOCAL_DOMAIN|INPUT_MAIL_FILTER|LDAPROUTE_DOMAIN|TRUST_AUTH_MECH|DEFAULT_AUTH_INFO|SITECONFIG|HACK"
    r"|VIRTUSER_DOMAIN|GENERICS_DOMAIN|RELAY_DOMAIN|CANONIFY_DOMAIN|DATABASE_MAP_TYPE)\("
    r"|\b(?:define|undefine|include|sinclude|divert)\(\s{0,9}`|\bdefine\(\s{0,9}(?:conf[A-Z]|_[A-Z])"
    r"|^[ \t]{0,99}LOCAL_(?:CONFIG|RULE_[0-3]|RULESETS|NET_CONFIG)\b",
    re.MULTILINE,
)
_M4: Final = re.compile(r"\b(?:define|undefine|include|sinclude|divert)\(")
_DNL: Final = re.compile(r"\bdnl\b")
#: Lines that only a sendmail.cf has: its version, options by name, mailers, long macros, headers of its own.
_CF: Final = re.compile(
    r"^(?:V[0-9]{1,2}(?:/[A-Za-z]|[ \t]*\r?$)|O[ \t]+[A-Z][A-Za-z]{2,40}(?:\.[A-Za-z]{1,20})?[ \t]*="
    r"|M[a-z0-9*-]{1,30},[ \t]{0,99}[A-Z]=|D\{[A-Za-z_]|H\?[A-Za-z$]{1,20}\?|HReceived:)",
    re.MULTILINE,
)

#: What a help file has: its version, or a topic and its text with a tab between.
_HELP: Final = re.compile(r"#vers[ \t]|^[A-Za-z][\w.-]{0,30}\t", re.MULTILINE)
_SAYS_SOMETHING: Final = re.compile(r"^[^#\s]", re.MULTILINE)


def require_help_file(raw: bytes, name: str) -> None:
    """Refuse what is not a help file of Sendmail. One that is empty, or has only comments, is one.

    Raises:
        InputError: saying so.
    """
    text = raw.decode("latin-1")
    if "\0" in text or (_SAYS_SOMETHING.search(text) is not None and _HELP.search(text) is None):
        raise InputError(f"{name}: is not a help file of Sendmail: no line of it is a topic, a tab and a text")


def require_configuration(kind: ConfigKind, raw: bytes, name: str) -> None:
    """Refuse what is not a configuration of this kind.

    Raises:
        InputError: saying what it is instead, where that is known.
    """
    if (encoding := utf_16_or_32(raw)) is not None:
        raise InputError(f"{name}: is {encoding}, which Sendmail does not read: save it as plain text")
    if b"\0" in raw:
        raise InputError(f"{name}: holds NUL bytes: this is not a configuration of Sendmail")
    text = raw.decode("latin-1")
    is_cf = _CF.search(text) is not None
    is_mc = _MC.search(text) is not None or (_M4.search(text) is not None and _DNL.search(text) is not None)
    wants_cf = kind in (ConfigKind.SENDMAIL_CF, ConfigKind.SUBMIT_CF)
    if is_cf if wants_cf else is_mc:
        return
    if is_mc or is_cf:
        other = ConfigKind(kind.replace(".cf", ".mc") if wants_cf else kind.replace(".mc", ".cf"))
        option = "--" + other.removeprefix("sendmail.").replace(".", "-")
        raise InputError(f"{name}: is not a {kind}, but looks like a {other}: use {option}")
    raise InputError(f"{name}: is not a configuration of Sendmail: nothing in it is of a {kind}")
