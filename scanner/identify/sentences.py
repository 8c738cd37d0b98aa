"""Whether the words behind a name leave it a product's: "Exim 4.96 ready" does, "Exim is better" and "Exim Ltd" do not.

Administrators write remarks, and companies have names that products have as well. What software itself says behind its
name is a short list: it is ready, what it speaks, a day, more of its own name. So a word that is not on the list takes
the name back. Words in capital letters may follow, for they are warnings ("NO UCE") and marks of releases, unless they
are the form of a company. A number that is an address, a date or a size is not a version either.

Left out: what a sentence means. "Exim ready to be replaced" names Exim.
"""

import re
from typing import Final

from scanner import lazy

# A number that a rule left alone.
_NUMBER: Final = r"(?:[ ]{0,3}[0-9][0-9A-Za-z._/+-]{0,60}(?=[ ]))?+"
# What a program's own greeting goes on with.
_OWN_WORDS: Final = lazy.pattern(
    _NUMBER
    + r"""
    (?! (?:[ ][0-9A-Za-z&-]{1,30}){0,2} ,?[ ]
        (?:Ltd|Limited|GmbH|Inc|LLC|Corp|AG|BV|Solutions|Hosting|Consortium|Foundation|S\.[ALap]) \b )
    [ ]{0,4} (?:
      (?: Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec ) (?![a-z]{7})
    | (?i: ready | (?:nt-)?e?smtps? | lmtpd? | mail(?:er|server)? | server | services?(?![ ](?:is[ ])?un)
      | daemon | gateway | proxy | mta | mx | relay | receiver | agent | connector | appliance | firewall | antivirus
      | antispam | at | on | by | with | and | running | version | ver | v[0-9][0-9a-z._-]{0,30} | build | release
      | rev(?:ision)? | patch | sp[0-9] | copyright | please | id | speaking | spoken | talk | welcomes? | hello
      | no[ ](?:spam|uce) | free | edition | enterprise | standard | professional | community | monitoring
      | (?:un)?registered | trial | evaluation | simple | awesome | (?:un)?authori[sz]ed
      | for[ ](?:windows|linux|unix|openvms|vms|nt|os|netware|exchange) | ors-[0-9][0-9a-z]{0,20} | r[a-z]?
      | unknown(?=/) | sendmail | today | says | denied
      | (?:is[ ])?(?:not[ ])?(?:available|ready|accepting) | (?:is[ ])?(?:running|online|up|here|listening)
      | is[ ](?:glad|happy|pleased|at) | to[ ](?:ready|serve|receive|rock)
      ) (?![0-9A-Za-z])
    | r\( | http | [a-z0-9.-]{1,80}\.[a-z]{2,10}(?![0-9A-Za-z])
    | (?!(?:LTD|AG|GMBH|LLC|INC|BV|SA|KG|SRL|PLC|CO|CORP|LTS)\b) [0-9A-Z][0-9A-Z/_#-]{0,30} (?![a-z])
    )""",
    re.VERBOSE,
)
_WORD: Final = lazy.pattern(_NUMBER + r"[ ]{1,4}[A-Za-z]|%")
# An address, a day and a size, which have the form of a version.
_NO_VERSION: Final = lazy.pattern(
    r"(?:2[7-9]|[3-9][0-9]|1[0-9]{2}|2[0-5][0-9])(?:\.[0-9]{1,3}){3}|[0-3]?[0-9]\.[01]?[0-9]\.(?:19|20)[0-9]{2}"
    r"|[0-3][0-9]\.0[1-9]\.[0-9]{2}|[0-9.]{1,8}[KMGT]i?B(?:it)?"
)


def takes_back(text: str, end: int) -> bool:
    """Tell whether the word at `end`, where a rule's match ended, makes the name before it part of something else."""
    return _WORD.match(text, end) is not None and _OWN_WORDS.match(text, end) is None


def is_no_version(version: str) -> bool:
    """Tell whether a captured version is an address, a day or a size."""
    return _NO_VERSION.fullmatch(version) is not None
