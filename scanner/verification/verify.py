"""Verify that a finding is gone: visit the hosts again with the engine of the sweep, then with a second reader.

`request` plans the visits, `visiting` makes them, `states` judges each host and `results` yields what was found. A host
of the stored sweep that is excluded now is not visited and has no result; `Verification.excluded` counts them.
"""

from collections.abc import Callable
from typing import NamedTuple

from scanner.engine.transport import check_source_address
from scanner.smoke.received import HeaderLeak
from scanner.verification.request import VerificationRequest, chosen_keys, plan_of
from scanner.verification.results import VerificationResults
from scanner.verification.visiting import FreshVisits, VerificationProgress

__all__ = ["Verification", "VerificationProgress", "VerificationRequest", "verify"]


class Verification(NamedTuple):
    """What was found.

    `excluded` hosts of the stored sweep were not visited. `unclaimed` are header lines that no verified host wrote.
    """

    results: VerificationResults
    excluded: int
    unclaimed: tuple[HeaderLeak, ...]


async def verify(
    request: VerificationRequest, on_progress: Callable[[VerificationProgress], None] = lambda _: None
) -> Verification:
    """Visit, and ask the second reader; every host is judged when its result is read.

    Args:
        request: what to verify.
        on_progress: called whenever something has ended.

    Raises:
        InputError: when there is nothing to visit, or a name cannot be resolved; nothing was visited then.
        LocalError: when this machine cannot open connections.
    """
    chosen = chosen_keys(request)
    plan = await plan_of(request, chosen)
    if plan.settings.source_address is not None:
        check_source_address(plan.settings.source_address)
    visits = FreshVisits(plan, chosen, on_progress)
    await visits.visit()
    if request.ask_second_reader:
        await visits.ask_second_reader()
    results = VerificationResults(request, plan, visits, chosen)
    claimed = results.claimed()
    unclaimed = tuple(leak for message in request.messages for leak in message.leaks if id(leak) not in claimed)
    return Verification(results, 0 if chosen is None else len(chosen) - len(results), unclaimed)
