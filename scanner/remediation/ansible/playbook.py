"""Make an Ansible playbook from stored records: inventory, role, rollback, and how to run them.

Problem: a plan that a person carries out on one server has to reach fifty, each with a backup, a check before the
change, a look from outside after it, and a way back.

Approach: the role is the same for every site and is copied from this package (`roles/smtpsweep_hide`); only the
inventory and the README are made from the records. A server's text never becomes part of the inventory, which has
addresses, ports, names of our own and version numbers of a harmless form (Ansible runs what stands between two braces);
in the README such words are code spans. Only hosts that give a product or version away are listed. A server without
a tested role, and one that shares its address with another product, is named in the README and counted.

Left out: reaching the hosts (user, key and jump host are the operator's), and updates, which hiding does not
replace.

Sources: Ansible's documentation of inventories, blocks and handlers; the role itself was run on Debian 12's Sendmail
8.17, Postfix 3.7 and Exim 4.96 (`tests/real/test_remediation.py`).
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

from scanner.files.folders import WholeFolder
from scanner.identify.unconfirmed import possible_disclosures
from scanner.model import Record, Status
from scanner.policy.judges import why_not_seen
from scanner.record import encode
from scanner.remediation.ansible.texts import GROUPS, ROLLBACK, SITE, Host, inventory, readme
from scanner.remediation.plans.products.catalogue import is_relative

#: The files by which a folder is known as one of ours, so that --overwrite never removes another.
_OURS: Final = ("inventory.yml", "site.yml", "roles/smtpsweep_hide/tasks/main.yml")
#: What the role hides; a host name, an address or a clock is not its business.
_HIDDEN_BY_ROLE: Final = frozenset({"product", "version", "config_version", "patch", "build", "package"})
#: Versions have this form or are left out. No brace, quote, colon or space: nothing that YAML or Ansible could read.
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


class PlaybookCount(NamedTuple):
    """What became of the targets: hosts in each group, and what is in none.

    `without_role` are servers whose product no tested role is for, or that share an address with another product.
    `nothing_to_hide` are records of servers that give no product and no version away, `without_address` records
    that do not say where the server is, `not_seen` records without the usual greeting of a mail server.
    """

    hosts: Mapping[str, int]
    without_role: int
    nothing_to_hide: int
    without_address: int
    not_seen: int = 0

    def describe(self) -> str:
        """Return the counts in one line."""
        total = sum(self.hosts.values())
        groups = ", ".join(f"{count:,} {group}" for group, count in self.hosts.items() if count)
        parts = [f"{total:,} {'host' if total == 1 else 'hosts'}{f' ({groups})' if groups else ''}"]
        others = {
            "without a tested role": self.without_role,
            "with nothing to hide": self.nothing_to_hide,
            "not seen as others see them, or not mail servers": self.not_seen,
            "without a usable address": self.without_address,
        }
        parts += [f"{count:,} {what}" for what, count in others.items() if count]
        return ", ".join(parts)


class _Targets(NamedTuple):
    """What was seen at each address and port, the last visit of each, and how many records said too little."""

    seen: dict[tuple[IPv4Address | IPv6Address, int], Host]
    nothing_to_hide: int
    without_address: int
    not_seen: int


def write_playbook(records: Iterable[Record], folder: Path, *, overwrite: bool) -> PlaybookCount:
    """Write a folder that `ansible-playbook` can run, whole or not at all, and return what it covers.

    With `overwrite` an existing playbook of ours is replaced; any other folder is refused.

    Raises:
        InputError: when the folder exists and may not be replaced, cannot be made, or `records` raises it.
        SinkError: when the disk does not take it.
    """
    names = _playbook_files()
    place = WholeFolder(
        folder,
        overwrite=overwrite,
        is_ours=_is_playbook,
        kind="playbook of smtpsweep",
        writes=names.__contains__,
    )
    with place as unfinished:
        targets = _read(records, unfinished / "before.jsonl")
        covered, others = _divide(targets)
        _write(unfinished / "inventory.yml", inventory(covered))
        _write(unfinished / "site.yml", SITE)
        _write(unfinished / "rollback.yml", ROLLBACK)
        _write(unfinished / "README.md", readme(covered, others))
        with as_file(files("scanner.remediation.ansible") / "roles") as roles:
            shutil.copytree(roles, unfinished / "roles", copy_function=shutil.copyfile)
    counts = {group: sum(host.group == group for host in covered) for group in GROUPS.values()}
    return PlaybookCount(counts, len(others), targets.nothing_to_hide, targets.without_address, targets.not_seen)


def _read(records: Iterable[Record], before: Path) -> _Targets:
    """Sort records out; those that the playbook rests on go to the file `before`, for the comparison afterwards."""
    seen: dict[tuple[IPv4Address | IPv6Address, int], Host] = {}
    quiet = without_address = not_seen = 0
    with before.open("wb") as kept:
        for record in records:
            address = _maybe_address(record.ip)
            if address is None or record.port is None:
                without_address += 1
                continue
            host = _maybe_host(record, address, record.port)
            if host is None:
                is_seen = why_not_seen(record) is None and record.status is not Status.NOT_SMTP
                quiet, not_seen = quiet + is_seen, not_seen + (not is_seen)
                continue
            seen[address, record.port] = host
            kept.write(encode(record))
    return _Targets(seen, quiet, without_address, not_seen)


def _maybe_address(text: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address; None for none, and for one with a scope (`fe80::1%eth0`), which may hold any text."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id is not None else address


def _maybe_host(record: Record, address: IPv4Address | IPv6Address, port: int) -> Host | None:
    """Return what the playbook has to know of a server; None when it gives neither product nor version away."""
    software = record.software
    shown = {*record.disclosure, *(word for word, places in (record.disclosed_in or {}).items() if places)}
    if record.status is Status.NOT_SMTP:
        return None
    if shown.isdisjoint(_HIDDEN_BY_ROLE):
        banner = record.banner
        if banner is None or why_not_seen(record) or not possible_disclosures(banner, software, record.ip):
            return None
        return Host(str(address), port, None, "perhaps a product that is not known here", None)
    if software is None:  # it shows the version of something
        return Host(str(address), port, None, "unknown product", None)
    group = None if is_relative(software.product_line) else GROUPS.get(software.product)
    version = software.version if software.version and _VERSION.fullmatch(software.version) else None
    return Host(str(address), port, group, software.product, version)


def _divide(targets: _Targets) -> tuple[list[Host], list[Host]]:
    """Return one server for each address with a tested role, and the servers that the playbook does not cover.

    The one at port 25 stands for its address, else the lowest port. The same product at further ports is the same
    server with the same configuration; another product there is not covered.
    """
    order = sorted(targets.seen, key=lambda key: (key[0].version, int(key[0]), key[1] != 25, key[1]))
    hosts = [targets.seen[key] for key in order]
    covered: dict[str, Host] = {}
    for host in hosts:
        if host.group is not None:
            covered.setdefault(host.ip, host)
    others = [host for host in hosts if host.group is None or covered[host.ip].group != host.group]
    return list(covered.values()), others


def _playbook_files() -> frozenset[str]:
    """Return the names of all files that we write into a playbook."""
    with as_file(files("scanner.remediation.ansible") / "roles") as roles:
        found = {f"roles/{file.relative_to(roles).as_posix()}" for file in roles.rglob("*") if file.is_file()}
    return frozenset(found | {"before.jsonl", "inventory.yml", "site.yml", "rollback.yml", "README.md"})


def _is_playbook(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _OURS)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="ascii")
