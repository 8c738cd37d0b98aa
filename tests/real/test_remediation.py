"""The playbook on real servers: before, trial run, change, second run, rollback; and what must not be let through.

`ansible-playbook` runs inside the root and the namespaces of each server, with itself as the controller, on a playbook
made from what the scanner saw there. The three servers go through it side by side, once; the tests look at what was
noted on the way. How the servers look is asked from 127.0.0.1, which Sendmail neither keeps waiting nor limits.
"""

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.real.mta_lab import MtaLab
from tests.real.mta_servers import MAIL_SERVERS

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

_PROJECT = Path(__file__).resolve().parents[2]
_BIN = Path(sys.executable).parent
_PLAYBOOK = "/root/playbook"
#: Lab's name of a server -> folder of its configuration, a user who gets mail.
_SERVERS = {"sendmail": ("/etc/mail", "root"), "postfix": ("/etc/postfix", "games"), "exim4": ("/etc/exim4", "games")}
_DATE = re.compile(r"\w{3}, +\d+ \w{3} \d{4} [\d:]{8} \S+")
#: The release of every server of the lab has this form, and no other word that they say has.
_VERSION = re.compile(r"\b\d+\.\d+(?:\.\d+)*\b")

_MAKE = f"""
import sys
from pathlib import Path
from scanner.remediation.ansible.playbook import write_playbook
from scanner.analysis.stored import read_records
print(write_playbook(read_records("-"), Path({_PLAYBOOK!r}), overwrite=True).describe())
"""
_TALK = """
import json, smtplib, sys
with smtplib.SMTP(source_address=("127.0.0.1", 0), local_hostname="client.lab.example") as server:
    said = [server.connect(sys.argv[1])]
    said += [server.ehlo(), server.docmd("HELP")]
    if len(sys.argv) > 2:
        server.sendmail("", sys.argv[2], "Subject: " + sys.argv[3] + "\\n\\nhello\\n")
print(json.dumps([f"{code} {text.decode()}" for code, text in said]))
"""


class Talk(NamedTuple):
    """What a server says."""

    greeting: str
    ehlo: str
    help: str


class Run(NamedTuple):
    """What a playbook came to: exit code, tasks that changed something, rescued ones, and all that was printed."""

    code: int
    changed: int
    rescued: int
    output: str


class Look(NamedTuple):
    """How a server looks: from outside, and every file of its configuration (owner, mode, digest)."""

    talk: Talk
    files: str

    @property
    def timeless(self) -> str:
        return _DATE.sub("DATE", self.talk.greeting)


class Story(NamedTuple):
    """What was noted about one server on the way."""

    made: str
    before: Look
    trial: tuple[Run, Look]
    change: tuple[Run, Look]
    mail_before: str
    mail_after: str
    submitted_before: str
    submitted_after: str
    proof: "Proof"
    again: tuple[Run, Look]
    rollback: tuple[Run, Look]


class Proof(NamedTuple):
    """What `smtpsweep smoke` and `smtpsweep verify --received` say after the change."""

    smoke: dict[str, Any]
    verify: dict[str, Any]


