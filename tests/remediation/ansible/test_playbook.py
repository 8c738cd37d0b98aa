"""What is written for Ansible: only words of ours, nothing of a server's; and the role holds what the plans say."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it comes with ansible-core; its stubs do not
from hypothesis import given
from hypothesis import strategies as st

from scanner.analysis.stored import read_records
from scanner.errors import InputError, SinkError
from scanner.model import Record, Software, Status
from scanner.remediation.ansible import playbook
from scanner.remediation.ansible import texts as playbook_texts
from scanner.remediation.ansible.playbook import PlaybookCount, write_playbook
from scanner.remediation.sendmail import facts
from tests.support.records import greeting_of, record_of

_ROLE = Path(__file__).parents[3] / "scanner/remediation/ansible/roles/smtpsweep_hide"
_HOSTILE = (
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    "]]>",
    "=cmd|' /C calc'!A0",
    "${jndi:ldap://x}",
    "\u2028",
    "`id`",
    "::error::",
    "8.14\n      ansible_connection: local",
    "{{ lookup('pipe','id') }}",
    "{% raw %}",
    "!unsafe x",
    "8.14 # x",
    '"quoted"',
)


def seen(ip: str | None = "192.0.2.10", port: int | None = 25, **changes: Any) -> Record:
    """Return the record of a server that gives product and version away."""
    software = Software(**({"product": "Sendmail", "product_line": "Sendmail", "version": "8.14.7"} | changes))
    return record_of(greeting_of(b"220 x\r\n"), ip=ip, port=port, software=software, disclosure=("product", "version"))


def written(folder: Path, *records: Record) -> PlaybookCount:
    return write_playbook(records, folder, overwrite=False)


def inventory(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Return group -> hosts, as a YAML reader that is not ours sees them."""
    groups = yaml.safe_load((folder / "inventory.yml").read_text())["all"]["children"]
    return {group: content["hosts"] for group, content in groups.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "playbook"


def test_a_host_is_in_the_group_of_its_product_with_what_was_seen(folder: Path) -> None:
    count = written(
        folder,
        seen("192.0.2.10"),
        seen("192.0.2.9", product="Postfix", product_line=None, version=None),
        seen("2001:db8::1", 587, product="Exim", product_line=None, version="4.96"),
    )

    assert inventory(folder) == {
        "sendmail": {
            "192.0.2.10": {
                "smtpsweep_hide_port": 25,
                "smtpsweep_seen_product": "Sendmail",
                "smtpsweep_seen_version": "8.14.7",
            }
        },
        "postfix": {
            "192.0.2.9": {
                "smtpsweep_hide_port": 25,
                "smtpsweep_seen_product": "Postfix",
                "smtpsweep_seen_version": None,
            }
        },
        "exim": {
            "2001:db8::1": {
                "smtpsweep_hide_port": 587,
                "smtpsweep_seen_product": "Exim",
                "smtpsweep_seen_version": "4.96",
            }
        },
    }
    assert count.describe() == "3 hosts (1 sendmail, 1 postfix, 1 exim)"


def test_every_group_tells_the_role_its_product(folder: Path) -> None:
    written(folder)

    groups = yaml.safe_load((folder / "inventory.yml").read_text())["all"]["children"]
    choices = yaml.safe_load((_ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]

    assert [content["vars"]["smtpsweep_hide_product"] for content in groups.values()] == list(groups)
    assert choices["smtpsweep_hide_product"]["choices"] == list(groups)


def test_what_no_role_is_for_is_named_and_counted_and_not_in_the_inventory(folder: Path) -> None:
    count = written(
        folder,
        seen("192.0.2.1", product="OpenSMTPD", product_line=None),
        seen("192.0.2.2", product_line="Sentrion"),
        seen("192.0.2.3"),
        seen("192.0.2.3", 587, product="Postfix", product_line=None),
    )

    assert count == PlaybookCount({"sendmail": 1, "postfix": 0, "exim": 0}, 3, 0, 0)
    assert list(inventory(folder)["sendmail"]) == ["192.0.2.3"]
    readme = (folder / "README.md").read_text()
    assert "| `192.0.2.1` | 25 | `OpenSMTPD` |" in readme
    assert "| `192.0.2.2` | 25 | `Sendmail` |" in readme
    assert "| `192.0.2.3` | 587 | `Postfix` |" in readme


def test_records_that_need_no_change_or_lead_nowhere_are_counted(folder: Path) -> None:
    hidden = seen()._replace(disclosure=("hostname", "time"))
    silent = record_of(status=Status.SILENT)
    lost = (seen(None), seen(port=None), seen("not an address"), seen("fe80::1%{{ x }}"))

    count = written(folder, hidden, silent, *lost)

    assert count == PlaybookCount({"sendmail": 0, "postfix": 0, "exim": 0}, 0, 1, 4, 1)
    assert count.describe() == (
        "0 hosts, 1 with nothing to hide, 1 not seen as others see them, or not mail servers, "
        "4 without a usable address"
    )
    assert "{{" not in (folder / "inventory.yml").read_text()


def test_a_version_seen_only_in_the_dialogue_is_a_finding(folder: Path) -> None:
    written(folder, seen()._replace(disclosure=(), disclosed_in={"version": ("help",), "product": ()}))

    assert list(inventory(folder)["sendmail"]) == ["192.0.2.10"]


def test_port_25_stands_for_a_host_and_the_last_visit_for_a_port(folder: Path) -> None:
    count = written(folder, seen(port=587), seen(version="8.12.1"), seen(port=24), seen(version="8.18.1"))

    assert count.hosts["sendmail"] == 1
    host = inventory(folder)["sendmail"]["192.0.2.10"]
    assert (host["smtpsweep_hide_port"], host["smtpsweep_seen_version"]) == (25, "8.18.1")


@pytest.mark.parametrize("text", _HOSTILE)
def test_a_servers_words_are_nothing_to_yaml_ansible_and_markdown(folder: Path, text: str) -> None:
    written(folder, seen("192.0.2.1", version=text), seen("192.0.2.2", product=text))

    host = inventory(folder)["sendmail"]["192.0.2.1"]
    assert host["smtpsweep_seen_version"] is None
    lines = (folder / "README.md").read_bytes().decode("ascii").splitlines()
    (row,) = [line for line in lines if "192.0.2.2" in line]
    assert re.fullmatch(r"\| `192\.0\.2\.2` \| 25 \| (`[^`|]+`|-) \|", row)
    assert "{{" not in row
    assert "{%" not in row


@given(version=st.text(max_size=70) | st.from_regex(r"[0-9.]+[^0-9.][0-9.]*", fullmatch=True))
def test_no_version_puts_a_meaning_into_the_inventory(version: str) -> None:
    host = playbook._maybe_host(seen(version=version), ip_address("192.0.2.10"), 25)
    assert host is not None

    read = yaml.safe_load(playbook_texts.inventory([host]))["all"]["children"]["sendmail"]["hosts"]["192.0.2.10"]

    assert read["smtpsweep_seen_version"] in (None, version)
    assert not set(read["smtpsweep_seen_version"] or "") & set("{}%!\"':#\n ")


def test_the_records_behind_it_are_kept_for_the_comparison(folder: Path) -> None:
    leaking, hidden = seen(), record_of(greeting_of(b"220 x\r\n"), ip="192.0.2.20")

    written(folder, leaking, hidden)

    assert [record.ip for record in read_records(folder / "before.jsonl")] == ["192.0.2.10"]


def test_an_existing_folder_is_refused_and_left_as_it_is(folder: Path) -> None:
    written(folder, seen())
    before = contents(folder)

    with pytest.raises(InputError, match="exists: name another folder, or use --overwrite"):
        written(folder, seen("192.0.2.99"))

    assert contents(folder) == before


def test_overwrite_replaces_a_playbook_of_ours(folder: Path) -> None:
    written(folder, seen())

    write_playbook([seen("192.0.2.99")], folder, overwrite=True)

    assert list(inventory(folder)["sendmail"]) == ["192.0.2.99"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_overwrite_never_replaces_anything_else(folder: Path, kind: str) -> None:
    if kind == "folder":
        folder.mkdir()
        (folder / "site.yml").write_text("mine")
    elif kind == "file":
        folder.write_text("mine")
    else:
        written(folder.with_name("elsewhere"), seen())
        folder.symlink_to(folder.with_name("elsewhere"))
    before = contents(folder.parent)

    with pytest.raises(InputError, match="is not a playbook of smtpsweep"):
        write_playbook([seen()], folder, overwrite=True)

    assert contents(folder.parent) == before


def test_a_file_of_records_that_breaks_off_leaves_nothing_new_behind(folder: Path) -> None:
    def broken() -> Iterator[Record]:
        yield seen()
        raise InputError("sweep.jsonl:2: the line is cut")

    written(folder, seen("192.0.2.77"))
    before = contents(folder.parent)

    with pytest.raises(InputError, match="the line is cut"):
        write_playbook(broken(), folder, overwrite=True)

    assert contents(folder.parent) == before


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be written"):
        written(tmp_path / "file" / "playbook", seen())


def test_the_old_playbook_comes_back_when_the_new_one_cannot_take_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, seen())
    before, rename = contents(folder), Path.rename

    def fail_for_the_new_one(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(SinkError, match="No space left on device"):
        write_playbook([seen("192.0.2.99")], folder, overwrite=True)

    assert contents(folder) == before


def test_the_whole_role_is_in_the_playbook(folder: Path) -> None:
    written(folder, seen())

    assert contents(folder / "roles/smtpsweep_hide") == contents(_ROLE)


def test_the_plays_are_for_every_group_of_the_inventory(folder: Path) -> None:
    written(folder)

    for name in ("site.yml", "rollback.yml"):
        (play,) = yaml.safe_load((folder / name).read_text())
        assert play["hosts"].split(":") == list(inventory(folder))


def test_the_role_has_the_settings_that_the_plans_have() -> None:
    role = yaml.safe_load((_ROLE / "vars/main.yml").read_text())

    assert tuple(role["smtpsweep_hide_mc_lines"]) == facts.MC_SETTINGS
    assert tuple(role["smtpsweep_hide_submit_mc_lines"]) == facts.SUBMIT_MC_SETTINGS
    assert role["smtpsweep_hide_help_file"] == facts.HELP_FILE
    assert role["smtpsweep_hide_help_text"] == facts.HELP_FILE_TEXT
    for name, edits in (("cf", facts.CF_EDITS), ("submit_cf", facts.SUBMIT_CF_EDITS)):
        assert [(edit["regexp"], edit["replace"]) for edit in role[f"smtpsweep_hide_{name}_edits"]] == list(edits)
    defaults = yaml.safe_load((_ROLE / "defaults/main.yml").read_text())
    assert tuple(defaults["smtpsweep_hide_sendmail_pid_files"]) == facts.PID_FILES


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("smtp_banner = x", ""),
        ("  smtp_banner=x \\\n  y\\\n  z", ""),
        ("received_header_text = Received: \\\n  a\nkeep = 1", "\nkeep = 1"),
        ("# smtp_banner = x", None),
        ("MAIN_smtp_banner = x", None),
    ],
)
def test_a_setting_of_exim_is_found_with_all_lines_it_goes_on_in(text: str, rest: str | None) -> None:
    pattern = yaml.safe_load((_ROLE / "vars/main.yml").read_text())["smtpsweep_hide_exim_settings_before"]

    assert re.sub(pattern, "", text) == (text if rest is None else rest)


_GOOD_CF = "O SmtpGreetingMessage=$j\nHReceived: from $s\n\t$.by $j$?r with $r$. id $i\nSlocal\n"
_FAKE_SENDMAIL = """#!/bin/sh
# Reads a configuration as Sendmail does, as far as the check looks at it: -C FILE [-d37.8] -bt
grep -q confSMTP_banner "$2" && { echo "$2: line 9: unknown configuration line \\"define(...)\\"" >&2; exit 70; }
test "$3" = -d37.8 || exit 0
sed -n 's/^O \\([A-Za-z]*\\)=/setoption \\1 (0x90)=/p' "$2"
"""


@pytest.mark.parametrize(
    ("text", "part", "says"),
    [
        (f"{_GOOD_CF}O HelpFile=/h\n", "sendmail", None),
        (_GOOD_CF, "submit", None),
        (f"{_GOOD_CF}O HelpFile=/h\ndefine(`confSMTP_banner', ' ')\n", "sendmail", "unknown configuration line"),
        (f"{_GOOD_CF}O HelpFile=/h\nO SmtpGreetingMessage=$j $v\n", "sendmail", "not the host's name alone: $j $v"),
        (f"{_GOOD_CF}O HelpFile=/h\nO SmtpGreetingMessage=\n", "sendmail", "not the host's name alone"),
        (_GOOD_CF, "sendmail", "The help file is not /h"),
        (f"{_GOOD_CF}HX-Mailer: x\n\t($Z)\n", "submit", "A header line of this configuration shows the version"),
        (f"{_GOOD_CF}HX-Mailer: $v", "submit", "A header line of this configuration shows the version"),
    ],
)
def test_the_check_of_sendmails_configuration_refuses_what_breaks_or_leaks(
    tmp_path: Path, text: str, part: str, says: str | None
) -> None:
    program, cf = tmp_path / "sendmail", tmp_path / "new.cf"
    program.write_text(_FAKE_SENDMAIL)
    program.chmod(0o755)
    cf.write_text(text)

    check: list[str | Path] = ["sh", _ROLE / "files/check_sendmail.sh", program, part, "/h", cf]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.returncode == 0) == (says is None), done.stderr
    assert (says or "") in done.stderr


