"""What a greeting may give away although nobody here can say so: a product that no rule knows, a number like a version.

`greeting_disclosure` says what is sure. Whoever says "nothing" of the rest must ask here as well.
"""

from scanner.identify.disclosure import NAMED
from scanner.identify.leaks import text_about_server
from scanner.identify.unknown_products import possible_product_names
from scanner.identify.version_search import find_versions
from scanner.model import Banner, Software


def possible_products(banner: Banner, software: Software | None) -> tuple[str, ...]:
    """Return the words of a greeting that may name a product; empty where `software` is the one that it names."""
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
