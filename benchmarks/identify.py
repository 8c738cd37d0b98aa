"""What naming the software costs a sweep: microseconds a greeting, with the shipped rules and with 200 more.

Run `python -m benchmarks.identify`. The mix is what networks show: mostly Postfix, Exim and Exchange, a tenth Sendmail,
a third without any product. Host names and dates differ in every greeting, as they do in a sweep. The further rules
are synthetic products of their own; their share of the table says what a rule costs where it does not apply.
Each figure is the best of several rounds (the others measure what else the machine does).
The last row is the alternative that was not built, for comparison: one look-up by the greeting with its host name
and date cut out, without the part that would make sure that no rule looks at the host name.
"""

import platform
import re
import sys
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from time import perf_counter

from scanner.identify import Fingerprints
from scanner.identify.rule_files import load_rules
from scanner.model import Banner
from scanner.smtp import parse_banner

GREETINGS = 2000
ROUNDS = 40
FURTHER_RULES = 200

_DATE = "Sun, 22 Nov 2026 {:02}:{:02}:56 +0000"
_FORMS = {
    "Postfix": "220 {host} ESMTP Postfix",
    "Postfix (Debian/GNU)": "220 {host} ESMTP Postfix (Debian/GNU)",
    "Exim": "220 {host} ESMTP Exim 4.96 {date}",
    "Exchange": "220 {host} Microsoft ESMTP MAIL Service ready at {date}",
    "Sendmail": "220 {host} ESMTP Sendmail 8.14.7/8.13.8; {date}",
    "Sendmail (Debian)": "220 {host} ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; {date}; (No UCE/UBE) "
    "logging access from: scanner.example.net(OK)-scanner.example.net [192.0.2.1]",
    "no product": "220 {host} ESMTP",
    "no product, long": "220 {host} ESMTP ready at {date}; authorised use only, all access is recorded and examined",
}
_MIX = ["Postfix"] * 6 + ["Postfix (Debian/GNU)"] * 2 + ["Exim"] * 3 + ["Exchange"] * 2 + ["Sendmail"]
_MIX += ["Sendmail (Debian)"] + ["no product"] * 4 + ["no product, long"]
_CUT_DATE = re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? [0-9A-Za-z :]{10,24}(?: [+-][0-9]{4})?")


def greetings(names: Iterable[str]) -> list[Banner]:
    """Return `GREETINGS` greetings that take turns in the forms named, each with a host and a date of its own."""
    made = []
    for number, name in enumerate(islice(cycle(names), GREETINGS)):
        date = _DATE.format(number // 60 % 24, number % 60)
        text = _FORMS[name].format(host=f"mail{number}.example.com", date=date)
        made.append(parse_banner(text.encode() + b"\r\n"))
    return made


def further_rules(count: int) -> Fingerprints:
    """Return the shipped rules and `count` synthetic ones, each a product with two words of its own."""
    rule = """
        [[rule]]
        id = "synthetic.n{n}"
        words = ["gateway{n}", "relay{n}"]
        pattern = '''%{{HOST}}ESMTP (?:Gateway|Relay){n} (?P<version>%{{VERSION}})'''
        confidence = 0.9
        software = {{ product = "Gateway {n}" }}
        examples = [{{ greeting = "220 h ESMTP Gateway{n} 1.0", version = "1.0" }}]
    """
    return Fingerprints.shipped(load_rules("".join(rule.format(n=n) for n in range(count)), "synthetic.toml"))


def microseconds(function: Callable[[Banner], object], sample: list[Banner]) -> float:
    """Return the best round's time a greeting."""
    best = float("inf")
    for _ in range(ROUNDS):
        started_s = perf_counter()
        for banner in sample:
            function(banner)
        best = min(best, perf_counter() - started_s)
    return best / len(sample) * 1e6


def cut_key(banner: Banner) -> str:
    """Make the key of a cache of greetings: the text without its host name and its date."""
    text = banner.lines[0]
    if banner.hostname is not None:
        text = text.removeprefix(banner.hostname)
    return text if banner.server_time is None else _CUT_DATE.sub("", text, count=1)


def main() -> None:
    """Measure and print the table."""
    started_s = perf_counter()
    shipped = Fingerprints.shipped()
    loading_ms = (perf_counter() - started_s) * 1e3
    more = further_rules(FURTHER_RULES)
    print(f"Python {platform.python_version()}, {sys.platform}, best of {ROUNDS} rounds of {GREETINGS} greetings")
    print(f"loading {len(shipped.rules)} rules: {loading_ms:.0f} ms, once\n")
    print(f"| us a greeting | {len(shipped.rules)} rules | {len(more.rules)} rules |\n|---|--:|--:|")
    for name, forms in {"the mix": _MIX, **{name: [name] for name in _FORMS}}.items():
        sample = greetings(forms)
        print(f"| {name} | {microseconds(shipped.identify, sample):.2f} | {microseconds(more.identify, sample):.2f} |")
    mix = greetings(_MIX)
    cached = {cut_key(banner): shipped.identify(banner) for banner in mix}
    looked_up = microseconds(lambda banner: cached[cut_key(banner)], mix)
    print(f"| (the mix, looked up without host and date) | {looked_up:.2f} | |")


if __name__ == "__main__":
    main()
