"""The pages of a folder of plans, as Markdown: one a product, one a host, and the index.

A product's page holds the steps, once for all its hosts. A host's page holds what was seen there, the release that it
needs, and the commands that carry its address. Addresses and ports are the only words in a command that come from a
record, and `scanner.remediation.plans.writing` has checked them.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from scanner.model import DISCLOSED, Record
from scanner.remediation.plans.markdown import anchor, bullets, code, fenced, row, table, transcript
from scanner.remediation.plans.model import PLAN_FOLDER, PlanStep, RemediationPlan
from scanner.remediation.plans.patching import Advice
from scanner.remediation.plans.products.catalogue import is_relative

#: First line of the index: tells our folders from others, before one is replaced.
MARK: Final = "<!-- smtpsweep.plans/1 -->\n"
_FLAWS_SHOWN: Final = 12
_HIDING: Final = (
    "**Hiding is not patching.** Without a version in the greeting, fewer attackers pick this host from a list; "
    "every flaw of the release is still there for the others."
)
_NOT_TRIED: Final = "**NOT TRIED.** Nobody ran this plan on a real server. Try it on a test machine first."


class HostRow(NamedTuple):
    """One host in the index."""

    key: str
    address: str
    port: int
    product: str
    version: str
    disclosed: str
    verdict: str
    page: str


def product_page(plan: RemediationPlan) -> Iterator[str]:
    """Yield the page of one product in parts."""
    yield f"# {plan.product}\n\n{plan.summary}\n\n"
    yield (
        f"Tried on: {plan.tested}. Every block of commands below was run there.\n\n"
        if plan.tested
        else f"{_NOT_TRIED}\n\n"
    )
    yield f"{_HIDING} The release to install is on each host's page.\n\n"
    if plan.warnings:
        yield f"## Warnings\n\n{bullets(plan.warnings)}\n"
    yield "## What shows product or version\n\n"
    leaks = [(leak.place, leak.shows, leak.closed_by, leak.not_by or "-") for leak in plan.leaks]
    yield table(("place", "by default", "closed by", "not closed by"), leaks) + "\n"
    if plan.files:
        yield f"## Files\n\nCopy the folder `{plan.key}/` beside this page to the server, as `{PLAN_FOLDER}`.\n\n"
        yield bullets(f"[`{file.name}`]({plan.key}/{file.name}): {file.purpose}" for file in plan.files) + "\n"
    for number, step in enumerate(plan.steps, 1):
        yield from _step(plan, number, step)
    yield from _background(plan)


def _step(plan: RemediationPlan, number: int, step: PlanStep) -> Iterator[str]:
    yield f"## {heading(number, step)}\n\n"
    if step.text:
        yield f"{step.text}\n\n"
    if step.commands:
        info = f"{step.language} step={step.id}" if plan.tested else f"{step.language} not-tried step={step.id}"
        yield f"{fenced(step.commands, info)}\n"
    if step.expect:
        yield f"Expected, besides other lines:\n\n{fenced(step.expect)}\n"


def heading(number: int, step: PlanStep) -> str:
    """Return the heading of a step on its product's page, without the marks."""
    return f"{number}. {step.title}"


def _background(plan: RemediationPlan) -> Iterator[str]:
    yield "## Verify, smoke test\n\nFrom the machine that sweeps; the commands with addresses are on the hosts' pages. "
    yield "A host that cannot be reached is never counted as fixed.\n\n"
    if plan.before:
        yield f"## Before\n\n{fenced(plan.before)}\n"
    if plan.after:
        yield f"## After\n\n{fenced(plan.after)}\n"
    yield f"## What stays recognisable\n\n{plan.stays}\n\n"
    if plan.side_effects:
        yield f"## Side effects\n\n{bullets(plan.side_effects)}\n"
    yield "## Least privilege, and patches\n\n"
    yield bullets(
        (
            *plan.privileges,
            (
                "Subscribe to the security announcements of the product and of your distribution. Flaws that are "
                "exploited: within days. Others: with a monthly date that somebody owns."
            ),
            "Sweep again after each of these dates; `smtpsweep diff` shows what came back.",
        )
    )
    if plan.sources:
        yield f"\nSources: {'; '.join(plan.sources)}.\n"


def host_page(record: Record, address: str, port: int, plan: RemediationPlan, advice: Advice) -> Iterator[str]:
    """Yield the page of one host in parts. `address` and `port` are checked; all else is the server's word."""
    software = record.software
    yield f"# {address} port {port}\n\n"
    facts = {
        "product": None if software is None else software.product,
        "version": None if software is None else _version(record),
        "system": None if software is None else " ".join(filter(None, (software.os, software.os_version))),
        "name in the sweep": record.host,
        "seen": _moment(record.observed_at),
    }
    yield table(("", ""), ((name, code(value)) for name, value in facts.items())) + "\n"
    yield from _seen(record)
    yield from _patch(advice)
    yield f"## Steps\n\nPlan: [{plan.product}](../products/{plan.key}.md). {plan.summary}\n\n"
    if not plan.tested:
        yield f"{_NOT_TRIED}\n\n"
    if software is not None and is_relative(software.product_line):
        line = code(software.product_line)
        yield f"**The plan was tried on the open-source {plan.product}, not on this relative ({line}).**\n\n"
    for number, step in enumerate(plan.steps, 1):
        yield f"{number}. [{step.title}](../products/{plan.key}.md#{anchor(heading(number, step))})\n"
    yield from _proof(address, port, plan)


