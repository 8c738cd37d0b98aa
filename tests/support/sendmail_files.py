"""Small configuration files of Sendmail for tests: the shape of Debian's and of upstream's own."""

DEBIAN_MC = """\
divert(-1)dnl
#----------------------------------------------------------------
# m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf
# it's define(`confSMTP_LOGIN_MSG', `in a comment of m4')
#----------------------------------------------------------------
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
VERSIONID(`$Id: sendmail.mc, v 8.17.1.9-2+deb12u2 2024-06-16 21:07:57 cowboy Exp $')
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl        #DAEMON_HOSTSTATS=
dnl #   define(`confSAFE_FILE_ENV',             `')dnl
DAEMON_OPTIONS(`Family=inet,  Name=MTA-v4, Port=smtp, Addr=127.0.0.1')dnl
define(`confPRIVACY_FLAGS',dnl
`needmailhelo,needexpnhelo,needvrfyhelo,restrictqrun,restrictexpand,nobodyreturn,authwarnings')dnl
define(`confCONNECTION_RATE_THROTTLE', `15')dnl
include(`/etc/mail/m4/provider.m4')dnl
dnl #
dnl # Default Mailer setup
MAILER_DEFINITIONS
MAILER(`local')dnl
MAILER(`smtp')dnl
"""

GENERIC_MC = """\
VERSIONID(`$Id: generic-linux.mc,v 8.2 2013-11-22 20:51:08 ca Exp $')
OSTYPE(linux)dnl
DOMAIN(generic)dnl
MAILER(local)dnl
MAILER(smtp)dnl
"""

SUBMIT_MC = """\
divert(0)dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-msp')dnl
dnl #
dnl # The real reason we're here: the FEATURE(msp)
FEATURE(`msp', `[127.0.0.1]', `25')dnl
dnl #
"""

CF = """\
#####		SENDMAIL CONFIGURATION FILE
V10/Berkeley
DZ8.17.1.9/Debian-2+deb12u2
# location of help file
O HelpFile=/etc/mail/helpfile
O PrivacyOptions=needmailhelo,restrictqrun,nobodyreturn
# SMTP initial login message (old $e macro)
O SmtpGreetingMessage=$j Sendmail $v/$Z; $b; (No UCE/UBE)
O MaxRecipientsPerMessage=0
H?P?Return-Path: <$g>
HReceived: $?sfrom $s $.$?_($?s$|from $.$_)
	$.$?{auth_type}(authenticated$?{auth_ssf} bits=${auth_ssf}$.)
	$.by $j ($v/$Z)$?r with $r$. id $i$?{tls_version}
	(version=${tls_version} cipher=${cipher})$.$?u
	for $u; $|;
	$.$b
Mlocal,		P=/usr/sbin/sensible-mda
"""

#: What a common note on this finding puts into sendmail.cf.
WRONG_NOTE = "define(`confSMTP_banner', ' ')"


def with_lines(mc: str, *lines: str) -> str:
    """Put lines where settings belong in Debian's file: before MAILER_DEFINITIONS."""
    return mc.replace("MAILER_DEFINITIONS\n", "".join(f"{line}\n" for line in lines) + "MAILER_DEFINITIONS\n")


def with_greeting(value: str) -> str:
    """Return the `.cf` file with another greeting."""
    return CF.replace("$j Sendmail $v/$Z; $b; (No UCE/UBE)", value)
