"""`smtpsweep smoke` as its users call it: what it prints, returns and writes, and what it never shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.cli.entry import run
from tests.support.certificates import make_certificate, server_context
from tests.support.command_line import ROOT, Done, smtpsweep
from tests.support.servers import free_port, serving
from tests.support.smtp_scripts import ScriptedServer

WORD = "correct-horse-battery"
RECEIVED = b"Received: from c by mx.example.org (Exim 4.96)\x1b[2J with ESMTP id 1; Sun\r\n"
ADDRESSES = ("--from", "a@example.com", "--to", "b@example.com")


def deliver_to(box: Path) -> ScriptedServer:
    """Return a server that puts what it takes into a Maildir, with a Received line before it."""
    (box / "new").mkdir(parents=True)

    def deliver(message: bytes) -> None:
        (box / "tmp").write_bytes(RECEIVED + message)
        (box / "tmp").rename(box / "new/1")

    return ScriptedServer(on_message=deliver)


def smoke(tmp_path: Path, port: int, *more: str | Path, receive: str | None = None) -> Done:
    where = receive or f"maildir:{tmp_path / 'box'}"
    return smtpsweep("smoke", "127.0.0.1", *ADDRESSES, "--receive", where, "-p", str(port), *more, cwd=tmp_path)


def test_a_delivered_message_is_shown_step_by_step_with_the_line_that_leaks(tmp_path: Path) -> None:
    with serving(deliver_to(tmp_path / "box")) as server:
        done = smoke(tmp_path, server.port, "--yes-send-mail", "--save-headers", "headers.txt", "--timeout", "20")

    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert [line.split()[2] for line in lines[:8]] == [
        *("resolve", "connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "arrival"),
    ]
    assert lines[4].endswith("MAIL         250 2.1.0 Ok")
    assert lines[9:] == [
        "result      delivered",
        lines[10],
        "queue id    ABC123",
        "headers     1 line shows a version",
        "  line 1    hop 1, by mx.example.org: Exim 4.96",
        r"            Received: from c by mx.example.org (Exim 4.96)\x1b[2J with ESMTP id 1; Sun",
    ]
    assert lines[10].startswith("arrived     ")
    saved = (tmp_path / "headers.txt").read_bytes()
    assert saved.startswith(RECEIVED)
    assert saved.endswith(b"MIME-Version: 1.0\r\n")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_json_is_one_line_and_nothing_else(tmp_path: Path) -> None:
    with serving(deliver_to(tmp_path / "box")) as server:
        done = smoke(tmp_path, server.port, "-y", "--json", "--timeout", "20")

    assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
    told = json.loads(done.out)
    assert (told["state"], told["shows_version"]) == ("delivered", True)
    assert told["leaks"][0]["version"] == "4.96"
    assert done.out.isascii()


def test_without_the_opt_in_nothing_is_sent_and_it_is_said_what_would_be(tmp_path: Path) -> None:
    with serving(ScriptedServer()) as server:
        done = smoke(tmp_path, server.port)

        assert server.peers == []
    assert done.code == 2
    assert done.err == "smtpsweep: nothing was sent: add --yes-send-mail to send this one message\n"
    assert done.out.splitlines()[:2] == [
        "would send  one message from a@example.com to b@example.com",
        f"through     127.0.0.1 port {server.port} (STARTTLS: auto; AUTH: no)",
    ]
    assert f"at most 60 s at maildir:{tmp_path}/box" in done.out


def test_a_refusal_is_exit_code_1_and_shown_with_the_reply(tmp_path: Path) -> None:
    with serving(ScriptedServer({"RCPT": b"550 5.1.1 \x1b]0;x\x07 `no`\r\n"})) as server:
        done = smoke(tmp_path, server.port, "-y")

    assert done.code == 1
    assert r"RCPT         FAILED  550 5.1.1 \x1b]0;x\x07 `no`" in done.out
    assert done.out.splitlines()[-1] == "result      failed"


def test_nobody_listening_is_exit_code_1(tmp_path: Path) -> None:
    done = smoke(tmp_path, free_port(), "-y")

    assert done.code == 1
    assert "ECONNREFUSED" in done.out


def test_not_seen_in_time_is_exit_code_3(tmp_path: Path) -> None:
    with serving(ScriptedServer()) as server:
        done = smoke(tmp_path, server.port, "-y", "--timeout", "500ms", "--save-headers", "headers.txt")

    assert done.code == 3
    assert done.out.splitlines()[-2:] == ["result      not arrived", "queue id    ABC123"]
    assert not (tmp_path / "headers.txt").exists()


@pytest.mark.parametrize(
    ("more", "receive", "said"),
    [
        ((), "nowhere", "--receive: write maildir:/path, mbox:/path, imaps://user@host/INBOX"),
        ((), "maildir:", "--receive: write maildir:/path"),
        ((), "lmtp:2424", "--receive lmtp: write lmtp, or lmtp:ADDRESS:PORT"),
        ((), "lmtp:localhost:2424", "--receive lmtp: write lmtp, or lmtp:ADDRESS:PORT"),
        ((), "smtp:127.0.0.1:99999", "--receive smtp: write smtp, or smtp:ADDRESS:PORT"),
        ((), "smtp:1.2.3.4.5:25", "--receive smtp: write smtp, or smtp:ADDRESS:PORT"),
        ((), "imaps://alice@mail.example.com/INBOX", "the password is needed: --imap-password-env"),
        ((), f"imaps://alice:{WORD}@mail.example.com/INBOX", "no password in a URL"),
        ((), f"imaps://alice:{WORD}@mail.example.com:no/INBOX", "this is not an IMAP URL"),
        ((), "imaps://mail.example.com/INBOX", "write imaps://user@host[:port]/INBOX"),
        ((), "imaps://alice@mail.example.com/IN%22BOX", "the name of the mailbox must be plain ASCII"),
        ((), "imaps://alice%0d%0a@mail.example.com/INBOX", "write imaps://user@host[:port]/INBOX"),
        (("--to", "a@x,b@y"), None, "--to 'a@x,b@y': not one mail address"),
        (("--user-env", "USER_OF_MINE"), None, "AUTH needs a user"),
        (("--user-env", "NOT_SET", "--password-env", "A_WORD"), None, "--user-env NOT_SET: must hold one line"),
        (
            ("--password-env", "A_WORD", "--password-file", "x"),
            None,
            "--password-env and --password-file contradict each other",
        ),
        (("--user-env", "USER_OF_MINE", "--password-file", "none"), None, "--password-file none: cannot be read"),
        (
            ("--user-env", "USER_OF_MINE", "--password-file", "binary"),
            None,
            "--password-file binary: cannot be read (is no",
        ),
        (
            ("--user-env", "USER_OF_MINE", "--password-file", "lines"),
            None,
            "--password-file lines: must hold one line",
        ),
        (("--save-headers", "lines"), None, "--save-headers lines: exists: use --overwrite, or another name"),
        (
            ("--save-headers", "no/such/file"),
            None,
            "--save-headers no/such/file: cannot be written (its folder does not exist)",
        ),
        (("--timeout", "soon"), None, "is not a duration"),
        (("-x", "127.0.0.1"), None, "the only address is excluded"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2_and_never_shows_a_password(
    tmp_path: Path, more: tuple[str, ...], receive: str | None, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER_OF_MINE", "alice")
    monkeypatch.setenv("A_WORD", WORD)
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "lines").write_text(f"{WORD}\n{WORD}\n")
    with serving(ScriptedServer()) as server:
        where = ("--receive", receive or "maildir:box", "-p", str(server.port))
        code = run(["smoke", "127.0.0.1", *ADDRESSES, *where, "-y", *more])

        assert server.peers == []
    out, err = capsys.readouterr()
    assert code == 2
    assert err.count("\n") == 1
    assert said in err
    assert WORD not in err + out


LOG_IN = {
    "EHLO": b"250-mx\r\n250 STARTTLS\r\n",
    "STARTTLS": b"220 go\r\n",
    "EHLO inside": b"250-mx\r\n250 AUTH LOGIN\r\n",
    "AUTH": b"334 UGFzc3dvcmQ6\r\n",
    "Y29YCMVJDC1OB3JZZS1IYXR0ZXJ5": b"535 no\r\n",  # the password in base64, as a verb
}


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate("127.0.0.1", names=("127.0.0.1",))
    (tmp_path / "ca.pem").write_bytes(certificate)
    (tmp_path / "word").write_text(WORD + "\n")
    monkeypatch.setenv("USER_OF_MINE", "alice")
    monkeypatch.setenv("A_WORD", WORD)
    for source in (("--password-env", "A_WORD"), ("--password-file", "word")):
        server = ScriptedServer(LOG_IN, tls=server_context(certificate, key))
        with serving(server) as running:
            done = smoke(
                tmp_path, running.port, "-y", "--user-env", "USER_OF_MINE", *source, "--ca-file", "ca.pem",
                "--log-level", "debug",
            )  # fmt: skip

        assert done.code == 1
        assert "AUTH         FAILED" in done.out
        assert server.said[3].startswith("AUTH LOGIN ")
        assert WORD not in done.out + done.err
        assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in done.out + done.err


def test_our_own_receiver_takes_the_message(tmp_path: Path) -> None:
    """The server relays to it; here the script is the relay, by the standard library's client."""
    port = free_port()

    def relay(message: bytes) -> None:
        import smtplib  # noqa: PLC0415  a client in a server

        with smtplib.LMTP("127.0.0.1", port) as client:
            client.sendmail("a@example.com", ["b@example.com"], RECEIVED + message)

    with serving(ScriptedServer(on_message=relay)) as server:
        done = smoke(tmp_path, server.port, "-y", "--timeout", "20", receive=f"lmtp:127.0.0.1:{port}")

    assert (done.code, done.err) == (0, "")
    assert "hop 1, by mx.example.org: Exim 4.96" in done.out


