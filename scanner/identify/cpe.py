"""CPE 2.3 names, written the way NVD writes them, so that a look-up by name matches.

A rule brings a template (`cpe:2.3:a:exim:exim:{version}:*:*:*:*:*:*:*`); this module fills the version in. NVD keeps
a pre-release in the part after the version (`4.90:rc3`), which is the first `*` of the template, and writes Exim's
`4.84_2` as `4.84.2`. Only the upstream version goes in: a vendor's patch or package revision has no place in it.
Without a version the part is `*` (any): a product is known, its version is not.

Source: NIST IR 7695 (CPE 2.3 naming), 6.2 "formatted string binding": all is lower case, letters, digits and `_ - .`
stand as they are, every other printable character is quoted with a backslash.
"""

import re

from scanner import lazy

_QUOTED = lazy.pattern(r"([^0-9a-z_.-])")
_PRE_RELEASE = lazy.pattern(r"(.{1,60}?)[._-]?((?:alpha|beta|gamma|rc)\.?[0-9]{0,3})", re.IGNORECASE)
_UNDERSCORE_BETWEEN_DIGITS = lazy.pattern(r"(?<=[0-9])_(?=[0-9])")
_ANY = "*"


def escape_cpe(value: str) -> str:
    """Return `value` as one part of a CPE 2.3 formatted string: lower case, special characters quoted."""
    return _QUOTED.sub(r"\\\1", value.lower())


def cpe_name(template: str, version: str | None) -> str:
    """Fill an upstream version into a template that has `{version}:*`; None stands for any version."""
    if version is None:
        return template.replace("{version}", _ANY)
    release, update = version, _ANY
    if pre_release := _PRE_RELEASE.fullmatch(version):
        release, update = pre_release[1], escape_cpe(pre_release[2].replace(".", ""))
    release = escape_cpe(_UNDERSCORE_BETWEEN_DIGITS.sub(".", release))
    return template.replace("{version}:*", f"{release}:{update}")
