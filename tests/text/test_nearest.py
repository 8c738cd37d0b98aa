"""Claims about names that are not known: the nearest one is named, in every place that takes a name."""

from pathlib import Path

import pytest

from scanner.cli.entry import run
from scanner.identify import known_products
from scanner.text.nearest import hint, maybe_nearest

Output = pytest.CaptureFixture[str]
PRODUCTS = ("GoMail", "Sendmail", "Microsoft Exchange Server", "Kerio Connect", "Kerio MailServer", "Exim")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Sendmial", "Sendmail"),
        ("sendmail ", "Sendmail"),
        ("EXIMM", "Exim"),
        ("EXIM", "Exim"),
        ("Gmail", None),
        ("gomial", "GoMail"),
        ("Exchange", "Microsoft Exchange Server"),
        ("kerio", "Kerio Connect"),
        ("Postfix", None),
        ("", None),
        ("x" * 100, None),
        (7, None),
        (["Exim"], None),
    ],
)
def test_the_nearest_name_is_found(name: object, nearest: str | None) -> None:
    assert maybe_nearest(name, PRODUCTS) == nearest
    assert hint(name, PRODUCTS) == ("" if nearest is None else f"; did you mean {nearest!r}?")


WAIVER = '[[waivers]]\nrule = "{}"\naddresses = ["192.0.2.1"]\nowner = "a"\nreason = "b"\nexpires = 2027-01-01\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[rules.min-version]\nversions = {Sendmial = "8.18.1"}',
            "must be a table of products that can be identified: 'Sendmial' is not; did you mean 'Sendmail'?",
        ),
        (
            '[rules.min-version]\nversions = {"\\u001b[2J" = "1"}',
            r"rules.min-version.versions: must be a table of products that can be identified: '\x1b[2J' is not",
        ),
        (
            '[[ranges]]\naddresses = ["192.0.2.1"]\n[ranges.rules.min-version]\nversions = {Postfx = "3"}',
            "must be a table of products that can be identified: 'Postfx' is not; did you mean 'Postfix'?",
        ),
        ("[rules.min-versions]\nlevel = 'error'", "did you mean 'min-version'?"),
        ("[rules.min-version]\nversion = {}", "did you mean 'versions'?"),
        ("[rules.min-version]\nlevel = 'eror'", "did you mean 'error'?"),
        ("[rules.no-version-in-help]\nfields = ['version', 'packages']", "did you mean 'package'?"),
        ("[rules.no-known-exploited]\nverdicts = ['posible']", "did you mean 'possible'?"),
        ("[coverage]\nignore = ['refusd']", "did you mean 'refused'?"),
        ("[coverage]\nmin_seeen = 1", "did you mean 'min_seen'?"),
        ("[coverage.min_judged]\nno-version-in-greetings = 1", "did you mean 'no-version-in-greeting'?"),
        (WAIVER.format("min-vresion"), "did you mean 'min-version'?"),
        (WAIVER.format("min-version").replace("owner", "ower"), "did you mean 'owner'?"),
        ("waiver = 1", "did you mean 'waivers'?"),
    ],
)
def test_a_policy_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.toml").write_text(f"version = 1\n{text}\n")

    assert run(["policy", "check", "x", "--policy", "p.toml"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("smtpsweep: p.toml: ")
    assert err.endswith(f"{message}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["Sendmail", "sendmail", "POSTFIX", "Microsoft Exchange Server"])
def test_a_product_that_can_be_identified_is_taken_in_any_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.toml").write_text(f'version = 1\n[rules.min-version]\nversions = {{"{name}" = "8.18.1"}}\n')

    assert run(["policy", "check", "x", "--policy", "p.toml"]) == 2
    assert capsys.readouterr().err == "smtpsweep: x: cannot be read (No such file or directory)\n"


def test_vulns_names_the_nearest_product(capsys: Output) -> None:
    assert run(["vulns", "sendmial", "8.14.7"]) == 2
    assert capsys.readouterr().err.endswith("; did you mean 'Sendmail'?\n")


def test_products_and_their_lines_are_known() -> None:
    assert {"Sendmail", "Postfix", "Domino", "HCL Domino", "Sun Java(tm) System", "Sentrion"} <= known_products()
