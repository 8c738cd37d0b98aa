"""How the tests of the engine's pool run it."""

from collections.abc import Sequence

from scanner.engine import DescriptorBudget, Gate, Pool, PoolStatistics
from scanner.model import Attempt, Target
from scanner.settings import Settings
from tests.support.servers import ListSource, Server

FAST = Settings(
    rate=0,
    subnet_rate=0,
    connect_timeout_s=3,
    greeting_timeout_s=3,
    idle_timeout_s=3,
    total_timeout_s=8,
    retry_delay_s=0.02,
    quit_timeout_s=3,
    grace_s=1,
)


def settings(**changes: object) -> Settings:
    return Settings(**{**{name: getattr(FAST, name) for name in FAST.__slots__}, **changes})


class NoAddresses:
    def __contains__(self, ip: object) -> bool:
        return False


async def sweep(
    targets: Sequence[Target],
    *,
    options: Settings = FAST,
    budget: DescriptorBudget | None = None,
    gate: Gate | None = None,
) -> tuple[list[Attempt], PoolStatistics]:
    attempts: list[Attempt] = []
    pool = Pool(
        options,
        ListSource(targets),
        gate or Gate(NoAddresses(), rate=options.rate, subnet_rate=options.subnet_rate),
        attempts.extend,
        budget=budget or DescriptorBudget(1000, options.concurrency, None),
    )
    await pool.run()
    return attempts, pool.statistics()


async def visit_one(server: Server, options: Settings = FAST) -> Attempt:
    attempts, _ = await sweep([Target(0, "127.0.0.1", server.port)], options=options)
    server.join()
    assert len(attempts) == 1
    return attempts[0]
