"""What stands before a number in a server's text: the words that show whether the number is a version.

In "220 mail.example.com ESMTP FooMail version 2.7" the words before 2.7 are "esmtp", "foomail", "version", the last
one right before the number (`near`).
"""

from enum import Enum
from typing import Final, NamedTuple

from scanner import lazy
from scanner.identify.word_lists import BEFORE_ADDRESS, FILLERS, NEVER, NO_PROGRAMS, VERSION, product_names

#: Characters before a number that are examined.
BEFORE_CHARACTERS: Final = 80
_WORDS: Final = lazy.pattern(
    r"[A-Za-z_-][0-9A-Za-z_-]*+(?:\.[0-9A-Za-z_-]++)++|[A-Za-z][A-Za-z&+]*+[0-9]{0,4}|[0-9]++|[,;!?|=]|\.(?=\s|$)"
)
#: A word that a maker of software would write: "FooMail", "smtpd", "MAILER".
LIKE_SOFTWARE: Final = lazy.pattern(r"[a-z][A-Z]|(?i:mail|mta|smtp|daemon|proxy|gate|exchange)")
#: A word with a capital, as names have.
_CAPITAL: Final = lazy.pattern(r"[A-Z][a-z]{3,30}")


class Certainty(Enum):
    """What a number is."""

    SURE = "sure"  # a version
    OPEN = "open"  # perhaps a version
    NONE = "none"  # something else


class WordsBefore(NamedTuple):
    """What stands before a number: words in lower case, the nearest last.

    `spelled` is the last word as it is written; `near` says that only blanks and brackets part it from the number.
    """

    words: tuple[str, ...]
    spelled: str
    near: bool

    @property
    def last(self) -> str:
        """The word that is nearest; "" when there is none."""
        return self.words[-1] if self.words else ""

    @property
    def second(self) -> str:
        """The word before the nearest; "" when there is none."""
        return self.words[-2] if len(self.words) > 1 else ""

    @property
    def tells_version(self) -> bool:
        """Whether one of the words says that a version follows."""
        return not VERSION.isdisjoint(self.words)

    @property
    def names_product(self) -> bool:
        """Whether a product's name is there, with nothing behind it but words that say little."""
        return self.near and self.last in FILLERS and self.second in product_names()


def words_before(clean: str, start: int) -> WordsBefore:
    """Return what stands before a place in a text."""
    words: list[str] = []
    between: list[str] = []
    for token in reversed(_WORDS.findall(clean[max(start - BEFORE_CHARACTERS, 0) : start])):
        # Names with dots are hosts, and no words but for "Ready.Version" and "iQ.Suite".
        is_word = "." not in token[1:] or token.lower() in product_names()
        word = token if is_word else token.rpartition(".")[2]
        if word[0].isalpha() and (is_word or word.lower() in VERSION):
            words.append(word)
            if len(words) == 3:
                break
        elif not words:
            between.append(token)
    last = words[0] if words else ""
    near = not between or (between in (["."], ["="]) and last.lower() in VERSION)  # "ver. 3.0", "version=3.0"
    return WordsBefore(tuple(word.lower() for word in reversed(words)), last, near)


def names_software(word: str) -> bool:
    """Tell whether a word may be a program's name: one that is known, one like "FooMail", or any with a capital.

    Words that servers use for other things do not count.
    """
    if word.lower() in product_names() or LIKE_SOFTWARE.search(word):
        return word.lower() not in NEVER | BEFORE_ADDRESS
    return _CAPITAL.fullmatch(word) is not None and word.lower() not in NO_PROGRAMS
