"""Decide before the first packet what a sweep does: which targets it visits, in which order, and how long that takes.

A plan is a value. The same input, seed and shard give the same plan on every machine, and `digest` proves it: a state
file stores the digest, and a resumed sweep must have the same one.
"""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from scanner.errors import InputError
from scanner.settings import SEED_LIMIT, Settings
from scanner.sweeps.known_names import KnownNames, ask
from scanner.sweeps.resolve import Unresolved, named, require_all
from scanner.targets import (
    YOURS,
    Exclusions,
    Progress,
    Ranges,
    Schedule,
    Spec,
    require_confirmation,
    share,
)

_CENTURY_S = 100 * 365.25 * 86_400


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets of one sweep. `asked` is what the user named, `visited` what is left after `excluded` was taken out.

    `hosts` maps an address to the name it was given by. All counts are of this shard's targets (address and port).
    `share` is this shard's part of `visited`: whole networks, so that the rates and refusals of a network are exact.
    `known` is what the names were resolved to. `later` are addresses that were excluded after the sweep had begun:
    those that are in `visited` keep their positions, and the gate refuses them.
    """

    asked: Ranges
    visited: Ranges
    excluded: Exclusions
    hosts: Mapping[str, str]
    settings: Settings
    known: KnownNames = field(default_factory=KnownNames)
    later: Ranges = field(default_factory=Ranges.from_pairs)
    names_notices: tuple[str, ...] = ()
    share: Ranges = field(init=False)
    _asked_count: int = field(init=False)

    def __post_init__(self) -> None:
        shard, shards = self.settings.shard, self.settings.shards
        object.__setattr__(self, "share", share(self.visited, shard, shards))
        object.__setattr__(self, "_asked_count", share(self.asked, shard, shards).count)

    @property
    def planned(self) -> int:
        """Targets of this shard, the excluded ones among them."""
        return self.to_visit + self.excluded_count

    @property
    def excluded_count(self) -> int:
        """Targets of this shard that are excluded."""
        return (self._asked_count - self.share.count) * self._visits

    @property
    def excluded_why(self) -> Mapping[str, int]:
        """Targets of this shard that are excluded, by reason; together they are `excluded_count`."""
        shard, shards = self.settings.shard, self.settings.shards
        counts = {
            reason: share(addresses, shard, shards).count * self._visits
            for reason, addresses in self.excluded.taken_from(self.asked).items()
        }
        return {reason: count for reason, count in counts.items() if count}

    @property
    def notices(self) -> tuple[str, ...]:
        """Lines for people, to be shown before the first packet."""
        notices = list(self.names_notices)
        if self.excluded.yours and YOURS not in self.excluded.taken_from(self.asked):
            notices.append("the exclusions take out none of the targets: check that they are the right ones")
        if self.unresolved:
            notices.append(f"not visited, since they have no address: {named(self.unresolved)}")
        return tuple(notices)

    @property
    def never(self) -> Exclusions:
        """The addresses that the gate refuses."""
        return Exclusions(self.excluded.yours.union(self.later)) if self.later else self.excluded

    @property
    def to_visit(self) -> int:
        """Targets of this shard that will be visited."""
        return self.share.count * self._visits

    @property
    def unresolved(self) -> Mapping[str, Unresolved]:
        """The names that could not be resolved."""
        return self.known.targets.failed

    @property
    def _visits(self) -> int:
        """Visits to one address."""
        return len(self.settings.ports) * self.settings.samples

    @property
    def digest(self) -> str:
        """A hash of everything that decides which target has which position (32 hex digits)."""
        settings = self.settings
        parts = (
            self.visited.digest(),
            self.asked.digest(),
            ",".join(map(str, settings.ports)),
            f"{settings.shard}/{settings.shards}",
            str(settings.seed),
            *([f"{settings.samples} samples"] if settings.samples > 1 else []),
        )
        return sha256("\n".join(parts).encode()).hexdigest()[:32]

    @property
    def targets_digest(self) -> str:
        """A hash of the targets alone, whatever their order, shard and number of visits (32 hex digits)."""
        parts = (self.visited.digest(), self.asked.digest(), ",".join(map(str, sorted(self.settings.ports))))
        return sha256("\n".join(parts).encode()).hexdigest()[:32]

    def schedule(self, progress: Progress | None = None) -> Schedule:
        """Return the targets in the order of this plan, without those that are done by `progress`."""
        settings = self.settings
        return Schedule(
            self.share,
            ports=settings.ports,
            seed=settings.seed,
            samples=settings.samples,
            hosts=self.hosts,
            progress=progress,
        )

    def duration_s(self) -> tuple[float, float]:
        """Estimate the seconds this takes: when every host answers at once, and when none answers."""
        settings, count = self.settings, self.to_visit
        # A whole /24 takes as long as its own rate demands; smaller ranges take less.
        largest = min(count, 256 * len(settings.ports) * settings.samples)
        paced = max(_over(count, settings.rate), _over(largest, settings.subnet_rate))
        # A dark address occupies its slot for the whole connect time-out, and again for each retry.
        tries = 1 + settings.retries
        dark = tries * max(
            _over(count, settings.rate),
            _over(largest, settings.subnet_rate),
            count * settings.connect_timeout_s / settings.concurrency,
        )
        tail = tries * settings.connect_timeout_s + settings.retries * settings.retry_delay_s
        return paced, dark + tail


def random_seed() -> int:
    """Return a seed for a sweep whose user gave none."""
    return secrets.randbelow(SEED_LIMIT)


def derived_seed(targets: Spec, settings: Settings) -> int:
    """Return the seed of a sweep in shards whose user gave none, derived from the targets as they were written.

    So the same targets have the same order on every machine, even when DNS answers differ between machines.
    """
    names = (*sorted(targets.names), "mx:", *sorted(targets.mail_domains))
    parts = (targets.ranges.digest(), *names, *map(str, sorted(settings.ports)))
    return int.from_bytes(sha256("\n".join(parts).encode()).digest()) % SEED_LIMIT


def _over(count: int, rate: float) -> float:
    return count / rate if rate else 0.0


async def make_plan(
    targets: Spec, exclusions: Spec, settings: Settings, known: KnownNames | None = None, *, strict: bool = True
) -> Plan:
    """Resolve names, take out the exclusions and check what is left.

    Args:
        targets: what to visit.
        exclusions: what never to visit.
        settings: how to visit; they are checked here.
        known: for a resumed sweep, the answers of DNS that it began with.
        strict: fail when a name cannot be resolved; else the name is in `unresolved`.

    Raises:
        InputError: when a name that is needed cannot be resolved, nothing is left to visit, or the sweep is larger than
            2**24 addresses and `settings.confirm_large` is not set.
    """
    answers = await ask(targets, exclusions, known)
    asked = targets.ranges.union(answers.targets)
    if strict or not asked:
        require_all(answers.unresolved)
    require_confirmation(asked, confirmed=settings.confirm_large)
    excluded = Exclusions(exclusions.ranges.union(answers.excluded))
    if not asked:
        raise InputError("no targets: name addresses, ranges, host names, mx:DOMAIN, @FILE or - for standard input")
    visited, taken = asked, excluded.taken_from(asked)
    for addresses in taken.values():
        visited = visited.minus(addresses)
    if not visited:
        which = f"all {asked.count:,} addresses are" if asked.count > 1 else "the only address is"
        why = reasons_text({reason: addresses.count for reason, addresses in taken.items()})
        raise InputError(f"{which} excluded: nothing to do ({why})")
    return Plan(
        asked, visited, excluded, answers.hosts, settings.validated(),
        known=answers.known, later=answers.later, names_notices=answers.notices,
    )  # fmt: skip


def reasons_text(why: Mapping[str, int]) -> str:
    """Say why targets are excluded: "128 by you, 16 multicast"; a single one without its number."""
    texts = {reason: "by you" if reason == YOURS else reason.replace("_", " ") for reason in why}
    if list(why.values()) == [1]:
        return "".join(texts.values())
    return ", ".join(f"{count:,} {texts[reason]}" for reason, count in why.items())


def seconds_text(seconds: float) -> str:
    """Write a duration for people: "45 s", "2 min 11 s", "3 h 20 min", "3 d 4 h"."""
    if seconds > _CENTURY_S:
        return "more than a century"
    whole = max(1, math.ceil(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"
