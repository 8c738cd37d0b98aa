"""What an address of the lab is: a pure function of the address, a seed and a profile.

The address and the seed are mixed to 64 bits (the finaliser of splitmix64, a bijection, so that neighbours have nothing
in common). Disjoint bit fields of the result choose, in this order: whether the host is one of the extra silent ones,
its behaviour (by the shares of the profile, in per mille), its greeting form, the moment in the greeting, and what a
script wants to draw. Nothing is stored: any host of any range can be asked for at any time, and the server, the truth
and a test always agree.

Sources: S. Vigna, splitmix64 (public domain reference; constants by D. Stafford, "Mix13").
"""

from functools import cache, lru_cache
from typing import NamedTuple

from scanner.errors import InputError
from scanner.lab.behaviours import BEHAVIOURS, SILENT, Behaviour, ScriptStep
from scanner.lab.greetings import Form, Rendering, host_name, render

#: What share of the hosts behaves how, in per mille of a profile. Unnamed behaviours do not occur in it.
#: A host that refuses the connection cannot be had from a listener on every address: see `scanner.lab.netns`.
SHARES: dict[str, dict[str, int]] = {
    # Every host answers at once in one segment: for throughput.
    "dense": {"plain": 1000},
    # What a sweep of a large network meets.
    "mixed": {
        "plain": 679,
        "late_quit": 20,
        "pause_1s": 30,
        "pause_6s": 10,
        "teaser": 15,
        "split": 20,
        "drip": 4,
        "endless_drip": 2,
        "tarpit": 2,
        "stall_inside": 2,
        "silent": 20,
        "close_at_once": 10,
        "close_later": 3,
        "close_inside_line": 4,
        "close_between_lines": 4,
        "reset_before": 6,
        "reset_inside": 4,
        "busy": 14,
        "busy_sendmail": 4,
        "rejecting_sendmail": 4,
        "no_service": 6,
        "no_mail_host": 4,
        "blocklisted": 14,
        "gbk": 2,
        "temporary": 4,
        "multi_line": 20,
        "lf_only": 6,
        "cr_cr_lf": 3,
        "borrowed_name": 4,
        "bare_code": 4,
        "bare_code_space": 3,
        "blank_line_first": 2,
        "pix_mask": 15,
        "latin_1": 3,
        "utf_8": 3,
        "ansi_escapes": 2,
        "csv_formula": 2,
        "html": 2,
        "jndi": 2,
        "line_separator": 2,
        "nul": 2,
        "c1_controls": 2,
        "mixed_codes": 2,
        "long_line": 2,
        "no_newline": 2,
        "endless_lines": 2,
        "binary": 2,
        "ssh": 6,
        "http": 6,
        "tls_alert": 4,
        "ftp": 4,
        "ftp_vs": 3,
        "pop3": 2,
        "imap": 1,
    },
    # Waiting is what costs here.
    "slow": {
        "plain": 180,
        "late_quit": 20,
        "pause_1s": 250,
        "pause_6s": 150,
        "teaser": 100,
        "split": 50,
        "drip": 50,
        "endless_drip": 30,
        "tarpit": 30,
        "stall_inside": 20,
        "silent": 120,
    },
    # Everything that could break a reader, a terminal, a log or a spreadsheet.
    "hostile": {
        "split": 60,
        "drip": 20,
        "endless_drip": 20,
        "tarpit": 20,
        "stall_inside": 20,
        "silent": 40,
        "close_at_once": 40,
        "close_later": 20,
        "close_inside_line": 40,
        "close_between_lines": 40,
        "reset_before": 40,
        "reset_inside": 40,
        "gbk": 40,
        "lf_only": 30,
        "cr_cr_lf": 30,
        "bare_code": 20,
        "bare_code_space": 20,
        "blank_line_first": 20,
        "pix_mask": 20,
        "latin_1": 20,
        "utf_8": 20,
        "ansi_escapes": 40,
        "csv_formula": 40,
        "html": 40,
        "jndi": 40,
        "line_separator": 40,
        "nul": 40,
        "c1_controls": 40,
        "mixed_codes": 20,
        "long_line": 10,
        "no_newline": 10,
        "endless_lines": 10,
        "binary": 20,
        "ssh": 10,
        "http": 10,
        "tls_alert": 10,
    },
}

