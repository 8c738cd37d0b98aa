"""Operating systems in greetings: one name for each, however it is written, and no number that is another's."""

import pytest

from scanner.identify import identify
from scanner.identify.systems import glued_system, stated_system, system
from scanner.smtp import parse_banner


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Debian", "Debian"), ("Debian/GNU", "Debian"), ("debian/gnu linux", "Debian"), ("Ubuntu", "Ubuntu"),
        ("Mandrake Linux", "Mandrake Linux"), ("mandrakelinux", "Mandrake Linux"), ("Mandriva", "Mandriva Linux"),
        ("RHEL", "Red Hat Enterprise Linux"), ("Red Hat Enterprise Linux", "Red Hat Enterprise Linux"),
        ("RedHat", "Red Hat Linux"), ("Fedora Core", "Fedora"), ("SuSE", "SuSE Linux"), ("AIX/PPC", "AIX"),
        ("HPUX", "HP-UX"), ("OSF1", "Tru64 UNIX"), ("Digital UNIX", "Tru64 UNIX"), ("WIN-NT", "Windows"),
        ("Win32", "Windows"), ("Mac OS X", "macOS"), ("Plan 9", "Plan 9"),
    ],
)  # fmt: skip
def test_a_system_has_one_name(written: str, name: str) -> None:
    assert system(written) == name


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ("RHEL6", {"os": "Red Hat Enterprise Linux", "os_version": "6"}),
        ("FreeBSD", {"os": "FreeBSD"}),
        ("SuSE Linux 0.8", {"os": "SuSE Linux"}),
        ("Mandrake 1.0", {"os": "Mandrake Linux"}),
        ("FreeBSD-12", {"os": "FreeBSD"}),
        ("Linuxes", {}),
        ("8.14.4", {}),
        ("", {}),
    ],
)
def test_only_a_number_glued_to_a_package_is_the_systems_version(package: str, told: dict[str, str]) -> None:
    assert glued_system(package) == told


def os_of(greeting: str) -> tuple[str | None, str | None]:
    software = identify(parse_banner(greeting.encode() + b"\r\n"))
    assert software is not None
    return software.os, software.os_version


@pytest.mark.parametrize(
    ("greeting", "told"),
    [
        ("220 h ESMTP Postfix (2.1.4) (Mandrake Linux)", ("Mandrake Linux", None)),
        ("220 h ESMTP Postfix (2.6.6) (RHEL6)", ("Red Hat Enterprise Linux", "6")),
        ("220 h ESMTP Postfix 2.6.6/RHEL6.5", ("Red Hat Enterprise Linux", "6.5")),
        ("220 h ESMTP Postfix (2.5.5) Ubuntu", ("Ubuntu", None)),
        ("220 h ESMTP Postfix (FreeBSD 12.1)", ("FreeBSD", "12.1")),
        ("220 h ESMTP Postfix (FreeBSD 12.1-RELEASE)", ("FreeBSD", "12.1")),
        ("220 h ESMTP Postfix (Linuxes)", (None, None)),
        ("220 h ESMTP Exim 4.69 (CentOS) #1 Thu, 16 Nov 2017 01:04:30 -0800", ("CentOS", None)),
        ("220 h ESMTP Sendmail 8.12.11/8.12.11/FreeBSD; Wed, 8 Jan 2003 11:21:22 +0100", ("FreeBSD", None)),
        ("220 h ESMTP Sendmail 8.7.6/8.7.3/HP-UX; Wed, 8 Jan 2003 11:21:22 +0100", ("HP-UX", None)),
        (
            "220 [XMail 1.27 (Win32/Ix86) ESMTP Server] service ready; Sun, 22 Nov 2026 09:51:55 +0000",
            ("Windows", None),
        ),
    ],
)
def test_a_greeting_tells_the_system_in_a_second_bracket_or_glued(
    greeting: str, told: tuple[str | None, str | None]
) -> None:
    assert os_of(greeting) == told