class Host:
    """One server of the lab as a host of the playbook."""

    def __init__(self, lab: MtaLab, name: str) -> None:
        self.lab, self.name = lab, name
        self.address = MAIL_SERVERS[name].address
        self.folder, self.user = _SERVERS[name]

    def shell(self, script: str) -> str:
        return self.lab.in_server(self.name, "env", f"PYTHONPATH={_PROJECT}", "sh", "-c", script)

    def make_playbook(self) -> str:
        """Make it from what the scanner sees now."""
        check = f"{sys.executable} -m scanner check {self.address} --json"
        return self.shell(f"{check} | {sys.executable} -c '{_MAKE.replace(chr(39), chr(34))}'")

    def play(self, playbook: str, *options: str, **variables: object) -> Run:
        """Run a playbook. Nothing of Ansible's is kept outside this server's own root."""
        settings = {
            "ansible_connection": "local",
            "ansible_become": False,  # there is no sudo in the lab, and root already is who runs it
            "smtpsweep_hide_program": f"{sys.executable} -m scanner",
            "smtpsweep_hide_verify_delay": 1,
            "smtpsweep_hide_postfix_mail_name": "MTA",  # else Received: lines go on naming Postfix
            **variables,
        }
        environment = {
            "HOME": "/root/ansible",
            "LC_ALL": "C.UTF-8",
            "PATH": f"{_BIN}:/usr/sbin:/usr/bin:/sbin:/bin",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_LOCAL_TEMP": "/root/ansible/local",
            "ANSIBLE_REMOTE_TEMP": "/root/ansible/remote",
            "ANSIBLE_NOCOLOR": "1",
        }
        given = " ".join(f"'{key}={value}'" for key, value in environment.items())
        command = f"ansible-playbook -i inventory.yml {playbook} {' '.join(options)} -e '{json.dumps(settings)}'"
        output = self.shell(f"cd {_PLAYBOOK} && env {given} {command} 2>&1; echo exit code $?")
        code = int(output.rpartition("exit code ")[2])
        recap = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", output.rpartition("PLAY RECAP")[2])}
        return Run(code, recap.get("changed", 0), recap.get("rescued", 0), output)

    def look(self) -> Look:
        return Look(self.talk(), self._files())

    def talk(self, *message: str) -> Talk:
        """Say EHLO and HELP, and send a message when there is one: recipient and subject."""
        program = self.lab.in_network(sys.executable, "-c", _TALK, self.address, *message)
        done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True)
        return Talk(*json.loads(done.stdout))

    def deliver(self, subject: str) -> str:
        """Send a message to a local user; return it as it lies in the mailbox."""
        self.talk(f"{self.user}@{MAIL_SERVERS[self.name].hostname}", subject)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            mailbox = self.shell(f"cat /var/mail/{self.user} 2>/dev/null || true")
            for message in re.split(r"^From ", mailbox, flags=re.MULTILINE):
                if f"Subject: {subject}" in message and "hello" in message:
                    return message
            time.sleep(0.2)  # the server has no event for a delivered message
        raise AssertionError(f"{self.name}: no message arrived: {self.lab.log_file(self.name).read_text()[-2000:]}")

    def prove(self) -> Proof:
        """Send one smoke test, and have the host looked at with the header lines that came of it."""
        host, scanner = MAIL_SERVERS[self.name].hostname, f"{sys.executable} -m scanner"
        near = f"{self.address} --source-address 127.0.0.1 --json"
        mail = f"--from postmaster@{host} --to {self.user}@{host} --receive mbox:/var/mail/{self.user} --insecure-tls"
        self.shell(f"{scanner} smoke {near} {mail} --yes-send-mail > /root/smoke.json || true")
        verified = self.shell(f"{scanner} verify {near} --samples 1 --received /root/smoke.json || true")
        return Proof(json.loads(self.shell("cat /root/smoke.json")), json.loads(verified))

    def submit(self) -> str:
        """Let a local user send a message with Sendmail's own program; return it as it waits in the queue.

        It stays there because nobody listens at 127.0.0.1, where it would go.
        """
        if self.name != "sendmail":
            return ""
        queue = "/var/spool/mqueue-client"
        text = f"cat {queue}/qf* | LC_ALL=C tr -d '\\200-\\377'"  # marks of Sendmail's own in it are no characters
        return self.shell(f"echo hello | /usr/sbin/sendmail -i root; {text}; rm -f {queue}/[dq]f*")

    def _files(self) -> str:
        each = f"find {self.folder} -type f ! -name '*.db' | sort"
        return self.shell(f"{each} | xargs stat -c '%n %U %G %a'; {each} | xargs sha256sum")


