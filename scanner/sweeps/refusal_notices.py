"""Tell people about networks that refuse us: a warning when one is slowed or closed, and notices at the end.

Notices are bounded: the first `MAX_NAMED` networks are named, and the others are counted.
"""

import logging

from scanner.engine.pacing import SLOWDOWN
from scanner.engine.refusals import Restraint
from scanner.settings import DEFAULT_SUBNET_RATE, Settings
from scanner.text.counted import counted

log = logging.getLogger(__name__)

#: Networks named in the notices, and in warnings.
MAX_NAMED = 20


class RefusalNotices:
    """Collects the networks that were slowed, closed or released; `notices` returns the lines about them."""

    def __init__(self, settings: Settings) -> None:
        rate = settings.subnet_rate or DEFAULT_SUBNET_RATE
        before = f"{settings.subnet_rate:g}" if settings.subnet_rate else "without limit"
        self._slowly = (
            f"visited at {rate / SLOWDOWN:g} connections a second from then on instead of {before} "
            "(--refusal-limit 0 turns this off)"
        )
        self._seen: dict[str, list[Restraint]] = {}
        self._unnamed: set[str] = set()
        #: The notices that were already shown as warnings.
        self.warned: set[str] = set()

    def add(self, restraint: Restraint) -> None:
        """Collect one, and warn of it."""
        known = self._seen.get(restraint.network)
        if known is None:
            if len(self._seen) >= MAX_NAMED:
                self._unnamed.add(restraint.network)
                return
            known = self._seen[restraint.network] = []
        text = self._text(restraint)
        log.warning("%s", text)
        if log.isEnabledFor(logging.WARNING):
            self.warned.add(text)
        known.append(restraint)

    def notices(self) -> list[str]:
        """Return one line for each network named, and one for the rest."""
        lines = [self._notice(events) for events in self._seen.values()]
        if self._unnamed:
            lines.append(f"{len(self._unnamed):,} further networks refused us and were slowed or closed, too")
        return lines

    def _notice(self, events: list[Restraint]) -> str:
        if events[-1].kind != "lifted" or len(events) == 1:
            return self._text(events[-1])
        return f"{self._text(events[-2])}; later the refusals stopped and it got its pace back"

    def _text(self, restraint: Restraint) -> str:
        if restraint.kind == "lifted":
            return f"{restraint.network}: it refuses us no longer, and is visited at its full pace again"
        done = self._slowly if restraint.kind == "slowed" else "not visited any further (--refusal-action stop)"
        return (
            f"{restraint.network}: {restraint.refusals:,} of {restraint.answers:,} answers refused us "
            f"({restraint.share:.0%} since the first refusal): {done}"
        )


def refusal_reason(not_visited: int, closed: int, settings: Settings) -> str:
    """Say why targets were not visited: this many networks were closed."""
    networks = "1 network" if closed == 1 else f"each of {closed:,} networks"
    were = "was" if not_visited == 1 else "were"
    return (
        f"{counted(not_visited, 'target')} {were} not visited: {networks} refused us {settings.refusal_limit} times "
        "(--refusal-action stop); to visit them slowly, run it again with --refusal-action slow"
    )
