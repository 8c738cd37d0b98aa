"""Claims about `scanner.assess`: what follows from a release, and how sure that is."""

import errno
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess import Assessor, assess, shipped_facts, version_key
from scanner.assess.backports import Backports
from scanner.assess.facts import Facts
from scanner.errors import InputError
from scanner.identify import identify
from scanner.model import Attempt, Finding, Software, Target
from scanner.settings import Settings
from scanner.smtp import parse_banner
from scanner.sweeps.record_builder import RecordBuilder


def software(product: str, version: str | None, **more: Any) -> Software:
    return Software(product=product, version=version, **more)


def of_greeting(text: str) -> tuple[Finding, ...]:
    found = identify(parse_banner(f"220 {text}\r\n".encode()))
    assert found is not None
    return assess(found)


def cves(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.id for finding in findings if finding.id.startswith("CVE-")}


def by_id(findings: tuple[Finding, ...], identifier: str) -> Finding:
    return next(finding for finding in findings if finding.id == identifier)


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.id for finding in findings]


def test_sendmail_8_14_7_has_three_cves_and_no_other() -> None:
    findings = of_greeting("mail.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT")

    assert cves(findings) == {"CVE-2014-3956", "CVE-2021-3618", "CVE-2023-51765"}
    assert [finding.id for finding in findings if finding.verdict and not finding.id.startswith("CVE-")] == [
        "SENDMAIL-8.16.1-SECURITY"
    ]
    assert {finding.verdict for finding in findings} == {"possible", None}


def test_a_finding_carries_all_facts_of_its_row() -> None:
    assert by_id(of_greeting("h ESMTP Sendmail 8.14.7/8.14.7; x"), "CVE-2021-3618") == Finding(
        id="CVE-2021-3618",
        severity="high",
        title="ALPACA: a TLS session meant for another protocol can be redirected to the SMTP server.",
        evidence="Sendmail 8.14.7; affected are versions before 8.17.1",
        verdict="possible",
        cvss_version="3.1",
        cvss_score=7.4,
        cvss_vector="CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N",
        kev=False,
        kev_added=None,
        attack_path="tls-mitm",
        smtp_unauthenticated=False,
        condition="certificate shared with another TLS service",
        fixed_in="8.17.1",
        note="NVD says before 8.17; 8.17.1 is the first 8.17 release in the upstream notes.",
        sources=("fkie-cad/nvd-json-data-feeds:CVE-2021/CVE-2021-36xx/CVE-2021-3618.json",),
    )


def test_what_is_exploited_comes_first_with_its_date() -> None:
    findings = assess(software("Exim", "4.92.1"))

    assert (findings[0].id, findings[0].kev, findings[0].kev_added) == ("CVE-2019-16928", True, "2022-03-03")
    scores = [finding.cvss_score or 0 for finding in findings if finding.kev is False]
    assert scores == sorted(scores, reverse=True)


def test_exim_4_100_is_newer_than_4_99_and_has_no_cve_that_ended_before() -> None:
    findings = assess(software("Exim", "4.100"))

    assert cves(findings) == set()
    assert {finding.fixed_in for finding in findings if finding.verdict} == {"4.100.1", "4.100.2"}
    assert cves(assess(software("Exim", "4.99"))) >= {"CVE-2026-45185", "CVE-2025-67896"}
    assert assess(software("Exim", "4.100.2")) == ()


def test_debians_package_is_known_to_carry_the_fix() -> None:
    findings = of_greeting("h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Sun, 22 Nov 2026 10:16:56 GMT")
    fixed = by_id(findings, "CVE-2023-51765")

    assert ids(findings) == ["CVE-2023-51765"]
    assert (fixed.verdict, fixed.severity, fixed.cvss_score) == ("vendor_fixed", "info", 5.3)
    assert fixed.evidence == (
        "Sendmail 8.17.1.9; affected are versions before 8.18.1; package 8.17.1.9-2+deb12u2 carries the fix, "
        "the first was 8.17.1.9-2+deb12u1"
    )
    assert fixed.sources[-1] == "Debian changelog of sendmail 8.17.1.9-2+deb12u2"
    assert fixed.note is not None
    assert "srv_features" in fixed.note


