"""Words around a number in a server's text that show what the number is: a version, or something else.

`dotted_numbers` and `unknown_products` use these lists. Each word is here because a server was seen to write it, or a
standard defines it. All are in lower case. `product_names` and its neighbours add the words of the rules' products.
"""

from functools import cache
from typing import Final

from scanner import lazy
from scanner.identify.rules import shipped_rules

#: "FooMail": what two parts of a name look like that a maker of software gave it.
CAMEL_CASE: Final = lazy.pattern(r"[a-z][A-Z]")
#: A version follows.
VERSION: Final = frozenset(
    {
        *("v", "ver", "vers", "version", "versions", "rel", "release", "rev", "revision", "build", "patch", "mr", "sp"),
        *("patchlevel", "hotfix", "fixpack", "snapshot", "firmware", "update", "versie", "wersja", "versione"),
    }
)
#: What has versions of its own, which are not those of the server's software.
PROTOCOLS: Final = frozenset(
    {
        *(
            "tls",
            "tlsv",
            "ssl",
            "sslv",
            "dtls",
            "mime",
            "http",
            "https",
            "ssh",
            "unicode",
            "utf",
            "iso",
            "ascii",
            "aes",
        ),
        *("ipv", "imap", "pop", "snmp", "spf", "dkim", "dmarc", "arc", "protocol", "protocols", "rfc", "rfcs"),
    }
)
#: A number after them is not a version of the server's software: protocols, documents, measures, marks.
NEVER: Final = PROTOCOLS | frozenset(
    {
        *("section", "sections", "sec", "std", "bcp", "appendix", "chapter", "paragraph", "clause"),
        *("sha", "cipher", "bits", "ecdhe", "rsa", "dhe", "camellia"),
        *("size", "port", "ports", "limit", "max", "maximum", "min", "load", "score", "scored"),
        *("average", "required", "weight", "reputation", "rating", "threshold", "percent", "quota", "timeout", "rate"),
        *("id", "ids", "uid", "userid", "pid", "qp", "session", "sess", "ticket", "ref", "reference", "queued", "mid"),
        *("transaction", "internalid", "msgid", "error", "code", "status", "dsn", "reply", "errno", "err", "serial"),
        *("serialnumber", "tel", "phone", "fon", "fax", "telefon", "mobile", "hotline", "call", "postalcode", "oid"),
    }
)
#: An address follows rather than a version; any other number after them leaves it open.
BEFORE_ADDRESS: Final = frozenset(
    {
        *("a", "an", "and", "or", "the", "of", "for", "from", "to", "at", "on", "in", "by", "is", "was", "as", "with"),
        *("via", "your", "our", "this", "that", "it", "its", "if", "no", "not", "you", "are", "than", "since", "until"),
        *("ip", "ips", "addr", "address", "addresses", "client", "peer", "host", "hostname", "cn", "dns", "network"),
        *("hello", "hi", "helo", "ehlo", "welcome", "access", "connection", "connected", "relay", "source", "remote"),
        *("date", "time", "von", "vom", "am", "um", "ab", "bis", "mx", "mail", "smtp", "esmtp", "lmtp", "server"),
        *("service", "gateway", "node", "listed", "blocked", "rejected", "denied", "banned", "blacklisted", "sender"),
        *("mon", "tue", "wed", "thu", "fri", "sat", "sun", "logging", "localhost", "name", "domain", "block"),
    }
)
#: After these of them a number with a dot may be anything; after the others it is a version.
OPEN: Final = BEFORE_ADDRESS - {"smtp", "esmtp", "lmtp", "server", "service", "gateway", "mail", "relay"}
#: What servers count, and words for their state; after them, too, a number may be anything.
PLAIN: Final = frozenset(
    {
        *("ready", "up", "uptime", "queue", "wait", "waiting", "refused", "auth", "starttls", "busy", "retry", "delay"),
        *("delayed", "after", "about", "only", "over", "within", "before", "free", "used", "memory", "disk", "cpu"),
        *("closing", "ok", "accepted", "deferred", "users", "connections", "messages", "try", "again", "pipelining"),
    }
)
#: A clock's time or a day follows: "at 10.30".
BEFORE_TIME: Final = frozenset(
    {"at", "on", "um", "am", "vom", "ab", "bis", "until", "since", "date", "time", "from", "to"}
)
#: They stand between "version" and the number.
COPULAS: Final = frozenset({"is", "are", "number", "no", "nr", "num"})
#: They stand between a product's name and its number without a meaning: "Sendmail ESMTP 8.17.1.9".
FILLERS: Final = frozenset(
    {
        *("esmtp", "smtp", "lmtp", "server", "service", "mail", "mta", "daemon"),
        *("proxy", "relay", "receiver", "agent", "gateway", "pro", "edition"),
    }
)
#: Units: a number before one of them is a quantity.
UNITS: Final = frozenset(
    {
        *("b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "k", "bytes", "byte", "octets", "bits", "s", "sec", "secs"),
        *("second", "seconds", "ms", "msec", "min", "mins", "minute", "minutes", "h", "hour", "hours", "day", "days"),
        *("week", "weeks", "month", "months", "year", "years", "percent", "points", "point", "messages", "uhr", "pm"),
        *("am", "eur", "usd", "sharp", "times", "sekunden", "minuten", "stunden", "tage"),
    }
)
#: Last words of products' names that many other texts have.
COMMON: Final = FILLERS | {
    *("security", "internet", "message", "messaging", "system", "suite", "appliance", "cloud", "free", "one", "office"),
    *("business", "filter", "for", "the", "workspace", "connect", "firewall", "switch", "email", "anti", "smtp-server"),
    *("connection", "contact", "box", "bridge", "asap", "defense", "demand", "desk", "device", "engine", "enterprise"),
    *("essentials", "gateways", "gsmtp", "hey", "imap", "imp", "intercom", "isp", "mailbox", "mailserver", "matrix"),
    *("mms", "momentum", "monitor", "nas", "now", "patrol", "pobox", "postal", "poczta", "printer", "protector", "ses"),
    *("resend", "retain", "routing", "rumble", "scanner", "scout", "secure", "seg", "servers", "services", "shield"),
    *("software", "smtps", "utm", "campaign", "assure", "inspector", "delivery", "fixup", "bmr", "mps", "orf", "dma"),
    *("patrol", "repartee", "reflexion", "microsoft", "google", "yahoo", "365", "piler", "popper", "sentinel", "rex"),
    *("manager", "virus", "spam", "web", "postmaster", "mailer", "host", "hosting", "protection", "control", "basic"),
}
#: A number after them counts or names something else, also where they have a capital.
NO_PROGRAMS: Final = (
    NEVER
    | BEFORE_ADDRESS
    | PLAIN
    | BEFORE_TIME
    | COMMON
    | UNITS
    | frozenset(
        {
            *(
                "tcp",
                "udp",
                "room",
                "zone",
                "site",
                "rack",
                "unit",
                "cluster",
                "building",
                "floor",
                "line",
                "pool",
                "number",
            ),
            *(
                "part",
                "step",
                "phase",
                "level",
                "type",
                "class",
                "group",
                "instance",
                "shard",
                "region",
                "area",
                "slot",
            ),
            *(
                "jan",
                "feb",
                "mar",
                "apr",
                "may",
                "jun",
                "jul",
                "aug",
                "sep",
                "oct",
                "nov",
                "dec",
                "january",
                "february",
            ),
            *("march", "april", "june", "july", "august", "september", "october", "november", "december", "copyright"),
            *(
                "monday",
                "tuesday",
                "wednesday",
                "thursday",
                "friday",
                "saturday",
                "sunday",
                "processed",
                "thread",
                "worker",
            ),
            *(
                "message",
                "messages",
                "section",
                "rule",
                "list",
                "policy",
                "process",
                "closed",
                "system",
                "test",
                "here",
            ),
        }
    )
)
#: Shorter first words of products' names are also others' ("Sun", "Mail").
_SHORTEST_NAME: Final = 5
_LETTERS: Final = lazy.pattern(r"[a-z]+")
_WORD: Final = lazy.pattern(r"[a-z][a-z&+]*[0-9]{0,4}")


@cache
def product_names() -> frozenset[str]:
    """Return the last words of all products' names in the rules, in lower case, without common words."""
    lasts = {rule.fixed.get("product", "").lower().rpartition(" ")[2] for rule in shipped_rules()}
    return frozenset(last for last in lasts if len(last) > 2) - COMMON


@cache
def product_phrases() -> frozenset[tuple[str, ...]]:
    """Return the last two or three words of products whose last word is a common one: "Kerio Connect"."""
    names = (rule.fixed.get("product", "").lower() for rule in shipped_rules())
    return frozenset(filter(None, map(_maybe_phrase, names)))


@cache
def name_beginnings() -> frozenset[str]:
    """Return the names of all products in the rules, whole and their beginnings, in lower case.

    A common first word ("Mail", "Internet") does not count alone.
    """
    names = {tuple(rule.fixed.get("product", "").lower().split()) for rule in shipped_rules()}
    beginnings = (name[:length] for name in names for length in range(1, len(name) + 1))
    return frozenset(" ".join(words) for words in beginnings if len(words) > 1 or _is_telling(words[0]))


@cache
def words_before_versions() -> frozenset[str]:
    """Return the letters that end each word after which a whole number is surely a version."""
    words = {*VERSION, *COPULAS, *product_names(), *(phrase[-1] for phrase in product_phrases())}
    return frozenset(runs[-1] for word in words if (runs := _LETTERS.findall(word)))


def _is_telling(word: str) -> bool:
    return len(word) >= _SHORTEST_NAME and word not in NO_PROGRAMS


def _maybe_phrase(product: str) -> tuple[str, ...] | None:
    words = tuple(_WORD.findall(product))
    ends = (words[-length:] for length in (2, 3) if len(words) >= length)
    return next((end for end in ends if end[-1] in COMMON and not COMMON.issuperset(end)), None)
