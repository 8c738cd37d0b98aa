"""The rules of a policy about releases: the lowest version, and no flaw that is known to be exploited.

Both need the version that a greeting shows. A server that hides it is not judged and does not count against the
coverage, because other rules ask for hiding. A server that shows a version which cannot be assessed does count: for a
product that the facts do not cover, a release that does not exist, or a snapshot between two branches, an empty list
of flaws is not a pass.
"""

from datetime import date
from typing import Final

from scanner.assess.flaw_findings import UNDECIDED
from scanner.assess.lifecycle import VERSION_UNDECIDED
from scanner.assess.versions import VersionKey, is_before_release, maybe_unread, release_of, version_key
from scanner.model import Answer, Banner, Record, Software
from scanner.policy.judges import (
    Judgement,
    Options,
    RuleOutcome,
    failed,
    named,
    not_judged,
    passed,
    shows_version,
)

#: For a record that an earlier version of the program wrote.
NOT_SAID: Final = "its record does not say whether the facts cover it"


def judge_version(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `min-version` by `versions`; the rule does not apply to products that are not named there."""
    del today
    software = record.software
    if software is None:
        hidden = not shows_version(record)
        return not_judged("the product is not known", hidden=hidden) if options["versions"] else None
    product, line = software.product.casefold(), (software.product_line or software.product).casefold()
    wanted = {name.casefold(): version for name, version in options["versions"].items()}
    least = wanted.get(line, wanted.get(product))
    if least is None:
        return None
    if line not in wanted and software.version is not None and _has_own_numbers(record):
        return not_judged(f"{software.product} {software.product_line} numbers its versions in its own way")
    if software.version is None:
        return _not_read(software, record)
    judgement = _compared(software, least, record.banner)
    is_unknown = record.assessment is not None and record.assessment.answer is Answer.VERSION_UNKNOWN
    if is_unknown and judgement.outcome is RuleOutcome.PASSED:
        return not_judged(
            f"{software.product} {software.version} is newer than the facts, or was never released: import newer facts"
        )
    return judgement


def _not_read(software: Software, record: Record) -> Judgement:
    if shows_version(record):
        return not_judged(f"{software.product} shows a version that cannot be read")
    return not_judged(f"{software.product} does not show its version", hidden=True)


def _has_own_numbers(record: Record) -> bool:
    return any(each.id == VERSION_UNDECIDED for each in record.findings)


def _compared(software: Software, least: str, banner: Banner | None) -> Judgement:
    product, version = software.product.casefold(), str(software.version)
    key, bound = version_key(product, version + (software.patch or "")), version_key(product, least)
    if key is None or bound is None:
        return not_judged(f"{version} is not a version that can be compared with {least}")
    if key < bound:
        return failed(f"{software.product} {version} is older than {least}", None if banner is None else banner.text)
    if (unread := maybe_unread(product, version)) is not None:
        return not_judged(
            f"{version} may be another state than the release: what {unread!a} behind it means is unknown"
        )
    if is_before_release(key) and not _is_contained(bound, key):
        return not_judged(f"{version} is a candidate or snapshot: whether it has the fixes of {least} is unknown")
    return passed(f"{software.product} {version} is not older than {least}")


def _is_contained(bound: VersionKey, key: VersionKey) -> bool:
    """Tell whether a candidate or snapshot precedes `bound`: it is of the same release, or its branch began before."""
    return release_of(bound) == release_of(key) or (len(bound[0]) <= 2 and not is_before_release(bound))


def judge_exploited(record: Record, options: Options, today: date) -> Judgement | None:
    """Judge `no-known-exploited` by the findings that CISA lists as exploited, with one of the `verdicts` wanted."""
    del today
    found = [each for each in record.findings if each.kev and each.verdict in options["verdicts"]]
    if found:
        flaws = ", ".join(f"{each.id} ({each.verdict})" for each in found)
        return failed(f"known to be exploited{named(record)}: {flaws}", found[0].evidence)
    if record.software is None or record.software.version is None:
        return not_judged("the version is not known, so neither are its flaws", hidden=not shows_version(record))
    if undecided := [each.id for each in record.findings if each.kev and each.verdict == UNDECIDED]:
        return not_judged(f"known to be exploited, and undecided{named(record)}: {', '.join(undecided)}")
    if record.assessment is None:
        return not_judged(f"flaws{named(record)}: {NOT_SAID}")
    if not record.assessment.is_known:
        return not_judged(f"flaws{named(record)}: {record.assessment}")
    return passed(f"no flaw that is known to be exploited{named(record)}: {record.assessment.basis}")
