"""Versions, systems and dates in forms that are rarer than the usual one."""

import pytest

from scanner.identify import identify
from scanner.identify.systems import system
from scanner.model import Software
from scanner.smtp import parse_banner
from scanner.smtp.dates import maybe_server_time


def identified(text: str) -> Software:
    software = identify(parse_banner(f"220 mail.example.com {text}\r\n".encode()))
    assert software is not None
    return software


@pytest.mark.parametrize(
    ("text", "product", "version"),
    [
        ("ESMTP Exim4.96", "Exim", "4.96"),
        ("ESMTP Sendmail 12.03.24", "Sendmail", None),
        ("ESMTP Sendmail 14.11.23; ready", "Sendmail", None),
        ("ESMTP Sendmail 14.11.2023; ready", "Sendmail", None),
        ("ESMTP Sendmail 8.11.20; ready", "Sendmail", "8.11.20"),
        ("MultiNet V5.6 Rev A-X SMTP service ready", "MultiNet", "5.6"),
        ("Service ready by David.fx (0486) ESMTP Server (Tobit.Software, Germany)", "David", "0486"),
        ("SMTP Mandamail 7.10/111", "Mandamail", "7.10"),
        ("GroupWise Internet Agent 6.3.12 Novell, Inc.", "GroupWise", "6.3.12"),
        ("ESMTP Exim 4.96 Example Hosting GmbH", "Exim", "4.96"),
        ("ESMTP IceWarp 11.4.6.0 x64; Tue, 22 May 2018 15:53:07 +0200", "IceWarp Mail Server", "11.4.6.0"),
    ],
)
def test_a_version_in_another_form(text: str, product: str, version: str | None) -> None:
    software = identified(text)

    assert (software.product, software.version) == (product, version)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Debian Lenny", "Debian"),
        ("Mandriva MES", "Mandriva Enterprise Server"),
        ("AstraLinux", "Astra Linux"),
        ("Linux Suse", "SuSE Linux"),
        ("Gentoo powered", "Gentoo"),
        ("GNU/Linux", "Linux"),
        ("Linux Mint", "Linux Mint"),
        ("DragonFly", "DragonFly BSD"),
        ("Scientific Linux", "Scientific Linux"),
        ("Trisquel GNU/Linux", "Trisquel"),
        ("Turbolinux", "Turbolinux"),
        ("Vine Linux", "Vine Linux"),
        ("Yellow Dog Linux", "Yellow Dog Linux"),
    ],
)
def test_a_system_is_read_from_a_bracket(written: str, name: str) -> None:
    assert identified(f"ESMTP Postfix ({written})").os == name
    assert system(written) == name


def test_a_system_has_its_version_glued_to_it() -> None:
    software = identified("ESMTP Postfix (Mandriva MES5.2)")

    assert (software.os, software.os_version) == ("Mandriva Enterprise Server", "5.2")


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Tue, 14 Nov 2023 10:20:30 +100", "2023-11-14T10:20:30+01:00"),
        ("Tue, 14 Nov 2023 10:20:30 -930", "2023-11-14T10:20:30-09:30"),
        ("Tue 14 Nov 10:20:30 CET 2023", "2023-11-14T10:20:30"),
        ("Tue 14 Nov 10:20:30 2023", "2023-11-14T10:20:30"),
        ("10:20:30 14 Nov 2023", "2023-11-14T10:20:30"),
        ("10:20:30 GMT, 14-Nov-2023", "2023-11-14T10:20:30Z"),
        ("2023-11-14, 10:20:30", "2023-11-14T10:20:30"),
        ("14 nov. 2023 10:20:30", "2023-11-14T10:20:30"),
        ("14/Nov/2023:10:20:30 +0100", "2023-11-14T10:20:30+01:00"),
        ("20231114 10:20:30", "2023-11-14T10:20:30"),
        ("20231114T10:20:30Z", "2023-11-14T10:20:30Z"),
        ("Tue, 31 Dec 2099 10:20:30 GMT", "2099-12-31T10:20:30Z"),
        ("Tue, 14 Nov 9999 10:20:30 GMT", None),
        ("9999-11-14 10:20:30", None),
        ("Build date: 2001-10-31 10:00:00", None),
        ("last restart 2001-10-31 10:00:00", None),
        ("Date: 2001-10-31 10:00:00", "2001-10-31T10:00:00"),
        ("14 Nov 10:20:30", None),
        ("20231314 10:20:30", None),
    ],
)
def test_a_date_in_another_form(text: str, iso: str | None) -> None:
    assert maybe_server_time(f"mail.example.com ESMTP Foo {text}") == iso


def test_a_rare_date_is_not_looked_for_far_behind_the_end_of_a_usual_line() -> None:
    assert maybe_server_time("x" * 900 + " 2023-11-14 10:20:30") == "2023-11-14T10:20:30"
    assert maybe_server_time("x" * 1100 + " 2023-11-14 10:20:30") is None
