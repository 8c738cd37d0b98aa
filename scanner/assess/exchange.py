"""Map builds of Exchange to their common names: 15.1.2507.6 is Exchange Server 2016 CU23.

People know Exchange by product, cumulative update (CU) and security update (SU). A server shows its build number,
and rows of flaws compare builds. `release_names` of the product's entry maps one to the other. A build that is not
listed is a hotfix of the one before it, as long as the first three numbers (the CU) are the same.

NVD names products and updates instead of builds: `2016:cumulative_update_23`. That is a whole line of builds, of which
the later ones may have the fix. Such a bound is only good for flaws that are newer than the data, and for a look at
what NVD has. Source: Microsoft, "Exchange Server build numbers and release dates".
"""

from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from scanner import lazy
from scanner.assess.facts import Product
from scanner.assess.versions import VersionKey, version_key

#: The numbers of a build that are those of its cumulative update.
_OF_UPDATE: Final = 3
_CUMULATIVE = lazy.pattern(r"cumulative_update_([0-9]{1,2})")
_IN_NAME = lazy.pattern(r"exchange_server_(20[0-9]{2})(?:_(cumulative_update_[0-9]{1,2}))?$")
_ROLLUP = lazy.pattern(r"(sp[0-9])_rollup_([0-9]{1,2})")
_SERVICE_PACK = lazy.pattern(r"sp[0-9]")
_YEAR = lazy.pattern(r"20[0-9]{2}")


def maybe_release_name(product: Product, key: VersionKey) -> str | None:
    """Return the common name of a release; None when the data has none."""
    names = _names(product)
    place = bisect_right(names, key, key=lambda each: each[0])
    if not place:
        return None
    named, text = names[place - 1]
    if named == key:
        return text
    return f"{text} with a later update" if named[0][:_OF_UPDATE] == key[0][:_OF_UPDATE] else None


@lru_cache(64)
def _names(product: Product) -> list[tuple[VersionKey, str]]:
    named = product.facts.get("release_names", {}).items()
    keys = ((version_key(product.key, number), text) for number, text in named)
    return sorted((key, text) for key, text in keys if key is not None)


def maybe_builds(names: Mapping[str, str], version: str, update: str) -> tuple[str, str] | None:
    """Return the first and the last build known of what NVD calls `2016` with `cumulative_update_23`; None for others.

    `names` are the release names of the product's entry.
    """
    if not _YEAR.fullmatch(version):
        return None
    text = _microsoft_name(version, update)
    base = next((number for number, name in names.items() if name == text), None)
    if base is None:
        return None
    line = base.rpartition(".")[0] + "."
    last = max((number for number in names if number.startswith(line)), key=_numbers)
    return base, base if _ROLLUP.fullmatch(update) else last


def maybe_builds_of_name(names: Mapping[str, str], product: str) -> tuple[str, str] | None:
    """Return the first and the last build known of a product as Microsoft's CVE records name it; None for others.

    `product` is written as CPE does: `microsoft_exchange_server_2016_cumulative_update_23`.
    """
    match = _IN_NAME.search(product) if names else None
    return None if match is None else maybe_builds(names, match[1], match[2] or "-")


def _microsoft_name(version: str, update: str) -> str:
    """Write a product and update of NVD as Microsoft does."""
    if match := _CUMULATIVE.fullmatch(update):
        return f"Exchange Server {version} CU{match[1]}"
    if match := _ROLLUP.fullmatch(update):
        return f"Update Rollup {match[2]} for Exchange Server {version} {match[1].upper()}"
    return f"Exchange Server {version} {update.upper() if _SERVICE_PACK.fullmatch(update) else 'RTM'}"


def _numbers(build: str) -> tuple[int, ...]:
    return tuple(map(int, build.split(".")))
