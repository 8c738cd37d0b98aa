"""Claims about `scanner.settings`: the defaults are gentle and valid, and what makes no sense is refused by option."""

from math import inf, nan
from typing import Any

import pytest

from scanner.errors import SettingsError
from scanner.settings import Probe, Settings


def test_the_defaults_are_valid_and_gentle() -> None:
    defaults = Settings()

    assert defaults.validated() is defaults
    assert (defaults.ports, defaults.rate, defaults.subnet_rate, defaults.passive) == ((25,), 500.0, 50.0, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 0, "subnet_rate": 0},
        {"retries": 0},
        {"concurrency": 1},
        {"ports": (1, 65535)},
        {"shard": 15, "shards": 16},
        {"seed": 2**53 - 1},
        {"connect_timeout_s": 0.001},
    ],
)
def test_the_ends_of_what_is_allowed_are_allowed(changes: dict[str, Any]) -> None:
    settings = Settings(**changes)

    assert settings.validated() is settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"connect_timeout_s": 0.0}, "--connect-timeout 0: must be more than 0"),
        ({"greeting_timeout_s": -1.0}, "--greeting-timeout -1: must be more than 0"),
        ({"idle_timeout_s": nan}, "--idle-timeout nan: must be more than 0"),
        ({"total_timeout_s": inf}, "--total-timeout inf: must be finite"),
        ({"concurrency": 0}, "--concurrency 0: must be more than 0"),
        ({"samples": 0}, "--samples 0: must be 1 to 1000"),
        ({"samples": 1001}, "--samples 1001: must be 1 to 1000"),
        ({"rate": -0.5}, "--rate -0.5: must be 0 or more"),
        ({"rate": nan}, "--rate nan: must be 0 or more"),
        ({"rate": inf}, "--rate inf: must be finite"),
        ({"subnet_rate": inf}, "--subnet-rate inf: must be finite"),
        ({"subnet_rate": -1.0}, "--subnet-rate -1: must be 0 or more"),
        ({"retries": -1}, "--retries -1: must be 0 or more"),
        ({"ports": ()}, "--port: at least one is needed"),
        ({"ports": (0,)}, "--port 0: must be 1 to 65535"),
        ({"ports": (25, 65536)}, "--port 65536: must be 1 to 65535"),
        ({"ports": (25, 26, 25)}, "--port: names a port twice"),
        ({"shard": 2, "shards": 2}, "--shard 3/2: must be K/N with K from 1 to N"),
        ({"shard": -1, "shards": 2}, "--shard 0/2: must be K/N with K from 1 to N"),
        ({"seed": -1}, "--seed -1: must be 0 to 2**53-1"),
        ({"seed": 2**53}, f"--seed {2**53}: must be 0 to 2**53-1"),
        ({"passive": True, "probe": Probe.DIALOGUE}, "--passive sends nothing: --probe must be greeting"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_its_option(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**changes).validated()

    assert str(caught.value) == message
