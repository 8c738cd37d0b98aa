"""The benchmarks: what they start ends, what they measure is what they say, and nothing outside is ever visited."""

import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report, silent
from benchmarks.contenders import Contender, floor, present
from benchmarks.measure import BenchmarkError, Server, Spread, Usage, cores, run
from benchmarks.report import Table
from benchmarks.servers import Bench, free_port
from benchmarks.throughput import Sample, Series, pair_up
from tests.support.requirements import require_network_namespaces, require_or_skip

CORE = cores()[0]
WHERE = {
    "date": "now",
    "processor": "p",
    "cores": "2",
    "kernel": "k",
    "python": "py",
    "packages": "u",
    "load_before": "0",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, quick=True)


@pytest.fixture
def compiler() -> None:
    require_or_skip(shutil.which("cc") is not None, "needs a C compiler (cc)")


@pytest.fixture
def nowhere() -> list[str]:
    """The prefix of a command that runs without any network: what must refuse an address cannot reach it either."""
    prefix = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    can = shutil.which("unshare") is not None and run([*prefix, "true"], CORE, Path(os.devnull)).exit_code == 0
    require_or_skip(can, "needs network namespaces (`unshare --net`)")
    return prefix


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


class TestRun:
    def test_exit_code_output_and_cpu_are_the_programs(self, tmp_path: Path) -> None:
        burn = "import time\nwhile time.process_time() < 0.2: pass\nprint('done'); raise SystemExit(7)"

        usage = run(python(burn), CORE, tmp_path / "log")

        assert usage.exit_code == 7
        assert 0.2 <= usage.cpu_s < 5
        assert (tmp_path / "log").read_text() == "done\n"

    def test_a_program_over_its_time_is_killed_and_said_so(self, tmp_path: Path) -> None:
        with pytest.raises(BenchmarkError, match=r"still running after 0\.2 s, killed"):
            run(python("import time; time.sleep(60)"), CORE, tmp_path / "log", timeout_s=0.2)

    def test_an_interrupted_program_ends_by_the_signal_of_ctrl_c(self, tmp_path: Path) -> None:
        usage = run(python("import time; time.sleep(60)"), CORE, tmp_path / "log", interrupt_after_s=0.3)

        assert usage.exit_code == -2

    def test_a_program_runs_on_the_one_core_asked_for(self, tmp_path: Path) -> None:
        run(python("import os; print(os.sched_getaffinity(0))"), CORE, tmp_path / "log")

        assert (tmp_path / "log").read_text() == f"{{{CORE}}}\n"


def test_a_server_that_does_not_get_ready_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    server = Server(python("print('port is taken')"), CORE, tmp_path / "log", "listening")

    with pytest.raises(BenchmarkError, match=r"not ready: .*: port is taken"), server:
        pass


def test_a_server_is_gone_after_its_block(tmp_path: Path) -> None:
    code = "import time; print('listening', flush=True); time.sleep(60)"
    with Server(python(code), CORE, tmp_path / "log", "listening") as server:
        assert server.cpu_s() >= 0
        process = server._process

    assert process is not None
    assert process.poll() == -15


def test_a_spread_is_median_smallest_and_largest() -> None:
    spread = Spread.of([3.0, 1.0, 10.0])

    assert spread == Spread(3.0, 1.0, 10.0, 3)
    assert f"{spread:.1f}" == "3.0 (1.0 to 10.0)"


def test_the_ratio_is_taken_inside_each_pair(tmp_path: Path) -> None:
    series = Series(Contender("x", "y", (), 10, tmp_path, lambda _: 10))

    for base_s, client_s in ((1.0, 2.0), (3.0, 3.0), (1.0, 4.0)):
        series.add(_sample(client_s), _sample(base_s))

    assert series.ratios == [2.0, 1.0, 4.0]
    assert series.row()[4] == "2.00 (1.00 to 4.00)"


def test_hosts_that_were_missed_show_in_the_table(tmp_path: Path) -> None:
    series = Series(Contender("x", "y", (), 10, tmp_path, lambda _: 10))

    series.add(_sample(1.0, found=10), _sample(1.0))
    series.add(_sample(1.0, found=9), _sample(1.0))

    assert series.row()[2] == "9 of 10"


