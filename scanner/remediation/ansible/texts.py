"""The files of an Ansible playbook that are text of ours: plays, inventory, README.

Everything that YAML or Ansible reads is ASCII and made of fixed words, addresses, numbers and versions whose form
`scanner.remediation.ansible.playbook` has checked. Texts are written with JSON's quotes, which are YAML's, too.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from scanner.remediation.plans.markdown import code, table

#: Product as records name it -> group of hosts, and which tasks of the role are for it.
GROUPS: Final[Mapping[str, str]] = {"Sendmail": "sendmail", "Postfix": "postfix", "Exim": "exim"}


class Host(NamedTuple):
    """A server at one address and port. `group` is None when no tested role is for it; `version` when none is known."""

    ip: str
    port: int
    group: str | None
    product: str
    version: str | None


_PATTERN: Final = ":".join(GROUPS.values())
SITE: Final = f"""---
- name: Hide the version of the mail servers
  hosts: {_PATTERN}
  gather_facts: false
  become: true
  # One host first, then ten at a time; a host that fails is rolled back, and the rest is not begun.
  serial: [1, 10]
  max_fail_percentage: 0
  roles:
    - role: smtpsweep_hide
"""
ROLLBACK: Final = f"""---
- name: Put the newest backup of the mail servers back
  hosts: {_PATTERN}
  gather_facts: false
  become: true
  tasks:
    - name: Roll back
      ansible.builtin.include_role:
        name: smtpsweep_hide
        tasks_from: rollback
"""


def inventory(hosts: Sequence[Host]) -> str:
    """Return the inventory: one group for each product, also when it is empty."""
    lines = [
        "# Made by smtpsweep from before.jsonl. Add how to reach the hosts (ansible_user and the like).",
        "---",
        "all:",
        "  vars:",
        "    # Discovery may find a Python that does not work; set another one where it is elsewhere.",
        "    ansible_python_interpreter: /usr/bin/python3",
        "  children:",
    ]
    for product, group in GROUPS.items():
        members = [host for host in hosts if host.group == group]
        lines += [f"    {group}:", "      vars:", f"        smtpsweep_hide_product: {group}"]
        lines += ["      hosts:" if members else "      hosts: {}"]
        for host in members:
            lines += [
                f"        {json.dumps(host.ip)}:",
                f"          smtpsweep_hide_port: {host.port:d}",
                f"          smtpsweep_seen_product: {json.dumps(product)}",
                f"          smtpsweep_seen_version: {json.dumps(host.version)}",
            ]
    return "\n".join(lines) + "\n"


def readme(hosts: Sequence[Host], others: Iterable[Host]) -> str:
    """Return how to run the playbook, what it does, and which servers it does not cover."""
    counts = "".join(f"- {group}: {sum(host.group == group for host in hosts):,}\n" for group in GROUPS.values())
    return _README.format(counts=counts, others=_others(list(others)))


def _others(others: Sequence[Host]) -> str:
    if not others:
        return "None: every server that gives its product or version away is in the inventory.\n"
    rows = ((code(host.ip), f"{host.port:d}", code(host.product)) for host in others)
    return (
        "No role was tried on these, or another product at the same address is in the inventory. Look at the plan that "
        "`smtpsweep remedy -o` writes.\n\n" + table(("address", "port", "product"), rows)
    )


_README: Final = """# Hide the version of mail servers

Made by smtpsweep. Hiding a version does not patch it: keep the updates coming.

Hosts in `inventory.yml`:

{counts}
## Run it

On a machine with `ansible-core` (2.18 or newer) and `smtpsweep`, from which the mail servers' ports can be reached:

```sh
ansible-playbook -i inventory.yml site.yml --check --diff    # builds and checks the new files, changes nothing
ansible-playbook -i inventory.yml site.yml --diff            # one host first, then ten at a time
ansible-playbook -i inventory.yml rollback.yml               # puts the newest backup back
```

`--limit 192.0.2.10` takes one host. A second run changes nothing.

## What it does on each host

1. Builds the new configuration in a private folder, by the product's own tools.
2. Has the product read it, and checks the values it takes from it. A file that it does not accept stops here.
3. Keeps the old files in `/var/backups/smtpsweep`, with owner and mode.
4. Installs the new files and makes the server take them.
5. Looks from this machine with `smtpsweep verify`, compared with `before.jsonl`. When that finds anything, or any step
   before it failed, the old files are put back, the server takes them again, and the host is reported as failed.

Settings are in `roles/smtpsweep_hide/defaults/main.yml`: the post-check, how the server is made to take its
configuration, where the files are.

## Not covered

{others}"""
