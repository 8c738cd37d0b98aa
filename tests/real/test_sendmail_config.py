"""The reader and the rewriter of Sendmail's configuration, against m4 and Sendmail themselves.

Everything happens with copies inside the server's own root, which is memory; the running server is never told.
"""

import base64
import re
from pathlib import PurePosixPath

import pytest

from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.reader import ConfigKind, read
from scanner.remediation.sendmail.rewrite import rewrite
from scanner.remediation.sendmail.values import ConfigSeverity, HelpFile, help_text_problem
from tests.real.mta_lab import MtaLab
from tests.support.sendmail_files import WRONG_NOTE

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]
COPIES = PurePosixPath("/root/smtpsweep-configuration")


class Server:
    """Files and programs inside the root of the running Sendmail."""

    def __init__(self, lab: MtaLab) -> None:
        self.lab = lab
        self.shell(f"mkdir -p {COPIES}")

    def shell(self, command: str) -> str:
        return self.lab.in_server("sendmail", "sh", "-c", command)

    def read(self, path: str | PurePosixPath) -> str:
        return base64.b64decode(self.shell(f"base64 {path}")).decode("latin-1")

    def write(self, name: str, text: str) -> PurePosixPath:
        packed = base64.b64encode(text.encode("latin-1")).decode("ascii")
        lines = re.findall(".{1,60000}", packed)  # an argument of a program has 128 KiB at most
        self.shell(f": >{COPIES / name}")
        for line in lines:
            self.shell(f"echo {line} | base64 -d >>{COPIES / name}")
        return COPIES / name

    def build(self, name: str, text: str) -> PurePosixPath:
        """Run m4 as Debian does; return the `.cf` file."""
        source = self.write(name, text)
        target = source.with_suffix(".cf")
        self.shell(f"m4 {source} >{target}")
        return target

    def check(self, path: PurePosixPath) -> tuple[int, str]:
        """Return exit code and output of the check before a restart."""
        said = self.shell(f"({facts.check_command(str(path))}) 2>&1; echo rc=$?")
        return int(said.rpartition("rc=")[2]), said

    def values(self, path: PurePosixPath) -> list[str]:
        """Return the values that Sendmail takes."""
        return self.shell(f"{facts.value_command(str(path))}").splitlines()

    def daemon(self) -> str:
        """Return process number and configuration of the running server."""
        return self.shell("head -n 1 /run/sendmail/mta/sendmail.pid; find /etc/mail -type f -exec md5sum {} +")


@pytest.fixture
def server(mail_servers: MtaLab) -> Server:
    return Server(mail_servers)


def without_builder(cf: str) -> str:
    """Take the comment away that says who built the file, where and when."""
    return (
        re.sub(r"(?m)^##### (?:built by|in /|using).*\n", "", cf).replace("sendmail.mc", "").replace("changed.mc", "")
    )


def test_the_changed_files_are_good_for_sendmail_and_both_ways_give_the_same(server: Server) -> None:
    before = server.daemon()
    mc, cf = server.read("/etc/mail/sendmail.mc"), server.read("/etc/mail/sendmail.cf")
    assert [finding.id for finding in read(ConfigKind.SENDMAIL_MC, mc) if finding.counts] == [
        "privacy-flags",
        "greeting-version",
        "help-version",
        "received-version",
    ]
    built = server.build("changed.mc", rewrite(ConfigKind.SENDMAIL_MC, mc))
    direct = server.write("direct.cf", rewrite(ConfigKind.SENDMAIL_CF, cf))
    for path in (built, direct):
        assert server.check(path)[0] == 0
        values = server.values(path)
        assert "setoption SmtpGreetingMessage (0x90)=$j" in values
        assert f"setoption HelpFile (H)={facts.HELP_FILE}" in values
        assert f"setoption PrivacyOptions (p)={facts.PRIVACY_FLAGS},nobodyreturn" in values
    assert without_builder(server.read(built)) == without_builder(server.read(direct))
    assert server.read(built) != cf
    assert server.daemon() == before


def test_our_settings_as_they_stand_in_the_plans_give_the_expected_values(server: Server) -> None:
    mc = server.read("/etc/mail/sendmail.mc")
    settings = "".join(f"{line}\n" for line in facts.MC_SETTINGS)
    assert mc.count("\nMAILER_DEFINITIONS") == 1
    built = server.build("settings.mc", mc.replace("\nMAILER_DEFINITIONS", f"\n{settings}MAILER_DEFINITIONS"))
    assert server.check(built)[0] == 0
    assert set(facts.EXPECTED_VALUES) <= set(server.values(built))
    edited = server.read("/etc/mail/sendmail.cf")
    for pattern, replacement in facts.CF_EDITS:
        edited, count = re.subn(f"(?m){pattern}", replacement, edited)
        assert count == 1
    assert without_builder(edited) == without_builder(server.read(built)).replace("settings.mc", "")


