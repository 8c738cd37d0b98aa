"""Operating systems in greetings: one name for each, however it is written, and no number that is another's."""

import pytest

from scanner.identify import identify
from scanner.identify.systems import glued_system, system
from scanner.smtp import parse_greeting


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
    software = identify(parse_greeting(greeting.encode() + b"\r\n"))
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
    assert identify(parse_greeting(b"+OK Dovecot ready.\r\n")) is None
    assert identify(parse_greeting(b"220 Dovecot ready.\r\n")) is not None
