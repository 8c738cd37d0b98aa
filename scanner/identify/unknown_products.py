"""Find words in a greeting that may name a product which no rule knows: "Zorblax" in "ESMTP Zorblax".

Rules know a few hundred products. A check that took everything else for "no product" would pass unknown ones. So the
words in the place of a product's name are compared with the words that servers commonly use; any other word may be a
name. In a line that is a sentence, such as a notice about unsolicited mail, only a word directly behind "ESMTP" or
"SMTP" counts, or one spelled as makers of software spell names ("FooMail").

The result is a list of possible names and never an identification. The list of common words was measured on real
greetings. Left out: words of languages that are not in the list; they are reported as possible names, too.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from scanner import lazy
from scanner.identify.word_lists import BEFORE_ADDRESS, BEFORE_TIME, CAMEL_CASE, FILLERS, NEVER, PLAIN, UNITS, VERSION
from scanner.model import Banner

#: Characters of a name that are shown, and names of one greeting.
_MAX_NAME: Final = 60
_MAX_NAMES: Final = 5
#: Characters of a line that are looked at.
_MAX_LINE: Final = 2_000
#: A line with more words than that is a sentence.
_LONGEST_LIST: Final = 7
_WORD: Final = lazy.pattern(r"[0-9A-Za-z\\][^\s()<>\[\]{}\"',;|*!?=]*+")
_PROTOCOLS: Final = frozenset({"esmtp", "esmtps", "smtp", "smtps", "lmtp"})
#: What holds no name: addresses of hosts, people and pages, days, ids, what is escaped.
_NO_NAME: Final = lazy.pattern(
    r"[^A-Za-z]*|[^\s]*://[^\s]*|[^@\s]*@[^\s]*|\\.*|(?:[0-9A-Za-z_-]+\.)+[A-Za-z][0-9A-Za-z-]*\.?|[0-9]+[.:/-].*|[vV]\.?[0-9].*"
    r"|[A-Z]{2,5}[+-][0-9:]{1,5}|(?=[A-Za-z]*[0-9])[0-9A-Za-z]{10,}(?:[._-].*)?|RFC-?[0-9]+|[A-Za-z]"
)
_CLIENT: Final = lazy.pattern(r"(?i:access|connection) from.*")

#: Words that are common in greetings and refusals, in lower case.
_COMMON_IN_GREETINGS: Final = """
    a about abuse abusive accept accepted accepting access according action active activity address admin
    administrator adt advertisement advertisements advertising aedt aest after again agree agreement aix akdt
    akst all allow allowed always am american an anonymous anti-spam anti-virus antispam antivirus any apply
    approved apr april arc are area art as asia ast at auf aug august auth authenticate authenticated
    authentication authorised authorized available away backup bad banner be because been before behaviour bei
    being below bereit best bienvenido bienvenidos bienvenue blocked brt bst bulk business busy by bye
    california can cdt centos cest cet channel civil closing clt code command commands commercial communication
    comply computer computers condition conditions conform connect connected connecting connection connections
    consent constitutes contact control copy copyright corporate corporation correo could courrier cpu criminal
    cst customer customers d da daemon das data day daylight days de dear debian dec december default delivery
    denied department der des destroy device die direct do does domain don't dont du due e e-mail e-mails each
    eat edition edt eest eet el em email emails en enabled encrypted end enjoy enter enterprise equipment error
    errors esmtp esmtpd est established et eu even every example exceed exceeded explicit express extended
    extent facilities failure fast feb february few filter first for forbidden free freebsd fri friday from
    front frontend full fullest gateway get give glad gmt gnu go good goodbye government greetings group has
    have he held hello helo help here hereby hi high hkt host hosted hosting hostmaster hostname hour how how's
    hst http https i'll i'm ict id if il illegal in inbound incoming individual info information insufficient
    intercept internal internet invalid ip ipv ipv4 ipv6 is issue ist it it's its ix jan january job jst jul
    july jun june junk just keep kst la las later law laws le legal let limit linux list listed listo local
    localhost localtime log logged logging logs long los loves machine macos mail mail-gateway mail-server
    mailbox mailer mailgateway mailhost mailhub mails mailserver main maintenance make manager many mar march
    master max may mda mdt me message messagerie messages messaging mest met minute misuse mode mon monday
    monitor monitored monitoring more most msa msd msk mst mta mua must mx mx1 mx2 my name net netbsd network
    networks never new nice no noc node none noon not note notice notification notified nov november now nt
    nt-esmtp nzdt nzst o oct october of off offence offense offline ok on once one online only open openbsd
    operator or order organization other others our out outbound outgoing over owner pacific part party pdt
    penalties per permission permitted pkt please pleased poczta policies policy port post posta postmaster
    powered prefer pret primary privacy private problem problems proceed process prohibited pronto property
    prosecuted prosecution protected protection protocol provided provider proxy pst public purpose purposes
    queue queued queueing raspbian read ready receive received receiver recipient record recorded redhat refused
    reject rejected relay relaying relays remote reply report request requested require required reserve
    reserved resource resources response restricted retry return reverse right rights roll root route router
    rules running sale sast sat saturday says second secondary secure secured security see send sender senders
    sending sent sep september server servers serveur service services servicio servidor session sgt shall
    should simple site sites smarthost smtp smtp-server smtpd software solaris soliciting some sorry spam
    spammer spammers spamming spams speak speaking speaks spoken staff standard start started starting starttls
    status stop storage strictly subject submission such sun sunday support suse system systems take taken talk
    tcp temporarily temporary terms test testing than thank thanks that the their them then there these they
    this those through thu thursday time tls tm to today too traffic transfer transit transmission transport
    trying tue tuesday ube ubuntu uce uk unable unauthorised unauthorized unavailable und under unexpected unix
    unknown unlawful unless unsolicited until up us usage use used user users using utc utf valid very via
    violation violations virus viruses visit von wait waiting want warning we we're web wed wednesday welcome
    west wet what whatever when where which who why wib will willkommen windows wish with within without work
    world y you you're your yours zone zu
