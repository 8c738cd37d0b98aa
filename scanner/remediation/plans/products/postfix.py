"""Postfix: greeting and Received: lines. It has no HELP, and its default greeting shows no version.

Every command was run on Postfix 3.7.11-0+deb12u1 as Debian 12 packages it, and is run again by
`tests/real/test_plans_commands.py`. Postfix reads main.cf whenever it starts a process, so an edit begins to work
before any reload: the new values are therefore tried on a copy and on a second port first.
"""

from typing import Final

from scanner.remediation.plans.model import (
    PREFLIGHT_PORT,
    PREFLIGHT_PROBE,
    File,
    Leak,
    PlanStep,
    RemediationPlan,
    as_curl_shows,
)

BANNER: Final = "$myhostname ESMTP"
MAIL_NAME: Final = "MTA"
_SERVICE: Final = f"127.0.0.1:{PREFLIGHT_PORT}"
_SETTINGS: Final = f"'smtpd_banner = {BANNER}' 'mail_name = {MAIL_NAME}'"

BEFORE: Final = """\
S: 220 postfix.lab.example ESMTP Postfix (Debian/GNU)
C: HELP
S: 500 5.5.2 Error: command not recognized

Received: from client.example by postfix.lab.example (Postfix) with ESMTP id ..."""
AFTER: Final = """\
S: 220 postfix.lab.example ESMTP
C: HELP
S: 500 5.5.2 Error: command not recognized

Received: from client.example by postfix.lab.example (MTA) with ESMTP id ..."""

_STEPS: Final = (
    PlanStep(
        "look",
        "Look first",
        "The values now, and services in `master.cf` that set a greeting of their own (`-o smtpd_banner=...`): those "
        f"have to be changed there. Port {PREFLIGHT_PORT} of loopback has to be free.",
        "command -v curl && postconf smtpd_banner mail_name && postconf -P '*/*/smtpd_banner'",
    ),
    PlanStep(
        "backup",
        "Backup",
        "Refuses to write over an earlier backup: then this plan was applied before, and step Forget was not.",
        "cd /etc/postfix &&\n"
        "test ! -e main.cf.before-smtpsweep &&\n"
        "cp -p main.cf main.cf.before-smtpsweep && cp -p master.cf master.cf.before-smtpsweep",
    ),
    PlanStep(
        "check",
        "Change a copy, and check it before restart",
        "The greeting must not be empty: an empty or blank value is an outage (`fatal: bad string length 0 < 1`), "
        "and after the repair it took Postfix most of a minute to start its smtpd again.",
        "rm -rf /etc/postfix.new && cp -a /etc/postfix /etc/postfix.new &&\n"
        f"postconf -c /etc/postfix.new -e {_SETTINGS} &&\n"
        f"test \"$(postconf -c /etc/postfix.new -h smtpd_banner)\" = '{BANNER}' &&\n"
        "postfix -c /etc/postfix.new check &&\n"
        "{ diff /etc/postfix/main.cf /etc/postfix.new/main.cf; rm -r /etc/postfix.new; }",
        f"> smtpd_banner = {BANNER}\n> mail_name = {MAIL_NAME}",
    ),
    PlanStep(
        "preflight",
        "Preflight on a second port",
        f"A second smtpd with the new values, on loopback port {PREFLIGHT_PORT} only; port 25 is not touched. It is "
        "removed again at the end, and `master.cf` is as before.",
        f"postconf -M '{_SERVICE}/inet={_SERVICE} inet n - n - - smtpd "
        f"-o {{smtpd_banner = {BANNER}}} -o {{mail_name = {MAIL_NAME}}}' &&\n"
        "postfix reload\n"
        f"{PREFLIGHT_PROBE}\n"
        f"postconf -MX {_SERVICE}/inet && postfix reload",
        as_curl_shows(AFTER),
    ),
    PlanStep(
        "apply",
        "Apply",
        "Connections under way are finished by the old processes.",
        f"postconf -e {_SETTINGS} &&\n"
        f"test \"$(postconf -h smtpd_banner)\" = '{BANNER}' &&\n"
        "postfix check &&\n"
        "postfix reload",
    ),
    PlanStep(
        "rollback",
        "Rollback, when anything is wrong",
        "",
        "cd /etc/postfix &&\n"
        "cp -p main.cf.before-smtpsweep main.cf && cp -p master.cf.before-smtpsweep master.cf &&\n"
        "postfix reload",
    ),
    PlanStep(
        "forget",
        "Forget, some weeks later",
        "Removes the backups.",
        "rm -f /etc/postfix/main.cf.before-smtpsweep /etc/postfix/master.cf.before-smtpsweep",
    ),
)

PLAN: Final = RemediationPlan(
    key="postfix",
    product="Postfix",
    summary="Two lines in `main.cf`. By default Postfix names itself and Debian or Ubuntu, but no version.",
    tested="Postfix 3.7.11-0+deb12u1 (Debian 12)",
    steps=_STEPS,
    stays=(
        "The product stays recognisable: `PIPELINING` first and `CHUNKING` last in EHLO, `Error: command not "
        "recognized`, `221 2.0.0 Bye`, the form of queue ids and bounces. These texts are compiled in, and no "
        "version is in them."
    ),
    leaks=(
        Leak(
            "Greeting",
            "`ESMTP Postfix (Debian/GNU)`; a version only where someone added `$mail_version`",
            f"`smtpd_banner = {BANNER}`",
            "an empty value: that is an outage",
        ),
        Leak("Received:", "`by HOST (Postfix)`", f"`mail_name = {MAIL_NAME}`", "`smtpd_banner`"),
        Leak("Bounces", "`X-Postfix-Queue-ID`, `X-Postfix-Sender`, `Diagnostic-Code: X-Postfix`", "`mail_name`, too"),
    ),
    warnings=(
        "Begin the greeting with `$myhostname`: RFC 5321 (4.2) wants the host's name there, and some clients check it.",
    ),
    side_effects=(
        (
            "Programs that look for `(Postfix)` in `Received:` lines or for `X-Postfix-...` in bounces find `MTA` "
            "instead: leave `mail_name` alone where bounces are processed by such a program."
        ),
        "Milters see `mail_name` in their macro `v` (`milter_macro_v`).",
    ),
    privileges=(
        "A host that only sends mail needs `inet_interfaces = loopback-only`.",
        "Keep `mynetworks` as small as it can be, and `smtpd_relay_restrictions` as it is by default.",
        "`disable_vrfy_command = yes` keeps strangers from asking for user names.",
    ),
    files=(
        File(
            "main.cf.lines",
            f"smtpd_banner = {BANNER}\nmail_name = {MAIL_NAME}\n",
            "The two lines for `main.cf`, for those who manage it otherwise than by `postconf -e`.",
        ),
    ),
    before=BEFORE,
    after=AFTER,
    sources=("postconf(5) and postconf(1) of Postfix 3.7", "RFC 5321, 4.2 and 4.4"),
)