#: Being shown, these alone need no plan: RFC 5321 (4.2) wants the host's name, and a date tells nothing.
_HARMLESS: Final = frozenset({"hostname", "time"})


def given_away(record: Record) -> tuple[str, ...]:
    """Return the words of `DISCLOSED` that a plan is about, wherever they were seen."""
    seen_after = {word for word, places in (record.disclosed_in or {}).items() if places}
    shown = {*record.disclosure, *seen_after} - _HARMLESS
    return tuple(word for word in DISCLOSED if word in shown)


def _seen(record: Record) -> Iterator[str]:
    yield "## What it gives away\n\n"
    places = record.disclosed_in or {}
    shown = ((word, ", ".join(places.get(word) or ("greeting",))) for word in given_away(record))
    yield bullets(f"{word}: in the {code(where)}" for word, where in shown) + "\n"
    if record.banner is not None:
        yield transcript([record.banner.text]) + "\n"
    helps = [] if record.dialogue is None else [each for each in record.dialogue.exchanges if each.command == "HELP"]
    for each in helps:
        yield f"Its answer to HELP:\n\n{transcript([f'{each.code} {line}' for line in each.lines])}\n"


def _patch(advice: Advice) -> Iterator[str]:
    yield f"## The release behind it\n\n{_HIDING}\n\nKnown flaws: {code(advice.describe())}\n\n"
    if not advice.has_version:
        yield "Ask the host itself which release it runs, and `smtpsweep vulns` what that means.\n\n"
        return
    if advice.counts and not advice.flaws and advice.assessment is not None and advice.assessment.is_known:
        yield "Nothing is open: the package is known to carry the fixes (`vendor_fixed`).\n\n"
    if advice.release is not None:
        yield (
            f"Upgrade to {code(advice.release)} or newer, which clears the list as far as fixes are known, or to your "
            "distribution's package with the fixes. `possible` means that a distribution may have fixed it under the "
            "old number; `vendor_fixed` that its package is known to.\n\n"
        )
    if advice.exploited:
        yield f"**Exploited in the wild, says CISA:** {code(', '.join(advice.exploited))}. Patch these first.\n\n"
    if advice.unfixed:
        yield f"No release with a fix is known for {code(', '.join(advice.unfixed))}.\n\n"
    if advice.flaws:
        shown = advice.flaws[:_FLAWS_SHOWN]
        cells = ((f.id, f.severity, f.verdict, f.fixed_in, f.condition) for f in shown)
        yield table(("flaw", "severity", "verdict", "fixed in", "needs"), (map(code, each) for each in cells)) + "\n"
        if len(advice.flaws) > len(shown):
            yield f"And {len(advice.flaws) - len(shown)} more, in the record.\n\n"


def _proof(address: str, port: int, plan: RemediationPlan) -> Iterator[str]:
    with_port = "" if port == 25 else f" --port {port}"
    yield "\n## Verify\n\nThis host now, then all hosts of the sweep against what was stored:\n\n"
    yield (
        fenced(f"smtpsweep check {address}{with_port} --probe dialogue\nsmtpsweep verify --before sweep.jsonl", "sh")
        + "\n"
    )
    if plan.can_hide:
        yield "Right when no version is left in greeting, HELP and EHLO. "
    yield "The evidence above is what a rollback has to bring back.\n\n"
    yield "## Smoke test\n\nOne real message, waited for. Use addresses of your own. "
    yield "Without `--yes-send-mail` nothing is sent:\n\n"
    smoke = (
        f"smtpsweep smoke {address}{with_port} --from you@example.com --to you@example.com --receive maildir:Maildir"
    )
    yield fenced(smoke, "sh")


def index_page(rows: Iterable[HostRow], summary: str) -> Iterator[str]:
    """Yield the index in parts."""
    yield f"{MARK}# Remediation plans\n\n{summary}\n\n{_HIDING}\n\n"
    yield table(("address", "product", "version", "gives away", "known flaws", "plan"), ())
    for each in rows:
        yield row(
            (
                f"{each.address} port {each.port}",
                code(each.product),
                code(each.version),
                code(each.disclosed),
                code(each.verdict),
                f"[steps](hosts/{each.page})",
            )
        )


def index_row(record: Record, address: str, port: int, plan: RemediationPlan, advice: Advice, page: str) -> HostRow:
    """Return what the index says about one host."""
    software = record.software
    product = "" if software is None else software.product
    disclosed = ", ".join(given_away(record))
    return HostRow(plan.key, address, port, product, _version(record), disclosed, advice.describe(), page)


def _version(record: Record) -> str:
    software = record.software
    if software is None or software.version is None:
        return ""
    return "/".join(filter(None, (software.version, software.config_version, software.package)))


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