def test_the_submission_files_lose_the_version_in_both_ways(server: Server) -> None:
    mc, cf = server.read("/etc/mail/submit.mc"), server.read("/etc/mail/submit.cf")
    built = server.build("changed-submit.mc", rewrite(ConfigKind.SUBMIT_MC, mc))
    direct = server.write("direct-submit.cf", rewrite(ConfigKind.SUBMIT_CF, cf))
    for path in (built, direct):
        assert server.check(path)[0] == 0
        assert "$.by $j$?r with $r$. id $i$?{tls_version}\n" in server.read(path)
        assert "($v/$Z)" not in server.read(path)


@pytest.mark.parametrize("end", ["", "dnl"])
def test_the_wrong_note_stops_sendmail_and_we_say_so_with_its_line(server: Server, end: str) -> None:
    before = server.daemon()
    broken = server.read("/etc/mail/sendmail.cf") + WRONG_NOTE + end + "\n"
    path = server.write("broken.cf", broken)
    code, said = server.check(path)
    (found,) = (finding for finding in read(ConfigKind.SENDMAIL_CF, broken) if finding.severity is ConfigSeverity.ERROR)
    assert code == facts.BAD_CONFIGURATION_EXIT
    assert f"{path}: line {found.line}: unknown configuration line" in said
    assert "unknown configuration line" in found.why
    assert (found.id, found.text) == ("m4-in-cf", WRONG_NOTE + end)
    assert server.check(server.write("mended.cf", rewrite(ConfigKind.SENDMAIL_CF, broken)))[0] == 0
    assert server.daemon() == before


@pytest.mark.parametrize(
    ("line", "greeting", "finding"),
    [
        (WRONG_NOTE, None, "name-unknown"),
        ("define(`confSMTP_LOGIN_MSG', `')dnl", "", "greeting-empty"),
        ("define(`confSMTP_LOGIN_MSG', ' ')dnl", "' '", "greeting-quotes"),
        ("define('confSMTP_LOGIN_MSG', '$j')dnl", None, "name-quotes"),
        ("define(confSMTP_LOGIN_MSG, `$j')dnl", None, "name-unquoted"),
        ("# define(`confSMTP_LOGIN_MSG', `$j ESMTP')dnl", "$j ESMTP", "greeting-esmtp-twice"),
        ("dnl define(`confSMTP_LOGIN_MSG', `$j')", None, "greeting-version"),
        ("undefine(`confSMTP_LOGIN_MSG')dnl", "(unset)", "setting-removed"),
        ("LOCAL_CONFIG\nO SmtpGreetingMessage=$j", None, "raw-option-lost"),
        ("LOCAL_RULESETS\nO SmtpGreetingMessage=ready", "ready", "greeting-no-host"),
        ("define(`X', `$j')define(`confSMTP_LOGIN_MSG', `X')dnl", "$j", None),
    ],
)
def test_m4_does_with_a_line_what_the_reader_says(
    server: Server, line: str, greeting: str | None, finding: str | None
) -> None:
    """None as greeting: m4 writes Debian's own, which shows the version."""
    mc = server.read("/etc/mail/sendmail.mc").replace("\nMAILER_DEFINITIONS", f"\n{line}\nMAILER_DEFINITIONS")
    set_to = [value for value in server.values(server.build("line.mc", mc)) if "SmtpGreetingMessage" in value]
    last = set_to[-1].partition("=")[2] if set_to else "(unset)"
    assert ("$v" in last) if greeting is None else (last == greeting)
    found = {each.id for each in read(ConfigKind.SENDMAIL_MC, mc)}
    assert finding is None or finding in found
    assert ("greeting-version" in found) is (greeting is None)
    mended = server.build("line-mended.mc", rewrite(ConfigKind.SENDMAIL_MC, mc))
    assert server.check(mended)[0] == 0
    assert server.values(mended)[-1] == "setoption SmtpGreetingMessage (0x90)=$j"


@pytest.mark.parametrize(
    ("line", "code"),
    [("FEATURE(`nocanonify')", 71), ("MAILER_DEFINITIONS", 70), ("OSTYPE(`debian')", 0),
     ("O SmtpGreetingMesage=$j", 70), ("O  SmtpGreetingMessage=$j", 70), ("OSmtpGreetingMessage=$j", 0),
     ("o SmtpGreetingMessage=$j", 70), ("O SmtpG=$j", 0)],
)  # fmt: skip
def test_sendmail_stops_at_exactly_the_lines_that_we_call_errors(server: Server, line: str, code: int) -> None:
    cf = server.read("/etc/mail/sendmail.cf") + line + "\n"
    errors = [finding for finding in read(ConfigKind.SENDMAIL_CF, cf) if finding.severity is ConfigSeverity.ERROR]
    assert server.check(server.write("line.cf", cf))[0] == code
    assert bool(errors) is (code != 0)


def test_debians_help_file_is_one_that_shows_the_version(server: Server) -> None:
    problem = help_text_problem(HelpFile(server.read("/etc/mail/helpfile")))
    assert problem is not None
    assert problem.id == "help-version"
