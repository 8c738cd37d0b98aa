"""Services: what only its provider runs, told by the provider's own host names together with the provider's words.

Microsoft 365, Gmail or a mailbox provider greet with words that any server may use ("ESMTP ready"), so the words alone
say nothing; and a host name alone proves as little, since a provider's customers have names below its domain and run
Postfix there. Both together name the service. A foreign host that only has the name in its own
(`mx.google.com.example`, `notgoogle.com`) is never meant: a host is matched whole.

`services/*.toml` has a `[[service]]` for each, which becomes a rule like those of `rules/*.toml` (see `rule_files`):

- `id`, `product`, `vendor`, `line` (a product line) and what else a rule may have; `examples` may be greetings alone;
- `hosts`: the provider's own mail hosts. `*.example.com` is any host below, `mx*.example.com` has a star inside of a
  label. Names that customers get must not be among them;
- `says`: patterns, of which one follows the host name. When left out it is `%{PLAIN}`: no more than that a mail server
  is ready, and then the end or a date;
- `nameless`: patterns for greetings in the provider's own wording that do not begin with a host name;
- `urls` in place of these: the addresses, without the scheme, at which the owner explains a refusal. It must begin
  with no host name, or with one of `hosts`, and must not speak of somebody else: others may quote the address of a
  list that they use. It is looked for in the first 255 characters;
- `words`: the prefilter, taken from the hosts and addresses when left out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

#: The codes of refusals; the text of another reply may quote an address for any reason.
REFUSALS: Final = (420, 421, 450, 451, 452, 454, 471, 500, 501, 510, 520, 521, 530, 535, 541, 550, 551, 552, 553, 554)

#: What the keys of a service are called in `Software`.
_SOFTWARE: Final = {"product": "product", "vendor": "vendor", "line": "product_line"}
#: Any labels; any part of one label.
_LABELS: Final = r"[0-9A-Za-z_][0-9A-Za-z._-]{0,200}"
_REST: Final = r"[0-9A-Za-z_-]{0,60}"
_MASK: Final = re.compile(r"(?:\*\.)?(?:[0-9a-z_*-]+\.)+[a-z]{2,24}")
_ADDRESS: Final = re.compile(r"(?:[0-9a-z-]+\.)+[a-z]{2,24}(?P<path>/[0-9A-Za-z./_-]*)?")
#: A host name at the beginning of a refusal, an enhanced code before it or not.
_HOST_FIRST: Final = r"(?:[245]\.[0-9.]{1,8} )?[0-9A-Za-z_-]{1,63}\.[0-9A-Za-z._-]{0,200}[A-Za-z][:,]?(?: |$)"
#: A name of one label that acts, and words of somebody who only refers to the page of another.
_LABEL_FIRST: Final = r"(?:[245]\.[0-9.]{1,8} )?[0-9a-z-]{1,63}:? (?:see|refuses|refused|rejects|ESMTP|SMTP)\b"
_OF_OTHERS: Final = r"[^\n]{0,255}\b(?i:upstream|policy of|like those of|how others|according to|as described)\b"
_LEADING_HOST: Final = re.compile(r"(?:[0-9A-Za-z_-]+\.)+[A-Za-z]+(?=[ \r]|$)")
#: Labels that many providers share.
_WIDE: Final = frozenset({"com", "net", "org", "co", "ne", "or", "mail", "smtp", "mx", "www", "postmaster", "support"})


def host_pattern(masks: Iterable[str]) -> str:
    """Return a pattern for a host that is one of `masks`, whole, in any case of letters, a dot at its end or not.

    Raises:
        ValueError: for a mask that is not a host name with stars at its beginning or inside of labels.
    """
    return "(?i:" + "|".join(_mask(mask) for mask in masks) + r")\.?(?![0-9A-Za-z._-])"


def _mask(mask: str) -> str:
    if not _MASK.fullmatch(mask) or any(label.count("*") > 1 for label in mask.split(".")):
        raise ValueError(f"hosts: {mask!r} is not a host name with a star for a label, or for a part of one")
    begins_anywhere, name = mask.startswith("*."), mask.removeprefix("*.")
    if begins_anywhere and "*" in name:
        raise ValueError(f"hosts: {mask!r} has a star behind one that stands for any labels")
    return (rf"{_LABELS}\." if begins_anywhere else "") + re.escape(name).replace(r"\*", _REST)


def rule_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rule that a `[[service]]` stands for, as a table of a rule file.

    Raises:
        ValueError: for what is wrong with hosts and addresses. Everything else is found as in any rule.
    """
    table = dict(table)
    hosts, says, nameless = table.pop("hosts", []), table.pop("says", ["%{PLAIN}"]), table.pop("nameless", [])
    urls, software = table.pop("urls", []), {"kind": "service"}
    for key, field in _SOFTWARE.items():
        if key in table:
            software[field] = table.pop(key)
    if urls:
        made = {"codes": list(REFUSALS), "confidence": 0.6, "specificity": 55, "pattern": _quoting(hosts, urls)}
    elif hosts or nameless:
        ways = [f"{host_pattern(hosts)} {{1,3}}(?:{'|'.join(says)})"] if hosts else []
        made = {"confidence": 0.9, "specificity": 60, "pattern": f"(?:{'|'.join((*ways, *nameless))})"}
    else:
        raise ValueError("hosts, nameless or urls must be given: a service is known by its host name and its words")
    examples = [{"greeting": each} if isinstance(each, str) else each for each in table.pop("examples", [])]
    not_its_own = [*map(_elsewhere, examples[:1]), *table.pop("counterexamples", [])]
    rule = {"words": _words([*hosts, *urls]), **made, **table, "software": software}
    return {**rule, "examples": examples, "counterexamples": not_its_own}


def _quoting(hosts: list[str], urls: list[str]) -> str:
    """Return a pattern for a refusal that quotes one of the addresses, and is not of somebody else's host."""
    own = f"(?={host_pattern(hosts)})|" if hosts else ""
    others = rf"(?!{_HOST_FIRST})(?!{_LABEL_FIRST})(?!{_OF_OTHERS})"
    return rf"\A(?:{own}{others})[\s\S]{{0,255}}?(?:(?<=://)|(?<=[ (<\[]))(?i:{'|'.join(map(_address, urls))})"


def _address(url: str) -> str:
    found = _ADDRESS.fullmatch(url)
    if found is None:
        raise ValueError(f"urls: {url!r} is not a host name, with or without a path")
    end = "" if found["path"] else r"(?![0-9A-Za-z_@:-]|\.[0-9A-Za-z])"
    return re.escape(url) + end


def _elsewhere(example: Mapping[str, str]) -> str:
    """Return what a server elsewhere says in the same words, as a counterexample that every service has."""
    code, text = example["greeting"][:4], example["greeting"][4:]
    host = _LEADING_HOST.match(text)
    return f"{code}{text[: host.end()]}.example{text[host.end() :]}" if host else f"{code}mx.example.org {text}"


def _words(names: list[str]) -> list[str]:
    """Return for each name the word that tells whose it is: the last label that is not everybody's."""
    return sorted({word for name in names if (word := _word(name.split("/")[0]))})


def _word(host: str) -> str:
    labels = [label for label in host.split(".")[:-1] if "*" not in label and label not in _WIDE]
    parts = re.findall(r"[a-z0-9]*[a-z][a-z0-9]*", labels[-1]) if labels else []
    return max(parts, key=len, default="")