def _go_through(host: Host) -> Story:
    made, before = host.make_playbook(), host.look()
    mail_before, submitted_before = host.deliver("before"), host.submit()
    try:
        trial = host.play("site.yml", "--check", "--diff"), host.look()
        change = host.play("site.yml"), host.look()
        mail_after, submitted_after, proof = host.deliver("after"), host.submit(), host.prove()
        again = host.play("site.yml"), host.look()
    finally:
        rollback = host.play("rollback.yml"), host.look()
    return Story(
        made, before, trial, change, mail_before, mail_after, submitted_before, submitted_after, proof, again, rollback
    )


@pytest.fixture(scope="module")
def stories(mail_servers: MtaLab) -> dict[str, Story]:
    """All three servers, side by side: most of the time is spent waiting."""
    with ThreadPoolExecutor(len(_SERVERS)) as threads:
        told = {name: threads.submit(_go_through, Host(mail_servers, name)) for name in _SERVERS}
        return {name: story.result() for name, story in told.items()}


@pytest.fixture(params=_SERVERS)
def story(stories: dict[str, Story], request: pytest.FixtureRequest) -> Story:
    told = stories[request.param]
    assert told.made.startswith("1 host (1 "), told.made
    return told


def test_a_trial_run_passes_every_check_and_changes_nothing(story: Story) -> None:
    run, look = story.trial

    assert run.code == 0, run.output
    assert run.changed > 0  # it would have
    assert (look.timeless, look.files) == (story.before.timeless, story.before.files)


def test_the_change_leaves_no_version_in_greeting_ehlo_and_help(story: Story) -> None:
    run, look = story.change

    assert run.code == 0, run.output
    assert re.fullmatch(r"220 \S+\.lab\.example ESMTP", look.talk.greeting)
    said = "\n".join(look.talk).replace("[127.0.0.1]", "")
    assert not re.search(r"sendmail(?!\.lab)|postfix(?!\.lab)|exim(?!4\.lab)", said, re.IGNORECASE)
    assert not _VERSION.search(re.sub(r"\b[25]\.\d\.\d\b", "", said))


@pytest.mark.parametrize(("name", "shown"), [("sendmail", r"\(8\.17\.1\S+\)"), ("exim4", r"\(Exim [\d.]+\)")])
def test_a_delivered_message_shows_the_version_before_and_not_after(
    stories: dict[str, Story], name: str, shown: str
) -> None:
    story = stories[name]

    assert re.search(shown, story.mail_before)
    assert "Received: " in story.mail_after
    assert not re.search(shown, story.mail_after)


def test_the_smoke_test_arrives_and_the_host_is_verified_with_it(story: Story) -> None:
    smoke, verify = story.proof

    assert (smoke["state"], smoke["shows_version"]) == ("delivered", False), smoke
    assert verify["state"] == "fixed", json.dumps(verify["evidence"])


def test_mail_of_local_users_shows_no_version_either(stories: dict[str, Story]) -> None:
    """Sendmail has a second configuration for it, with a Received: line of its own."""
    story = stories["sendmail"]

    assert re.search(r"Received: .*\n\s+by \S+ \(8\.\S+/Submit\) id", story.submitted_before)
    assert re.search(r"Received: .*\n\s+by \S+ id", story.submitted_after)
    assert "(8." not in story.submitted_after


def test_a_second_run_changes_nothing(story: Story) -> None:
    run, look = story.again

    assert (run.code, run.changed) == (0, 0), run.output
    assert look.files == story.change[1].files


def test_the_rollback_restores_greeting_and_files(story: Story) -> None:
    run, look = story.rollback

    assert run.code == 0, run.output
    assert run.changed > 0
    assert (look.timeless, look.talk.help) == (story.before.timeless, story.before.talk.help)
    assert look.files == story.before.files


def test_what_a_failed_look_from_outside_finds_is_undone_at_once(
    mail_servers: MtaLab, stories: dict[str, Story]
) -> None:
    host, before = Host(mail_servers, "postfix"), stories["postfix"].rollback[1]

    run = host.play("site.yml", smtpsweep_hide_verify_command="false", smtpsweep_hide_verify_retries=1)

    assert (run.code, run.rescued) == (2, 1), run.output
    assert "The change was undone" in run.output
    assert "changed: [127.0.20.2] => (item=/etc/postfix/main.cf)" in run.output  # it had been installed
    assert host.look() == before


