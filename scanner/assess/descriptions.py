"""Find the products that the description of a vulnerability record is about, for records without a list of products.

A new record often has a sentence and nothing else: NVD has not analysed it yet, or its author wrote "n/a". A product
counts when the sentence is about it ("Exim through 4.99 allows", "found in Sendmail"), not when it is only mentioned
("a plug-in for Postfix", "such as Exim"). Left out: the versions in the sentence.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

#: Characters of a description that are examined; the product stands at its beginning.
_LOOKED_AT: Final = 1000
_KIND: Final = r"(?: (?:MTA|SMTP|mail|server|daemon|smtpd)){0,3}"
_AFTER_NAME: Final = (
    r"(?:through|before|prior|up to|versions?|releases?|v?[0-9]+\.[0-9]|allows?|allowed|does|did|contains?|has an?"
    r"|mishandles?|fails?|improperly|incorrectly|is (?:vulnerable|affected|prone))(?![a-z])"
)
_BEFORE_NAME: Final = (
    r"(?:found|discovered|exists?|identified|present|vulnerability|flaw|issue|overflow|injection|bypass|bug|error|read"
    r"|write|free|confusion|execution|affects|affecting) (?:in |of )?(?:the )?"
)


def products_in_description(text: str, products: Mapping[str, Any]) -> list[str]:
    """Return the keys of the products that a description is about, in the order of `products`."""
    words = " ".join(text[:_LOOKED_AT].split())
    return [key for key, product in products.items() if _about(tuple(product["names"])).search(words)]


@lru_cache(64)
def _about(names: tuple[str, ...]) -> re.Pattern[str]:
    name = rf"(?<![0-9a-z./_@-])(?:{'|'.join(map(re.escape, names))})(?![0-9a-z_@-]|\.[0-9a-z])"
    return re.compile(rf"{name}{_KIND},? {_AFTER_NAME}|{_BEFORE_NAME}{name}", re.IGNORECASE)
