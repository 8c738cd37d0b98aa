"""An IMAP mailbox as the place where a message arrives, at a scripted server; a real one is asked in tests/real."""

import asyncio
import base64
import ssl
from typing import IO

import pytest

from scanner.engine import Gate
from scanner.errors import InputError
from scanner.smoke.imap_mailbox import ImapAccount, ImapMailbox
from scanner.smoke.mailboxes import MailboxError
from scanner.targets import Ranges
from tests.support.certificates import make_certificate, server_context
from tests.support.servers import Peer, Script, free_port, serving

MARK = "0f8fad5b-d9cb-469f-a165-70867728950e"
HEADERS = f"Received: by h (Exim 4.96); Sun\nX-Smtpsweep-Smoke: {MARK}\nSubject: x\n".encode()
CERTIFICATE, KEY = make_certificate("127.0.0.1", names=("127.0.0.1",))
WORD = 'se"c\\ret'


class FakeImap:
    """Answers each command by its name; `answers` replaces some of them. `{tag}` is filled in."""

    def __init__(self, **answers: bytes) -> None:
        self.commands: list[bytes] = []
        self.was_left = False  # the client ended it, not the patience of this server
        default = {
            "CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n{tag} OK done\r\n",
            "AUTHENTICATE": b"{tag} OK welcome\r\n",
            "LOGIN": b"{tag} OK welcome\r\n",
            "EXAMINE": b"* 3 EXISTS\r\n* OK [UIDNEXT 42] next\r\n{tag} OK [READ-ONLY] done\r\n",
            "NOOP": b"{tag} OK done\r\n",
            "UID SEARCH": b"* SEARCH 57\r\n{tag} OK done\r\n",
            "UID FETCH": b"* 4 FETCH (UID 57 BODY[HEADER]<0> {%d}\r\n%s)\r\n{tag} OK done\r\n"
            % (len(HEADERS), HEADERS),
            **{name.replace("_", " "): answer for name, answer in answers.items()},
        }
        self.answers = {name: [answer] for name, answer in default.items()}

    def __call__(self, peer: Peer) -> None:
        with server_context(CERTIFICATE, KEY).wrap_socket(peer.sock, server_side=True) as sock:
            stream = sock.makefile("rb")
            sock.sendall(b"* OK ready\r\n")
            while line := self._line(stream):
                tag, _, command = line.rstrip(b"\r\n").partition(b" ")
                self.commands.append(command)
                if command.startswith(b"AUTHENTICATE"):
                    sock.sendall(b"+ \r\n")
                    self.commands.append(stream.readline().rstrip(b"\r\n"))
                name = next((name for name in self.answers if command.startswith(name.encode())), None)
                left = self.answers[name] if name else [b"{tag} BAD what\r\n"]
                answer = left.pop(0) if len(left) > 1 else left[0]
                sock.sendall(answer.replace(b"{tag}", tag))
                if not answer:
                    return
            self.was_left = True

    def _line(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.readline()
        except ConnectionError:  # another way to leave
            return b""


async def read_imap(script: Script, password: str = WORD, *, ca: bytes = CERTIFICATE, excluded: bool = False) -> bytes:
    """Open the mailbox at a scripted server and wait for the message."""
    context = ssl.create_default_context(cadata=ca.decode())
    never = Ranges.from_pairs(((2130706433, 2130706433),)) if excluded else Ranges.from_pairs()
    gate = Gate(never, rate=0, subnet_rate=0)
    with serving(script) as server:
        account = ImapAccount("127.0.0.1", server.port, 'al"ice', password)
        async with ImapMailbox(account, MARK, gate, context, every_s=0) as place:
            return await place.arrival()


async def test_a_message_in_an_imap_mailbox_is_found_and_nothing_there_is_changed() -> None:
    server = FakeImap()

    assert await read_imap(server) == HEADERS
    assert server.commands == [
        b"CAPABILITY",
        b"AUTHENTICATE PLAIN",
        base64.b64encode(b'\0al"ice\0se"c\\ret'),
        b'EXAMINE "INBOX"',
        b"NOOP",
        f"UID SEARCH UID 42:* HEADER X-Smtpsweep-Smoke {MARK}".encode(),
        b"UID FETCH 57 (BODY.PEEK[HEADER]<0.262144>)",
    ]


async def test_without_plain_login_is_used_with_both_words_quoted() -> None:
    server = FakeImap(CAPABILITY=b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n")

    assert await read_imap(server) == HEADERS
    assert rb'LOGIN "al\"ice" "se\"c\\ret"' in server.commands


async def test_a_message_that_the_search_brings_and_that_is_not_ours_is_passed_over_and_the_search_goes_on() -> None:
    server = FakeImap()
    server.answers["UID SEARCH"] = [b"* SEARCH\r\n{tag} OK done\r\n", b"* SEARCH x 56 57\r\n{tag} OK done\r\n"]
    server.answers["UID FETCH"].insert(0, b"* 3 FETCH (UID 56 BODY[HEADER]<0> {4}\r\nA: b)\r\n{tag} OK done\r\n")

    assert await read_imap(server) == HEADERS
    assert sum(command.startswith(b"UID SEARCH") for command in server.commands) == 2


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (
            {"AUTHENTICATE": b'{tag} NO [AUTHENTICATIONFAILED] se"c\\ret is wrong\r\n'},
            "refused the user or the password",
        ),
        ({"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK done\r\n"}, "no way to log in"),
        ({"EXAMINE": b"{tag} NO \x1b[31m\r\n"}, "there is no such mailbox"),
        ({"UID_SEARCH": b"{tag} NO no\r\n"}, "it cannot search"),
        ({"UID_FETCH": b"{tag} NO no\r\n"}, "it cannot fetch"),
        ({"UID_FETCH": b"* 4 FETCH (BODY[HEADER]<0> {99999999999}\r\n"}, "its answer cannot be read"),
        ({"NOOP": b""}, "the server closed the connection"),
        ({"CAPABILITY": b"* CAPABILITY\r\n{tag} OK done\r\n"}, "the server refused a command"),
        ({"NOOP": b'{tag} BAD se"c\\ret\r\n'}, "the server refused a command"),
        ({"EXAMINE": b"\xff\xfe\r\n"}, "its answer cannot be read"),
    ],
)
async def test_what_goes_wrong_is_said_in_our_words_and_never_with_the_password(
    answers: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(MailboxError) as caught:
        await read_imap(FakeImap(**answers))

    assert str(caught.value).startswith("imaps://127.0.0.1: ")
    assert reason in str(caught.value)
    assert WORD not in str(caught.value)


async def test_the_password_is_in_no_text_that_is_made_of_the_account() -> None:
    assert WORD not in repr(ImapAccount("h", 993, "u", WORD))


async def test_a_certificate_that_is_not_trusted_ends_it_before_the_password_is_sent() -> None:
    server = FakeImap()

    with pytest.raises(MailboxError, match=r"^imaps://127.0.0.1: its certificate is not accepted: .*--ca-file"):
        await read_imap(server, ca=make_certificate("other.example")[0])
    assert server.commands == []


async def test_an_excluded_imap_server_is_not_visited() -> None:
    with pytest.raises(MailboxError, match=r"^imaps://127.0.0.1: 127.0.0.1 port \d+: excluded$"):
        await read_imap(FakeImap(), excluded=True)


async def test_a_server_that_does_not_speak_tls_or_is_not_there_is_said() -> None:
    with pytest.raises(MailboxError, match="TLS failed"):
        await read_imap(lambda peer: peer.send(b"* OK plain text\r\n"))
    account = ImapAccount("127.0.0.1", free_port(), "u", "p")
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=0)
    with pytest.raises(MailboxError, match="refused"):
        async with ImapMailbox(account, MARK, gate, ssl.create_default_context()):
            pass
    with pytest.raises(InputError, match="--receive"):
        async with ImapMailbox(ImapAccount("nobody.invalid", 1, "u", "p"), MARK, gate, ssl.create_default_context()):
            pass


async def test_leaving_ends_a_server_that_never_answers() -> None:
    """The thread that reads from it must not outlive us: the test's loop would wait for it at its end."""
    server = FakeImap(NOOP=b"* OK still here\r\n")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await read_imap(server)
    assert server.was_left


def test_a_password_that_is_not_ascii_needs_plain() -> None:
    """LOGIN has no way to say in which encoding it is; PLAIN is UTF-8."""

    async def read(**answers: bytes) -> bytes:
        return await read_imap(FakeImap(**answers), "pässword")

    assert asyncio.run(read()) == HEADERS
    with pytest.raises(MailboxError, match="no way to log in"):
        asyncio.run(read(CAPABILITY=b"* CAPABILITY IMAP4rev1\r\n{tag} OK done\r\n"))
