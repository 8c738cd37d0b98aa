"""Greetings that many tests use, by what they show; those of the files of other scanners are in `imported_banners`."""

SENDMAIL_8_14 = b"220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
SENDMAIL_8_17 = (
    b"220 mail1.lab.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Sun, 22 Nov 2026 10:16:56 GMT\r\n"
)
POSTFIX = b"220 mail2.example.com ESMTP Postfix\r\n"
NO_PRODUCT = b"220 mail1.example.com ESMTP\r\n"
NO_PRODUCT_LAB = b"220 mail1.lab.example ESMTP\r\n"
