"""The greeting forms of Sendmail and its relatives, from 1985 to today, and of what only borrows the name.

The value before the slash is the binary (`$v`), the one after it the configuration (`$Z`); vendors add an operating
system in front (AIX), a patch between (HP-UX) or a package revision behind (Debian, SuSE). `product_line` tells
relatives apart that share the name.
"""

from scanner.lab.greetings import Form, says

_OS = ("os", "os_version")
_CONFIG = ("config_version",)


def _sendmail(
    version: str | None = None,
    config: str | None = None,
    *,
    line: str = "Sendmail",
    open_fields: tuple[str, ...] = (),
    **fields: str | None,
) -> dict[str, str | None]:
    names: dict[str, str | None] = {"product_line": line, "version": version, "config_version": config, **fields}
    return says("Sendmail", open_fields=open_fields, **names)


_CURRENT = (
    Form(
        "debian-12",
        "220 {host} ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; {rfc}; (No UCE/UBE) "
        "logging access from: localhost(OK)-localhost [127.0.0.1]",
        _sendmail("8.17.1.9", "8.17.1.9", package="Debian-2+deb12u2", open_fields=_OS),
    ),
    Form(
        "debian-11",
        "220 {host} ESMTP Sendmail 8.15.2/8.15.2/Debian-22+deb11u3; {rfc}",
        _sendmail("8.15.2", "8.15.2", package="Debian-22+deb11u3", open_fields=_OS),
    ),
    Form(
        "debian-8",
        "220 {host} ESMTP Sendmail 8.14.4/8.14.4/Debian-8+deb8u2; {rfc}; (No UCE/UBE) "
        "logging access from: scanner.example(OK)-scanner.example [127.0.0.1]",
        _sendmail("8.14.4", "8.14.4", package="Debian-8+deb8u2", open_fields=_OS),
    ),
    Form(
        "ubuntu-6",
        "220 {host} ESMTP Sendmail 8.13.5.20060308/8.13.5/Debian-3ubuntu1.1; {rfc}; (No UCE/UBE)",
        _sendmail("8.13.5.20060308", "8.13.5", package="Debian-3ubuntu1.1", open_fields=_OS),
    ),
    Form(
        "debian-beta",
        "220 {host} ESMTP Debian Sendmail 8.12.0.Beta7/8.12.0.Beta7/Debian 8.12.0.Beta7-1; {rfc}",
        _sendmail("8.12.0.Beta7", "8.12.0.Beta7", package="Debian 8.12.0.Beta7-1", open_fields=_OS),
    ),
    Form(
        "suse",
        "220 {host} ESMTP Sendmail 8.9.3/8.9.3/SuSE Linux 8.9.3-0.1; {rfc}",
        _sendmail("8.9.3", "8.9.3", package="SuSE Linux 8.9.3-0.1", open_fields=_OS),
    ),
    Form("skew", "220 {host} ESMTP Sendmail 8.14.7/8.13.8; {rfc}", _sendmail("8.14.7", "8.13.8")),
    Form("skew-up", "220 {host} ESMTP foo-MTA Sendmail 8.13.8/8.13.9; {rfc}", _sendmail("8.13.8", "8.13.9")),
    Form("four", "220 {host} ESMTP Sendmail 8.18.1.10/8.18.1.10; {rfc}", _sendmail("8.18.1.10", "8.18.1.10")),
    Form("stock", "220 {host} ESMTP Sendmail 8.14.7/8.14.7; {rfc}", _sendmail("8.14.7", "8.14.7")),
    Form("no-config", "220 {host} ESMTP Sendmail 8.17.1.9 ready at {rfc}", _sendmail("8.17.1.9")),
    Form("ctime", "220 {host} ESMTP Sendmail 8.5.4; {ctime}", _sendmail("8.5.4")),
    Form("no-version", "220 {host} ESMTP Sendmail {rfc}", _sendmail()),
    Form("no-version-semicolon", "220 {host} ESMTP Sendmail ; {rfc}", _sendmail()),
    Form(
        "no-host",
        "220 ESMTP Sendmail  8.13.1/8.13.1; {rfc}",
        _sendmail("8.13.1", "8.13.1"),
        has_hostname=False,
    ),
    Form(
        "broken-host",
        "220 ;; ESMTP connection timed out; no servers could be reached Sendmail 8.13.8/8.13.8; {rfc}",
        _sendmail("8.13.8", "8.13.8"),
        has_hostname=False,
    ),
    Form(
        "linuxconf",
        "220 {host} ESMTP Sendmail 8.9.3/linuxconf; {rfc}",
        _sendmail("8.9.3", os="Linux", open_fields=_CONFIG),
    ),
    Form(
        "wide",
        "220 {host} ESMTP Sendmail 8.9.3+3.4W/8.9.3+3.4W; {rfc}",
        _sendmail("8.9.3", vendor_tag="+3.4W", open_fields=_CONFIG),
    ),
)