def test_a_package_from_before_the_fix_is_known_to_lack_it() -> None:
    findings = of_greeting("h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Sun, 22 Nov 2026 10:16:56 GMT")
    flaw = by_id(findings, "CVE-2023-51765")

    assert (flaw.verdict, flaw.severity) == ("affected_upstream", "medium")
    assert flaw.evidence is not None
    assert flaw.evidence.endswith("package 8.17.1.9-2 is older than 8.17.1.9-2+deb12u1, the first with the fix")


@pytest.mark.parametrize("package", ["Debian-3", "Debian-2+deb13u1", "Debian-2ubuntu1", "Debian-2~bpo11+1", "1.el8"])
def test_a_package_of_another_line_leaves_it_possible(package: str) -> None:
    findings = assess(software("Sendmail", "8.17.1.9", product_line="Sendmail", package=package))

    assert by_id(findings, "CVE-2023-51765").verdict == "possible"


def test_debian_8_carries_the_fix_of_2014_but_is_possible_for_the_rest() -> None:
    findings = of_greeting("h ESMTP Sendmail 8.14.4/8.14.4/Debian-8+deb8u2; Sun, 22 Nov 2026 10:16:56 GMT")

    verdicts = {finding.id: finding.verdict for finding in findings if finding.id.startswith("CVE-")}
    assert verdicts == {
        "CVE-2014-3956": "vendor_fixed",
        "CVE-2021-3618": "possible",
        "CVE-2023-51765": "possible",
    }


def test_debian_12_carries_what_its_revision_of_exim_fixed() -> None:
    early, late = (assess(software("Exim", "4.96", package=f"15+deb12u{n}")) for n in (2, 10))

    fixed = {finding.id for finding in early if finding.verdict == "vendor_fixed"}
    assert fixed == {"CVE-2022-3620", "CVE-2023-42114", "CVE-2023-42115", "CVE-2023-42116"}
    assert by_id(early, "CVE-2023-51766").verdict == "affected_upstream"
    assert {finding.id for finding in late if finding.id.startswith("CVE-") and finding.verdict != "vendor_fixed"} == {
        "CVE-2022-3559"  # fixed upstream in 4.97; Debian's change log of 4.96 does not name it
    }


@pytest.mark.parametrize(
    "greeting",
    [
        "mail.example.com ESMTP Sendmail Switch-3.1.2/Switch-3.1.2; Mon, 01 Jan 2024 00:27:12 +0900",
        "mail.example.com ESMTP Sendmail Sentrion-MTA-4.0.2/Switch-3.3.4; Tue, 15 Jan 2019 12:53:21 +0900",
        "h HP Sendmail (1.37.109.4/16.2) ready at Mon, 1 Jan 96 10:00:00 GMT",
        "h Sendmail IBM OS/2 SENDMAIL VERSION 1.3.17/2.12um ready at Mon, 1 Jan 96 10:00:00 GMT",
    ],
)
def test_a_line_with_numbers_of_its_own_is_not_compared(greeting: str) -> None:
    findings = of_greeting(greeting)

    assert ids(findings) == ["VERSION-UNDECIDED"]
    assert findings[0].verdict is None


@pytest.mark.parametrize(
    ("greeting", "shown"),
    [
        ("foo.bar Sendmail SMI-8.6/SMI-SVR4 ready at Sun, 29 Jul 2001 22:58:46 -0400", "8.6"),
        ("foo.bar ESMTP MetaInfo Sendmail 2.5 Build 2630 (Berkeley 8.8.6)/8.8.4; Mon, 30 Jul 2001", "8.8.6"),
        ("foo.bar ESMTP Sendmail AIX5.1/8.11.6p2/8.11.0; Fri, 28 Aug 1970 19:42:05 -0800", "8.11.6p2"),
        ("foo.bar ESMTP Sendmail 8.9.3+Sun/8.9.1; Mon, 30 Jul 2001 02:50:22 GMT", "8.9.3"),
        ("foo.bar ESMTP Sendmail 8.8.6 (PHNE_14041)/8.7.1; Tue, 6 Feb 2001 10:04:32 -0300 (SAT)", "8.8.6"),
    ],
)
def test_a_vendors_build_of_the_open_source_is_possible_at_most(greeting: str, shown: str) -> None:
    findings = of_greeting(greeting)

    assert {finding.verdict for finding in findings if finding.verdict} == {"possible"}
    assert all(f" {shown};" in str(finding.evidence) for finding in findings if finding.verdict)


