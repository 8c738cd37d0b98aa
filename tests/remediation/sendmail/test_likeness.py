"""Claims about what `remedy` takes for a configuration of Sendmail: what is none is refused, not judged."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.cli.entry import run
from scanner.errors import InputError
from scanner.remediation.sendmail.likeness import require_configuration, require_help_file
from scanner.remediation.sendmail.reader import ConfigKind
from tests.support.sendmail_files import CF, DEBIAN_MC, GENERIC_MC, SUBMIT_MC

Output = pytest.CaptureFixture[str]
NONE = "is not a configuration of Sendmail: nothing in it is of a "
MC = {"debian": DEBIAN_MC, "generic": GENERIC_MC, "submit": SUBMIT_MC, "one": "define(`confSMTP_LOGIN_MSG', `$j')dnl\n",
      "spaces": "define( `confBIND_OPTS', `x')\n", "feature": "FEATURE(`access_db')\n",
      "include": "include(`/usr/share/sendmail/cf/m4/cf.m4')\n", "unquoted": "define(confSMTP_LOGIN_MSG, x)\n",
      "comment": "divert(-1)dnl\n", "apart": "dnl ours\ninclude(/etc/mail/local.m4)\n",
      "local": "LOCAL_CONFIG\nO X=1\n",
      "windows": DEBIAN_MC.replace("\n", "\r\n")}  # fmt: skip
CFS = {"debian": CF, "version": "V10/Berkeley\n", "old": "V5\n", "windows": CF.replace("\n", "\r\n"),
       "option": "O SmtpGreetingMessage=$j\n", "sub-option": "O Timeout.ident=0\n", "header": "HReceived: from $s\n",
       "mailer": "Mlocal,\tP=/usr/bin/procmail\n"}  # fmt: skip
OTHERS = {
    "targets": "192.0.2.0/24\nmail.example.com\nmx:example.com # ours\n",
    "greetings": "220 mx.example.com ESMTP Sendmail 8.14.7/8.14.7; date\n",
    "postfix": "smtpd_banner = $myhostname ESMTP\nmyhostname = mx.example.com\n",
    "exim": "primary_hostname = mx.example.com\nMAIN_X = 1\nbegin acl\n",
    "prose": "Make the server say nothing.\nOur MAILER is old. See DOMAIN (example.com).\nV for victory\nDo it.\n",
    "record": '{"schema":"smtpsweep.record/1"}\n',
    "helpfile": "#vers\t2\nsmtp\tThis is sendmail version $v\n",
    "empty": "",
    "words": "hello define(X)\n",
    "C": "#include(foo)\n#define(FOO) 1\nint divert(int x);\n",
    "PHP": '<?php\ninclude("a.php");\ndefine(\'X\', 1);\ndefine("conf", 2);\n',
    "AMD": "define(['jquery'], function () {});\ndefine(X);\n",
    "comment of m4 alone": "dnl is a word of m4\n",
    "toml": "version = 1\n[rules.min-version]\n",
}


@pytest.mark.parametrize("kind", [ConfigKind.SENDMAIL_MC, ConfigKind.SUBMIT_MC])
@pytest.mark.parametrize("name", MC)
def test_a_configuration_for_m4_is_one(kind: ConfigKind, name: str) -> None:
    require_configuration(kind, MC[name].encode("latin-1"), "x")


@pytest.mark.parametrize("kind", [ConfigKind.SENDMAIL_CF, ConfigKind.SUBMIT_CF])
@pytest.mark.parametrize("name", CFS)
def test_a_configuration_of_the_daemon_is_one(kind: ConfigKind, name: str) -> None:
    require_configuration(kind, CFS[name].encode("latin-1"), "x")


def refusal(kind: ConfigKind, raw: bytes) -> str:
    with pytest.raises(InputError) as caught:
        require_configuration(kind, raw, "x")
    return str(caught.value).removeprefix("x: ")


@pytest.mark.parametrize("kind", ConfigKind)
@pytest.mark.parametrize("name", OTHERS)
def test_what_is_none_is_refused(kind: ConfigKind, name: str) -> None:
    assert refusal(kind, OTHERS[name].encode()) == f"{NONE}{kind}"


@pytest.mark.parametrize("kind", ConfigKind)
@given(raw=st.binary(max_size=3000))
def test_random_bytes_are_refused(kind: ConfigKind, raw: bytes) -> None:
    assert refusal(kind, b"\x8f\0" + raw)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "# ours\n", "#vers\t2\n", "#vers 2\nx\n", "smtp\tx\n", "-bs\n\nsmtp\tx\r\n", OTHERS["helpfile"]],
)
def test_a_help_file_is_one(text: str) -> None:
    require_help_file(text.encode(), "x")


@pytest.mark.parametrize("name", sorted(OTHERS.keys() - {"helpfile", "empty"}))
def test_what_is_no_help_file_is_refused(name: str, tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "help"
    file.write_text(OTHERS[name])

    assert run(["remedy", "--helpfile", str(file)]) == 2
    message = f"smtpsweep: {file}: is not a help file of Sendmail: no line of it is a topic, a tab and a text\n"
    assert capsys.readouterr() == ("", message)


def test_a_help_file_has_no_nul_bytes() -> None:
    with pytest.raises(InputError, match="is not a help file"):
        require_help_file(b"smtp\tx\n\0", "x")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_encodings_are_refused_by_name(encoding: str) -> None:
    message = refusal(ConfigKind.SENDMAIL_MC, DEBIAN_MC.encode(encoding))

    assert message == f"is {encoding[:6].upper()}, which Sendmail does not read: save it as plain text"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (ConfigKind.SENDMAIL_MC, CF, "is not a sendmail.mc, but looks like a sendmail.cf: use --cf"),
        (ConfigKind.SENDMAIL_CF, DEBIAN_MC, "is not a sendmail.cf, but looks like a sendmail.mc: use --mc"),
        (ConfigKind.SUBMIT_MC, CF, "is not a submit.mc, but looks like a submit.cf: use --submit-cf"),
        (ConfigKind.SUBMIT_CF, SUBMIT_MC, "is not a submit.cf, but looks like a submit.mc: use --submit-mc"),
    ],
)
def test_the_other_kind_is_named_with_its_option(kind: ConfigKind, text: str, message: str) -> None:
    assert refusal(kind, text.encode("latin-1")) == message


def test_the_command_says_it_in_one_line_and_writes_nothing(tmp_path: Path, capsys: Output) -> None:
    file, plan = tmp_path / "x.mc", tmp_path / "plan"
    file.write_text(OTHERS["targets"])

    assert run(["remedy", "--mc", str(file), "-o", str(plan)]) == 2
    assert capsys.readouterr() == ("", f"smtpsweep: {file}: {NONE}sendmail.mc\n")
    assert not plan.exists()


def test_a_byte_order_mark_changes_nothing(tmp_path: Path, capsys: Output) -> None:
    file = tmp_path / "x.cf"
    file.write_bytes(CF.encode("latin-1"))
    code, found = run(["remedy", "--cf", str(file)]), capsys.readouterr()
    file.write_bytes(b"\xef\xbb\xbf" + CF.encode("latin-1"))

    assert (run(["remedy", "--cf", str(file)]), capsys.readouterr()) == (code, found)
    assert code == 1