def test_a_receiver_without_aiosmtpd_is_said(tmp_path: Path) -> None:
    done = _without_aiosmtpd("smoke", "127.0.0.1", *ADDRESSES, "--receive", "lmtp", "-y", cwd=tmp_path)

    assert done.code == 2
    assert done.err == "smtpsweep: --receive lmtp needs aiosmtpd: pip install 'smtpsweep[smoke]'\n"


_BLOCKED = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aiosmtpd":
            raise ModuleNotFoundError(f"No module named {name!r}", name="aiosmtpd")
sys.meta_path.insert(0, Missing())
from scanner.cli.entry import run
sys.exit(run(sys.argv[1:]))
"""


def _without_aiosmtpd(*arguments: str, cwd: Path) -> Done:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _BLOCKED, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=50, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def test_headers_that_cannot_be_saved_are_exit_code_3_and_the_result_is_shown(tmp_path: Path) -> None:
    """Somebody else makes the file while the message is under way."""
    server = deliver_to(tmp_path / "box")
    deliver = server._on_message

    def also_make_the_file(message: bytes) -> None:
        (tmp_path / "headers").write_text("theirs")
        deliver(message)

    with serving(ScriptedServer(on_message=also_make_the_file)) as running:
        done = smoke(tmp_path, running.port, "-y", "--timeout", "20", "--save-headers", "headers")

    assert done.code == 3
    assert "result      delivered" in done.out
    assert done.err == "smtpsweep: --save-headers headers: cannot be written (somebody else made it meanwhile)\n"
    assert (tmp_path / "headers").read_text() == "theirs"


def test_a_place_for_headers_that_cannot_be_written_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    done = smoke(tmp_path, 1, "-y", "--save-headers", "/proc/headers")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("smtpsweep: --save-headers /proc/headers: cannot be written (")


@pytest.mark.parametrize(
    ("receive", "more", "said"),
    [
        ("mbox:b", (), "--save-headers b would overwrite --receive b"),
        ("maildir:.", (), "would overwrite --receive ."),
        ("mbox:x", ("--user-env", "HOME", "--password-file", "b"), "would overwrite the secret or certificate in b"),
    ],
)
def test_headers_do_not_replace_the_mailbox_or_a_secret(
    tmp_path: Path, receive: str, more: tuple[str, ...], said: str
) -> None:
    for name in ("b", "x"):
        (tmp_path / name).write_bytes(b"precious")
    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
    done = smtpsweep(
        "smoke", "127.0.0.1", *ADDRESSES, "--receive", receive, *more, "-y", "--save-headers", "b", "--overwrite",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.code == 2
    assert said in done.err
    assert (tmp_path / "b").read_bytes() == b"precious"
