"""What the tests of the engine's pool set it to, and a greeting for its hosts."""

from scanner.settings import Settings

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
