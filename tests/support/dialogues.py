"""What nine mail servers reply (four noted in full, five in part; see behaviours.toml), and dialogues made of it.

EHLO's lines, HELP, QUIT and the refusal of a verb that does not exist are those of the servers' default configurations;
only host names and addresses are changed. `HARDENED_REPLIES` has its help file, greeting and privacy options closed.
"""

from scanner.model import Dialogue, Exchange

Replies = dict[str, tuple[int, tuple[str, ...]]]

SENDMAIL_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail1.lab.example Hello localhost [127.0.0.1], pleased to meet you",
            *("ENHANCEDSTATUSCODES", "PIPELINING", "EXPN", "VERB", "8BITMIME", "SIZE", "DSN", "ETRN", "DELIVERBY"),
            "HELP",
        ),
    ),
    "HELP": (
        214,
        (
            "2.0.0 This is sendmail version 8.17.1.9",
            "2.0.0 Topics:",
            "2.0.0 \\x09HELO\\x09EHLO\\x09MAIL\\x09RCPT\\x09DATA",
            'For more info use "HELP <topic>".',
            "2.0.0 \\x09http://www.sendmail.org/email-addresses.html",
            "2.0.0 End of HELP info",
        ),
    ),
    "FOO": (500, ('5.5.1 Command unrecognized: "FOO"',)),
    "QUIT": (221, ("2.0.0 mail1.lab.example closing connection",)),
}
HARDENED_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail1.lab.example Hello localhost [127.0.0.1], pleased to meet you",
            *("ENHANCEDSTATUSCODES", "PIPELINING", "8BITMIME", "SIZE", "DSN", "DELIVERBY", "HELP"),
        ),
    ),
    "HELP": (214, ("2.0.0 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP QUIT HELP", "2.0.0 End of HELP info")),
    "FOO": (500, ('5.5.1 Command unrecognized: "FOO"',)),
    "QUIT": (221, ("2.0.0 mail1.lab.example closing connection",)),
}
POSTFIX_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail2.lab.example",
            *("PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8"),
            "CHUNKING",
        ),
    ),
    "HELP": (500, ("5.5.2 Error: command not recognized",)),
    "FOO": (500, ("5.5.2 Error: command not recognized",)),
    "QUIT": (221, ("2.0.0 Bye",)),
}
EXIM_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail3.lab.example Hello scanner.lab.example [127.0.0.1]",
            *("SIZE 52428800", "8BITMIME", "PIPELINING", "PIPECONNECT", "CHUNKING", "STARTTLS", "PRDR", "HELP"),
        ),
    ),
    "HELP": (214, ("Commands supported:", "AUTH STARTTLS HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP")),
    "FOO": (500, ("unrecognized command",)),
    "QUIT": (221, ("mail3.lab.example closing connection",)),
}
OPENSMTPD_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail4.lab.example Hello scanner.lab.example [127.0.0.1], pleased to meet you",
            *("8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 36700160", "DSN", "HELP"),
        ),
    ),
    "HELP": (
        214,
        (
            "2.0.0 This is OpenSMTPD",
            "2.0.0 To report bugs in the implementation, please contact bugs@openbsd.org",
            "2.0.0 with full details",
            "2.0.0 End of HELP info",
        ),
    ),
    "FOO": (500, ("5.5.1 Invalid command: Command unrecognized",)),
    "QUIT": (221, ("2.0.0 Bye",)),
}
COURIER_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail5.lab.example Ok.",
            *("XVERP=Courier", "XEXDATA", "XSECURITY=NONE", "PIPELINING", "8BITMIME", "SIZE", "DSN"),
        ),
    ),
    "HELP": (502, ("ESMTP command error",)),
    "FOO": (502, ("ESMTP command error",)),
    "QUIT": (221, ("Bye.",)),
}
QPSMTPD_REPLIES: Replies = {
    "EHLO scanner.lab.example": (250, ("mail6.lab.example Hi localhost [127.0.0.1]", "PIPELINING", "8BITMIME")),
    "HELP": (214, ("This is qpsmtpd 0.94",)),
    "FOO": (500, ("Unrecognized command",)),
    "QUIT": (221, ("mail6.lab.example closing connection. Have a wonderful day.",)),
}
HARAKA_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail7.lab.example Hello localhost [127.0.0.1], Haraka is at your service.",
            *("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 26214400"),
        ),
    ),
    "HELP": (250, ("Not implemented",)),
    "FOO": (500, ("Unrecognized command",)),
    "QUIT": (221, ("mail7.lab.example closing connection. Have a jolly good day.",)),
}
SMTP_SERVER_REPLIES: Replies = {
    "EHLO scanner.lab.example": (
        250,
        (
            "mail8.lab.example Nice to meet you, scanner.lab.example",
            *("PIPELINING", "8BITMIME", "SMTPUTF8", "AUTH LOGIN PLAIN", "STARTTLS"),
        ),
    ),
    "HELP": (214, ("See https://tools.ietf.org/html/rfc5321 for details",)),
    "FOO": (500, ("Error: command not recognized",)),
    "QUIT": (221, ("Bye",)),
}
AIOSMTPD_REPLIES: Replies = {
    "EHLO scanner.lab.example": (250, ("mail9.lab.example", "SIZE 33554432", "8BITMIME", "SMTPUTF8", "HELP")),
    "HELP": (250, ("Supported commands: AUTH DATA EHLO HELO HELP MAIL NOOP QUIT RCPT RSET VRFY",)),
    "FOO": (500, ('Error: command "FOO" not recognized',)),
    "QUIT": (221, ("Bye",)),
}

#: Product -> what it replies, each with its own way to hide.
SERVERS: dict[str, list[Replies]] = {
    "Sendmail": [SENDMAIL_REPLIES, HARDENED_REPLIES],
    "Postfix": [POSTFIX_REPLIES],
    "Exim": [EXIM_REPLIES],
    "OpenSMTPD": [OPENSMTPD_REPLIES],
    "Courier": [COURIER_REPLIES],
    "qpsmtpd": [QPSMTPD_REPLIES],
    "Haraka": [HARAKA_REPLIES],
    "smtp-server": [SMTP_SERVER_REPLIES],
    "aiosmtpd": [AIOSMTPD_REPLIES],
}


def dialogue_of(replies: Replies, *, unknown_verb: bool = True) -> Dialogue:
    """Make the dialogue that brings these replies, with or without the verb that does not exist."""
    exchanges = tuple(
        Exchange(command, code, lines, 0.001)
        for command, (code, lines) in replies.items()
        if unknown_verb or command != "FOO"
    )
    extensions = next((lines[1:] for command, (_, lines) in replies.items() if command.startswith("EHLO")), ())
    return Dialogue(exchanges=exchanges, extensions=extensions)
