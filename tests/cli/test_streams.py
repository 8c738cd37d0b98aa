"""Claims about `scanner.cli.streams`: what is said to people never fails, never waits long, and stays above a block."""

import errno
import io
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from scanner.cli import streams
from scanner.cli.streams import Output, OutputLostError, Voice


class Pipe:
    """A pipe whose reader may stand still."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def fill(self) -> None:
        os.set_blocking(self.writer, False)
        try:
            while os.write(self.writer, b"x" * 4096):
                pass
        except BlockingIOError:
            os.set_blocking(self.writer, True)

    def read(self) -> bytes:
        heard = b""
        try:
            while data := os.read(self.reader, 1 << 20):
                heard += data
        except BlockingIOError:
            pass
        return heard

    def close(self) -> None:
        for fd in (self.reader, self.writer):
            os.close(fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_what_is_said_while_a_block_is_shown_stands_above_it(pipe: Pipe) -> None:
    voice = Voice(pipe.writer)
    voice.show(b"[1]\n", lambda: b"<1>")
    voice.show(b"[2]\n", lambda: b"<2>")
    voice.write(b"half a ")
    voice.write(b"line\nand ")
    voice.show(b"[3]\n", lambda: b"<3>")
    voice.hide()
    voice.write(b"the rest\n")

    assert pipe.read() == b"[1]\n" + b"<1>[2]\n" + b"<2>half a line\n[2]\n" + b"<2>[3]\n" + b"<3>and " + b"the rest\n"


def test_the_beginning_of_a_line_is_not_held_back_for_ever(pipe: Pipe) -> None:
    voice = Voice(pipe.writer)
    voice.show(b"[1]\n", lambda: b"<1>")
    pipe.read()
    voice.write(b"y" * 40_000)
    assert pipe.read() == b""
    written = threading.Thread(target=voice.write, args=(b"y" * 40_000,))
    written.start()
    heard = b""
    while not heard.endswith(b"\n[1]\n"):
        heard += pipe.read()
    written.join()

    assert heard == b"<1>" + b"y" * 80_000 + b"\n[1]\n"
    voice.hide()


def test_a_reader_that_stands_still_is_waited_for_once_and_then_told_what_it_missed(pipe: Pipe) -> None:
    pipe.fill()
    voice = Voice(pipe.writer)
    voice.set_patience(0.001)
    for number in range(100):
        assert voice.write(b"line %d\n" % number) == len(b"line %d\n" % number)
    pipe.read()
    voice.write(b"here again\n")

    assert pipe.read() == b"smtpsweep: 100 lines were not shown: nobody read them\nhere again\n"


def test_without_a_sweep_a_slow_reader_gets_everything(pipe: Pipe) -> None:
    pipe.fill()
    voice = Voice(pipe.writer)
    waiting = threading.Thread(target=voice.write, args=(b"the last line\n",))
    waiting.start()
    heard = b""
    while not heard.endswith(b"the last line\n"):
        heard += pipe.read()
    waiting.join()


@pytest.mark.parametrize("kind", ["full", "closed", "deserted", "none"])
def test_nothing_that_is_said_fails(kind: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    os.close(writer) if kind == "closed" else None
    voice = Voice({"full": full, "closed": writer, "deserted": writer, "none": None}[kind])

    assert voice.write(b"x\n") == 2
    voice.show(b"[1]\n", bytes)
    voice.hide()

    os.close(full)
    os.close(writer) if kind == "deserted" else None


def test_a_signal_in_the_middle_of_a_line_has_its_say_after_it(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    voice = Voice(pipe.writer)
    text = io.TextIOWrapper(voice, "utf-8", line_buffering=True, write_through=True)  # type: ignore[type-var]
    before = signal.signal(signal.SIGUSR1, lambda *_: print("stopping", file=text))
    put = voice._put

    def interrupted(data: bytes) -> bool:
        monkeypatch.setattr(voice, "_put", put)
        signal.raise_signal(signal.SIGUSR1)
        return put(data)

    monkeypatch.setattr(voice, "_put", interrupted)
    text.write("a line\n")
    signal.signal(signal.SIGUSR1, before)

    assert pipe.read() == b"a line\nstopping\n"
    text.detach()


def test_the_first_failure_of_standard_output_is_raised_and_kept_and_the_next_are_dropped() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    output = Output(full)

    with pytest.raises(OutputLostError) as caught:
        output.write(b"x")
    assert output.write(b"yz") == 2
    os.close(full)

    assert output.failure is caught.value
    assert caught.value.errno == errno.ENOSPC


def test_a_broken_pipe_is_not_the_error_that_libraries_end_the_process_for() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    with pytest.raises(OutputLostError) as caught:
        Output(writer).write(b"x")
    os.close(writer)

    assert caught.value.errno == errno.EPIPE
    assert not isinstance(caught.value, BrokenPipeError)


def test_standard_output_that_somebody_else_made_not_to_block_is_waited_for(pipe: Pipe) -> None:
    pipe.fill()
    os.set_blocking(pipe.writer, False)
    output = Output(pipe.writer)
    waiting = threading.Thread(target=output.write, args=(b"record\n",))
    waiting.start()
    heard = b""
    while not heard.endswith(b"record\n"):
        heard += pipe.read()
    waiting.join()

    assert output.failure is None


@pytest.mark.parametrize(
    ("text", "encoded"), [("a\u2026b", b"a~b"), ("\u2503\u2026", b"\\u2503~"), ("\udcff", b"\\udcff"), ("ab", b"ab")]
)
def test_what_an_encoding_lacks_is_written_as_an_escape(text: str, encoded: bytes) -> None:
    assert text.encode("ascii", streams._ESCAPED) == encoded


def test_one_line_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    streams.say("a\nb\x1b[2J\u202e")

    assert capsys.readouterr().err == "a\\nb\\x1b[2J\\u202e\n"
