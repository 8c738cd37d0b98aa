"""Metrics of a sweep for Prometheus: over HTTP while it runs, or as a file for the node exporter's textfile collector.

Values are read on request from the statistics that the progress shows, too. Labels are our own words (statuses, states,
names of sinks), never text that a server sent. Needs the extra `metrics` (prometheus-client).
"""

import asyncio
import importlib.util
import logging
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from scanner.errors import InputError, SinkError
from scanner.files.places import FilePlace
from scanner.sweeps.pipeline import Sweep

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from scanner.delivery.relay.spool_sink import SpoolSink

log = logging.getLogger(__name__)

_WRITE_EVERY_S = 15.0
#: Every breaker state has a series; that of the current one is 1.
_STATES = ("closed", "open", "half_open")


class SweepCollector:
    """Reads the statistics of a sweep, and of its remote sinks if it has any, on each request."""

    def __init__(self, run: Sweep, remote: "SpoolSink | None") -> None:
        self._run, self._remote = run, remote

    def collect(self) -> Iterator["Metric"]:
        """Yield all metrics as they are now (called by prometheus-client)."""
        yield from self._sweep()
        if self._remote is not None:
            yield from _sinks(self._remote.reports)
            yield _gauge("log_waiting", "Whether the sweep waits for its log's quota or a required sink.",
                         [((), float(self._remote.full))])  # fmt: skip
            yield _counter("log_waited_seconds", "Seconds for which it has waited so.", [((), self._remote.waited_s)])

    def _sweep(self) -> Iterator["Metric"]:
        counts = self._run.statistics()
        yield _gauge("targets_planned", "Targets of the plan.", [((), counts.planned)])
        yield _gauge("targets_excluded", "Targets of it that are excluded.", [((), counts.excluded)])
        yield _counter("targets_finished", "Targets whose result every sink has, by status.",
                       [((status.value,), count) for status, count in counts.statuses.items()], ["status"])  # fmt: skip
        yield _counter("records", "Records delivered.", [((), counts.records)])
        yield _gauge("results_pending", "Results on their way to the sinks.", [((), counts.pending)])
        if (pool := counts.pool) is not None:
            yield _counter("connections_started", "Connections started.", [((), pool.started)])
            yield _counter("connections_retried", "Connections that were made again.", [((), pool.retried)])
            yield _counter("local_errors", "Errors of this machine, tried again.", [((), pool.local_errors)])
            yield _gauge("targets_without_route", "Targets that this machine has no way to.", [((), pool.no_way)])


def _sinks(reports: list[dict[str, Any]]) -> Iterator["Metric"]:
    def each(key: str) -> list[tuple[tuple[str, ...], float]]:
        return [((one["name"],), one[key]) for one in reports]

    yield _gauge("sink_lag_records", "Records in the log that the sink has not acknowledged.",
                 [((one["name"],), one["last"] - one["sequence"]) for one in reports], ["sink"])  # fmt: skip
    yield _gauge("sink_oldest_seconds", "How long the oldest batch under way has waited.",
                 [((one["name"],), one["oldest_s"] or 0.0) for one in reports], ["sink"])  # fmt: skip
    yield _gauge("sink_batches_in_flight", "Batches under way.", each("in_flight"), ["sink"])
    yield _counter("sink_records_delivered", "Records acknowledged.", each("delivered"), ["sink"])
    yield _counter("sink_duplicates", "Events that the sink said it had already.", each("duplicates"), ["sink"])
    yield _counter("sink_dead_letters", "Records that the sink refused for good.", each("dead"), ["sink"])
    yield _counter("sink_records_skipped", "Records left out (best effort).", each("skipped"), ["sink"])
    yield _counter("sink_retries", "Attempts that were made again, by reason.",
                   [((one["name"], kind), count) for one in reports for kind, count in one["retries"].items()],
                   ["sink", "reason"])  # fmt: skip
    yield _gauge("sink_breaker", "State of the circuit breaker: 1 for the one that holds.",
                 [((one["name"], state), float(one["breaker"] == state)) for one in reports for state in _STATES],
                 ["sink", "state"])  # fmt: skip


@asynccontextmanager
async def served(
    run: Sweep, remote: "SpoolSink | None", address: tuple[str, int] | None, file: FilePlace | None
) -> AsyncIterator[None]:
    """Serve metrics over HTTP while the body runs, and keep a file of them up to date until its end.

    If the body raises InputError, it has not begun, and the file stays as it was.

    Raises:
        InputError: if prometheus-client is not installed, or listening on the address fails.
    """
    if address is None and file is None:
        yield
        return
    require_library()
    from prometheus_client import CollectorRegistry  # noqa: PLC0415  an extra

    registry = CollectorRegistry()
    registry.register(SweepCollector(run, remote))
    keep = _Keeper(file, registry)
    with _listening(address, registry):
        writing = asyncio.create_task(keep.write_often())
        refused = False
        try:
            yield
        except InputError:
            refused = True
            raise
        finally:
            writing.cancel()
            await asyncio.wait([writing])
            if not refused:
                keep.write()


def require_library() -> None:
    """Raise InputError if prometheus-client is not installed."""
    if importlib.util.find_spec("prometheus_client") is None:
        raise InputError("--metrics: prometheus-client is not installed: pip install 'smtpsweep[metrics]'")


@contextmanager
def _listening(address: tuple[str, int] | None, registry: "CollectorRegistry") -> Iterator[None]:
    if address is None:
        yield
        return
    from prometheus_client import start_http_server  # noqa: PLC0415  an extra

    try:
        server, thread = start_http_server(address[1], addr=address[0], registry=registry)
    except OSError as error:
        where = f"{address[0]}:{address[1]}"
        raise InputError(f"--metrics {where}: cannot listen on this address ({error.strerror})") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Keeper:
    """Keeps the file up to date. One thread writes at a time, so that the final values are written last."""

    def __init__(self, file: FilePlace | None, registry: "CollectorRegistry") -> None:
        self._file, self._registry = file, registry
        self._lock = threading.Lock()

    async def write_often(self) -> None:
        while True:
            await asyncio.sleep(_WRITE_EVERY_S)
            await asyncio.to_thread(self.write)  # goes on when this task is cancelled

    def write(self) -> None:
        """Replace the file. A failure is logged: it is not a reason to end the sweep."""
        from prometheus_client import generate_latest  # noqa: PLC0415  an extra

        with self._lock:
            if self._file is not None:
                try:
                    self._file.write(generate_latest(self._registry))
                except SinkError as error:
                    log.warning("%s", error)


def _gauge(
    name: str, text: str, samples: Iterable[tuple[tuple[str, ...], float]], labels: Iterable[str] = ()
) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  an extra

    family = GaugeMetricFamily(f"smtpsweep_{name}", text, labels=list(labels))
    for values, value in samples:
        family.add_metric(list(values), value)
    return family


def _counter(
    name: str, text: str, samples: Iterable[tuple[tuple[str, ...], float]], labels: Iterable[str] = ()
) -> "Metric":
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415  an extra

    family = CounterMetricFamily(f"smtpsweep_{name}", text, labels=list(labels))
    for values, value in samples:
        family.add_metric(list(values), value)
    return family
