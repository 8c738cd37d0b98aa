"""Sixty stops and thirty kills at random moments, over every kind of output and state of a remote sink.

Ten sweeps of 512 hosts, each stopped six times and killed three times and begun again by the same command. Each stop
ends in time and leaves whole lines and a summary; in the end nothing is missing anywhere.
"""

import gzip
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from scanner.lab.process import LabProcess
from scanner.lab.server import LabSettings
from tests.support.ending_sweeps import EndingSweep, end_of, event_ids, read_until

HOSTS, NETWORK = 512, "127.30.0.0/23"
#: The direct output, and the state of the remote sink.
SWEEPS = [
    ("out.jsonl", "up"), ("out.jsonl.gz", "slow"), ("rotated", "down"), ("-", "denied"), ("out.jsonl", "full"),
    ("out.jsonl.gz", "gone"), ("rotated", "up"), ("-", "full"), ("out.jsonl.zst", "down"), ("-", "slow"),
]  # fmt: skip
ENDS = [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGHUP,), (signal.SIGINT, signal.SIGTERM)]


@pytest.fixture(scope="module")
def lab() -> Iterator[LabProcess]:
    with LabProcess(LabSettings(port=0, profile="dense")) as process:
        yield process


def prepared(lab: LabProcess, folder: Path, output: str, state: str) -> EndingSweep:
    more: tuple[str, ...] = ("--spool-limit", "60KB") if state == "full" else ()
    more += ("--rotate-size", "100KB") if output == "rotated" else ()
    where = {"rotated": str(folder / "out.jsonl"), "-": "-"}.get(output, str(folder / output))
    remote = f"scriptfile://h{folder / 'remote'}?batch=10&name=siem"
    sweep = EndingSweep(lab, folder, more, outputs=(where, remote), network=NETWORK, rate=60)
    if state != "up":
        Path(f"{sweep.remote}.{'down' if state == 'full' else state}").touch()
    return sweep


def written(folder: Path) -> list[bytes]:
    """Return the lines of the direct output, whatever it is; raise for what is torn."""
    raw = b""
    for part in sorted(folder.glob("out.*")):
        packed = part.read_bytes()
        if part.suffix == ".gz":
            raw += gzip.decompress(packed)
        elif part.suffix == ".zst":
            raw += zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True).read()
        else:
            raw += packed
    assert raw.endswith(b"\n") or not raw
    return raw.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("output", "state"), SWEEPS)
@pytest.mark.parametrize("kills", [False, True], ids=["stops", "kills"])
def test_whatever_stops_a_sweep_nothing_is_lost_and_everything_ends(
    lab: LabProcess, tmp_path: Path, output: str, state: str, *, kills: bool
) -> None:
    chance = random.Random(f"{output} {state} {kills}")
    sweep, heard, moments = prepared(lab, tmp_path, output, state), list[bytes](), list[float]()
    for _ in range(3 if kills else 6):
        process = sweep.start("--grace", "0.3s", "--drain", "1s", stdout=-1)
        read_until(process, b"targets to visit")
        moments.append(chance.uniform(0, 0.7))
        time.sleep(moments[-1])
        for request in (signal.SIGKILL,) if kills else chance.choice(ENDS):
            process.send_signal(request)
        out, said = end_of(process)
        heard += out.split(b"\n")[:-1]  # a kill may tear the last line, which the next run repeats

        assert "Traceback" not in said, (moments, said)
        assert process.returncode == (-signal.SIGKILL if kills else 3), (moments, said)
        if not kills:
            assert sweep.summary()["complete"] is False
            event_ids(written(tmp_path))

    sweep.let_the_sink_be_well()
    sweep.rate = 0
    final = sweep.run()
    heard += final.stdout.splitlines()

    assert (final.returncode, sweep.summary()["complete"]) == (0, True), (moments, final.stderr.decode())
    assert len(event_ids(heard if output == "-" else written(tmp_path))) == HOSTS
    assert len(event_ids(sweep.remote.read_bytes().splitlines())) == HOSTS
