"""Find the host name that only the product behind it tells from a word: "mail Kerio Connect 9.4", "MAIL01 SurgeSMTP".

Which word of a greeting is a name, the parser decides by how it is written. "Kerio MailServer ready" and "MAIL01
MailServer ready" are written alike, so it takes neither. Here the product is known: where the rule that named it says
just the same with another name in the place of the first word, that word is no part of the product. It is the host's
name then, provided that it looks like one and is no word of any product's or vendor's name.

Left out: words with one capital letter at the beginning ("Acme Kerio Connect"), which are companies and adjectives as
often as hosts, and everything that is not the first word of a greeting which welcomes us.
"""

from collections.abc import Callable
from functools import cache
from typing import Final

from scanner import lazy
from scanner.identify.rules import shipped_rules
from scanner.model import Banner, Software
from scanner.smtp.names import maybe_name_of_one_label

#: RFC 2606: no product and no host is called so.
_ANOTHER: Final = "host.invalid"
_WORD: Final = lazy.pattern(r"[A-Za-z][A-Za-z0-9]*")


def with_corrected_hostname(
    banner: Banner, software: Software, identify: Callable[[Banner], Software | None]
) -> Banner:
    """Return the greeting with the host name that stands before `software`, which `identify` gave, or without one.

    A name of one label that is a word of the product's name, and without which nobody would know the product, goes.
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
    return identify(banner._replace(lines=(_ANOTHER + first.strip()[len(name) :], *others)))


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


#: What hosts are called as often as products.
_HOSTS: Final = frozenset({"mail", "email", "mx", "smtp", "server", "gateway", "relay", "host", "mailserver"})