_LINT = shutil.which("ansible-lint", path=Path(sys.executable).parent)


@pytest.mark.slow
@pytest.mark.skipif(_LINT is None, reason="ansible-lint is not installed")
@pytest.mark.timeout(180)
def test_the_playbook_has_nothing_that_ansible_lint_objects_to(folder: Path, tmp_path: Path) -> None:
    written(folder, seen(), seen("2001:db8::1", product="Exim"))
    assert _LINT is not None

    environment = {"PATH": f"{Path(_LINT).parent}:/usr/bin:/bin", "HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    command = [_LINT, "--offline", "--profile", "production", "--strict", "--nocolor"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed: 0 failure(s), 0 warning(s)" in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_ansible_reads_the_inventory_as_it_is_meant(folder: Path, tmp_path: Path) -> None:
    program = shutil.which("ansible-inventory", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("ansible-core is not installed")
    written(folder, seen(), seen("2001:db8::1", version="{{ lookup('pipe','id') }}"))

    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "LC_ALL": "C.UTF-8"}
    command = [program, "-i", "inventory.yml", "--list"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)

    read = json.loads(done.stdout)
    assert read["sendmail"]["hosts"] == ["192.0.2.10", "2001:db8::1"]
    assert read["_meta"]["hostvars"]["2001:db8::1"]["smtpsweep_seen_version"] is None


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder; a file's own name is ''."""
    files = [folder] if folder.is_file() else [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}
