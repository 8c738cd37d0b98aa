"""The operating systems that greetings name, each by one name, however it is written.

A greeting has the system in a second bracket ("Postfix (2.1.4) (Mandrake Linux)"), glued to a version ("8.14.4/RHEL6"),
or as its maker's short form ("WIN-NT", "AIX/PPC"). `SYSTEM` is the fragment with which a rule captures it, and
`system` says which one it is; what follows the name as a number is its version. Left out: what only a product's name,
a package's number or a processor would suggest.
"""

import re
from typing import Final

from scanner import lazy

#: How it is written, as a regular expression -> our name.
_NAMES: Final = {
    r"Debian(?:/GNU| GNU/Linux)?(?: Linux)?"
    r"|Debian (?:sarge|etch|lenny|squeeze|wheezy|jessie|stretch|buster|bullseye|bookworm|trixie)": "Debian",
    r"Raspbian(?:/GNU)?": "Raspbian",
    r"Devuan(?:/GNU)?": "Devuan",
    r"Kali(?:/GNU| Linux)": "Kali Linux",
    r"Ubuntu(?: Linux)?": "Ubuntu",
    r"Mandrake ?Linux|Mandrake": "Mandrake Linux",
    r"Mandriva MES": "Mandriva Enterprise Server",
    r"Mandriva(?: Linux)?": "Mandriva Linux",
    r"RHEL|RHES|Red ?Hat Enterprise(?: Linux)?": "Red Hat Enterprise Linux",
    r"Red ?Hat(?: Linux)?": "Red Hat Linux",
    r"CentOS(?: Linux)?": "CentOS",
    r"Fedora(?: Core)?": "Fedora",
    r"Rocky ?Linux": "Rocky Linux",
    r"Alma ?Linux": "AlmaLinux",
    r"Oracle ?Linux": "Oracle Linux",
    r"Amazon ?Linux": "Amazon Linux",
    r"Mageia(?: Linux)?": "Mageia",
    r"Arch ?Linux": "Arch Linux",
    r"Alpine ?Linux": "Alpine Linux",
    r"Astra ?Linux": "Astra Linux",
    r"Scientific Linux": "Scientific Linux",
    r"Linux Mint": "Linux Mint",
    r"Trisquel(?: GNU/Linux)?": "Trisquel",
    r"Yellow Dog Linux": "Yellow Dog Linux",
    r"Turbolinux": "Turbolinux",
    r"Vine Linux": "Vine Linux",
    r"openSUSE": "openSUSE",
    r"SLES": "SUSE Linux Enterprise Server",
    r"SuSE(?: Linux)?|Linux SuSE": "SuSE Linux",
    r"Gentoo(?: Linux| powered)?": "Gentoo",
    r"Slackware(?: Linux)?": "Slackware",
    r"(?:GNU/)?Linux": "Linux",
    r"AIX(?:/PPC|/POWER)?": "AIX",
    r"HP-?UX": "HP-UX",
    r"IRIX": "IRIX",
    r"OSF1|Digital UNIX|Tru64(?: UNIX)?": "Tru64 UNIX",
    r"SunOS": "SunOS",
    r"Solaris": "Solaris",
    r"UnixWare": "UnixWare",
    r"DragonFly(?: ?BSD)?": "DragonFly BSD",
    r"FreeBSD": "FreeBSD",
    r"NetBSD": "NetBSD",
    r"OpenBSD": "OpenBSD",
    r"Darwin|Mac ?OS ?X": "macOS",
    r"OpenVMS": "OpenVMS",
    r"NetWare": "NetWare",
    r"WIN-?NT|WIN-?(?:32|64)|Windows": "Windows",
}
#: What IceWarp writes in front of a version. Short words that elsewhere may be anything.
_SHORT: Final = {"DEB": "Debian", "WIN": "Windows"}
_ALL: Final = "|".join(_NAMES)
_TABLE: Final = tuple((lazy.pattern(written, re.IGNORECASE), name) for written, name in _NAMES.items())

_NAMED: Final = (
    rf"(?P<os>(?i:{_ALL}))(?![A-Za-z])(?:[ /-]?(?P<os_version>[0-9][0-9.]{{0,11}}(?<=[0-9]))(?!\.?[0-9A-Za-z_]))?"
)
#: The end of a statement about the system. A further word begins a name that only contains the system's ("Fedora hat
#: shop", "Solaris Energy Ltd"), unless it is the processor's, or the greeting goes on with a date.
_STATED: Final = (
    r"(?=$|[)\];,/+-]|\.(?:$| )| {1,2}(?:[(\[#-]|[0-9]{1,2} [A-Z][a-z]{2} |ready\b|LTS\b"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:,| [A-Z])"
    r"|(?i:x86|x64|i[3-6]86|amd64|sparc|ppc|alpha|vax)))"
)
#: A system by its name, with its version behind it. A number that letters follow is not a version.
SYSTEM: Final = _NAMED + _STATED
_SYSTEM: Final = lazy.pattern(_NAMED)
_STATED_SYSTEM: Final = lazy.pattern(SYSTEM)
_YEAR_AND_MONTH: Final = lazy.pattern(r"([0-9]{2})([0-9]{2})")


def system(written: str) -> str:
    """Return our name of a system; what is not in the table is returned as it is written."""
    return _SHORT.get(written) or next((name for pattern, name in _TABLE if pattern.fullmatch(written)), written)


def system_version(name: str, written: str) -> str:
    """Return the version as the system's maker writes it: "1604" glued to Ubuntu is 16.04."""
    return _YEAR_AND_MONTH.sub(r"\1.\2", written) if name == "Ubuntu" and "." not in written else written


def stated_system(text: str) -> dict[str, str]:
    """Return `os`, and `os_version` if told, when a text states a system and nothing more; else nothing."""
    match = _STATED_SYSTEM.fullmatch(text)
    if match is None:
        return {}
    told = {"os": system(match["os"])}
    version = match["os_version"]
    return told if version is None else told | {"os_version": system_version(told["os"], version)}


def glued_system(package: str) -> dict[str, str]:
    """Return `os` when a package's name begins with a system's, and `os_version` when that is glued to it ("RHEL6").

    A number behind a blank or a dash is the package's: "SuSE Linux 0.8", "Debian-5".
    """
    match = _SYSTEM.match(package)
    if match is None:
        return {}
    told = {"os": system(match["os"])}
    glued = match["os_version"] is not None and match.start("os_version") == match.end("os")
    return told | {"os_version": match["os_version"]} if glued else told
