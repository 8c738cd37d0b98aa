"""Keep results and put them into the documentation.

`docs/performance.json` holds the newest result of every benchmark; `docs/performance.md` shows them, each table
between two marker comments. Everything outside the markers is written by people and left alone. So the page can be
made again from the stored results without measuring anything.
"""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measure import BenchmarkError

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "performance.md"
STORE = DOCS / "performance.json"
_PACKAGES = ("smtpsweep", "uvloop", "orjson", "numpy")


@dataclass(frozen=True, slots=True)
class Table:
    """What one benchmark found out.

    `columns` and `rows` are what people read; `figures` are the same numbers for the plot and for other programs;
    `notes` are sentences below the table. The first column is aligned left, the others right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    figures: dict[str, object] = field(default_factory=dict)


def machine() -> dict[str, str]:
    """Describe where and with what the measurement is made."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "load_before": f"{os.getloadavg()[0]:.2f}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def stored() -> dict[str, dict[str, Any]]:
    """Return the newest result of each benchmark, by name: the fields of its table and `machine`."""
    if not STORE.exists():
        return {}
    results: dict[str, dict[str, Any]] = json.loads(STORE.read_text(encoding="utf-8"))
    return results


def store(name: str, table: Table, where: Mapping[str, str]) -> None:
    """Replace the stored result of one benchmark, in one step."""
    results = stored() | {name: {"machine": where, **asdict(table)}}
    draft = STORE.with_suffix(".tmp")
    draft.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(STORE)


def to_markdown(table: Table, where: Mapping[str, str]) -> str:
    """Return a result as Markdown: the table, its notes, and where it was measured."""
    lines = [_row(table.columns), "|---|" + "--:|" * (len(table.columns) - 1), *map(_row, table.rows), ""]
    lines += [f"- {note}" for note in table.notes]
    lines += [
        "",
        f"*{where['date']}; {where['processor']}, {where['cores']} cores; {where['kernel']}; {where['python']};",
    ]
    lines += [f"{where['packages']}; load before: {where['load_before']}.*"]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rewrite_page() -> None:
    """Put every stored result between its markers in the page.

    Raises:
        BenchmarkError: when a result has no markers there.
    """
    page = PAGE.read_text(encoding="utf-8")
    for name, result in stored().items():
        where = result.pop("machine")
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        head, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise BenchmarkError(f"{PAGE.name} has no place for {name}: {begin} ... {end}")
        page = f"{head}{begin}\n\n{to_markdown(Table(**result), where)}\n\n{end}{after}"
    PAGE.write_text(page, encoding="utf-8")
