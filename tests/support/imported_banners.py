"""Greetings of real servers that the files of the other scanners hold (tests/data), and how they are read."""

import io

from scanner.importers import BadLine, ImportedBanner, read_banners

SENDMAIL = b"220 mx1.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
EXIM = (
    b"220-mx2.example.com ESMTP Exim 4.96 #2 Sun, 22 Nov 2026 10:16:56 +0000\r\n"
    b"220-We do not authorize the use of this system to transport unsolicited,\r\n220 and/or bulk e-mail.\r\n"
)
POSTFIX = b"220 mx3.example.com ESMTP Postfix (Debian/GNU)\r\n"
REFUSAL = b"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org\r\n"
ODD = b'220 m\xfcller.example.com "ESMTP" <&> \\x41 caf\xc3\xa9\r\n'
SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n"
FTP = b"220 files.example.com FTP server (vsFTPd 3.0.3)\r\n"


def read(kind: str, data: bytes) -> list[ImportedBanner | BadLine]:
    return list(read_banners(kind, io.BytesIO(data), "own"))


def greetings(kind: str, data: bytes) -> list[bytes]:
    found = read(kind, data)
    assert not [each for each in found if isinstance(each, BadLine)]
    return [each.raw for each in found if isinstance(each, ImportedBanner)]
