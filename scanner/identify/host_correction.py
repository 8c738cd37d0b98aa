"""Correct the host name of a greeting once its product is known: "mail Kerio Connect 9.4", "MAIL01 SurgeSMTP".

The parser decides by spelling which word of a greeting is a host name. "Kerio MailServer ready" and "MAIL01 MailServer
ready" are spelled alike, so it takes neither. Once the product is known, there is a test: replace the first word by
another host name and identify again. If the result is the same, the word is not part of the product. Then it is the
host name, provided that it looks like one and is not a word of any product's or vendor's name.

Left out: words with one capital letter at the beginning ("Acme Kerio Connect"), which are companies and adjectives as
often as hosts, and everything but the first word of a greeting that welcomes the client.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

from scanner import lazy
from scanner.identify.fingerprint import PLACEHOLDER_HOST
from scanner.identify.rules import shipped_rules
from scanner.model import Banner, Software
from scanner.smtp.names import maybe_name_of_one_label

_WORD: Final = lazy.pattern(r"[A-Za-z][A-Za-z0-9]*")


def with_corrected_hostname(
    banner: Banner, software: Software, identify: Callable[[Banner], Software | None]
) -> Banner:
    """Return the banner with the host name corrected; `software` is what `identify` gave for it.

    A name of one label is added when a product behind it shows that it is one, and removed when it is a word of the
    product's name that the product cannot be identified without.
    """
    hostname, code = banner.hostname, banner.code
    if hostname is None:
        name = None if code is None or code >= 300 else maybe_name_of_one_label(banner.lines[0])
        if name is None or _is_of_a_product(name) or _with_another_name(banner, name, identify) != software:
            return banner
        return banner._replace(hostname=name)
    if "." in hostname or not hostname.islower() or not banner.lines[0].startswith(hostname):
        return banner
    if not _is_of_a_product(hostname) or _with_another_name(banner, hostname, identify) == software:
        return banner
    return banner._replace(hostname=None)


def _with_another_name(banner: Banner, name: str, identify: Callable[[Banner], Software | None]) -> Software | None:
    first, *others = banner.lines
    return identify(banner._replace(lines=(PLACEHOLDER_HOST + first.strip()[len(name) :], *others)))


def _is_of_a_product(name: str) -> bool:
    return any(word in _words_of_products() for word in _WORD.findall(name.lower()))


@cache
def _words_of_products() -> frozenset[str]:
    """Return the words of all names of products and vendors, in lower case, without those that hosts are called."""
    names = (
        name
        for rule in shipped_rules()
        for key in ("product", "product_line", "vendor")
        if (name := rule.fixed.get(key))
    )
    return frozenset(word for name in names for word in _WORD.findall(name.lower())) - _HOSTS


#: Names of hosts as often as of products.
_HOSTS: Final = frozenset({"mail", "email", "mx", "smtp", "server", "gateway", "relay", "host", "mailserver"})
