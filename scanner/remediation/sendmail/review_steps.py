"""The steps that put a changed Sendmail configuration to work, as Markdown: nothing is restarted before it is checked.

Each command was run on a real Sendmail 8.17 in this order. The check is `-bt`, not `-bs`, which says yes to a
configuration that refuses everybody; the new value is shown by `-d37.8`.
"""

from collections.abc import Collection, Iterator
from typing import Final

from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.reader import ConfigKind

_PLACES: Final = {
    ConfigKind.SENDMAIL_MC: facts.MC_FILE,
    ConfigKind.SENDMAIL_CF: facts.CF_FILE,
    ConfigKind.SUBMIT_MC: facts.SUBMIT_MC_FILE,
    ConfigKind.SUBMIT_CF: facts.SUBMIT_CF_FILE,
}
_BUILT: Final = {ConfigKind.SENDMAIL_MC: ConfigKind.SENDMAIL_CF, ConfigKind.SUBMIT_MC: ConfigKind.SUBMIT_CF}


def steps(changed: Collection[ConfigKind]) -> Iterator[str]:
    """Yield the lines of the steps for the files that were changed."""
    yield from ("## Steps", "", _INTRODUCTION, "")
    sources = [kind for kind in ConfigKind if kind in changed]
    if not sources:
        yield from ("No configuration file has to be changed; if the help file has to be, put this one there:", "")
    for number, (title, text, commands) in enumerate(_steps(sources) if sources else [_HELP_STEP], 1):
        yield from (f"### {number}. {title}", "")
        if text:
            yield from (text, "")
        yield from ("```sh", *commands, "```", "")
    yield from (_LAST, "")


def _steps(sources: list[ConfigKind]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield title, text and commands of each step."""
    targets = sorted({_BUILT.get(kind, kind) for kind in sources})
    touched = list(dict.fromkeys([*sources, *targets]))
    greets = ConfigKind.SENDMAIL_CF in targets  # submit.cf belongs to a program that nobody connects to
    yield "Keep what is there", "", [f"cp -p {_PLACES[kind]} {_PLACES[kind]}.bak" for kind in touched]
    if greets:
        yield _HELP_STEP
    yield "Lay the new files beside the old ones", _M4, list(_beside(sources, touched))
    checks = [f"{facts.check_command(_new(kind))}; echo $?" for kind in targets]
    yield (
        "Check them before anything is restarted",
        _CHECK,
        [*checks, facts.value_command(_new(ConfigKind.SENDMAIL_CF))] if greets else checks,
    )
    if greets:
        preflight = f"{facts.preflight_command(_new(ConfigKind.SENDMAIL_CF))} &"
        yield "Try them on a second port", _PREFLIGHT, [preflight, _LOOK, _END]
    restart = [_HUP] if greets else []
    yield "Apply", _APPLY if greets else _NO_RESTART, [f"mv {_new(k)} {_PLACES[k]}" for k in touched] + restart
    yield "See that it is gone", _VERIFY, ["smtpsweep check HOST", "smtpsweep verify --before SWEEP.JSONL"]
    yield "If need be, go back", "", [f"cp -p {_PLACES[kind]}.bak {_PLACES[kind]}" for kind in touched] + restart


def _beside(sources: list[ConfigKind], touched: list[ConfigKind]) -> Iterator[str]:
    yield from (f"cp -p {_PLACES[kind]} {_new(kind)}" for kind in touched)  # owner and mode stay as they are
    for kind in sources:
        yield f"cat {kind}.new > {_new(kind)}"
        if kind in _BUILT and _BUILT[kind] not in sources:
            yield f"m4 {_new(kind)} > {_new(_BUILT[kind])}"


def _new(kind: ConfigKind) -> str:
    return f"{_PLACES[kind]}.new"


_INTRODUCTION: Final = (
    "Run the commands in this folder, as root, on the server; the places are those of Debian and of the generic\n"
    "installation. Hiding the version is not patching: the flaws of an old Sendmail stay until it is updated."
)
_HELP_TEXT: Final = (
    "It has to be a regular file: when it is missing, every HELP is answered with the version. It is read at each\n"
    "HELP, without a restart."
)
_HELP_STEP: Final = (
    "Put the help file in its place",
    _HELP_TEXT,
    [f"install -m 644 {facts.HELP_FILE.rpartition('/')[2]} {facts.HELP_FILE}"],
)
_M4: Final = (
    "Without m4's own output, the .cf file can be changed directly; the next run of m4 undoes that. A .mc file that\n"
    "does not include cf.m4 itself needs it before its own name: `m4 /usr/share/sendmail/cf/m4/cf.m4 FILE`."
)
_CHECK: Final = (
    f"0 is good; {facts.BAD_CONFIGURATION_EXIT} is bad, and the message names the line: stop here, nothing has "
    f"happened yet.\nThe greeting has to be the one of the new file; `{facts.GREETING_VALUE}` is the host's name alone."
)
_PREFLIGHT: Final = "The running server goes on undisturbed. The second one ends with its process."
_LOOK: Final = "sleep 2; smtpsweep check 127.0.0.1 --port 2525"
_END: Final = "kill $!"
_HUP: Final = f'kill -HUP "$(head -n 1 {facts.PID_FILES[0]} 2>/dev/null || head -n 1 {facts.PID_FILES[1]})"'
_APPLY: Final = "At SIGHUP the daemon starts itself again with the new files."
_NO_RESTART: Final = "The next local submission reads the new file; nothing has to be restarted."
_VERIFY: Final = "The greeting, HELP, and the Received: lines of a message that was sent through it."
_LAST: Final = (
    "Sendmail stays recognisable by the way it answers (`pleased to meet you`, `End of HELP info`); its version "
    "does not."
)
