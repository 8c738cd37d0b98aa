"""Sendmail: greeting, HELP, Received: lines of both configurations, and what EHLO offers.

Every command was run on Sendmail 8.17.1.9-2+deb12u2 as Debian 12 packages it, and is run again by
`tests/real/test_plans_commands.py`. The settings are those of `remediation.sendmail.facts`. Nothing is changed in
place: new files are made beside the old ones, checked, tried on another port, and only then moved.
"""

from typing import Final

from scanner.remediation.plans.model import (
    PLAN_FOLDER,
    PREFLIGHT_PORT,
    PREFLIGHT_PROBE,
    File,
    Leak,
    PlanStep,
    RemediationPlan,
    as_curl_shows,
)
from scanner.remediation.plans.products.sendmail_notes import AFTER, BEFORE, LEAKS, SIDE_EFFECTS, STAYS, WARNINGS
from scanner.remediation.sendmail import facts

_PID_FILE: Final = "/run/smtpsweep-preflight.pid"
_NEW_CF: Final = f"{facts.CF_FILE}.new"
_NEW_SUBMIT_CF: Final = f"{facts.SUBMIT_CF_FILE}.new"

#: Tells the daemon to read its configuration again, wherever its process number is kept.
_RELOAD: Final = f"""for file in {" ".join(facts.PID_FILES)}; do
  if test -r "$file"; then kill -HUP "$(head -1 "$file")"; break; fi
done"""

_INSERT_AWK: Final = """\
# Puts all lines of the first file before the first line of the second one that matches `before`.
# Exit 1 when no line matches: then nothing may be used.
NR == FNR { lines = lines $0 "\\n"; next }
!done && $0 ~ before { printf "%s", lines; done = 1 }
{ print }
END { exit !done }
"""


def _sed_script(edits: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"s|{pattern}|{replacement}|\n" for pattern, replacement in edits)


_FILES: Final = (
    File(
        "helpfile.hide",
        facts.HELP_FILE_TEXT,
        f"The text for HELP: goes to `{facts.HELP_FILE}`. The tab after `#vers` counts.",
    ),
    File(
        "sendmail.mc.snippet",
        "".join(f"{line}\n" for line in facts.MC_SETTINGS),
        "For `sendmail.mc`: after OSTYPE and DOMAIN, before MAILER_DEFINITIONS or the first MAILER.",
    ),
    File(
        "submit.mc.snippet",
        "".join(f"{line}\n" for line in facts.SUBMIT_MC_SETTINGS),
        "For `submit.mc`: before FEATURE(msp).",
    ),
    File("insert.awk", _INSERT_AWK, "Puts a snippet in its place in a copy of an `.mc` file."),
    File(
        "sendmail.cf.sed", _sed_script(facts.CF_EDITS), "The direct way without m4: edits for a copy of `sendmail.cf`."
    ),
    File("submit.cf.sed", _sed_script(facts.SUBMIT_CF_EDITS), "The same for `submit.cf`."),
)

