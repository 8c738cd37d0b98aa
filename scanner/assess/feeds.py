"""Read one public vulnerability record: what it contains about known products, in the layout of the data file's rows.

NVD names products by CPE and versions by bounds in `configurations`; a CVE record 5.x has `affected` lists by vendor
and product, with `version` and `lessThan`. Both differ from the rows: an exclusive lower bound is taken as inclusive. A
record without an upper bound for a product gives an entry without ranges, and is counted, since "all versions" there
only means that nobody looked.

Everything else of a record (references, workarounds, credits) is left out. Sources: NVD API 2.0 schema
(cve_api_json_2.0), CVE record format 5.1 (CVE_Record_Format.json).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from scanner import lazy
from scanner.assess.descriptions import products_in_description
from scanner.assess.exchange import maybe_builds, maybe_builds_of_name
from scanner.assess.versions import version_key

_LONGEST_SUMMARY: Final = 160
_ID = lazy.pattern(r"CVE-[0-9]{4}-[0-9]{4,12}")
#: Microsoft's records name each cumulative update a product: "Microsoft Exchange Server 2016 Cumulative Update 23".
_OF_EXCHANGE = lazy.pattern(r"_(?:20[0-9]{2}|subscription_edition)(?:_[a-z0-9_]{1,60})?$")
_DAY = lazy.pattern(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CPE_SEPARATOR = lazy.pattern(r"(?<!\\):")
_ANY = frozenset({"*", "-", "", "0", "n/a", "unspecified"})
#: NVD's and the CVE program's names of scores; the first that is there is taken.
_NVD_METRICS: Final = ("cvssMetricV31", "cvssMetricV30", "cvssMetricV40", "cvssMetricV2")
_CVE_METRICS: Final = ("cvssV3_1", "cvssV3_0", "cvssV4_0", "cvssV2_0")


@dataclass(frozen=True, slots=True)
class AffectedProduct:
    """What one record contains about one known product; without `ranges` it names no usable version."""

    id: str
    product: str
    summary: str
    ranges: list[dict[str, str]]
    cvss: dict[str, Any] | None
    published: str
    as_of: str
    source: str


def read_nvd_item(item: Any, products: Mapping[str, Any]) -> tuple[list[AffectedProduct], int]:
    """Return the known products in a `cve` object of NVD's API 2.0, and how many of them have no usable version.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: when it has another layout.
    """
    identifier = _identifier(item["id"])
    if item.get("vulnStatus") == "Rejected":
        return [], 0
    ranges = _nvd_ranges(item, products)
    descriptions = {each["lang"]: each["value"] for each in item.get("descriptions", ())}
    if not item.get("configurations"):
        ranges.update((key, []) for key in products_in_description(descriptions.get("en", ""), products))
    return _made(
        ranges,
        id=identifier,
        summary=summary_of(descriptions.get("en", identifier)),
        cvss=_maybe_nvd_cvss(item.get("metrics", {})),
        published=day_of(item["published"]),
        as_of=day_of(item["lastModified"]),
        source=f"NVD {identifier}, modified {day_of(item['lastModified'])}",
    )


def _nvd_ranges(item: Any, products: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return the usable ranges of each known product that a `cve` object names."""
    ranges: dict[str, list[dict[str, str]]] = {}
    keys = _cpe_names(products)
    for match in _cpe_matches(item):
        parts = [part.replace("\\", "") for part in _CPE_SEPARATOR.split(match["criteria"])]
        key = keys.get(f"{parts[3]}:{parts[4]}")
        if key is not None:
            edition = parts[4].rpartition("_")[2] if key == "mailenable" and "_" in parts[4] else None
            names = products[key].get("release_names", {})
            ranges.setdefault(key, []).extend(_nvd_range(key, match, parts, edition, names))
    return ranges


def _maybe_nvd_cvss(metrics: Any) -> dict[str, Any] | None:
    """Return the first score of a `cve` object, in the order of `_NVD_METRICS`; None when it has none."""
    scores = [metrics[name][0] for name in _NVD_METRICS if metrics.get(name)]
    if not scores:
        return None
    return _cvss(scores[0]["cvssData"], "nvd" if scores[0].get("source") == "nvd@nist.gov" else "cna")


def read_cve_record(record: Any, products: Mapping[str, Any]) -> tuple[list[AffectedProduct], int]:
    """Return the known products in a CVE record 5.x, and how many of them have no usable version.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: when it has another layout.
    """
    metadata, container = record["cveMetadata"], record["containers"]["cna"]
    identifier = _identifier(metadata["cveId"])
    if metadata["state"] != "PUBLISHED":
        return [], 0
    descriptions = {each["lang"][:2]: each["value"] for each in container.get("descriptions", ())}
    ranges = _cve_ranges(container, products)
    # Others add to a record (CISA does): theirs is asked where the owner of the record names no versions.
    for other in record["containers"].get("adp", ()):
        for key, found in _cve_ranges(other, products).items():
            ranges[key] = ranges.get(key) or found
    if not ranges and not any(map(_is_named, container.get("affected", ()))):
        ranges = {key: [] for key in products_in_description(descriptions.get("en", ""), products)}
    scores = [metric[name] for metric in container.get("metrics", ()) for name in _CVE_METRICS if name in metric]
    updated = day_of(metadata.get("dateUpdated", metadata.get("datePublished")))
    return _made(
        ranges,
        id=identifier,
        summary=summary_of(descriptions.get("en", identifier)),
        cvss=_cvss(scores[0], "cna") if scores else None,
        published=day_of(metadata.get("datePublished", updated)),
        as_of=updated,
        source=f"CVE record {identifier}, updated {updated}",
    )


