"""Beside the packet senders: masscan and zmap on a pair of virtual network cards, where they can work.

They build packets themselves, so loopback is closed to them. Here every client, the floor included, goes over the same
wire to the same C server in another network namespace. zmap only finds open ports (one SYN a host) and masscan
takes banners with a TCP stack of its own: both answer a smaller question, and their CPU time leaves out what the kernel
does for them outside of the process.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.contenders import Contender, floor, smtpsweep
from benchmarks.namespace import CARD, CLIENT_MAC, HOSTS, SERVER_MAC, UNOWNED, Namespace, wire
from benchmarks.report import Table
from benchmarks.servers import Bench
from benchmarks.throughput import pair_up, table

PORT = 2525
#: Packets a second. At 20,000 masscan lost three of four banners (its own TCP stack, one core); zmap lost nothing.
MASSCAN_RATE = 5_000
ZMAP_RATE = 20_000


def measure(bench: Bench) -> Table:
    """Compare floor, smtpsweep, masscan and zmap over a wire of our own."""
    bench = replace(bench, first=HOSTS[0])
    with wire() as (client, server_side):
        contenders = [smtpsweep(bench, PORT, passive=False), *_packet_senders(bench)]
        rivals = [inside(client, contender) for contender in contenders]
        reference = inside(client, floor(bench, PORT, quit_=False))
        with bench.floor_server(PORT, inside=server_side) as server:
            series = pair_up(reference, rivals, server, bench.rounds)
    missing = [f"{tool} was not on PATH." for tool in ("masscan", "zmap") if not shutil.which(tool)]
    pace = f"masscan at {MASSCAN_RATE:,} packets a second, zmap at {ZMAP_RATE:,}"
    notes = (f"{bench.rounds} pairs each; {bench.hosts:,} hosts; {pace}.", *missing)
    return table(series, notes)


def inside(space: Namespace, contender: Contender) -> Contender:
    """Return the same contender, run inside a namespace."""
    return replace(contender, command=tuple(space.command(contender.command)))


def _packet_senders(bench: Bench) -> list[Contender]:
    return [sender(bench) for name, sender in (("masscan", _masscan), ("zmap", _zmap)) if shutil.which(name)]


def _masscan(bench: Bench) -> Contender:
    output = bench.work / "masscan.txt"
    card = ["--adapter", CARD, "--adapter-ip", UNOWNED, "--adapter-mac", CLIENT_MAC, "--router-mac", SERVER_MAC]
    pace = ["--rate", str(MASSCAN_RATE), "--wait", "5", "--excludefile", str(bench.empty_list())]
    command = ["masscan", bench.targets, "-p", str(PORT), "--banners", *card, *pace, "-oL", str(output)]
    return Contender("masscan `--banners`", "raw text", tuple(command), bench.hosts, output, _masscanned)


def _zmap(bench: Bench) -> Contender:
    output, empty = bench.work / "zmap.txt", str(bench.empty_list())
    card = ["-i", CARD, "-G", SERVER_MAC, "-r", str(ZMAP_RATE), "-c", "2"]
    files = ["-C", empty, "-b", empty, "-o", str(output), "-v", "0"]
    command = ["zmap", str(HOSTS), "-n", str(bench.hosts), "-p", str(PORT), *card, *files]
    return Contender("zmap", "open ports only", tuple(command), bench.hosts, output, _zmapped)


def _masscanned(output: Path) -> int:
    with output.open(encoding="utf-8") as lines:
        return len({line.split()[3] for line in lines if line.startswith("banner ")})


def _zmapped(output: Path) -> int:
    return len(set(output.read_text(encoding="ascii").split()))
