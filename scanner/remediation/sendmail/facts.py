r"""What closes each place where Sendmail gives its version away, as settings: for `.mc` files and for `.cf` files.

Everything here was tried on a real Sendmail 8.17.1.9 as Debian 12 packages it; `tests/real/test_sendmail_config.py`
tries it again. The plans, the playbook, the reader and the rewriter take the settings from here, so that none of them
recommends what another would reject.

Left out: other files that can be told to leak (an `access` map's own texts, a milter's replies).

Sources: cf/README of Sendmail 8.17 (tables of `conf...` names); cf/m4/cfhead.m4, cf/m4/proto.m4, cf/ostype/debian.m4
there; sendmail/srvrsmtp.c (`help()`, greeting) and sendmail/readcf.c; op.me section 5.6; RFC 5321 sections 4.2 and
4.4.
"""

from collections.abc import Mapping
from typing import Final

#: The greeting: the host's own name. Sendmail itself inserts the word ESMTP after the first word, so
#: `$j` gives "220 mail.example.com ESMTP", and `$j ESMTP` would double it.
GREETING_VALUE: Final = "$j"
GREETING_SETTING: Final = "confSMTP_LOGIN_MSG"
GREETING_OPTION: Final = "SmtpGreetingMessage"

#: What a Sendmail without any greeting option says (conf.h, macro `SMTPGREETING`); it leaks.
BUILT_IN_GREETING: Final = "$j Sendmail $v ready at $b"

#: Where the help text goes that names no version. An existing REGULAR file is needed: with a missing file,
#: /dev/null or an empty option each HELP is answered "502 5.3.0 Sendmail 8.17.1.9 -- HELP not implemented".
HELP_FILE: Final = "/etc/mail/helpfile.hide"
HELP_SETTING: Final = "HELP_FILE"
HELP_OPTION: Final = "HelpFile"
#: Without the first line (a tab in it) Sendmail takes the file for an old one and adds its version to each answer.
HELP_FILE_TEXT: Final = "#vers\t2\nsmtp\tCommands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT HELP\n"
#: The help file's version that current Sendmail asks for (srvrsmtp.c, `HELPVERSION`).
HELP_FILE_VERSION: Final = 2

#: The part of the Received: header from "by" on. m4 builds confRECEIVED_HEADER out of it; the default is
#: `$.by $j ($v/$Z)$?r with $r$. id $i$?{tls_version}` (proto.m4, cfhead.m4: `_REC_BY_`).
RECEIVED_BY: Final = "$.by $j$?r with $r$. id $i$?{tls_version}"
RECEIVED_SETTING: Final = "_REC_BY_"
RECEIVED_HEADER_SETTING: Final = "confRECEIVED_HEADER"

#: No VRFY, EXPN, VERB and ETRN, so EHLO no longer lists them either; no queue runs or rule output for users.
PRIVACY_FLAGS: Final = "goaway,noetrn,restrictqrun,restrictexpand"
PRIVACY_SETTING: Final = "confPRIVACY_FLAGS"
PRIVACY_OPTION: Final = "PrivacyOptions"

#: Name -> value, for sendmail.mc: in a place after OSTYPE and DOMAIN, which may set the same names (Debian's OSTYPE
#: sets the greeting), and before the first MAILER or MAILER_DEFINITIONS.
MC_VALUES: Final[Mapping[str, str]] = {
    GREETING_SETTING: GREETING_VALUE,
    HELP_SETTING: HELP_FILE,
    RECEIVED_SETTING: RECEIVED_BY,
    PRIVACY_SETTING: PRIVACY_FLAGS,
}
#: For submit.mc, before FEATURE(`msp'): mail of local users gets its own Received: line there.
SUBMIT_MC_VALUES: Final[Mapping[str, str]] = {RECEIVED_SETTING: RECEIVED_BY}


def mc_line(name: str, value: str) -> str:
    """Return the line, without its end, that sets a name in an `.mc` file. The quotes are m4's: ` opens, ' closes."""
    return f"define(`{name}', `{value}')dnl"


#: The same as whole lines, without line ends.
MC_SETTINGS: Final = tuple(mc_line(name, value) for name, value in MC_VALUES.items())
SUBMIT_MC_SETTINGS: Final = tuple(mc_line(name, value) for name, value in SUBMIT_MC_VALUES.items())

#: The direct way, for a site without m4: (regular expression, replacement) for each line of a copy of sendmail.cf; the
#: form is that of Python's `re` and of Ansible's `replace` with (?m). It gives, byte for byte, what m4 makes of the
#: settings above, except the "built by" comment; the next m4 run undoes it. The replacements hold no group.
CF_EDITS: Final = (
    (r"^O SmtpGreetingMessage\b.*$", f"O {GREETING_OPTION}={GREETING_VALUE}"),
    (r"^O HelpFile\b.*$", f"O {HELP_OPTION}={HELP_FILE}"),
    (r"^O PrivacyOptions\b.*$", f"O {PRIVACY_OPTION}={PRIVACY_FLAGS}"),
    (r"\$\.by \$j \(\$v/\$Z\)", "$.by $j"),
)
#: The same for submit.cf, which greets nobody.
SUBMIT_CF_EDITS: Final = CF_EDITS[3:]

#: Where Debian and the generic installation keep the files.
MC_FILE: Final = "/etc/mail/sendmail.mc"
CF_FILE: Final = "/etc/mail/sendmail.cf"
SUBMIT_MC_FILE: Final = "/etc/mail/submit.mc"
SUBMIT_CF_FILE: Final = "/etc/mail/submit.cf"
#: First line: the daemon's process number, second: its command line. Debian, and the generic place.
PID_FILES: Final = ("/var/run/sendmail/mta/sendmail.pid", "/var/run/sendmail.pid")

#: What Sendmail exits with for a configuration that it cannot read (EX_SOFTWARE); 0 is good. `-bs` is not a check: with
#: Debian's rate control and greet_pause it answers 554 and exits 0.
BAD_CONFIGURATION_EXIT: Final = 70


def check_command(cf_file: str) -> str:
    """Return the shell command that reads a new `.cf` and touches nothing: exit 0 good, 70 bad, with file and line."""
    return f"sendmail -C {cf_file} -bt </dev/null"


def value_command(cf_file: str) -> str:
    """Return the shell command that prints the values that Sendmail takes from a new `.cf`."""
    return f"sendmail -C {cf_file} -d37.8 -bt </dev/null | grep -E 'Greeting|HelpFile|PrivacyOptions'"


#: What `value_command` prints when all is well (0x90 is the option's number in 8.17).
EXPECTED_VALUES: Final = (
    f"setoption {HELP_OPTION} (H)={HELP_FILE}",
    f"setoption {PRIVACY_OPTION} (p)={PRIVACY_FLAGS}",
    f"setoption {GREETING_OPTION} (0x90)={GREETING_VALUE}",
)


def preflight_command(cf_file: str, port: int = 2525, pid_file: str = "/run/smtpsweep-preflight.pid") -> str:
    """Return the shell command that starts a second instance on a loopback port, beside the running server.

    The -O option replaces all DaemonPortOptions lines; `-bD` stays in the foreground, so end it by its own process.
    """
    return (
        f"sendmail -C {cf_file} -bD -ODaemonPortOptions=Name=Preflight,Addr=127.0.0.1,Port={port} "
        f"-OPidFile={pid_file} -OControlSocketName="
    )
