"""Report what a greeting may disclose although it is not certain: an unknown product's name, a number like a version.

`greeting_disclosure` (in `leaks`) returns what is certain. "220 mail.example.com ESMTP Zorblax 7" discloses nothing
certain, since no rule knows Zorblax; here it has the possible product "Zorblax" and the possible version "7". A caller
that wants to claim that a greeting discloses nothing must ask here as well.
"""

from scanner.identify.disclosure import NAMED
from scanner.identify.leaks import text_about_server
from scanner.identify.unknown_products import possible_product_names
from scanner.identify.version_search import find_versions
from scanner.model import Banner, Software


def possible_products(banner: Banner, software: Software | None) -> tuple[str, ...]:
    """Return the words of a greeting that may name a product; empty when the greeting names `software`."""
    if software is not None and software.confidence >= NAMED:
        return ()
    return possible_product_names(banner)


def possible_disclosures(banner: Banner, software: Software | None, ip: str | None) -> tuple[str, ...]:
    """Return what a greeting may disclose: words that may name a product, then what may be a version."""
    hosts = [name for name in (banner.hostname, ip) if name]
    said = (
        each for line in banner.lines for each in find_versions(text_about_server(line), code=banner.code, hosts=hosts)
    )
    versions = [each.version for each in said if not each.is_sure]
    return tuple(dict.fromkeys((*possible_products(banner, software), *versions)))