"""
_COMMON: Final = (
    frozenset(_COMMON_IN_GREETINGS.split())
    | FILLERS
    | PLAIN
    | BEFORE_TIME
    | UNITS
    | VERSION
    | (NEVER - {"arc"})
    | BEFORE_ADDRESS
)


def possible_product_names(banner: Banner) -> tuple[str, ...]:
    """Return the words of a greeting that may name a product that no rule knows, as the greeting spells them."""
    is_welcome = banner.code is not None and banner.code < 400  # refusals give their reasons in sentences
    found = dict.fromkeys(
        name for line in banner.lines for name in _in_line(line, banner.hostname or "", is_welcome=is_welcome)
    )
    return tuple(found)[:_MAX_NAMES]


def _in_line(line: str, hostname: str, *, is_welcome: bool) -> Iterator[str]:
    text = _CLIENT.sub("", line[:_MAX_LINE])
    if hostname:
        text = text.replace(hostname, " ", 1)
    words = _WORD.findall(text)
    is_sentence = not is_welcome or len(words) > _LONGEST_LIST
    before = ""
    for word in words:
        name = word.rstrip(".:-_/")
        if not _is_known(name) and (not is_sentence or before in _PROTOCOLS or CAMEL_CASE.search(name) is not None):
            yield name[:_MAX_NAME]
        before = name.lower()


def _is_known(word: str) -> bool:
    name = word.rstrip(".:-_/")
    if name.lower() in _COMMON or _NO_NAME.fullmatch(name) is not None:
        return True
    pieces: Iterable[str] = filter(None, name.lower().replace("/", "-").replace("_", "-").replace(":", "-").split("-"))
    return all(piece in _COMMON or not any(map(str.isalpha, piece)) or len(piece) == 1 for piece in pieces)
