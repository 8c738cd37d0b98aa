"""smtpsweep: a network-wide SMTP banner scanner."""
