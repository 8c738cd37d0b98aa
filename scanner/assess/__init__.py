"""Assessment: what follows from the software that a greeting names.

`scanner.assess.update` takes newer facts in; it is not imported here, since a sweep does not need it.
"""

from scanner.assess.facts import Facts, load_facts, shipped_facts, user_data_file
from scanner.assess.versions import version_key
from scanner.assess.vulnerabilities import Assessed, Assessor, assess

__all__ = [
    "Assessed",
    "Assessor",
    "Facts",
    "assess",
    "load_facts",
    "shipped_facts",
    "user_data_file",
    "version_key",
]