def test_a_product_that_nobody_else_packages_is_affected_upstream() -> None:
    findings = assess(software("MDaemon", "24.5.0"))

    flaw = by_id(findings, "CVE-2024-11182")
    assert (flaw.verdict, flaw.kev) == ("affected_upstream", True)


@pytest.mark.parametrize("more", [{"package": "2.3.2-1"}, {"vendor_tag": "+x"}, {"os": "Debian"}, {"os": "Ubuntu"}])
def test_signs_of_a_distribution_make_it_possible_for_any_product(more: dict[str, str]) -> None:
    plain, packaged = (assess(software("Apache James", "2.3.2", **each)) for each in ({"os": "Windows"}, more))

    assert by_id(plain, "CVE-2015-7611").verdict == "affected_upstream"
    assert by_id(packaged, "CVE-2015-7611").verdict == "possible"


@pytest.mark.parametrize(
    ("product", "version", "identifier", "score", "severity"),
    [
        ("Sendmail", "8.11.6", "CVE-2002-1337", 10.0, "high"),  # CVSS 2.0 has no critical
        ("Exim", "4.92.1", "CVE-2019-16928", 9.8, "critical"),
        ("Sendmail", "8.14.7", "CVE-2021-3618", 7.4, "high"),
        ("Sendmail", "8.14.7", "CVE-2023-51765", 5.3, "medium"),
        ("Sendmail", "8.14.7", "CVE-2014-3956", 1.9, "low"),
        ("Sendmail", "8.14.7", "SENDMAIL-8.16.1-SECURITY", None, "medium"),
        ("Exim", "4.100", "GCVE-25-2026-09-50-1", None, "high"),
    ],
)
def test_severity_is_the_rating_of_the_score_or_upstreams_word(
    product: str, version: str, identifier: str, score: float | None, severity: str
) -> None:
    finding = by_id(assess(software(product, version)), identifier)

    assert (finding.cvss_score, finding.severity) == (score, severity)


@pytest.mark.parametrize(
    ("version", "identifier", "verdict"),
    [
        ("1.5", "CVE-2006-3277", "affected_upstream"),  # in every edition's range
        ("1.95", "CVE-2006-3277", "possible"),  # not in the standard edition's
        ("1.04", "CVE-2005-1013", "possible"),  # nothing is known about the standard edition
        ("1.986", "CVE-2006-3277", "possible"),
    ],
)
def test_mailenable_is_decided_only_when_every_edition_has_the_flaw(
    version: str, identifier: str, verdict: str
) -> None:
    assert by_id(assess(software("MailEnable", version)), identifier).verdict == verdict


def test_mailenable_counts_in_decimals() -> None:
    assert "CVE-2006-3277" not in ids(assess(software("MailEnable", "10.34")))
    assert "CVE-2006-3277" in ids(assess(software("MailEnable", "1.6")))


@pytest.mark.parametrize(
    ("patch", "verdict"),
    [
        (None, "affected_upstream"),
        ("FP5", "affected_upstream"),
        ("FP6", "possible"),  # an interim fix would decide, and greetings do not show it
        ("FP6 HF1944", "possible"),
        ("FP7", None),
    ],
)
def test_domino_at_the_border_of_a_range_is_undecided(patch: str | None, verdict: str | None) -> None:
    findings = assess(software("Domino", "8.5.3", patch=patch))

    assert {finding.verdict for finding in findings if finding.id == "CVE-2015-5040"} == {verdict} - {None}


@pytest.mark.parametrize("product", ["Postfix", "OpenSMTPD", "qmail", "Haraka", "Apache James", "Exim", "Sendmail"])
def test_without_a_version_nothing_follows(product: str) -> None:
    assert assess(software(product, None)) == ()


@pytest.mark.parametrize("product", ["smtp-sink", "TurboSendmail", "", "Microsoft SMTP Service"])
def test_an_unknown_product_has_no_findings(product: str) -> None:
    assert assess(software(product, "1.0")) == ()


def test_a_version_that_cannot_be_compared_is_undecided() -> None:
    assert ids(assess(software("Exim", "from-git"))) == ["VERSION-UNDECIDED"]


