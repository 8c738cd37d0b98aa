"""Claims about `scanner.delivery.local.stdout`, made by real processes with real pipes."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.delivery import StdoutSink
from scanner.errors import InputError, SinkError
from tests.support.waiting import eventually

#: Writes what sys.stdout holds back, then batches for ever; ends as the command line does, with one line.
WRITER = """
import asyncio, sys
from scanner.errors import SmtpsweepError
from scanner.delivery import StdoutSink

async def main():
    sink = StdoutSink()
    try:
        await sink.open(None)
        print("held back by the buffer of sys.stdout", end="")
        while True:
            await sink.write([b'{"n":1}\\n'] * 1000)
    except SmtpsweepError as error:
        print(error, file=sys.stderr)
    finally:
        await sink.close()

asyncio.run(main())
"""
#: An empty value means buffered, as a shell would have it.
BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}


def test_a_reader_that_takes_one_line_and_goes_leaves_one_line_of_complaint() -> None:
    """No "Exception ignored" at exit either, although the buffer of sys.stdout could not be flushed."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=BUFFERED
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        first = writer.stdout.readline()
        writer.stdout.close()
        complaint = writer.stderr.read()

    assert first == '{"n":1}\n'
    assert complaint == "stdout: the reader closed the pipe before the sweep was over\n"
    assert writer.returncode == 0


def test_a_full_disk_behind_a_redirection_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(line for line in WRITER.splitlines() if "held back" not in line)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )

    assert done.stderr == (
        "stdout: cannot write: No space left on device: free some space, then run it again (with --state it goes on)\n"
    )


def test_a_process_without_standard_output_is_told_so() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, WRITER],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.stderr == "stdout: is closed: redirect it, or name a file with -o\n"


async def test_a_redirection_shared_with_others_keeps_the_order_of_all(tmp_path: Path) -> None:
    """As in `{ echo head; smtpsweep ...; echo foot; } > file`: the offset is shared, nothing is overwritten."""
    fd = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b"head\n")
    sink = StdoutSink(fd)
    await sink.open(None)
    await sink.write([b"a\n", b"b\n"])
    await sink.close()
    os.write(fd, b"foot\n")
    os.close(fd)

    assert (tmp_path / "out").read_bytes() == b"head\na\nb\nfoot\n"


async def test_a_slow_reader_gets_everything_while_the_flags_of_the_shared_pipe_stay(tmp_path: Path) -> None:
    batch = [b"%d\n" % n for n in range(50_000)]
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    sink = StdoutSink(writer)
    await sink.open({"part": 0})
    blocking = os.get_blocking(writer)
    write = asyncio.ensure_future(sink.write(batch))
    got = b""
    while not write.done():
        await asyncio.sleep(0)
        got += _available(reader)
    await write
    await sink.close()
    got += _available(reader)
    os.close(reader)
    os.close(writer)

    assert blocking
    assert got == b"".join(batch)
    assert sink.position() is None


def _available(reader: int) -> bytes:
    try:
        return os.read(reader, 1 << 20)
    except BlockingIOError:
        return b""


async def test_closing_gives_up_a_write_whose_reader_stalls_and_takes_no_more() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    sink = StdoutSink(writer)
    await sink.open(None)
    write = asyncio.ensure_future(sink.write([b"x" * 1_000_000]))
    await eventually(lambda: _available(reader))
    await sink.close()
    await sink.close()

    with pytest.raises(SinkError, match="Operation canceled"):
        await write
    with pytest.raises(SinkError, match="stdout: is not open"):
        await sink.write([b"x\n"])
    os.close(reader)
    os.close(writer)


async def test_a_descriptor_that_is_not_open_is_an_input_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)

    with pytest.raises(InputError, match="stdout: cannot be written: Bad file descriptor"):
        await StdoutSink(writer).open(None)
