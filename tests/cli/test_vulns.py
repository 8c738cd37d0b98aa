"""Claims about `smtpsweep vulns`, run as a user runs it."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from scanner.assess import Assessor, shipped_facts
from scanner.assess.backports import shipped_backports
from scanner.cli import vulns as command
from scanner.cli.entry import run
from scanner.identify.rules import shipped_rules
from scanner.model import Software
from scanner.record import decode, encode
from tests.support.records import full_record
from tests.support.vulnerability_records import cpe, feed, nvd

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "120")


def on(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    class Clock:
        @staticmethod
        def now(_: object) -> datetime:
            return datetime.fromisoformat(day).replace(tzinfo=UTC)

    monkeypatch.setattr(command, "datetime", Clock)


@pytest.fixture
def young(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "2026-12-01")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "2027-01-01")


@pytest.mark.usefixtures("young")
def test_a_table_shows_each_flaw_with_its_condition(capsys: Output) -> None:
    assert run(["vulns", "sendmail", "8.14.7/8.13.8"]) == 0

    out, err = capsys.readouterr()
    assert err == ""
    assert f"Sendmail 8.14.7/8.13.8: 4 possible ({basis('Sendmail', '8.14.7')})" in out
    assert [cve for cve in ("CVE-2014-3956", "CVE-2021-3618", "CVE-2023-51765") if cve not in out] == []
    text = " ".join(out.replace("│", " ").split())
    assert "Only when: certificate shared" in text
    assert "By: smtp, no login." in text
    assert "NEXT-RELEASE: 8.18.1 is the first release after 8.14.7" in out
    assert "CONFIG-SKEW: The program is 8.14.7" in out


@pytest.mark.usefixtures("young")
def test_a_package_changes_the_verdict_and_says_why(capsys: Output) -> None:
    assert run(["vulns", "Sendmail", "8.17.1.9", "--package", "Debian-2+deb12u2"]) == 0

    out = capsys.readouterr().out
    assert "Sendmail 8.17.1.9 (Debian-2+deb12u2): 1 vendor_fixed" in out
    assert "package 8.17.1.9-2+deb12u2 carries the fix, the first was 8.17.1.9-2+deb12u1." in out


@pytest.mark.usefixtures("young")
def test_json_has_what_a_record_has_and_what_is_the_same_for_all_hosts(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert run(["vulns", "exim", "4.92.1", "--json"]) == 0

    line = capsysbinary.readouterr().out
    document = orjson.loads(line)
    assert line.count(b"\n") == 1
    assert (document["product"], document["version"], document["data"]) == (
        "Exim",
        "4.92.1",
        {"compiled": "2026-11-30", "age_days": 1},
    )
    assert (document["findings"][0]["id"], document["findings"][0]["kev_added"]) == ("CVE-2019-16928", "2022-03-03")
    written = orjson.loads(encode(full_record())) | {"findings": document["findings"]}
    recorded = orjson.loads(encode(decode(orjson.dumps(written))))["findings"]
    for full, short in zip(document["findings"], recorded, strict=True):
        assert short == {name: full[name] for name in short}
        assert set(full) - set(short) == {"cvss_version", "cvss_vector", "kev_added", "note", "sources"}


@pytest.mark.usefixtures("young")
def test_what_is_exploited_is_said(capsys: Output) -> None:
    run(["vulns", "exim", "4.92.1"])

    assert "Exploited (KEV since 2022-03-03)." in " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.usefixtures("young")
def test_a_release_without_a_known_flaw(capsys: Output) -> None:
    assert run(["vulns", "exim", "4.100.2"]) == 0

    assert capsys.readouterr().out == f"Exim 4.100.2: none known ({basis('Exim', '4.100.2')})\n"


def basis(product: str, version: str) -> str:
    assessor = Assessor(shipped_facts(), shipped_backports())
    return str(assessor.answer(Software(product, version=version)).assessment.basis)


@pytest.mark.usefixtures("young")
@pytest.mark.parametrize(
    ("arguments", "first", "more"),
    [
        (
            ["sendmail", "8.99"],
            "Sendmail 8.99: unknown version (covered since ",
            "VERSION-UNKNOWN: Sendmail 8.99",
        ),
        (["postfix", "3.9-20231130"], "; there may be more: undecided (covered since ", "CVE-2023-51764: Postfix 3.9-"),
        (
            ["hMailServer", "0.1"],
            "hMailServer 0.1: 4 affected_upstream; there may be more: not covered (covered since",
            "END-OF-LIFE",
        ),
    ],
)
def test_what_an_empty_list_is_worth_is_said(capsys: Output, arguments: list[str], first: str, more: str) -> None:
    assert run(["vulns", *arguments]) == 0

    out = capsys.readouterr().out
    assert first in out.splitlines()[0]
    assert more in out


@pytest.mark.usefixtures("young")
def test_a_product_that_is_recognised_and_that_nobody_searched_is_not_covered(capsys: Output) -> None:
    names = (rule.fixed.get("product", "Sendmail") for rule in shipped_rules())
    name = next(each for each in names if shipped_facts().product(each) is None)

    assert run(["vulns", name.upper(), "1.2"]) == 0
    assert capsys.readouterr().out == f"{name} 1.2: not covered (facts of {shipped_facts().compiled})\n"
    assert run(["vulns", name, "1.2", "--json"]) == 0
    assert orjson.loads(capsys.readouterr().out)["assessment"] == {
        "answer": "not_covered",
        "covered_since": None,
        "facts": 0,
        "facts_of": shipped_facts().compiled,
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["sendmale", "8.14.7"], "unknown product 'sendmale': known products are barracuda, cisco-esa, courier"),
        (["sendmail", "new"], "'new' is not a version of Sendmail"),
        (["sendmail", "\x1b[2J"], "'\\x1b[2J' is not a version of Sendmail"),
        (["mailenable", "1.2.3"], "'1.2.3' is not a version of MailEnable"),
        (["sendmail"], "name a product and a version, such as: sendmail 8.14.7"),
        ([], "name a product and a version, or files with --update"),
        (["exim", "4.96", "--data", "/"], "/: cannot be read: Is a directory"),
        (["--update", "/nowhere"], "/nowhere: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_answered_is_one_line_and_exit_code_2(
    arguments: list[str], complaint: str, capsys: Output
) -> None:
    assert run(["vulns", *arguments]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"smtpsweep: {complaint}")
    assert err.count("\n") == 1


def test_old_data_are_shown_with_a_warning_and_their_date(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    on(monkeypatch, "2027-06-01")
    assert run(["vulns", "exim", "4.100.1"]) == 0

    err = capsys.readouterr().err
    assert err.startswith("smtpsweep: the vulnerability data are of 2026-11-30, 183 days old: ")
    assert err.count("\n") == 1


@pytest.mark.usefixtures("later")
def test_an_update_goes_to_the_users_folder_and_is_used(tmp_path: Path, capsys: Output) -> None:
    listed = [{"cveID": "CVE-2023-51765", "dateAdded": "2026-12-30"}]
    source = tmp_path / "kev.json"
    source.write_bytes(orjson.dumps({"catalogVersion": "1", "dateReleased": "2026-12-31", "vulnerabilities": listed}))

    assert run(["vulns", "--update", str(source)]) == 0

    user_file = tmp_path / "data" / "smtpsweep" / "vulnerabilities.json"
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        (
            f"smtpsweep: 1 file, 1 record: 0 new, 1 changed, 0 without usable versions, 0 files of other kinds; "
            f"written to {user_file}\n"
            "smtpsweep: changed: CVE-2023-51765 (sendmail): known to be exploited since 2026-12-30\n"
            f"smtpsweep: the facts are from {shipped_facts().compiled}\n"
        ),
    )
    run(["vulns", "sendmail", "8.14.7", "--json"])
    assert orjson.loads(capsys.readouterr().out)["findings"][0]["kev_added"] == "2026-12-30"
    assert len(orjson.loads(user_file.read_bytes())["vulnerabilities"]) == 1
    assert shipped_facts().compiled == "2026-11-30"


@pytest.mark.usefixtures("later")
def test_an_update_names_what_changed_and_has_an_end(tmp_path: Path, capsys: Output) -> None:
    known = shipped_facts().document["vulnerabilities"]
    listed = [{"cveID": row["id"], "dateAdded": "2026-12-30"} for row in known if row["id"].startswith("CVE-2")]
    source = tmp_path / "kev.json"
    source.write_bytes(orjson.dumps({"catalogVersion": "1", "dateReleased": "2026-12-31", "vulnerabilities": listed}))

    assert run(["vulns", "--update", str(source)]) == 0

    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if line.startswith("smtpsweep: changed: ")]) == 50
    more = next(line for line in lines if "more changes" in line)
    assert more.startswith("smtpsweep: ... and ")


@pytest.mark.usefixtures("later")
def test_newer_facts_say_which_day_they_replace(tmp_path: Path, capsys: Output) -> None:
    item = nvd("CVE-2026-90001", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19"))
    source = tmp_path / "feed.json"
    source.write_bytes(orjson.dumps(feed(item)))

    assert run(["vulns", "--update", str(source)]) == 0

    assert capsys.readouterr().err.splitlines()[1:] == [
        "smtpsweep: new: CVE-2026-90001 (sendmail): versions before 8.19, score 9.1",
        f"smtpsweep: the facts are from 2026-12-24; they were from {shipped_facts().compiled}",
    ]


@pytest.mark.usefixtures("later")
def test_a_flaw_whose_versions_nobody_says_is_named_and_leaves_every_release_undecided(
    tmp_path: Path, capsys: Output
) -> None:
    source = tmp_path / "feed.json"
    source.write_bytes(orjson.dumps(feed(nvd("CVE-2026-90009", cpe("exim:exim:-:*")))))

    assert run(["vulns", "--update", str(source), "exim", "4.100.2"]) == 0

    out, err = capsys.readouterr()
    assert (
        "left open: CVE-2026-90009 names a product of ours without a version that can be compared: "
        "it stays undecided for every release until a record says more\n"
    ) in err
    assert out.startswith("Exim 4.100.2: 1 undecided; there may be more: undecided (")
    assert "CVE-2026-90009: Exim 4.100.2; no record says which versions have it." in " ".join(out.split())


@pytest.mark.usefixtures("later")
def test_all_files_that_are_named_are_taken_in(tmp_path: Path, capsys: Output) -> None:
    for number in (1, 2):
        item = nvd(f"CVE-2026-9000{number}", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19"))
        (tmp_path / f"{number}.json").write_bytes(orjson.dumps(item))

    arguments = [text for number in (1, 2) for text in ("--update", str(tmp_path / f"{number}.json"))]
    assert run(["vulns", *arguments]) == 0

    err = capsys.readouterr().err
    assert err.startswith("smtpsweep: 2 files, 2 records: 2 new, 0 changed")
    assert "new: CVE-2026-90001 (sendmail)" in err
    assert "new: CVE-2026-90002 (sendmail)" in err


@pytest.mark.usefixtures("young")
@pytest.mark.parametrize(
    ("name", "version", "is_known"),
    [
        ("netqmail", "1.06", True),
        ("NotQmail", "1.09", True),
        ("qmail", "1.03", True),
        ("netqmail", "1.09", False),
        ("qmail", "1.04", False),
    ],
)
def test_a_successor_has_the_numbers_of_its_own_name(
    name: str, version: str, *, is_known: bool, capsys: Output
) -> None:
    run(["vulns", name, version])

    assert ("unknown version" not in capsys.readouterr().out) is is_known


@pytest.mark.usefixtures("young")
def test_a_page_of_an_answer_is_named(tmp_path: Path, capsys: Output) -> None:
    source = tmp_path / "page.json"
    item = nvd("CVE-2026-90001", cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19"))
    source.write_bytes(orjson.dumps({**feed(item), "totalResults": 500}))

    assert run(["vulns", "--update", str(source)]) == 0

    assert "incomplete: 499 records of NVD's answer missing from the given files" in capsys.readouterr().err


@pytest.mark.usefixtures("young")
def test_a_day_that_has_not_come_is_not_believed_and_named(tmp_path: Path, capsys: Output) -> None:
    bounds = cpe("sendmail:sendmail:*:*", versionEndExcluding="8.19")
    source = tmp_path / "feed.json"
    source.write_bytes(orjson.dumps(feed(nvd("CVE-2026-90001", bounds, modified="2099-01-01T00:00:00"))))

    assert run(["vulns", "--update", str(source)]) == 0

    err = capsys.readouterr().err
    assert "1 date in the future replaced by today's, such as that of CVE-2026-90001: 2099-01-01 (is this" in err
    assert err.endswith(f"smtpsweep: the facts are from 2026-12-01; they were from {shipped_facts().compiled}\n")


@pytest.mark.usefixtures("later")
def test_an_update_and_a_question_in_one_with_a_file_of_ones_own(tmp_path: Path, capsys: Output) -> None:
    source, user_file = tmp_path / "kev.json", tmp_path / "mine.json"
    listed = [{"cveID": "CVE-2023-51766", "dateAdded": "2026-12-30"}]
    source.write_bytes(orjson.dumps({"catalogVersion": "1", "dateReleased": "2026-12-31", "vulnerabilities": listed}))

    arguments = ["exim", "4.97", "--json", "--update", str(source), "--data", str(user_file)]
    assert run(["vulns", *arguments]) == 0

    assert orjson.loads(capsys.readouterr().out)["findings"][0]["id"] == "CVE-2023-51766"
    assert user_file.exists()
    assert not (tmp_path / "data").exists()


def test_a_text_of_the_data_is_no_markup(monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path) -> None:
    on(monkeypatch, "2026-12-01")
    row = {
        "id": "X-1234",
        "product": "exim",
        "summary": "[bold]not[/bold] :smile: [link=x]",
        "sources": ["here"],
        "ranges": [{"fixed": "4.200"}],
        "published": "2026-12-01",
        "as_of": "2026-12-01",
    }
    path = tmp_path / "mine.json"
    path.write_bytes(
        orjson.dumps({"format": "smtpsweep.vulnerabilities/1", "compiled": "2026-12-01", "vulnerabilities": [row]})
    )

    assert run(["vulns", "exim", "4.100.1", "--data", str(path)]) == 0

    assert "[bold]not[/bold] :smile: [link=x]" in capsys.readouterr().out
