"""The grammar of Sendmail's version text: `8.14.7/8.13.8`, and what thirty years of vendors made of it.

Sendmail greets with `$j Sendmail $v/$Z; $b`: host, binary version, slash, configuration version, date. Vendors added
parts of their own, in any combination, so one regular expression a form would never end. Instead the rules
(`rules/sendmail.toml`) find the text between the word Sendmail and the date, and this grammar takes it apart:

    [OS "/"] ["UCB "] [LINE "-"] version [patch] ["+" or "-" tag] [[" -"] " (Revision n)"] [" (" hp ")"] ["/" right]
    hp = patches of HP-UX, joined by "+" | the source control's number and the date of a build of Tru64 UNIX
    right = UnixWare's or A/UX's own release | config ["/" package]

    AIX5.1/8.11.6p2/8.11.0              os AIX 5.1, version 8.11.6, patch p2, config 8.11.0
    8.9.3+Sun/8.9.1                     vendor tag +Sun: Solaris' own build
    8.17.1.9/8.17.1.9/Debian-2+deb12u2  package Debian-2+deb12u2: Debian 12
    8.8.6 (PHNE_14041)/8.7.1            patch PHNE_14041: a patch name that only HP-UX uses
    8.9.3 (PHNE_28810+JAGae91741)/8.9.3   the patch, and a fix by the number of its defect
    5.65v3.2 (1.1.8.2/16Jan95-0946AM)     patch v3.2, build 1.1.8.2/16Jan95-0946AM: Digital's, today Tru64 UNIX
    950413.SGI.8.6.12/951211.SGI          vendor tag 950413.SGI: IRIX
    8.14.4/8.14.4/RHEL6                   the package names its system
    8.14.7/8.14.7 (RHEL7)               the system in a bracket; also left of the slash: 8.13.1 (HP-UX)/8.13.1
    8.8.7/UW7.1.0                       the right half is UnixWare 7.1.0, no configuration version

The left number decides which code runs; the right one is the configuration as it is written, tag and all.
Left out: what follows after a space (dates, remarks), and what a name alone would only suggest about the system.

Sources: cf/README and RELEASE_NOTES of Sendmail (confSMTP_LOGIN_MSG, `$v`, `$Z`); greetings published in bug reports,
mail archives and fingerprint databases.
"""

import re
from collections.abc import Mapping

from scanner import lazy
from scanner.identify.disclaimers import is_disclaimed, is_not_a_version
from scanner.identify.systems import glued_system, stated_system

_VERSIONS = lazy.pattern(
    r"""
    (?: AIX [ ]? (?P<os_version>[0-9][0-9.]{0,11}) / )?
    (?: (?P<origin>UCB) [ ] )?
    (?: (?:Sentrion-MTA|Sentrion|Switch|SMI) - | (?P<sgi>[0-9]{6}\.SGI) \. )?
    (?P<version> [0-9]{1,4} \.[0-9]{1,8} (?:\.[0-9]{1,8})? (?:\.[0-9]{1,8})? (?:\.[0-9]{1,8})?
                 (?: \.? (?:Alpha|Beta|Gamma|RC) \.? [0-9]{0,3} )?
                 (?: [a-z] (?![0-9a-z]) )? )
    (?P<patch> [a-z]{1,2}[0-9]{1,3} )?
    (?P<digital> v[0-9]\.[0-9]{1,3} )?
    (?P<vendor_tag> [+-][^ /]{1,40} )?
    (?: [ ](?:-[ ])?\( (?P<revision>Revision[ ][0-9.]{1,12}) \) )?
    (?: [ ]\( (?: (?P<hp_patch>(?:PHNE_|JAG[a-z]{2})[0-9]{1,6} (?: \+ [A-Za-z]{2,6}_?[0-9]{1,6} ){0,8} )
                | (?P<build>[0-9.]{1,20}/[0-9]{2}[A-Z][a-z]{2}[0-9]{2}-[0-9]{4}[AP]M)
                | (?P<bracket>[A-Z][0-9A-Za-z.-]{1,20}) ) \) )?
    (?: / (?: UW (?P<unixware>[0-9][0-9.]{0,11})
            | A/UX (?: [ ] (?P<aux>[0-9][0-9.]{0,11}) )? (?P<is_aux>)
            | (?P<config_version>[^ /]{1,60})
              (?: / (?P<package> Debian/GNU | (?:SuSE[ ]Linux[ ]|Debian[ ]|Mandrake[ ])? [^ /]{1,60} ) )?
              (?: [ ] \( (?P<behind>[A-Z][0-9A-Za-z./ -]{1,30}) \) )? ) )?
    (?= [ ,] | $ )
    """,
    re.VERBOSE,
)
_FIELDS = ("version", "config_version", "patch", "package", "build")
#: No release of Sendmail has a first number of two digits; days do.
_DAY = lazy.pattern(r"[1-3][0-9]\.[01]?[0-9]\.(?:[0-9]{2}|[0-9]{4})")
_PRE_RELEASE_OF_NEW_SERIES = lazy.pattern(r"([0-9]+\.[0-9]+)\.0(\.?[A-Z].*)")
_SUNOS = lazy.pattern(r"SMI-(4\.[0-9.]{1,8})")
#: Until 6 Debian wrote the name of the release where it writes its number today.
_DEBIAN_NAMES = {"woody": "3.0", "sarge": "3.1", "etch": "4", "lenny": "5", "squeeze": "6", "wheezy": "7"}
_DEBIAN_NAME = lazy.pattern("|".join(_DEBIAN_NAMES))
_DEBIAN_RELEASE = lazy.pattern(r"[+~]deb([0-9]{1,2})u")


