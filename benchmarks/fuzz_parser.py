"""Throw millions of damaged greetings at the parser: `python -m benchmarks.fuzz_parser --count 10000000 --jobs 2`.

Each input is a greeting of the corpus with a few random changes: bits flipped, pieces cut out, doubled or taken from
another greeting, line ends, digits, hyphens and NULs put in. It is read whole and in random pieces, under the usual
limits and under tight ones, and these must hold:

- nothing raises;
- the greeting read in pieces is the greeting read whole (which also holds the path for plain greetings against the
  general one);
- `is_whole_greeting` says what the reader finds;
- the escaped text gives back exactly the bytes.

Every block of inputs is made from the seed and its own number, so any run can be repeated with any number of jobs.
The first failure is printed, escaped, and the exit code is 1.
"""

import argparse
import multiprocessing
import secrets
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Final

from scanner.smtp import ReplyReader, escape, interpret_reply, is_whole_greeting, parse_banner, unescape

BLOCK: Final = 2_000
#: A line on stderr after so many inputs.
PROGRESS: Final = 500_000
#: Limits of bytes and lines: the defaults, and some that random inputs reach.
LIMITS: Final = ((8192, 100), (8192, 100), (64, 3), (24, 1), (3, 2))
CORPUS: Final = (
    b"220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n",
    b"220 h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Thu, 30 Nov 2017 10:25:48 +0100; (No UCE/UBE)\r\n",
    b"220 mail.example.com ESMTP Sendmail 8.5.4; Mon Jan  8 05:45:49 2024\r\n",
    b"220 simh Sendmail 5.51/5.17 ready at Wed, 18 Dec 85 11:14:07 PST\r\n",
    b"220-HOST Sendmail 8.6.9/A/UX 3 ready at Sun, 29 Jul 2001 22:58:46 -0400 (EDT)\r\n220 ESMTP spoken here\r\n",
    b"220-h.example.com ESMTP Exim 4.96 #2\r\n220-We do not authorize spam,\r\n220 and/or bulk e-mail.\r\n",
    b"220-laposte\r\n220 lpn-prd-vrin019 ESMTP Postfix (Ubuntu)\r\n",
    b"220 h ESMTP Postfix\r\n",
    b"220 a ESMTP\n",
    b"220\r\n",
    b"220 \r\n",
    b"220-a\r\n554 b\r\n",
    b"220 m\xc3\xbcller ESMTP\r\n",
    b"220 *********0****2*****0**00****\r\n",
    b"220 [IPv6:2001:db8::1] ESMTP\r\n220 192.0.2.1 x\r\n",
    b"220 (vsFTPd 3.0.3)\r\n",
    b"220-FileZilla Server\r\n220 ftp.example.com\r\n",
    b"200 news.example.com NNRP ready\r\n",
    b"421 4.3.2 Connection rate limit exceeded.\r\n",
    b"421-4.7.0 [192.0.2.1] x\r\n421 4.7.0 y\r\n",
    b"554-host\r\n554 5.7.1 go away\\\r\n",
    b"550 black ip. (\xb7\xa2\xd0\xc5)\r\n",
    b"\r\nhello\r\n220 a\r\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2p1\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x15\x03\x01\x00\x02\x02\x28",
    b"\x4a\x00\x00\x00\x0a5.7.1\x00",
    b"\xff\xfb\x01\xff\xfb\x03",
    b"",
)
TOKENS: Final = (
    b"\r", b"\n", b"\r\n", b"\r\r\n", b"\n\n", b"\x00", b"\t", b" ", b"-", b"\\", b"*", b"****", b"\x1b[2J", b"\xff",
    b"220", b"220 ", b"220-", b"\r\n220 ", b"\r\n220-", b"\r\n554 ", b"421", b"2", b"0", b"9", b".", b":", b"[", b"]",
    b" ESMTP ", b"esmtp", b"SMTP", b"FTP", b"5.7.1", b"\x16\x03", b"\x00\x00\x0a", b"* OK", b"a.b", b" 31 Feb 24 10:00",
    b"x" * 64, b"y" * 600,
)  # fmt: skip


