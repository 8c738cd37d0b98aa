"""What the Sendmail plan says besides its steps: places that leak, transcripts, side effects, wrong advice.

The transcripts are of the real server that the steps were tried on.
"""

from typing import Final

from scanner.remediation.sendmail import facts

BEFORE: Final = """\
S: 220 sendmail.lab.example ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Mon, 23 Nov 2026 20:20:43 GMT; ...
C: EHLO client.example
S: 250-sendmail.lab.example Hello client.example [198.51.100.1], pleased to meet you
S: 250-ENHANCEDSTATUSCODES
S: 250-PIPELINING
S: 250-EXPN
S: 250-VERB
S: 250-8BITMIME
S: 250-SIZE
S: 250-DSN
S: 250-ETRN
S: 250-DELIVERBY
S: 250 HELP
C: HELP
S: 214-2.0.0 This is sendmail version 8.17.1.9
S: 214-2.0.0 Topics:
   ...
S: 214 2.0.0 End of HELP info

Received: from client.example by sendmail.lab.example (8.17.1.9/8.17.1.9/Debian-2+deb12u2) with ESMTP id ..."""

AFTER: Final = """\
S: 220 sendmail.lab.example ESMTP
C: EHLO client.example
S: 250-sendmail.lab.example Hello client.example [198.51.100.1], pleased to meet you
S: 250-ENHANCEDSTATUSCODES
S: 250-PIPELINING
S: 250-8BITMIME
S: 250-SIZE
S: 250-DSN
S: 250-DELIVERBY
S: 250 HELP
C: HELP
S: 214-2.0.0 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT HELP
S: 214 2.0.0 End of HELP info

Received: from client.example by sendmail.lab.example with ESMTP id ..."""

#: Place, what it shows, what closes it, what does not.
LEAKS: Final = (
    (
        "Greeting",
        "`Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; DATE`",
        f"``define(`{facts.GREETING_SETTING}', `{facts.GREETING_VALUE}')``",
        "a deleted or commented line: the built-in greeting shows the version, too",
    ),
    (
        "HELP",
        "`This is sendmail version 8.17.1.9`",
        f"`{facts.HELP_SETTING}` names an existing regular file whose first line is `#vers`, a tab, `2`",
        (
            "a missing file, `/dev/null` or an empty option: every HELP then answers `502 5.3.0 Sendmail 8.17.1.9 -- "
            "HELP not implemented`"
        ),
    ),
    (
        "Received: of what comes by SMTP, also in bounces",
        "`by HOST (8.17.1.9/8.17.1.9/Debian-2+deb12u2)`",
        f"`{facts.RECEIVED_SETTING}` in `sendmail.mc`",
        "the greeting's setting",
    ),
    (
        "Received: of mail from local users",
        "`by HOST (8.17.1.9/8.17.1.9/Submit)`",
        f"`{facts.RECEIVED_SETTING}` in `submit.mc`",
        "any change of `sendmail.mc` alone",
    ),
    (
        "EHLO",
        "no version; EXPN, VERB, ETRN",
        f"`{facts.PRIVACY_SETTING}`",
        "",
    ),
)

WARNINGS: Final = (
    (
        "A security note that goes around says ``define(`confSMTP_banner', ' ')`` in `/etc/mail/sendmail.cf`. **Do "
        "not.** In `sendmail.cf` that line is `unknown configuration line`: exit status 70, and at the next HUP or "
        "restart there is no mail server. In `sendmail.mc` it is ignored: there is no such name. The setting is "
        "`confSMTP_LOGIN_MSG`."
    ),
    (
        "An empty or blank greeting gives `220  ESMTP`, without the host name that RFC 5321 asks for. `$j ESMTP` gives "
        "`ESMTP ESMTP`: Sendmail puts that word in by itself."
    ),
    "Do not check with `sendmail -bs`: with Debian's rate control it answers 554 and still exits with 0.",
    "The help file is read at every HELP. Who deletes it later opens the leak again, at once.",
)

SIDE_EFFECTS: Final = (
    "VRFY, EXPN, VERB and ETRN are refused. Hosts that fetch their mail by ETRN need it: leave `noetrn` out for them.",
    (
        "`goaway` does not contain `nobodyreturn`, which Debian's default has: bounces can again hold the message's "
        "body. Add `nobodyreturn` when that matters."
    ),
    (
        "The greeting no longer tells the date, nor Debian's text about unsolicited mail: put a text that your lawyers "
        "want behind `$j`."
    ),
    (
        "You lose the version in `Received:` lines when you look for errors; `sendmail -d0.1 -bv root` on the host "
        "shows it."
    ),
)

STAYS: Final = (
    "The product stays recognisable: `Hello ..., pleased to meet you`, `DELIVERBY`, `End of HELP info`, the wording of "
    "errors, message ids and bounces. These texts are compiled in. Without a version they tell nobody which flaws a "
    "host has, so this is a good place to stop; smtpsweep then reports `hidden_but_recognisable`."
)
