"""Count the connections of a log by client, in bounded memory.

When the table is full, the clients seen least often are dropped from it and counted together; our own stay.
"""

from collections.abc import Iterable

from scanner.maillogs.events import LoggedConnection, Manner
from scanner.maillogs.matching import (
    ConnectionOwner,
    Judged,
)
from scanner.maillogs.report import Client, LogReport, VisitTrace

#: Clients that are counted one by one.
MOST_CLIENTS = 20_000


class ClientCensus:
    """Counts connections by client in bounded memory."""

    def __init__(self, report: LogReport) -> None:
        self._report = report
        self._clients: dict[str, Client] = {}
        self._unexplained: list[LoggedConnection] = []

    def add(self, judged: Judged) -> None:
        """Count a connection that was judged."""
        connection, report = judged.connection, self._report
        report.software[connection.software] = report.software.get(connection.software, 0) + 1
        if connection.manner in {Manner.QUIET, Manner.NO_MAIL}:
            report.logs_visits.add(connection.software)
        report.verdicts[judged.verdict] = report.verdicts.get(judged.verdict, 0) + 1
        client = self._clients.get(connection.address)
        if client is None:
            if len(self._clients) >= 2 * MOST_CLIENTS:
                self._forget_the_rarest()
            client = Client(connection.address, connection.name, connection.first_at, connection.last_at)
            self._clients[connection.address] = client
        client.add(judged)
        if judged.verdict is ConnectionOwner.UNEXPLAINED and connection.first_at is None:
            report.untimed += 1
        elif judged.verdict is ConnectionOwner.UNEXPLAINED and len(self._unexplained) < MOST_CLIENTS:
            self._unexplained.append(connection)

    def finish(self) -> None:
        """Put the clients into the report, the most frequent first."""
        self._report.clients = sorted(
            self._clients.values(), key=lambda client: (-client.connections, client.first_at or 0.0)
        )

    def nearest(self, missing: Iterable[VisitTrace]) -> float | None:
        """Return the smallest distance in time between a visit without a trace and an unexplained connection."""
        distances = (
            connection.began_at - trace.visit.at - (trace.visit.skew_s or 0)
            for trace in missing
            for connection in self._unexplained
        )
        return min(distances, key=abs, default=None)

    def _forget_the_rarest(self) -> None:
        ours = {ConnectionOwner.OURS, ConnectionOwner.UNEXPLAINED}
        ranked = sorted(
            self._clients.values(), key=lambda client: (ours.isdisjoint(client.verdicts), -client.connections)
        )
        self._clients = {client.address: client for client in ranked[:MOST_CLIENTS]}
        self._report.other_clients += sum(client.connections for client in ranked[MOST_CLIENTS:])