#: The names of the profiles, for messages and options.
PROFILES = tuple(SHARES)

_MASK = 2**64 - 1
_GAMMA = 0x9E3779B97F4A7C15
_SILENT_BITS = 20
_HOST_BITS = 24
_NO_RENDERING = Rendering((b"",), None)


class Personality(NamedTuple):
    """What one host is: its behaviour, its number (in its name), and the greeting it carries, if any."""

    behaviour: Behaviour
    host: int
    form: Form | None
    rendering: Rendering
    draw: int

    @property
    def hostname(self) -> str:
        """The host name it greets with."""
        return host_name(self.host)

    @property
    def greeting(self) -> bytes:
        """The whole greeting of the product it carries; empty when the behaviour has its own bytes."""
        return self.rendering.greeting(self.host)

    @property
    def steps(self) -> tuple[ScriptStep, ...]:
        """The script: what it sends, and when."""
        return self.behaviour.play(self.hostname.encode(), self.greeting, self.draw)


class Population:
    """All the hosts of one profile and seed; `silent` (0 to 1) is the share of hosts that is silent on top."""

    def __init__(self, profile: str = "mixed", seed: int = 1, silent: float = 0.0) -> None:
        """Raise InputError when the profile is unknown or a number is out of its range."""
        if profile not in SHARES:
            raise InputError(f"lab: profile {profile!r} is unknown: use {', '.join(PROFILES)}")
        if not 0 <= silent <= 1:
            raise InputError(f"lab: --silent {silent:g}: must be 0 to 1")
        if not 0 <= seed < 2**64:
            raise InputError(f"lab: --seed {seed}: must be 0 to 2**64-1")
        self._silent_below = round(silent * 2**_SILENT_BITS)
        self._key = seed * _GAMMA & _MASK
        # One place for each per mille, so that a behaviour is found by one look-up: (behaviour, what it can carry).
        self._places = tuple(
            place
            for name, share in SHARES[profile].items()
            for place in [(BEHAVIOURS[name], _carried(BEHAVIOURS[name]))] * share
        )

    def personality(self, ip: int) -> Personality:
        """Return what the host at this address (IPv4 or IPv6 as a number) is."""
        bits = mix(ip ^ ip >> 64, self._key)
        host = ip & 2**_HOST_BITS - 1
        if bits & 2**_SILENT_BITS - 1 < self._silent_below:
            return Personality(SILENT, host, None, _NO_RENDERING, 0)
        bits >>= _SILENT_BITS
        behaviour, greetings = self._places[bits % 1000]
        bits //= 1000
        form, rendering = greetings[bits % len(greetings)]
        return Personality(behaviour, host, form, rendering, bits // len(greetings))


@cache
def _carried(behaviour: Behaviour) -> tuple[tuple[Form | None, Rendering], ...]:
    """Return each greeting a behaviour can carry, at each moment; one empty greeting when it carries none."""
    if not behaviour.forms:
        return ((None, _NO_RENDERING),)
    return tuple((form, rendering) for form in behaviour.forms for rendering in render(form))


def mix(value: int, key: int) -> int:
    """Return 64 bits that depend on all the bits of `value` and `key` (splitmix64)."""
    z = (value * _GAMMA + key + _GAMMA) & _MASK
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
    return z ^ z >> 31


@lru_cache(maxsize=16)
def population(profile: str = "mixed", seed: int = 1, silent: float = 0.0) -> Population:
    """Return the hosts of a profile and seed, made once.

    Raises:
        InputError: when the profile is unknown or a number is out of its range.
    """
    return Population(profile, seed, silent)


def personality(ip: int, seed: int = 1, profile: str = "mixed", silent: float = 0.0) -> Personality:
    """Return what the host at this address is: the same for the same arguments, always.

    Raises:
        InputError: when the profile is unknown or a number is out of its range.
    """
    return population(profile, seed, silent).personality(ip)