def test_a_configuration_with_the_line_of_the_common_note_is_refused_and_the_server_goes_on(
    mail_servers: MtaLab, stories: dict[str, Story]
) -> None:
    """Sendmail would not start with it again, so it must not be told to."""
    host, before = Host(mail_servers, "sendmail"), stories["sendmail"].rollback[1]
    host.shell(
        "cp -p /etc/mail/sendmail.cf /root/kept && echo \"define(\\`confSMTP_banner', ' ')\" >>/etc/mail/sendmail.cf"
    )
    noted = host.look()
    try:
        run = host.play("site.yml")
        after = host.look()
    finally:
        host.shell("cp -p /root/kept /etc/mail/sendmail.cf")

    assert run.code == 2, run.output
    assert run.changed == 0
    assert "unknown configuration line" in run.output
    assert "confSMTP_banner" in run.output
    assert (after.timeless, after.files) == (before.timeless, noted.files)
    assert host.look().files == before.files


#: Server -> shell script that makes its administrator have said more, in the ways that these servers allow.
_ADMINISTRATORS = {
    "postfix": r"""
sed -i 's/^\(127.0.20.2:smtp .* smtpd\)$/\1\n  -o { smtpd_banner = $myhostname ESMTP $mail_name $mail_version }/' \
  /etc/postfix/master.cf
""",
    "exim4": r"""
sed -i "s/^dc_use_split_config=.*/dc_use_split_config='true'/" /etc/exim4/update-exim4.conf.conf
printf 'smtp_banner = $smtp_active_hostname \\\n ESMTP Exim $version_number\n' >/etc/exim4/conf.d/main/05_own
""",
}
_TAKE = {"postfix": "postfix reload", "exim4": 'update-exim4.conf && kill -HUP "$(cat /run/exim4/exim.pid)"'}


class Administered(NamedTuple):
    """What was noted about a server whose administrator had set a greeting."""

    before: Look
    change: tuple[Run, Look]
    again: Run
    rollback: tuple[Run, Look]
    restored: Look


def _go_through_administered(host: Host) -> Administered:
    host.shell(f"set -e; cp -Rp {host.folder} /root/kept; {_ADMINISTRATORS[host.name]} {_TAKE[host.name]}")
    try:
        before = host.look()
        change = host.play("site.yml"), host.look()
        again = host.play("site.yml")
        rollback = host.play("rollback.yml"), host.look()
    finally:
        host.shell(f"set -e; rm -r {host.folder}; mv /root/kept {host.folder}; {_TAKE[host.name]}")
    return Administered(before, change, again, rollback, host.look())


@pytest.fixture(scope="module")
def administered(mail_servers: MtaLab, stories: dict[str, Story]) -> dict[str, Administered]:
    with ThreadPoolExecutor(len(_ADMINISTRATORS)) as threads:
        told = {name: threads.submit(_go_through_administered, Host(mail_servers, name)) for name in _ADMINISTRATORS}
        return {name: story.result() for name, story in told.items()}


@pytest.mark.parametrize("name", _ADMINISTRATORS)
def test_a_greeting_that_an_administrator_has_set_elsewhere_is_found_and_comes_back(
    administered: dict[str, Administered], stories: dict[str, Story], name: str
) -> None:
    """Postfix: for one service, in master.cf. Exim: in Debian's split layout, on two lines."""
    told = administered[name]
    (change, after), (rollback, back) = told.change, told.rollback

    assert re.search(r"ESMTP (Postfix|Exim) \d", told.before.talk.greeting)
    assert (change.code, rollback.code) == (0, 0), change.output
    assert (told.again.code, told.again.changed) == (0, 0), told.again.output
    assert after.talk.greeting == f"220 {name}.lab.example ESMTP"
    assert (back.timeless, back.files) == (told.before.timeless, told.before.files)
    assert told.restored.files == stories[name].before.files