def test_what_is_no_mail_server_is_not_named() -> None:
    assert identify(parse_banner(b"+OK Dovecot ready.\r\n")) is None
    assert identify(parse_banner(b"220 Dovecot ready.\r\n")) is not None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Raspbian/GNU", "Raspbian"), ("Devuan/GNU", "Devuan"), ("Kali/GNU", "Kali Linux"),
        ("Rocky Linux", "Rocky Linux"),
        ("AlmaLinux", "AlmaLinux"), ("Oracle Linux", "Oracle Linux"), ("Amazon Linux", "Amazon Linux"),
        ("Mageia", "Mageia"), ("Arch Linux", "Arch Linux"), ("Alpine Linux", "Alpine Linux"),
        ("Debian GNU/Linux", "Debian"), ("DEB", "Debian"), ("WIN", "Windows"),
    ],
)  # fmt: skip
def test_later_distributions_and_short_names_are_known(written: str, name: str) -> None:
    assert system(written) == name


@pytest.mark.parametrize(
    "place", ["Windows Street", "Fedora hat shop", "Solaris Energy Ltd", "Darwin College", "Linux users"]
)
@pytest.mark.parametrize("greeting", ["Postfix on {}", "Postfix ({})", "Exim 4.93 ({})"])
def test_a_name_that_only_contains_a_system_is_none(greeting: str, place: str) -> None:
    assert os_of("220 h ESMTP " + greeting.format(place)) == (None, None)
    software = identify(parse_banner(f"220 h ESMTP Exim 4.93 {place}\r\n".encode()))
    # Behind a version a company is who runs it; other words take the name back.
    assert software is None if "Ltd" not in place else software is not None and software.os is None


@pytest.mark.parametrize(
    ("greeting", "told"),
    [
        ("220 h ESMTP Postfix (Raspbian)", ("Raspbian", None)),
        ("220 h ESMTP Sendmail 8.9.2/8.9.2/Debian/GNU; Sat, 9 Jun 2001 12:27:28 +0100", ("Debian", None)),
        ("220 h ESMTP Postfix (AlmaLinux 9.3)", ("AlmaLinux", "9.3")),
        ("220 h ESMTP Postfix [Ubuntu]", ("Ubuntu", None)),
        ("220 h ESMTP Postfix/FreeBSD 13.2", ("FreeBSD", "13.2")),
        ("220 h ESMTP Postfix (Mandrake Linux) (10.1)", ("Mandrake Linux", "10.1")),
        ("220 h ESMTP Postfix on Debian ready", ("Debian", None)),
        ("220 h ESMTP Exim 4.96 on OpenBSD 7.2", ("OpenBSD", "7.2")),
        ("220 h ESMTP Exim 4.80 Debian GNU/Linux Mon, 01 Jan 2024 10:00:00 +0000", ("Debian", None)),
        ("220 h ESMTP IceWarp 12.1.1.4 DEB8 x64; Mon, 01 Jan 2024 10:00:00 +0000", ("Debian", "8")),
        ("220 h ESMTP IceWarp 12.1.1.4 UBUNTU1604 x64; Mon, 01 Jan 2024 10:00:00 +0000", ("Ubuntu", "16.04")),
    ],
)
def test_a_system_is_read_in_any_bracket_and_behind_on(greeting: str, told: tuple[str | None, str | None]) -> None:
    assert os_of(greeting) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("RHEL7", {"os": "Red Hat Enterprise Linux", "os_version": "7"}),
        ("Ubuntu1604", {"os": "Ubuntu", "os_version": "16.04"}),
        ("HP-UX", {"os": "HP-UX"}),
        ("HP-UX house", {}),
        ("PHNE_1", {}),
    ],
)
def test_a_text_states_a_system_only_when_it_says_nothing_more(text: str, told: dict[str, str]) -> None:
    assert stated_system(text) == told


def test_a_block_list_that_a_server_uses_is_not_what_it_is() -> None:
    refusal = "554 Service unavailable; Client host [192.0.2.1] blocked using Trend Micro RBL+. See http://example.com/"
    software = identify(parse_banner(refusal.encode() + b"\r\n"))
    assert software is None or "Trend" not in software.product