def _sample(cpu_s: float, found: int = 10) -> Sample:
    return Sample(10, found, Usage(1.0, cpu_s, 0.0, 0, 0), 0.0)


@pytest.mark.tools
@pytest.mark.usefixtures("compiler")
class TestFloor:
    @pytest.mark.parametrize("quit_", [False, True])
    def test_every_host_of_the_c_server_greets(self, bench: Bench, quit_: bool) -> None:
        port = free_port()

        with bench.floor_server(port) as server:
            reference = floor(bench, port, quit_=False)
            series = pair_up(reference, [floor(bench, port, quit_=quit_)], server, rounds=1)

        assert [sample.found for one in series for sample in one.samples] == [2000, 2000]

    def test_silent_hosts_accept_and_say_nothing(self, bench: Bench) -> None:
        """127.0.0.1 is 33 modulo 100, so it is silent at 34 % and speaks at 33 %."""
        said = []
        for percent in (33, 34):
            port = free_port()
            with (
                bench.floor_server(port, silent_percent=percent),
                socket.create_connection(("127.0.0.1", port)) as peer,
            ):
                peer.sendall(b"QUIT\r\n")
                said.append(peer.makefile("rb").read())

        greeting = b"220 mail-7f000001.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
        goodbye = b"221 2.0.0 closing connection\r\n"
        assert said == [greeting + goodbye, goodbye]

    @pytest.mark.parametrize(
        ("first", "count"),
        [("192.0.2.1", "1"), ("127.255.255.255", "2"), ("126.255.255.255", "2"), ("198.17.255.255", "1"),
         ("198.19.255.255", "2"), ("255.255.255.255", "1")],
    )  # fmt: skip
    def test_nothing_but_loopback_and_the_benchmark_range_is_visited(
        self, bench: Bench, nowhere: list[str], first: str, count: str
    ) -> None:
        log = bench.work / "visit.log"

        usage = run([*nowhere, str(bench.floor()), "visit", first, count, "25", "1"], CORE, log)

        assert usage.exit_code == 2
        assert log.read_text().startswith("floor: only 127.0.0.0/8 is visited")

    def test_the_benchmark_range_is_visited_only_where_no_route_leads_out(
        self, bench: Bench, nowhere: list[str]
    ) -> None:
        """The way out of the second namespace is loopback itself: were the gate broken, nothing could leave."""
        visit = f"{bench.floor()} visit 198.18.0.0 1 25 1"
        closed, open_ = bench.work / "closed.log", bench.work / "open.log"

        without = run([*nowhere, *visit.split()], CORE, closed)
        route = "ip link set lo up && ip route add default dev lo"
        with_route = run([*nowhere, "sh", "-c", f"{route} && exec {visit}"], CORE, open_)

        assert (without.exit_code, closed.read_text()[:12]) == (3, '{"greeted": ')
        assert (with_route.exit_code, open_.read_text()[:12]) == (2, "floor: only ")

    @pytest.mark.parametrize(
        "arguments", [[], ["visit"], ["visit", "127.0.0.1", "0", "25", "1"], ["serve", "x"], ["eat"]]
    )
    def test_wrong_arguments_are_a_usage_error(self, bench: Bench, arguments: list[str]) -> None:
        assert run([str(bench.floor()), *arguments], CORE, bench.work / "log").exit_code == 2


@pytest.mark.tools
@pytest.mark.parametrize(("first", "count"), [("127.255.255.255", "2"), ("192.0.2.1", "1"), ("126.255.255.255", "2")])
def test_the_streams_client_refuses_what_is_not_on_loopback(
    bench: Bench, nowhere: list[str], first: str, count: str
) -> None:
    log, output = bench.work / "streams.log", bench.work / "out"
    client = [sys.executable, "-m", "benchmarks.streams_client", first, count, "25", "1", str(output)]

    usage = run([*nowhere, *client], CORE, log)

    assert usage.exit_code == 1
    assert log.read_text() == "streams_client: only 127.0.0.0/8 is visited\n"
    assert not output.exists()