_VENDORS = (
    Form(
        "sun",
        "220 {host} ESMTP Sendmail 8.9.3+Sun/8.9.1; {rfc}",
        _sendmail("8.9.3", "8.9.1", vendor_tag="+Sun", open_fields=_OS),
    ),
    Form(
        "sun-patch",
        "220 ESMTP Sendmail 8.11.7p3+Sun/8.11.7; {rfc}",
        _sendmail("8.11.7", "8.11.7", patch="p3", vendor_tag="+Sun", open_fields=_OS),
        has_hostname=False,
    ),
    Form(
        "sun-8.14",
        "220 {host} ESMTP Sendmail 8.14.4+Sun/8.14.4; {rfc}",
        _sendmail("8.14.4", "8.14.4", vendor_tag="+Sun", open_fields=_OS),
    ),
    Form(
        "smi",
        "220 {host} Sendmail SMI-8.6/SMI-SVR4 ready at {rfc}",
        _sendmail("8.6", line="SMI", open_fields=(*_OS, *_CONFIG)),
    ),
    Form(
        "smi-config",
        "220 {host} Sendmail 5.61/SMI-4.1 ready at {short}",
        _sendmail("5.61", open_fields=(*_OS, *_CONFIG, "product_line")),
    ),
    Form(
        "aix-three",
        "220 {host} ESMTP Sendmail AIX5.1/8.11.6p2/8.11.0; {rfc}",
        _sendmail("8.11.6", "8.11.0", patch="p2", os="AIX", os_version="5.1"),
    ),
    Form(
        "aix-7",
        "220 {host} ESMTP Sendmail AIX7.2/8.14.4/8.13.4; {rfc}",
        _sendmail("8.14.4", "8.13.4", os="AIX", os_version="7.2"),
    ),
    Form(
        "aix-ucb",
        "220 {host} ESMTP Sendmail AIX4.2/UCB 8.7; {rfc}",
        _sendmail("8.7", os="AIX", os_version="4.2", open_fields=("vendor_tag", *_CONFIG)),
    ),
    Form(
        "aix-behind",
        "220 {host} sendmail v8.12.11 (IBM AIX 4.3)",
        _sendmail("8.12.11", open_fields=_OS),
    ),
    Form("aix-word", "220 {host} ESMTP AIX Sendmail 7.5.3", _sendmail("7.5.3", open_fields=_OS)),
    Form(
        "hp-patch",
        "220 {host} ESMTP Sendmail 8.8.6 (PHNE_14041)/8.7.1; {rfc}",
        _sendmail("8.8.6", "8.7.1", patch="PHNE_14041", open_fields=_OS),
    ),
    Form(
        "hp-long",
        "220 {host} ESMTP Sendmail @(#)Sendmail version 8.13.3 - Revision 1.004:: HP-UX11.31 - "
        "03rd February,2010/8.11.1; {rfc}",
        _sendmail("8.13.3", "8.11.1", os="HP-UX", os_version="11.31", open_fields=("patch",)),
    ),
    Form(
        "hp-revision",
        "220 {host} ESMTP Sendmail 8.11.1 - (Revision 1.010)/8.9.3; {rfc}",
        _sendmail("8.11.1", "8.9.3", open_fields=("patch", *_OS)),
    ),
    Form(
        "hp-first",
        "220 {host} HP Sendmail (1.37.109.4/16.2) ready at {rfc}",
        _sendmail("1.37.109.4", "16.2", open_fields=("product_line", *_OS)),
    ),
    Form(
        "switch",
        "220 {host} ESMTP Sendmail Switch-3.1.2/Switch-3.1.2; {rfc}",
        _sendmail("3.1.2", line="Switch", open_fields=_CONFIG),
    ),
    Form(
        "sentrion",
        "220 {host} ESMTP Sendmail Sentrion-MTA-4.0.2/Switch-3.3.4; {rfc}",
        _sendmail("4.0.2", line="Sentrion", open_fields=_CONFIG),
    ),
    Form(
        "metainfo",
        "220 {host} ESMTP MetaInfo Sendmail 2.5 Build 2630 (Berkeley 8.8.6)/8.8.4; {rfc}",
        _sendmail("8.8.6", "8.8.4", line="MetaInfo", open_fields=_OS),
    ),
    Form(
        "unixware",
        "220 {host} ESMTP Sendmail 8.8.7/UW7.1.0 ready at {rfc}",
        _sendmail("8.8.7", open_fields=(*_OS, *_CONFIG)),
    ),
    Form("bsd-4", "220 {host} Sendmail 5.51/5.17 ready at {short}", _sendmail("5.51", "5.17")),
    Form(
        "aux",
        "220-{host} Sendmail 8.6.13/A/UX 3.1 ready at {rfc}\r\n220 ESMTP spoken here",
        _sendmail("8.6.13", open_fields=(*_OS, *_CONFIG)),
    ),
    Form(
        "os2",
        "220-{host} Sendmail IBM OS/2 SENDMAIL VERSION 2.02/2.0 ready at {rfc}\r\n220 ESMTP spoken here",
        _sendmail("2.02", "2.0", open_fields=(*_OS, "product_line")),
    ),
)

#: Sendmail and its relatives, greeting with 220.
SENDMAIL_FORMS = tuple(
    Form(f"sendmail-{form.id}", form.text, form.software, form.has_hostname) for form in (*_CURRENT, *_VENDORS)
)

#: Sendmail refusing: its rate limit, and a client that is not wanted.
SENDMAIL_BUSY = Form("sendmail-busy", "421 4.3.2 Connection rate limit exceeded.", _sendmail(), has_hostname=False)
SENDMAIL_REJECTING = Form("sendmail-rejecting", "554 {host} ESMTP not accepting messages", _sendmail())

#: Products that only contain the word: a load balancer and a proxy.
BORROWED_NAMES = (
    Form("zeus", "220 - zeus SMTPS Sendmail 8.12.1/8.12.1; {rfc}", {}, has_hostname=False, never="Sendmail"),
    Form("arkoon", "220 arkoon Sendmail ready. ", {}, has_hostname=False, never="Sendmail"),
)