_STEPS: Final = (
    PlanStep(
        "look",
        "Look first",
        "Copy the files of this plan to the server. A HUP can only restart a daemon that was started with its "
        "absolute path: the command line that the pid file keeps has to begin with `/`. Otherwise restart the "
        f"service in step Apply. Port {PREFLIGHT_PORT} of loopback has to be free.",
        f"ls {PLAN_FOLDER}/insert.awk {PLAN_FOLDER}/sendmail.cf.sed &&\n"
        "command -v sendmail m4 awk sed curl &&\n"
        f"for file in {' '.join(facts.PID_FILES)}; do\n"
        '  if test -r "$file"; then sed -n 2p "$file"; break; fi\n'
        "done",
        "/usr/sbin/sendmail-mta -L sm-mta -bD -q10m",
    ),
    PlanStep(
        "backup",
        "Backup",
        "Refuses to write over an earlier backup: then this plan was applied before, and step Forget was not.",
        "cd /etc/mail &&\n"
        "test ! -e sendmail.cf.before-smtpsweep &&\n"
        "for name in sendmail.mc sendmail.cf submit.mc submit.cf; do\n"
        '  test ! -e "$name" || cp -p "$name" "$name.before-smtpsweep"\n'
        "done",
    ),
    PlanStep(
        "change-mc",
        "Change, with m4 (where `sendmail.mc` is kept)",
        "Writes `.new` files only; the live ones stay. The order matters: a define BEFORE `OSTYPE` is overridden there "
        "(Debian's OSTYPE sets the greeting itself), so the snippet goes right before the mailers. On Debian, "
        "`make -C /etc/mail` and `sendmailconfig` do the same translation, but into the live `sendmail.cf`, without "
        "a check, and `sendmailconfig` reloads at once: use them after this plan, not instead of it.",
        "cd /etc/mail &&\n"
        f"install -m 644 {PLAN_FOLDER}/helpfile.hide {facts.HELP_FILE} &&\n"
        "for name in sendmail submit; do\n"
        '  cp -p "$name.mc" "$name.mc.new" && cp -p "$name.cf" "$name.cf.new" || break\n'
        "done &&\n"
        f"awk -f {PLAN_FOLDER}/insert.awk -v before='^MAILER' {PLAN_FOLDER}/sendmail.mc.snippet sendmail.mc "
        ">sendmail.mc.new &&\n"
        f"awk -f {PLAN_FOLDER}/insert.awk -v before='^FEATURE.`msp' {PLAN_FOLDER}/submit.mc.snippet submit.mc "
        ">submit.mc.new &&\n"
        "m4 sendmail.mc.new >sendmail.cf.new &&\n"
        "m4 submit.mc.new >submit.cf.new",
    ),
    PlanStep(
        "change-cf",
        "Or change `sendmail.cf` itself (where there is no m4, or no `.mc` file)",
        "Instead of the step before, never after it. The result is the same, byte for byte, but the next run of m4, "
        "`make -C /etc/mail` or a package upgrade that runs them takes it back.",
        "cd /etc/mail &&\n"
        f"install -m 644 {PLAN_FOLDER}/helpfile.hide {facts.HELP_FILE} &&\n"
        "for name in sendmail submit; do\n"
        f'  cp -p "$name.cf" "$name.cf.new" && sed -E -i -f "{PLAN_FOLDER}/$name.cf.sed" "$name.cf.new" || break\n'
        "done",
    ),
    PlanStep(
        "check",
        "Check before restart",
        f"Exit status 0 is good; {facts.BAD_CONFIGURATION_EXIT} means that Sendmail would NOT START with this file: it "
        "names the line. All three values have to be printed, exactly these: a missing one falls back to a default "
        "that shows the version, and one that differs was set again further down. The differences may be the four "
        "lines of this plan and the `built by` comment; anything else was changed by hand in the live file and would "
        "be lost.",
        f"{facts.check_command(_NEW_CF)} &&\n"
        f"{facts.check_command(_NEW_SUBMIT_CF)} &&\n"
        f"{facts.value_command(_NEW_CF)} &&\n"
        f"{{ diff {facts.CF_FILE} {_NEW_CF}; diff {facts.SUBMIT_CF_FILE} {_NEW_SUBMIT_CF}; true; }}",
        "\n".join(facts.EXPECTED_VALUES),
    ),
    PlanStep(
        "preflight",
        "Preflight on a second port",
        f"A second instance with the new file, on loopback port {PREFLIGHT_PORT} only; the live one goes on "
        "undisturbed.",
        f"{facts.preflight_command(_NEW_CF, PREFLIGHT_PORT, _PID_FILE)} &\n"
        f"{PREFLIGHT_PROBE}\n"
        f'kill "$(head -1 {_PID_FILE})"',
        as_curl_shows(AFTER),
    ),
    PlanStep(
        "apply",
        "Apply",
        "Moves the checked files over the old ones and lets the daemon read them. It re-executes itself; connections "
        "under way are finished. A service manager's reload (`systemctl reload sendmail`) sends the same signal.",
        "cd /etc/mail &&\n"
        "for name in sendmail.mc submit.mc sendmail.cf submit.cf; do\n"
        '  test ! -e "$name.new" || mv "$name.new" "$name"\n'
        f"done &&\n{_RELOAD}",
    ),
    PlanStep(
        "rollback",
        "Rollback, when anything is wrong",
        "The old greeting was back within two seconds. When the daemon died (a file that was not checked), start the "
        "service instead of the HUP.",
        "cd /etc/mail &&\n"
        "for name in sendmail.mc sendmail.cf submit.mc submit.cf; do\n"
        '  test ! -e "$name.before-smtpsweep" || cp -p "$name.before-smtpsweep" "$name"\n'
        f"done &&\n{_RELOAD}",
    ),
    PlanStep(
        "forget",
        "Forget, some weeks later",
        f"Removes the backups. `{facts.HELP_FILE}` has to stay as long as the configuration names it.",
        "rm -f /etc/mail/*.before-smtpsweep /etc/mail/sendmail.mc.new /etc/mail/sendmail.cf.new "
        "/etc/mail/submit.mc.new /etc/mail/submit.cf.new",
    ),
)

PLAN: Final = RemediationPlan(
    key="sendmail",
    product="Sendmail",
    summary="Four settings in `sendmail.mc` and one in `submit.mc`, or the same five edits in the `.cf` files.",
    tested="Sendmail 8.17.1.9-2+deb12u2 (Debian 12)",
    steps=_STEPS,
    stays=STAYS,
    leaks=tuple(Leak(*leak) for leak in LEAKS),
    warnings=WARNINGS,
    side_effects=SIDE_EFFECTS,
    privileges=(
        (
            "A host that only sends mail needs no daemon on port 25 of other addresses: "
            "``DAEMON_OPTIONS(`Port=smtp, Addr=127.0.0.1, Name=MTA')``."
        ),
        (
            "Keep local submission unprivileged: `sendmail` set-group-id `smmsp`, not set-user-id root (the default "
            "since 8.12)."
        ),
        "Let only the networks that need it reach port 25; keep the `access` map and relaying rules tight.",
        "Limit programs in aliases and `.forward` with ``FEATURE(`smrsh')``.",
    ),
    files=_FILES,
    before=BEFORE,
    after=AFTER,
    sources=("cf/README of Sendmail 8.17", "Sendmail Installation and Operation Guide, 5.6", "RFC 5321, 4.2 and 4.4"),
)