def changed(rng: Random) -> bytes:
    """Return a greeting of the corpus with none to four random changes."""
    raw = CORPUS[int(rng.random() * len(CORPUS))]
    for _ in range(int(rng.random() * 5)):
        start = int(rng.random() * (len(raw) + 1))
        end = start + int(rng.random() * 8)
        match int(rng.random() * 6):
            case 0 | 1:
                raw = raw[:start] + TOKENS[int(rng.random() * len(TOKENS))] + raw[start:]
            case 2:
                raw = raw[:start] + bytes((int(rng.random() * 256),)) + raw[start + 1 :]
            case 3:
                raw = raw[:start] + raw[end:]
            case 4:
                raw = raw[:end] + raw[start:]
            case _:
                other = CORPUS[int(rng.random() * len(CORPUS))]
                raw = raw[:start] + other[int(rng.random() * len(other)) :]
    return raw


def pieces(rng: Random, raw: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces: mostly a few, sometimes single bytes."""
    step = 1 if rng.random() < 0.05 else 1 + int(rng.random() * (len(raw) + 1))
    for start in range(0, len(raw), step):
        yield raw[start : start + step]


def maybe_problem(raw: bytes, cut: Iterator[bytes], max_bytes: int, max_lines: int) -> str | None:
    """Return what does not hold for these bytes, None when all does."""
    greeting = parse_banner(raw, max_bytes=max_bytes, max_lines=max_lines)
    reader = ReplyReader(max_bytes, max_lines)
    for piece in cut:
        reader.receive_data(piece)
    ended_itself = reader.reply is not None
    reply = reader.end()
    if reader.raw != raw[:max_bytes]:
        return "the reader does not keep the bytes"
    if interpret_reply(reply, trailing=reply.complete and len(raw) > len(reply.raw)) != greeting:
        return "read in pieces it is another greeting"
    alone = ended_itself and reply.complete and len(reply.lines) == 1 and len(reply.raw) == len(raw)
    if is_whole_greeting(raw, max_bytes=max_bytes) != alone:
        return "is_whole_greeting and the reader differ"
    text = unescape(greeting.text)
    if greeting.raw not in (text, text + b"\n", text + b"\r\n") or not raw.startswith(greeting.raw):
        return "the text does not give back the bytes"
    return None


def run_block(arguments: tuple[int, int, int]) -> str | None:
    """Try one block of inputs, given seed, number of the block and how many; return the first failure."""
    seed, block, count = arguments
    rng = Random(f"{seed}:{block}")  # noqa: S311  repeatable, not secret
    for number in range(count):
        raw = changed(rng)
        max_bytes, max_lines = LIMITS[number % len(LIMITS)]
        try:
            problem = maybe_problem(raw, pieces(rng, raw), max_bytes, max_lines)
        except Exception as error:  # noqa: BLE001  any exception at all is what we look for
            problem = f"raised {error!r}"
        if problem is not None:
            return f"{problem}: limits {max_bytes} bytes, {max_lines} lines: {escape(raw)}"
    return None


def main() -> int:
    """Run the fuzzer; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_parser", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="how many inputs to try (default 100000)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run (default: a new seed)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    options = parser.parse_args()
    seed = secrets.randbits(32) if options.seed is None else options.seed
    blocks = [
        (seed, number, min(BLOCK, options.count - number * BLOCK)) for number in range(-(-options.count // BLOCK))
    ]
    started_at = time.monotonic()
    tried = 0
    with multiprocessing.Pool(options.jobs) as pool:
        for (_, _, count), failure in zip(blocks, pool.imap(run_block, blocks), strict=True):
            if failure is not None:
                print(f"failed with seed {seed}: {failure}")
                return 1
            tried += count
            if tried % PROGRESS == 0:
                print(f"{tried} inputs, {tried / (time.monotonic() - started_at):.0f} a second", file=sys.stderr)
    elapsed_s = time.monotonic() - started_at
    print(f"{tried} inputs, no failure, {tried / elapsed_s:.0f} a second, seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
