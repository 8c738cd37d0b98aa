"""Claims about `--shard` as its users give it: without a seed, the shards of a sweep are the sweep."""

import re
from collections import Counter
from ipaddress import ip_network
from pathlib import Path

import orjson
import pytest

from tests.support.command_line import Done, smtpsweep
from tests.support.owners import owner

#: Port 1 of a loopback address refuses at once.
QUICK = ("--connect-timeout", "1", "--retries", "0", "--rate", "0", "--subnet-rate", "0", "--all", "-q")
PLAN = re.compile(r"targets +([\d,]+) planned, ([\d,]+) of them excluded, ([\d,]+) to visit")


def counts(done: Done) -> tuple[int, ...]:
    found = PLAN.search(done.out)
    assert found is not None
    return tuple(int(number.replace(",", "")) for number in found.groups())


@pytest.mark.parametrize(
    ("options", "visits"),
    [((), 1), (("-p", "2"), 2), (("--samples", "2"), 2)],
    ids=["plain", "ports", "samples"],
)
def test_two_shards_without_a_seed_visit_every_host_once_and_no_network_twice(
    tmp_path: Path, options: tuple[str, ...], visits: int
) -> None:
    """34 of 128 hosts were visited by nobody, and 34 by both."""
    networks: list[set[str]] = []
    visited: Counter[str] = Counter()
    for shard in ("1/2", "2/2"):
        targets = ("127.20.1.192/26", "127.20.2.0/26", "127.21.0.0/29")
        output = f"{shard[0]}.jsonl"
        done = smtpsweep("sweep", *targets, "-p", "1", *options, "--shard", shard, *QUICK, "-o", output, cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        ips = [orjson.loads(line)["ip"] for line in (tmp_path / output).read_bytes().splitlines()]
        visited.update(ips)
        networks.append({ip.rpartition(".")[0] for ip in ips})

    every = [str(ip) for network in ("127.20.1.192/26", "127.20.2.0/26", "127.21.0.0/29") for ip in ip_network(network)]
    assert visited == Counter(dict.fromkeys(every, visits))
    assert not networks[0] & networks[1]


def test_the_plans_of_all_shards_add_up_and_name_the_seed_that_they_share(tmp_path: Path) -> None:
    arguments = ("sweep", "--plan", "10.0.0.0/13", "2001:db8::/120", "2001:db8:0:1::/120", "-x", "10.0.3.0/25")
    whole = smtpsweep(*arguments, "--seed", "7", cwd=tmp_path)
    parts = [smtpsweep(*arguments, "--shard", f"{shard}/3", cwd=tmp_path) for shard in (1, 2, 3)]

    assert tuple(map(sum, zip(*map(counts, parts), strict=True))) == counts(whole)
    seeds = {re.search(r"seed (\d+): ", part.out)[1] for part in parts}  # type: ignore[index]  # not found: a failure
    (seed,) = seeds
    assert int(seed) < 2**53
    for part in parts:
        last = part.out.splitlines()[-1]
        assert last == f"seed {seed} is derived from the targets: the same order for every shard"


def test_a_shard_that_owns_no_network_is_complete_with_nothing(tmp_path: Path) -> None:
    shards = [1 + (owner("127.0.0.1", 2) + other) % 2 for other in (0, 1)]
    done = [smtpsweep("sweep", "127.0.0.0/30", "-p", "1", "--shard", f"{shard}/2", *QUICK, cwd=tmp_path)
            for shard in shards]  # fmt: skip

    assert [each.code for each in done] == [0, 0]
    assert [each.out.count("\n") for each in done] == [4, 0]


def test_a_resumed_shard_keeps_its_seed(tmp_path: Path) -> None:
    shard = f"{1 + owner('127.0.0.1', 2)}/2"
    arguments = ("sweep", "127.0.0.0/30", "-p", "1", "--shard", shard, *QUICK, "--state", "state")
    assert smtpsweep(*arguments, "--seed", "5", cwd=tmp_path).code == 0

    done = smtpsweep(*arguments, "--summary", "summary.json", cwd=tmp_path)

    assert (done.code, done.err) == (0, "")
    assert orjson.loads((tmp_path / "summary.json").read_bytes())["seed"] == 5
