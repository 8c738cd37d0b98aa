"""Write a folder of remediation plans for the hosts of stored records.

Each record is turned into its host's page at once and forgotten; what stays in memory is one short row a host for
the index (measured: see `docs/plans.md`). The folder appears complete or not at all (`files.places`), readable by its
owner only. After an error the old folder is still there.

One host gets one page. Of records with the same `event_id` the last one counts, as everywhere. Samples of one sweep
have ids of their own: there a record that shows something is kept, because a pool is not fixed while one of its
servers leaks. A record of another sweep replaces the earlier one.

File names are made of address and port, never of a server's text.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from scanner.errors import InputError
from scanner.files.folders import WholeFolder
from scanner.identify.unconfirmed import possible_disclosures
from scanner.model import Record, Status
from scanner.policy.judges import why_not_seen
from scanner.remediation.plans.model import RemediationPlan
from scanner.remediation.plans.pages import MARK, HostRow, given_away, host_page, index_page, index_row, product_page
from scanner.remediation.plans.patching import advise
from scanner.remediation.plans.products.catalogue import GENERAL, PLANS, plan_for

NOTHING_SHOWN: Final = "give nothing away"
PERHAPS_SHOWN: Final = "may name a product or a version that is not known here"
NOT_SEEN: Final = "did not show their usual greeting"
NO_MAIL_SERVER: Final = "are not mail servers"
NO_GREETING: Final = "did not greet"
NO_ADDRESS: Final = "were not visited, so there is no address"
_HOST_PAGE: Final = re.compile(r"hosts/[0-9a-f._]+-[0-9]{1,5}\.md")
_ALL_PLANS: Final = {plan.key: plan for plan in (*PLANS.values(), GENERAL)}


@dataclass(frozen=True, slots=True)
class PlanCount:
    """How many hosts got a plan, by product, and how many did not, by reason. `records` counts what was read."""

    folder: Path
    records: int
    planned: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def hosts(self) -> int:
        """Number of hosts with a page."""
        return sum(self.planned.values())

    def describe(self) -> str:
        """Return one line for people: hosts by product, then what was left out and why."""
        by_product = ", ".join(f"{product} {number:,}" for product, number in self.planned.items())
        line = f"{_hosts(self.hosts)} with a plan" + (f" ({by_product})" if by_product else "")
        reasons = "".join(f"; {number:,} without: they {why}" for why, number in self.left_out.items())
        return line + reasons


class _Kept(NamedTuple):
    """What is remembered of a host: its row (None: no plan, for the reason `why`), and which record decided."""

    scan_id: str
    event_id: str
    row: HostRow | None
    why: str | None


def write_plans(records: Iterable[Record], folder: Path, *, overwrite: bool) -> PlanCount:
    """Write `index.md`, a page for each host, and page and files for each product that occurs; return the counts.

    Raises:
        InputError: when the folder exists (with `overwrite`: and is not one of ours), when it cannot be made, or
            when a record's address is not an address.
        SinkError: when the disk does not take it.
    """
    place = WholeFolder(folder, overwrite=overwrite, is_ours=_is_plan, kind="folder of plans", writes=_is_page)
    with place as unfinished:
        (unfinished / "hosts").mkdir()
        return _write(records, folder, unfinished)


def _is_plan(folder: Path) -> bool:
    """Whether --overwrite may remove it: it must not remove somebody's home. Raises OSError."""
    try:
        with (folder / "index.md").open(encoding="utf-8", errors="replace") as index:
            return index.read(len(MARK)) == MARK
    except FileNotFoundError:
        return False


def _is_page(name: str) -> bool:
    """Whether a file of this name is one that we write into a folder of plans."""
    files = {f"products/{plan.key}/{file.name}" for plan in _ALL_PLANS.values() for file in plan.files}
    pages = {f"products/{key}.md" for key in _ALL_PLANS}
    return name in {"index.md", "hosts/"} | files | pages or _HOST_PAGE.fullmatch(name) is not None


def _write(records: Iterable[Record], folder: Path, unfinished: Path) -> PlanCount:
    kept: dict[tuple[str, int], _Kept] = {}
    number = without_address = 0
    for record in records:
        number += 1
        if record.ip is None or record.port is None:
            without_address += 1
        else:
            _keep(record, _address(record.ip), record.port, kept, unfinished / "hosts")
    rows = sorted((each.row for each in kept.values() if each.row is not None), key=_order)
    planned = Counter(_ALL_PLANS[row.key].product for row in rows)
    left_out = Counter(each.why for each in kept.values() if each.why is not None)
    if without_address:
        left_out[NO_ADDRESS] = without_address
    count = PlanCount(folder, number, dict(planned.most_common()), dict(left_out.most_common()))
    for key in sorted({row.key for row in rows}):
        _write_product(_ALL_PLANS[key], unfinished / "products")
    _write_page(unfinished / "index.md", index_page(rows, f"{count.describe()}."))
    return count


def _keep(record: Record, address: str, port: int, kept: dict[tuple[str, int], _Kept], hosts: Path) -> None:
    """Take one record in: write its host's page, or remove the one that it makes wrong."""
    before = kept.get((address, port))
    why = _why_not(record)
    is_sample = before is not None and before.scan_id == record.scan_id and before.event_id != record.event_id
    if before is not None and is_sample and before.row is not None and why is not None:
        return
    page = f"{address.replace(':', '_')}-{port}.md"
    row = None
    if why is None:
        plan, advice = plan_for(record.software.product if record.software else None), advise(record)
        _write_page(hosts / page, host_page(record, address, port, plan, advice))
        row = index_row(record, address, port, plan, advice, page)
    elif before is not None and before.row is not None:
        (hosts / page).unlink()
    kept[address, port] = _Kept(record.scan_id, record.event_id, row, why)


def _why_not(record: Record) -> str | None:
    """Return why a host needs no plan; None when it needs one."""
    if record.banner is None:
        return NO_GREETING
    if record.status is Status.NOT_SMTP:
        return NO_MAIL_SERVER
    if given_away(record):
        return None
    if why_not_seen(record) is not None:
        return NOT_SEEN
    is_doubtful = possible_disclosures(record.banner, record.software, record.ip)
    return PERHAPS_SHOWN if is_doubtful else NOTHING_SHOWN


def _address(text: str) -> str:
    """Return the address in its usual form. It becomes a file name and a word of a command."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InputError(f"a record's address cannot be read: {text[:60]!a}") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise InputError(f"a record's address has a zone, which means nothing elsewhere: {text[:60]!a}")
    return str(address)


def _order(row: HostRow) -> tuple[str, int, int, int]:
    address = ipaddress.ip_address(row.address)
    return row.key, address.version, int(address), row.port


def _write_product(plan: RemediationPlan, products: Path) -> None:
    products.mkdir(exist_ok=True)
    _write_page(products / f"{plan.key}.md", product_page(plan))
    if plan.files:
        (products / plan.key).mkdir()
    for file in plan.files:
        _write_page(products / plan.key / file.name, (file.text,))


def _write_page(path: Path, parts: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as page:
        page.writelines(parts)


def _hosts(number: int) -> str:
    return "1 host" if number == 1 else f"{number:,} hosts"
