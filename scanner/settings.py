"""The settings of a sweep in one frozen object, with gentle defaults and one place that checks them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Self

from scanner import lazy
from scanner.errors import SettingsError

#: Connections started per second. A /16 takes about two minutes; no link or firewall notices.
DEFAULT_RATE = 500.0
#: Connections started per second to one /24 (IPv4) or /64 (IPv6).
DEFAULT_SUBNET_RATE = 50.0
#: Connections being made at the same time (SYN sent, no answer yet).
DEFAULT_CONCURRENCY = 1000
#: Visits to one target. A few reveal a pool of servers behind an address.
MAX_SAMPLES = 1000
#: Seconds to wait at the end without an acknowledgement from sinks that lack records.
DEFAULT_DRAIN_S = 30.0
#: Disk space that the spool of a run may use.
DEFAULT_QUOTA_BYTES = 10 << 30
#: Seeds are below this: JSON readers with doubles as numbers (jq, JavaScript) lose digits of larger ones.
SEED_LIMIT = 2**53
#: What EHLO may hold (RFC 5321, 4.1.1.1): a domain, or an address literal.
_EHLO_NAME = lazy.pattern(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[0-9A-Za-z.:]{2,60}\]")


class RefusalAction(StrEnum):
    """What to do with the rest of a network whose mail servers refuse us."""

    SLOW = "slow"  # visit it at a tenth of the rate
    STOP = "stop"  # leave its remaining targets unvisited


class Probe(StrEnum):
    """What to send to a server that greets with 220."""

    GREETING = "greeting"  # only QUIT
    DIALOGUE = "dialogue"  # EHLO, HELP, STARTTLS and EHLO again if it is offered, QUIT
    BEHAVIOUR = "behaviour"  # the same, and one verb that does not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to sweep. Times are seconds; a rate of 0 means no limit.

    Only a connection that is being made counts against `concurrency`. One that waits for a slow greeting costs a
    descriptor; the descriptors that this process may open limit their number.
    `route_patience_s` is how long a sweep waits at its end for a route to targets that this machine cannot reach; 0
    is not at all.
    Servers pause before they greet: Sendmail's `greet_pause` 1 to 20 s, Postfix's postscreen 6 s; RFC 5321
    (4.5.3.2.1) allows five minutes.
    """

    ports: tuple[int, ...] = (25,)
    rate: float = DEFAULT_RATE
    subnet_rate: float = DEFAULT_SUBNET_RATE
    concurrency: int = DEFAULT_CONCURRENCY
    connect_timeout_s: float = 5.0
    greeting_timeout_s: float = 30.0
    idle_timeout_s: float = 20.0
    total_timeout_s: float = 60.0
    quit_timeout_s: float = 2.0
    grace_s: float = 5.0
    retries: int = 1
    retry_delay_s: float = 10.0
    route_patience_s: float = 30.0
    passive: bool = False
    probe: Probe = Probe.GREETING
    ehlo_name: str | None = None
    dialogue_concurrency: int = 100
    dialogue_timeout_s: float = 10.0
    tls_ports: tuple[int, ...] = (465,)
    source_address: str | None = None
    dns: bool = False
    samples: int = 1
    seed: int = 0
    shard: int = 0
    shards: int = 1
    all_statuses: bool = False
    fingerprints: str | None = None
    refusal_limit: int = 8
    refusal_action: RefusalAction = RefusalAction.SLOW
    max_greeting_bytes: int = 8192
    max_greeting_lines: int = 100
    confirm_large: bool = False
    strict_names: bool = False

    @property
    def speaks(self) -> bool:
        """Whether a dialogue follows a 220 greeting."""
        return self.probe is not Probe.GREETING

    @property
    def will_speak(self) -> bool:
        """Whether there can be a dialogue: one was requested, or a port that begins with TLS is visited."""
        return self.speaks or (not self.passive and not set(self.ports).isdisjoint(self.tls_ports))

    def validated(self) -> Self:
        """Return self if every value makes sense.

        Raises:
            SettingsError: for the first value that does not, with the name of its command-line option.
        """
        for problem in (*self._numbers_out_of_range(), *self._contradictions()):
            raise SettingsError(problem)
        return self

    def _numbers_out_of_range(self) -> Iterator[str]:
        positive = {
            "--connect-timeout": self.connect_timeout_s,
            "--greeting-timeout": self.greeting_timeout_s,
            "--idle-timeout": self.idle_timeout_s,
            "--total-timeout": self.total_timeout_s,
            "--concurrency": self.concurrency,
            "--dialogue-timeout": self.dialogue_timeout_s,
            "--dialogue-concurrency": self.dialogue_concurrency,
        }
        not_negative = {
            "--rate": self.rate,
            "--subnet-rate": self.subnet_rate,
            "--retries": self.retries,
            "--refusal-limit": self.refusal_limit,
            "--route-patience": self.route_patience_s,
        }
        yield from (
            f"{name} {value:g}: must be finite" for name, value in (positive | not_negative).items() if value == inf
        )
        yield from (f"{name} {value:g}: must be more than 0" for name, value in positive.items() if not value > 0)
        yield from (f"{name} {value:g}: must be 0 or more" for name, value in not_negative.items() if not value >= 0)
        yield from (f"--port {port}: must be 1 to 65535" for port in self.ports if not 1 <= port <= 65535)
        if not 1 <= self.samples <= MAX_SAMPLES:
            yield f"--samples {self.samples}: must be 1 to {MAX_SAMPLES}"
        if not 0 <= self.seed < SEED_LIMIT:
            yield f"--seed {self.seed}: must be 0 to 2**53-1"

    def _contradictions(self) -> Iterator[str]:
        if not self.ports:
            yield "--port: at least one is needed"
        if len(set(self.ports)) != len(self.ports):
            yield "--port: names a port twice"
        if not 0 <= self.shard < self.shards:
            yield f"--shard {self.shard + 1}/{self.shards}: must be K/N with K from 1 to N"
        if self.passive and self.speaks:
            yield "--passive sends nothing: --probe must be greeting"
        if self.ehlo_name is not None and not _EHLO_NAME.fullmatch(self.ehlo_name):
            yield f"--ehlo-name {self.ehlo_name!a}: must be a host name or an address literal such as [192.0.2.5]"
