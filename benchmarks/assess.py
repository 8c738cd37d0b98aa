"""What assessing costs a sweep: microseconds a host, for a release seen before and for a new one, and on encoding.

Run `python -m benchmarks.assess`. "Seen before" is what nearly all hosts of a network are: the answer is looked up.
"New" makes the answer, as for the first host with a release (or for each host of a network that makes versions up).
The second table says what findings add to encoding a record: they are encoded once and put in as they are.
Figures are the best of several rounds: the rest is what other programs on the machine cost.
"""

import platform
import sys
import time
import timeit
from collections.abc import Callable

from benchmarks.record import record_of
from scanner.assess import Assessed, Assessor
from scanner.identify import identify
from scanner.model import Software
from scanner.record import encode
from scanner.smtp import parse_banner

ROUNDS, CALLS = 15, 2_000
GREETINGS = {
    "Postfix, no version": "220 h ESMTP Postfix",
    "Sendmail 8.14.7/8.13.8": "220 h ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT",
    "Sendmail 8.9.3/8.9.3": "220 h ESMTP Sendmail 8.9.3/8.9.3; Sun, 22 Nov 2026 10:16:56 GMT",
    "Sendmail, Debian's package": "220 h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Sun, 22 Nov 2026 10:16:56",
    "Exim 4.92.1": "220 h ESMTP Exim 4.92.1 Sun, 22 Nov 2026 10:16:56 +0000",
}
SENDMAIL = b"220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"


def microseconds(function: Callable[[], object], calls: int = CALLS) -> float:
    """Return the best round's CPU time of a call."""
    return min(timeit.repeat(function, timer=time.process_time, number=calls, repeat=ROUNDS)) / calls * 1e6


def software_of(greeting: str) -> Software:
    """Identify a greeting that a rule is known to know."""
    software = identify(parse_banner(greeting.encode() + b"\r\n"))
    if software is None:
        raise ValueError(f"no rule knows {greeting!r}")
    return software


def main() -> None:
    """Measure and print the tables."""
    loading_ms = microseconds(Assessor.installed, 5) / 1e3
    print(f"Python {platform.python_version()}, {sys.platform}; best of {ROUNDS} rounds; loading {loading_ms:.1f} ms\n")
    assessor = Assessor.installed()
    print("| us a host | findings | seen before | new |\n|---|--:|--:|--:|")
    for name, greeting in GREETINGS.items():
        software = software_of(greeting)
        findings = assessor.assess(software)
        seen = microseconds(lambda software=software: assessor.answer(software))  # type: ignore[misc]  # bound here
        new = microseconds(lambda software=software: _afresh(assessor, software), 100)  # type: ignore[misc]  # bound here
        print(f"| {name} | {len(findings)} | {seen:.2f} | {new:.0f} |")
    _print_encoding(assessor.answer(software_of(GREETINGS["Exim 4.92.1"])))


def _afresh(assessor: Assessor, software: Software) -> Assessed:
    assessor.forget()
    return assessor.answer(software)


def _print_encoding(assessed: Assessed) -> None:
    print("\n| encoding a record with | bytes | us |\n|---|--:|--:|")
    record = record_of(SENDMAIL)
    for count in (0, 10, 30):
        full = record._replace(findings=assessed.findings[:count], assessment=assessed.assessment)
        cost = microseconds(lambda full=full: encode(full))  # type: ignore[misc]  # bound here
        print(f"| {count} findings | {len(encode(full))} | {cost:.2f} |")


if __name__ == "__main__":
    main()