def test_no_verdict_says_more_than_a_greeting_can() -> None:
    facts = shipped_facts()
    for key in facts.names():
        product = facts.product(key)
        assert product is not None
        for flaw in product.flaws:
            for each in flaw.ranges:
                version = each.last_affected or each.introduced or "0.1"
                for finding in assess(software(product.facts["names"][0], version)):
                    assert finding.verdict in {None, "possible", "affected_upstream", "undecided"}
                    assert finding.verdict != "affected_upstream" or not product.facts["packaged"]
                    assert finding.sources or finding.id == "CONFIG-SKEW"


@pytest.mark.parametrize("end", ["fixed", "last_affected"])
def test_ranges_begin_with_introduced_and_end_before_fixed_or_with_last_affected(end: str) -> None:
    facts = shipped_facts()
    row = {
        "id": "X-1",
        "product": "exim",
        "summary": "s",
        "sources": ["here"],
        "smtp_unauthenticated": None,
        "ranges": [{"introduced": "4.10", end: "4.20"}],
        "published": "2026-01-01",
        "as_of": "2026-01-01",
    }
    assessor = Assessor(Facts({**facts.document, "vulnerabilities": [row]}, "test"), Backports({"products": {}}))

    covered = [v for v in ("4.9", "4.10", "4.19.9", "4.20", "4.20.1") if _has(assessor, v)]

    assert covered == ["4.10", "4.19.9"] + (["4.20"] if end == "last_affected" else [])
    assert by_id(assessor.assess(software("exim", "4.10")), "X-1").severity == "medium"


def _has(assessor: Assessor, version: str) -> bool:
    return "X-1" in ids(assessor.assess(software("exim", version)))


def test_the_same_software_gets_the_same_object() -> None:
    one, other = (of_greeting(f"h{n} ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:5{n} GMT") for n in (1, 2))

    assert one is other
    assert one is not of_greeting("h ESMTP Sendmail 8.14.7/8.14.7; Sun, 22 Nov 2026 10:16:56 GMT")


@pytest.mark.parametrize("field", ["product_line", "version", "config_version", "patch", "vendor_tag", "package"])
def test_every_part_that_decides_is_part_of_the_answer(field: str) -> None:
    plain = software("Sendmail", "8.14.7", product_line="Sendmail", config_version="8.14.7")
    values: dict[str, Any] = {"product_line": "Switch", "patch": "p3", "vendor_tag": "+Sun", "package": "Debian-2"}
    other = replace(plain, **{field: values.get(field, "8.9.3")})

    assert assess(plain) is assess(replace(plain, confidence=0.5, evidence="another rule"))
    assert assess(plain) is not assess(other)


@given(st.text(max_size=20), st.text(max_size=20) | st.none(), st.text(max_size=20) | st.none())
def test_no_text_of_a_server_raises(version: str, patch: str | None, package: str | None) -> None:
    for product in ("Sendmail", "Domino", "MailEnable"):
        findings = assess(software(product, version, patch=patch, package=package, config_version=version))

        assert findings or version_key(product.casefold(), version) is not None


def test_forgetting_makes_the_answer_afresh() -> None:
    assessor = Assessor(shipped_facts(), Backports({"products": {}}))
    one = assessor.assess(software("Sendmail", "8.14.7"))
    assessor.forget()
    other = assessor.assess(software("Sendmail", "8.14.7"))

    assert one == other
    assert one is not other


def test_a_record_of_a_sweep_has_the_findings_of_its_software(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    builder = RecordBuilder("scan", Settings())
    monkeypatch.setattr(io, "open", _no_descriptor)  # during a sweep there may be none left
    raw = b"220 h ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Sun, 22 Nov 2026 10:16:56 GMT\r\n"

    named, hidden = (
        builder.record(Attempt(Target(0, "192.0.2.1", 25), None, each, 1.8e9, 0.1, 0.2, 0.3))
        for each in (raw, b"220 h ESMTP\r\n")
    )

    assert [(each.id, each.verdict) for each in named.findings] == [("CVE-2023-51765", "vendor_fixed")]
    assert hidden.findings == ()


def test_a_damaged_data_file_is_told_before_a_sweep_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "smtpsweep").mkdir()
    (tmp_path / "smtpsweep" / "vulnerabilities.json").write_bytes(b"{")

    with pytest.raises(InputError, match=r"vulnerabilities\.json: not valid JSON"):
        RecordBuilder("scan", Settings())


def _no_descriptor(*_: object, **__: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")
