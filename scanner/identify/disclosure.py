"""List what a server discloses in its greeting, as words that can be counted and compared.

The list follows from the parsed greeting and the identified software: "220 mail.example.com ESMTP Exim 4.96" discloses
product and version. A product counts only when the greeting names it. One that was inferred from typical wording (a
confidence below `NAMED`) is not disclosed by the server. The host name is left out: RFC 5321 (4.2) requires it there.
"""

from itertools import compress
from operator import attrgetter
from typing import Final

from scanner.model import Banner, Software

#: From this confidence on a rule rests on the product's name in the text (see the scale in `scanner.identify.rules`).
NAMED: Final = 0.7

_FIELDS: Final = ("product", "version", "config_version", "patch", "build", "package", "os")
#: This runs for every host of a sweep; it takes a third of the time of a loop.
_values: Final = attrgetter(*_FIELDS)
_PRODUCT: Final = _FIELDS[:1]
_OTHERS: Final = len(_FIELDS) - 1


def disclosure(banner: Banner, software: Software | None) -> tuple[str, ...]:
    """Return what the greeting discloses.

    The words and their order are fixed: product, version, config_version, patch, build, package, os, time.
    """
    told: tuple[str, ...] = ()
    if software is not None and software.confidence >= NAMED:
        values = _values(software)
        # Most software is named and no more.
        told = _PRODUCT if values.count(None) == _OTHERS else tuple(compress(_FIELDS, values))
    return told if banner.server_time is None else (*told, "time")
