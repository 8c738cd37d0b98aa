"""Describe what an update changed in a row of the vulnerability data, in one line for people.

"changed: CVE-2023-42115 (exim): score was 9.8, is 8.1" is such a line.
"""

from collections.abc import Iterator
from typing import Any


def changes(old: dict[str, Any] | None, new: dict[str, Any]) -> Iterator[str]:
    """Yield one line when a row has changed; nothing when it was only read again."""
    name = f"{new['id']} ({new['product']})"
    if not new["ranges"]:
        return  # the report lists it as left open
    if old is None or not old["ranges"]:
        yield f"new: {name}: {_shown_ranges(new)}{_shown_score(new)}"
        return
    parts = []
    if old["ranges"] != new["ranges"]:
        parts.append(f"affected: {_shown_ranges(old)}, now {_shown_ranges(new)}")
    if old.get("cvss") != new.get("cvss"):
        was, now = (row.get("cvss", {}).get("score", "none") for row in (old, new))
        parts.append(f"score was {was}, is {now}" if was != now else f"score is still {now}, with another vector")
    if old.get("kev") != new.get("kev"):
        parts.append(f"known to be exploited since {new['kev']}")
    if parts:
        yield f"changed: {name}: {'; '.join(parts)}"


def _shown_ranges(row: dict[str, Any]) -> str:
    return ", ".join(map(_shown_range, row["ranges"]))


def _shown_range(bounds: dict[str, str]) -> str:
    low, last = bounds.get("introduced"), bounds.get("last_affected")
    if low is not None and low == last:
        return low
    if low is None:
        return f"versions up to {last}" if last is not None else f"versions before {bounds['fixed']}"
    return f"{low} to {last}" if last is not None else f"{low} to before {bounds['fixed']}"


def _shown_score(row: dict[str, Any]) -> str:
    return f", score {row['cvss']['score']:.1f}" if "cvss" in row else ""
