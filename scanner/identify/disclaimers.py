"""Decide whether the words behind a product's name show that the server does not run it.

"Exim 4.96 ready" names Exim; "Exim is better" and "Exim Ltd" do not. Administrators write remarks, and companies have
names that products have as well. Three kinds of words decide, each measured on greetings and remarks of both sorts:

- words of a closed list disclaim the name wherever they stand in its sentence: what is gone or replaced ("Exim ready to
  be replaced"), what is only like it ("Sendmail compatible", "Exim honeypot"), other people ("Postfix users"), and the
  forms of companies;
- the small words of a language (at, by, for, we, this, please) are neutral, and so are words for what a server is
  (relay, gateway, node, backup) and how it is (ready, hosted, protected, monitored);
- any other word is unknown and disclaims a name without a version: a missing product does less harm than a wrong one.
  A version of three numbers keeps the name ("Sendmail 8.14.7 foo"), since only a product has one.

Words in capital letters may follow, for they are warnings ("NO UCE") and marks of releases, unless they are the form of
a company. A number that is an address, a date or a size is not a version either.

Left out: what a sentence means beyond its words, and sentences after the one with the name.
"""

import re
from typing import Final

from scanner import lazy

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# A number that a rule left alone.
_NUMBER: Final = r"(?:[ ]{0,3}[0-9][0-9A-Za-z._/+-]{0,60}(?=[ ]))?+"
# What disclaims a name in any place of its sentence.
_DISCLAIMING: Final = lazy.pattern(
    r"""\b (?:
      no[ ](?:longer|more) | never | replac(?:ed|es|ement|ing) | retired | removed | gone | dead | died | former(?:ly)?
    | was | were | used[ ]to | instead | moved | migrated | obsolete | deprecated | too[ ]old | upgrade | outdated
    | better | worse | best | sucks? | stinks? | sux | rather | than | versus | vs
    | or[ ](?:something|similar|later|newer|older) | history | elsewhere | since
    | emulat(?:or|ion|ed|es|ing) | simulat(?:or|ion|ed|es|ing) | imitat(?:ion|or|es|ing) | clones?
    | compatib(?:le|ility) | like | style
    | fake | honeypots? | decoy | mock | trap | impost[eo]r | lookalike | alternative | substitute
    | killer | hated | club | museum | zone
    | documentation | manual | avenue | unavailable | try[ ]again | windows[ ]only | LTS
    | vulnerable | exploit | would | might | could | considered | mode | syntax | conference | tutorial
    ) \b""",
    re.VERBOSE | re.IGNORECASE,
)
# People and denials disclaim it as the first or second word only: "on Debian, users", "we do not relay".
_DISCLAIMING_NEAR: Final = lazy.pattern(
    _NUMBER
    + r"""(?: [ ]{1,3} (?:
        (?: [^ ]{1,30} [ ]{1,3} )? (?:haters? | lovers? | fans? | users? | clients | admins | developers?)
      | (?: (?:is|are|does|can|will|has|here|now|ready|running|server) [ ]{1,3} )?
        (?:not|isn't|doesn't|don't|ain't) (?! [ ] (?:available|ready|accepting|open|for) \b )
    ) \b)""",
    re.VERBOSE | re.IGNORECASE,
)
# Where a sentence ends: at a mark, a bracket, a dash, a number, a day.
_SENTENCE_END: Final = lazy.pattern(r"[.,;:!?()\[\]{}<>|\n\"]|[ ]-|[ ](?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b")
_LONGEST_SENTENCE: Final = 120
# A company behind a version is its vendor or its operator.
_MAKER: Final = lazy.pattern(
    r"(?:[ ][0-9A-Z][0-9A-Za-z&-]{0,30}){1,3},?[ ](?:Ltd|Limited|GmbH|Inc|LLC|Corp|AG|BV|S\.[ALap])\b"
)
# What may follow a product's name.
_NEUTRAL: Final = lazy.pattern(
    _NUMBER
    + r"""
    (?! (?:[ ][0-9A-Za-z&-]{1,30}){0,2} ,?[ ]
        (?:Ltd|Limited|GmbH|Inc|LLC|Corp|AG|BV|Solutions|Hosting|Consortium|Foundation|S\.[ALap]) \b )
    [ ]{0,4} (?:
      (?: Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec ) (?![a-z]{7})
    | (?i:
        # the small words
        at | on | in | into | by | with | for | from | to | under | via | through | behind | before | as | so | but | if
      | and | here | there | now | then | today | please | no | all | any | every | each | only | just | we | you | your
      | our | my | i | it | its | it's | that | that's | the | this | these | what | who | how | why | let's | let | do
      # what a server is
      | (?:nt-)?e?smtps? | lmtpd? | e?-?mail(?:er|server|host|hub|system|s)? | server | service(?![ ](?:is[ ])?un)
      | daemon | gateway | proxy | mta | relay(?:host|ing)? | receiver | agent | connector | appliance | firewall
      | antivirus | anti-?spam | system | node | cluster | host | box | machine | instance | edge | front-?end
      | back-?end | filter | hub | smart-?host | submission | backup | primary | secondary | main | central | inbound
      | outbound | incoming | outgoing | internal | external | private | public | corporate | production | test
      | testing | development | staging | secure[d]? | (?:mx|smtp|mail|relay|node|host|srv|ns|gw)-?[0-9]{1,4}
      # how it is, and what it does
      | ready | running | version | ver | v[0-9][0-9a-z._-]{0,30} | build | release | rev(?:ision)? | patch(?:ed)?
      | x86(?:_64)? | x64 | amd64 | (?:32|64)-?bit
      | sp[0-9] | copyright | id | speaking | spoken | talk | free | edition | enterprise | standard | professional
      | community | monitor(?:ing|ed) | (?:un)?registered | trial | evaluation | simple | awesome
      | for[ ](?:windows|linux|unix|openvms|vms|nt|os|netware|exchange) | ors-[0-9][0-9a-z]{0,20} | r[a-z]?
      | unknown(?=/) | sendmail | says | denied | hosted | protected | powered | maintained | managed | operated
      | provided | configured | filtered | delivered | logg(?:ed|ing) | serving | waiting | awaits? | accepting
      | listening | reporting | delivering | sending | receiving
      | (?:is[ ])?(?:not[ ])?(?:available|ready|accepting) | (?:is[ ])?(?:running|online|up|here|listening)
      | is[ ](?:glad|happy|pleased|at)
      # how it greets and warns
      | hello | hi | hey | welcomes? | bienvenue | willkommen | bienvenid[oa]s? | benvenut[oi] | hola | ciao | thanks
      | thank[ ]you | good[ ](?:morning|day|evening|afternoon) | nice[ ]to | (?:un)?authori[sz]ed | unsolicited | spam
      | spammers | abuse | use | usage | access | connections?
      ) (?![0-9A-Za-z])
    | r\( | http | [a-z0-9.-]{1,80}\.[a-z]{2,10}(?![0-9A-Za-z])
    | (?!(?:LTD|AG|GMBH|LLC|INC|BV|SA|KG|SRL|PLC|CO|CORP|LTS)\b) [0-9A-Z][0-9A-Z/_#-]{0,30} (?![a-z])
    )""",
    re.VERBOSE,
)
#: Only a text that begins with one of these can disclaim a name, so `is_disclaimed` is not called for most greetings.
MAY_DISCLAIM: Final = frozenset(" 0123456789%")
#: How most greetings go on that do not end: with a date, which disclaims nothing.
DATE_STARTS: Final = frozenset(f" {day}, {digit}" for day in _DAYS for digit in range(4))
# A word that must be checked: most greetings go on with a date or end with "ready", which disclaim nothing.
_WORD: Final = lazy.pattern(
    _NUMBER + r"[ ]{1,4}(?!(?:ready (?:at |on )? ?)?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,2}(?:[0-9]|[A-S][a-z]{2} )"
    r"|ready$)[A-Za-z]|%"
)
# An address, a day and a size, which have the form of a version.
_NO_VERSION: Final = lazy.pattern(
    r"(?:2[7-9]|[3-9][0-9]|1[0-9]{2}|2[0-5][0-9])(?:\.[0-9]{1,3}){3}|[0-3]?[0-9]\.[01]?[0-9]\.(?:19|20)[0-9]{2}"
    r"|[0-3][0-9]\.0[1-9]\.[0-9]{2}|[0-9.]{1,8}[KMGT]i?B(?:it)?"
)


def is_disclaimed(text: str, end: int, *, versioned: bool = False) -> bool:
    """Tell whether the word at `end`, where a rule's match ended, makes the name before it part of something else.

    A name that is `versioned` is a product's: a word that we do not know leaves it ("Sendmail 8.14.7 foo").
    """
    if _WORD.match(text, end) is None or (text[end - 1].isdigit() and _MAKER.match(text, end) is not None):
        return False
    if _NEUTRAL.match(text, end) is None and (not versioned or text[end] == "%"):
        return True
    stop = _SENTENCE_END.search(text, end, end + _LONGEST_SENTENCE)
    limit = min(len(text), end + _LONGEST_SENTENCE) if stop is None else stop.start()
    return _DISCLAIMING_NEAR.match(text, end, limit) is not None or _DISCLAIMING.search(text, end, limit) is not None


def is_not_a_version(version: str) -> bool:
    """Tell whether a captured version is an address, a day or a size."""
    return _NO_VERSION.fullmatch(version) is not None