@pytest.mark.tools
@pytest.mark.usefixtures("compiler")
def test_programs_that_are_not_there_are_named_and_left_out(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.floor()
    monkeypatch.setenv("PATH", "/nonexistent")

    contenders, missing = present(bench, 2525)

    assert missing == ["zgrab2 was not on PATH.", "nmap was not on PATH."]
    assert [contender.delivers for contender in contenders] == ["nothing", "full records", "full records", "raw text"]


@pytest.mark.parametrize("percent", [1, 5, 20])
def test_the_speaking_ranges_are_exactly_the_hosts_that_the_server_greets(bench: Bench, percent: int) -> None:
    listed = set()
    for line in silent._speaking(bench, percent):
        low, high = map(ipaddress.IPv4Address, line.split("-"))
        listed |= set(range(int(low), int(high) + 1))

    everyone = range(int(bench.first), int(bench.first) + bench.hosts)
    assert listed == {host for host in everyone if host % 100 >= percent}


class TestReport:
    @pytest.fixture(autouse=True)
    def _in_a_folder_of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report, "PAGE", tmp_path / "page.md")
        monkeypatch.setattr(report, "STORE", tmp_path / "results.json")

    def test_only_what_is_between_the_markers_changes(self) -> None:
        report.PAGE.write_text("before\n<!-- begin dark -->\nold\n<!-- end dark -->\nafter\n")

        report.store("dark", Table(("a", "b"), (("x|y", "1"),), ("a note",)), WHERE)
        report.rewrite_page()

        head, table, tail = report.PAGE.read_text().partition(
            "<!-- begin dark -->\n\n| a | b |\n|---|--:|\n| x\\|y | 1 |\n\n- a note\n\n*now; p, 2 cores; k; py;\n"
            "u; load before: 0.*\n\n<!-- end dark -->"
        )
        assert (head, tail) == ("before\n", "\nafter\n")
        assert table

    def test_rewriting_twice_is_rewriting_once(self) -> None:
        report.PAGE.write_text("<!-- begin dark -->\n<!-- end dark -->\n")
        report.store("dark", Table(("a",), (("1",),)), WHERE)

        report.rewrite_page()
        once = report.PAGE.read_text()
        report.rewrite_page()

        assert report.PAGE.read_text() == once

    def test_a_newer_result_replaces_only_its_own(self) -> None:
        report.store("dark", Table(("a",), (("1",),)), WHERE)
        report.store("wire", Table(("a",), (("2",),)), WHERE)
        report.store("dark", Table(("a",), (("3",),)), WHERE)

        rows: dict[str, Any] = {name: result["rows"] for name, result in report.stored().items()}
        assert rows == {"dark": [["3"]], "wire": [["2"]]}

    def test_a_result_without_a_place_in_the_page_is_an_error(self) -> None:
        report.PAGE.write_text("<!-- end dark -->\n")
        report.store("dark", Table(("a",), (("1",),)), WHERE)

        with pytest.raises(BenchmarkError, match="has no place for dark"):
            report.rewrite_page()

    def test_the_published_page_has_a_place_for_every_benchmark(self) -> None:
        page = (report.DOCS / "performance.md").read_text()

        for name in ("throughput", "lab", "wire", "recall", "memory", "silent", "dark"):
            assert page.count(f"<!-- begin {name} -->") == page.count(f"<!-- end {name} -->") == 1


@pytest.mark.netns
@pytest.mark.tools
@pytest.mark.usefixtures("compiler")
def test_a_benchmark_that_is_told_to_end_takes_its_namespaces_and_servers_down() -> None:
    require_network_namespaces()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "wire", "--quick"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while len(made := namespaces_of(process.pid)) < 2:
            assert process.poll() is None
        process.terminate()

        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    assert (len(made), namespaces_of(process.pid)) == (2, [])


def namespaces_of(pid: int) -> list[str]:
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    return [name for line in listed.splitlines() if (name := line.split()[0]).endswith(f"-{pid}")]