def _cve_ranges(container: Any, products: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Return the usable ranges of each known product that one container of a CVE record names."""
    ranges: dict[str, list[dict[str, str]]] = {}
    names = _cpe_names(products) | _names_as_cpe(products)
    for affected in container.get("affected", ()):
        named = _as_cpe(affected.get("vendor", ""), affected.get("product", ""))
        alone = named.rpartition(":")[2]
        key = names.get(named) or names.get(alone) or names.get(_OF_EXCHANGE.sub("", alone))
        if key is not None:
            found = ranges.setdefault(key, [])
            builds = maybe_builds_of_name(products[key].get("release_names", {}), alone)
            for version in affected.get("versions", ()):
                found.extend(_cve_range(key, version, None if builds is None else builds[0]))
    return ranges


def _is_named(affected: Any) -> bool:
    """Tell whether an entry names a product, as it does not with "n/a"."""
    return str(affected.get("product", "")).lower() not in _ANY


def _made(ranges: Mapping[str, list[dict[str, str]]], **facts: Any) -> tuple[list[AffectedProduct], int]:
    entries = [AffectedProduct(product=product, ranges=found, **facts) for product, found in ranges.items()]
    return entries, sum(not found for found in ranges.values())


def _identifier(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(f"no CVE id: {text[:40]!a}")
    return text


def day_of(moment: str) -> str:
    """Return the day of a moment in a record.

    Raises:
        TypeError, ValueError: when there is no such day.
    """
    day = moment[:10]
    if not _DAY.fullmatch(day):
        raise ValueError(f"no date: {moment[:40]!a}")
    date.fromisoformat(day)
    return day


def summary_of(text: str) -> str:
    """Return the first sentence, printable, on one line, not too long."""
    words = "".join(char if char.isprintable() else " " for char in text).split()
    sentence = re.split(r"(?<=[a-z)])\. (?=[A-Z])", " ".join(words), maxsplit=1)[0]
    return sentence if len(sentence) <= _LONGEST_SUMMARY else f"{sentence[: _LONGEST_SUMMARY - 3]}..."


def _cvss(data: Any, scored_by: str) -> dict[str, Any]:
    return {
        "version": data["version"],
        "score": float(data["baseScore"]),
        "vector": data["vectorString"],
        "scored_by": scored_by,
    }


def _cpe_names(products: Mapping[str, Any]) -> dict[str, str]:
    return {name: key for key, product in products.items() for name in product["cpe"]}


def _names_as_cpe(products: Mapping[str, Any]) -> dict[str, str]:
    return {_as_cpe("", name): key for key, product in products.items() for name in (*product["names"], key)}


def _as_cpe(vendor: str, product: str) -> str:
    """Write names as CPE does, so that `Exim Mail Server` by `Exim` is compared in one way."""
    parts = (re.sub(r"[^0-9a-z]+", "_", part.lower()).strip("_") for part in (vendor, product) if part)
    return ":".join(parts)


def _cpe_matches(item: Any) -> Iterator[Any]:
    for configuration in item.get("configurations", ()):
        for node in configuration["nodes"]:
            yield from (match for match in node["cpeMatch"] if match["vulnerable"])


def _nvd_range(
    product: str, match: Any, parts: list[str], edition: str | None, names: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    exact = parts[5]
    builds = maybe_builds(names, exact, parts[6]) if names else None
    if builds is not None:
        bounds = {"introduced": builds[0], "last_affected": builds[1]}
    elif names and exact not in _ANY and "." not in exact:
        bounds = {}  # the name of a product, of which no build is known
    elif exact not in _ANY:
        exact += parts[6] if parts[6] not in _ANY else ""  # the update: beta7, p1
        low = high = exact
        bounds = {"introduced": low, "last_affected": high}
    else:
        bounds = {
            "introduced": match.get("versionStartIncluding") or match.get("versionStartExcluding") or "",
            "fixed": match.get("versionEndExcluding", ""),
            "last_affected": match.get("versionEndIncluding", ""),
        }
    yield from _usable(product, bounds | {"edition": edition or ""})


def _cve_range(product: str, version: Any, start: str | None) -> Iterator[dict[str, str]]:
    """Yield the range of an entry; `start` takes the place of its lower bound where the name of the product is one."""
    if version["status"] != "affected":
        return
    low = start or str(version["version"])
    if "lessThan" in version:
        bounds = {"introduced": low, "fixed": version["lessThan"]}
    elif "lessThanOrEqual" in version:
        bounds = {"introduced": low, "last_affected": version["lessThanOrEqual"]}
    else:
        bounds = {"introduced": low, "last_affected": low}
    yield from _usable(product, bounds)


def _usable(product: str, bounds: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the range when it has an upper bound and all its versions can be compared."""
    found = {name: text for name, text in bounds.items() if text not in _ANY}
    if "fixed" in found:
        found.pop("last_affected", None)
    versions = [text for name, text in found.items() if name != "edition"]
    if ("fixed" in found or "last_affected" in found) and all(version_key(product, each) for each in versions):
        yield found
