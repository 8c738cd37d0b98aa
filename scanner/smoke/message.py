"""Compose the test message: short and plain, it says what it is and who sent it.

It carries the random token by which it is known, and is marked as made by a program (RFC 3834), so that no vacation
reply answers it.
"""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final

from scanner.smoke.mailboxes import MARK_HEADER
from scanner.smoke.request import SmokeTest

_TEXT: Final = """\
This is a test message. A mail administrator sent it with smtpsweep, by hand,
through {host} port {port}, to see whether mail still flows after a change to
that server, and whether the headers of a delivered message show its version.

It is one message to one recipient. Nothing needs to be done; it can be deleted.

Test: {token}
"""


def compose(test: SmokeTest, now: datetime) -> bytes:
    """Write the message: plain, short, honest, with the token in subject, Message-ID and a header of its own."""
    message = EmailMessage(policy=SMTP_POLICY.clone(max_line_length=998))
    message["From"] = test.sender
    message["To"] = test.recipient
    message["Subject"] = f"smtpsweep smoke test {test.token}"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = message_id(test)
    message["Auto-Submitted"] = "auto-generated"
    message[MARK_HEADER] = test.token
    message.set_content(_TEXT.format(host=test.host, port=test.port, token=test.token))
    return message.as_bytes()


def message_id(test: SmokeTest) -> str:
    """Return the Message-ID of a test's message."""
    return f"<smtpsweep-{test.token}@{test.sender.rpartition('@')[2]}>"
