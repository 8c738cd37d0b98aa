"""A record described for people: what the greeting says, the software, its flaws and what it discloses."""

from scanner.identify.leaks import versions_in_greeting
from scanner.identify.unconfirmed import possible_disclosures, possible_products
from scanner.model import USUAL_GREETING, Assessment, Banner, Record, Software, Status
from scanner.policy.judges import why_not_seen


def describe(record: Record) -> dict[str, str]:
    """Return the lines of a description by name; only what is known."""
    lines: dict[str, str | None] = {
        "host": record.host,
        "address": f"{record.ip} port {record.port}",
        "status": record.status.value + (f" ({record.error})" if record.error else ""),
        **_greeting_lines(record),
    }
    if record.software is not None:
        lines |= _software_lines(record.software)
    elif record.banner is not None:
        lines["product"] = _unknown_product(record, record.banner)
    lines |= _flaw_lines(record)
    lines["discloses"] = ", ".join(record.disclosure) or _discloses_nothing(record)
    return {name: value for name, value in lines.items() if value}


def _greeting_lines(record: Record) -> dict[str, str | None]:
    lines: dict[str, str | None] = {}
    if record.banner is not None:
        lines["greets as"] = record.banner.hostname
        lines["flags"] = ", ".join(record.banner.flags)
    if record.refusal is not None:
        lines["refusal"] = record.refusal.kind.value + (", of this address" if record.refusal.refused_us else "")
    if record.clock_skew_s is not None:
        lines["clock"] = _clock(record.clock_skew_s)
    return lines


def _clock(skew_s: int) -> str:
    """Say how the time in a greeting differs from ours."""
    if not skew_s:
        return "as ours"
    return f"{abs(skew_s):,} s {'ahead of' if skew_s > 0 else 'behind'} ours, by the time in the greeting"


def _software_lines(software: Software) -> dict[str, str | None]:
    return {
        "product": " ".join(filter(None, (software.product, software.version))),
        "kind": software.kind if software.kind == "service" else None,
        "line": software.product_line if software.product_line != software.product else None,
        "config": software.config_version,
        "patch": software.patch,
        "vendor tag": software.vendor_tag,
        "package": software.package,
        "system": " ".join(filter(None, (software.os, software.os_version))),
        "CPE": software.cpe,
        "confidence": f"{software.confidence:.0%} (rule {software.evidence})",
    }


def _unknown_product(record: Record, banner: Banner) -> str:
    """Say what the greeting names if none of our rules knows its product."""
    if record.status is Status.NOT_SMTP:
        return "no mail server"
    if not _is_seen(record):
        return "not seen"
    names = possible_products(banner, None)
    words = dict.fromkeys((*names, *versions_in_greeting(banner, record.ip)))
    return f"not known here (perhaps {' '.join(words)})" if names else "not named in the greeting"


def _flaw_lines(record: Record) -> dict[str, str]:
    software, lines = record.software, dict[str, str]()
    flaws = [finding for finding in record.findings if finding.verdict is not None]
    if record.assessment is not None:
        lines["flaws"] = str(record.assessment)
    if flaws and software is not None:
        listed = ", ".join(f"{flaw.id} ({flaw.verdict})" for flaw in flaws)
        lines["flaws"] = listed if record.assessment is None else f"{listed}; {_others(record.assessment)}"
        lines["more"] = f"smtpsweep vulns {software.product.lower()} {software.version}"
    elif software is None and "version" in record.disclosure:
        lines["flaws"] = "nothing is known of this product"
    return lines


def _others(assessment: Assessment) -> str:
    """Say whether there may be other flaws than those listed."""
    if assessment.is_known:
        return f"no others known ({assessment.basis})"
    return f"there may be more: {assessment}"


def _discloses_nothing(record: Record) -> str:
    """Say why no disclosure is listed."""
    if record.banner is None or not (_is_seen(record) or record.status is Status.NOT_SMTP):
        return "not seen"
    perhaps = possible_disclosures(record.banner, record.software, record.ip)
    return f"perhaps {', '.join(perhaps)}" if perhaps else "nothing"


def _is_seen(record: Record) -> bool:
    """Return whether the usual greeting of a mail server was read completely."""
    return record.status in USUAL_GREETING and why_not_seen(record) is None