def parse_versions(captured: Mapping[str, str]) -> dict[str, str] | None:
    """Take apart what a rule captured of a greeting.

    `versions` is the text after the word Sendmail, `before` a word before it, `after` what stands in the date's place.

    Returns fields of `scanner.model.Software`, with `cpe_version` where NVD writes the version in another way; None
    when the text does not begin with a version, or words after it disclaim Sendmail. Empty for a day or an address in
    the version's place.
    """
    match = _VERSIONS.match(captured["versions"])
    if match is None or is_disclaimed(captured["versions"], match.end(), versioned=True):
        return None
    if is_not_a_version(match["version"]) or _DAY.fullmatch(match["version"]):
        return {}
    parts = {name: value for name, value in match.groupdict().items() if value is not None}
    fields: dict[str, str] = {name: parts[name] for name in _FIELDS if name in parts}
    if patches := [parts[name] for name in ("patch", "digital", "revision", "hp_patch") if name in parts]:
        fields["patch"] = " ".join(patches)
    tag = parts.get("vendor_tag") or parts.get("origin") or parts.get("sgi")
    if tag is not None:
        fields["vendor_tag"] = tag
    fields.update(_system(parts, captured.get("before", "")) or stated_system(captured.get("after", "")))
    # NVD files the betas of 8.12.0 under 8.12.
    if beta := _PRE_RELEASE_OF_NEW_SERIES.fullmatch(fields["version"]):
        fields["cpe_version"] = beta[1] + beta[2]
    return fields


def _system(parts: Mapping[str, str], before: str) -> dict[str, str]:
    """Return `os` and `os_version` as far as the greeting settles them, the plainest statement first."""
    package, config = parts.get("package", ""), parts.get("config_version", "")
    is_debian = package.startswith("Debian") or before == "Debian"
    named = glued_system(package) or stated_system(parts.get("bracket", "")) or stated_system(parts.get("behind", ""))
    sunos = _SUNOS.fullmatch(config)
    statements = (
        ("os_version" in parts, "AIX", parts.get("os_version")),
        ("unixware" in parts, "UnixWare", parts.get("unixware")),
        ("is_aux" in parts, "A/UX", parts.get("aux")),
        (before == "AIX", "AIX", None),
        (is_debian and "ubuntu" in package, "Ubuntu", None),
        (is_debian, "Debian", _maybe_debian(package)),
        (bool(named), named.get("os", ""), named.get("os_version")),
        ("hp_patch" in parts, "HP-UX", None),
        (parts.get("vendor_tag") == "+Sun" or config == "SMI-SVR4", "Solaris", None),
        (sunos is not None, "SunOS", sunos and sunos[1]),
        ("sgi" in parts, "IRIX", None),
        ("digital" in parts or "build" in parts, "Tru64 UNIX", None),
        (config == "linuxconf", "Linux", None),
    )
    for is_stated, name, version in statements:
        if is_stated:
            return {"os": name} if version is None else {"os": name, "os_version": version}
    return {}


def _maybe_debian(package: str) -> str | None:
    """Return the release of Debian that a package was made for; None when its name does not say."""
    numbered, named = _DEBIAN_RELEASE.search(package), _DEBIAN_NAME.search(package)
    return numbered[1] if numbered else named and _DEBIAN_NAMES[named[0]]
