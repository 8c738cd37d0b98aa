"""Versions with letters, dashes and few or many parts, where most of a product have digits and dots."""

import pytest

from scanner.identify import identify
from scanner.smtp import parse_banner

GREETINGS = {
    "ESMTP MailMarshal (v{}) Ready": "MailMarshal",
    "MAILsweeper ESMTP Receiver Version {} Ready": "MAILsweeper",
    "Kerio MailServer {} ESMTP ready": "Kerio MailServer",
    "Mercury {} ESMTP server ready.": "Mercury",
    "ESMTP ready (Spanel SMTPD {})": "Spanel SMTPD",
    "SMTP AnalogX Proxy {} (Release) ready": "AnalogX Proxy",
    "MailSite ESMTP Receiver Version {} Ready": "MailSite",
    "ESMTP Haraka {} ready": "Haraka",
    "ESMTP SubEthaSMTP {}": "SubEthaSMTP",
    "ESMTP PMailServer [Free Edition] {}; Fri, 22 May 2015 02:04:56": "PMailServer",
    "ESMTP WEB.DE V{}": "WEB.DE smtpd",
    "service desk {} SMTP Service Ready for input.": "HP Service Desk",
}


@pytest.mark.parametrize("version", ["3.2r24", "7.0.2b", "2.0.1-3", "12.01.3", "5.2.3790.4675"])
@pytest.mark.parametrize("text", GREETINGS)
def test_a_letter_or_a_dash_in_a_version_hides_neither_it_nor_the_product(text: str, version: str) -> None:
    software = identify(parse_banner(f"220 mail.example.com {text.format(version)}\r\n".encode()))

    assert software is not None
    assert (software.product, software.version) == (GREETINGS[text], version)
