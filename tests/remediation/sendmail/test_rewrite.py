"""The rewriter changes what leaks, nothing else, and once is enough."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.lines import apply_edits
from scanner.remediation.sendmail.reader import ConfigKind, read
from scanner.remediation.sendmail.rewrite import rewrite
from scanner.remediation.sendmail.values import ConfigFinding, ConfigSeverity, Edit, HelpFile
from tests.support.sendmail_files import CF, DEBIAN_MC, GENERIC_MC, SUBMIT_MC, WRONG_NOTE, with_lines

FLAGS = facts.PRIVACY_FLAGS
OURS = HelpFile(facts.HELP_FILE_TEXT)


def to_mend(kind: ConfigKind, text: str) -> list[str]:
    """Return what is still found that has edits."""
    return [finding.id for finding in read(kind, text) if finding.edits]


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that are gone and those that are new."""
    old, new = before.split("\n"), after.split("\n")
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_debians_file_gets_three_lines_where_they_belong_and_keeps_its_own_privacy_flag() -> None:
    after = rewrite(ConfigKind.SENDMAIL_MC, DEBIAN_MC)
    gone, new = changes(DEBIAN_MC, after)
    assert gone == [
        "define(`confPRIVACY_FLAGS',dnl",
        "`needmailhelo,needexpnhelo,needvrfyhelo,restrictqrun,restrictexpand,nobodyreturn,authwarnings')dnl",
    ]
    assert new == [f"define(`confPRIVACY_FLAGS', `{FLAGS},nobodyreturn')dnl", *facts.MC_SETTINGS[:3]]
    assert after.index("provider.m4") < after.index(facts.MC_SETTINGS[0]) < after.index("dnl # Default Mailer setup")


def test_upstreams_file_gets_exactly_our_settings_between_domain_and_mailer() -> None:
    after = rewrite(ConfigKind.SENDMAIL_MC, GENERIC_MC)
    assert after == GENERIC_MC.replace("MAILER(local)", "\n".join([*facts.MC_SETTINGS, "MAILER(local)"]))


def test_the_submission_file_gets_one_line_before_feature_msp() -> None:
    after = rewrite(ConfigKind.SUBMIT_MC, SUBMIT_MC)
    assert after == SUBMIT_MC.replace("dnl #\ndnl # The real", facts.SUBMIT_MC_SETTINGS[0] + "\ndnl #\ndnl # The real")


def test_a_cf_file_becomes_what_the_direct_edits_make_of_it_but_for_the_sites_own_flag() -> None:
    edited = CF
    for pattern, replacement in facts.CF_EDITS:
        edited = re.sub(f"(?m){pattern}", replacement, edited)
    assert rewrite(ConfigKind.SENDMAIL_CF, CF) == edited.replace(FLAGS, f"{FLAGS},nobodyreturn")
    ((pattern, replacement),) = facts.SUBMIT_CF_EDITS
    assert rewrite(ConfigKind.SUBMIT_CF, CF) == re.sub(pattern, replacement, CF)
    plain = CF.replace(",nobodyreturn", "")
    assert rewrite(ConfigKind.SENDMAIL_CF, plain) == edited


def test_the_wrong_note_is_dropped_from_a_cf_file_and_commented_out_in_an_mc_file() -> None:
    for text in (f"{CF}{WRONG_NOTE}\n", f"{CF}{WRONG_NOTE}dnl", f"{WRONG_NOTE}\n{CF}", f"{CF}define(`x',\n  `y')dnl\n"):
        assert rewrite(ConfigKind.SENDMAIL_CF, text) == rewrite(ConfigKind.SENDMAIL_CF, CF)
    after = rewrite(ConfigKind.SENDMAIL_MC, with_lines(DEBIAN_MC, WRONG_NOTE))
    assert f"dnl The next line names no setting of Sendmail.\ndnl {WRONG_NOTE}\n" in after
    rest = after.replace(f"dnl The next line names no setting of Sendmail.\ndnl {WRONG_NOTE}\n", "")
    assert sorted(rest.split("\n")) == sorted(rewrite(ConfigKind.SENDMAIL_MC, DEBIAN_MC).split("\n"))


def test_the_wrong_note_inside_a_header_does_not_take_the_headers_rest_with_it() -> None:
    broken = CF.replace("\tfor $u", f"{WRONG_NOTE}\n\tfor $u")
    assert rewrite(ConfigKind.SENDMAIL_CF, broken) == rewrite(ConfigKind.SENDMAIL_CF, CF)


@pytest.mark.parametrize(
    "line",
    [
        "define(`confSMTP_LOGIN_MSG', ` ')dnl",
        "define(`confSMTP_LOGIN_MSG')dnl",
        "define(confSMTP_LOGIN_MSG, `$j')dnl",
        "define('confSMTP_LOGIN_MSG', '$j')dnl",
        "undefine(`confSMTP_LOGIN_MSG')dnl",
        "undefine(`confSMTP_LOGIN_MSG', `_REC_BY_')dnl gone",
        "define(`confSMTP_LOGIN_MSG', `$j')undefine(`confSMTP_LOGIN_MSG')MASQUERADE_AS(`x')dnl",
        "O SmtpGreetingMessage=$j",
        "define (`confSMTP_LOGIN_MSG', `$j')dnl",
        "ifdef(`X', `define(`confSMTP_LOGIN_MSG', `$v')')dnl",
        "ifdef(`X', `undefine(`confSMTP_LOGIN_MSG')')dnl",
        "define(`confSMTP_LOGIN_MSG', `a\nb')dnl",
        "pushdef(`HELP_FILE', `/dev/null')dnl",
        "popdef(`HELP_FILE')dnl",
    ],
)
def test_whatever_was_wrong_before_the_result_sets_the_greeting_to_the_hosts_name(line: str) -> None:
    for at in ("MAILER_DEFINITIONS", "OSTYPE", "include(`/usr", "MAILER(`smtp')"):
        text = DEBIAN_MC.replace(at, f"{line}\n{at}", 1)
        after = rewrite(ConfigKind.SENDMAIL_MC, text)
        assert to_mend(ConfigKind.SENDMAIL_MC, after) == []
        assert [finding.id for finding in read(ConfigKind.SENDMAIL_MC, after, OURS)] == []
        assert "`confSMTP_LOGIN_MSG', `$j')" in after or "\nO SmtpGreetingMessage=$j\n" in after  # below MAILER it wins


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("O SmtpGreetingMessage=$j Sendmail $v/$Z; $b; (No UCE/UBE)\n", ""),
        ("O SmtpGreetingMessage=", "#O SmtpGreetingMessage="),
        ("O SmtpGreetingMessage=", "O SmtpGreetingMesage="),
        ("O SmtpGreetingMessage=", "OSmtpGreetingMessage="),
        ("O SmtpGreetingMessage=", "O\tsmtpgreetingmessage ="),
        ("O HelpFile=/etc/mail/helpfile", "OH"),
        ("O HelpFile=/etc/mail/helpfile\n", ""),
        ("V10", "dnl\nV10"),
    ],
)
def test_a_cf_file_that_was_damaged_is_whole_again(old: str, new: str) -> None:
    after = rewrite(ConfigKind.SENDMAIL_CF, CF.replace(old, new, 1))
    assert [finding.id for finding in read(ConfigKind.SENDMAIL_CF, after, OURS) if finding.counts] == []
    assert sorted(after.split("\n")) == sorted(rewrite(ConfigKind.SENDMAIL_CF, CF).split("\n"))


def test_a_missing_option_goes_below_the_last_one() -> None:
    gone = CF.replace("O HelpFile=/etc/mail/helpfile\n", "")
    assert f"O MaxRecipientsPerMessage=0\nO HelpFile={facts.HELP_FILE}\nH?P?" in rewrite(ConfigKind.SENDMAIL_CF, gone)


def test_new_lines_never_go_into_quoted_text_that_looks_like_a_comment() -> None:
    text = "`quoted\ndnl to here'\ndnl a comment\nFEATURE(`msp')\n"
    assert rewrite(ConfigKind.SUBMIT_MC, text) == text.replace("dnl a c", facts.SUBMIT_MC_SETTINGS[0] + "\ndnl a c")


def test_a_setting_that_is_good_is_not_made_ours() -> None:
    own = with_lines(
        DEBIAN_MC,
        "define(`confSMTP_LOGIN_MSG', `$j at your service')dnl",
        "define(`HELP_FILE', `/etc/mail/ours')dnl",
        "define(`_REC_BY_', `$.by $j with $r id $i$?{tls_version}')dnl",
        "define(`confPRIVACY_FLAGS', `noexpn,novrfy,noverb,noetrn')dnl",
    )
    assert rewrite(ConfigKind.SENDMAIL_MC, own) == own
    assert (
        rewrite(ConfigKind.SENDMAIL_CF, CF, OURS).count("O HelpFile=/etc/mail/helpfile\n") == 1
    )  # looked at, and safe


def test_a_sites_own_received_header_only_loses_its_version() -> None:
    line = "define(`confRECEIVED_HEADER', `$?sfrom $s $.by $j ($v/$Z)\n\tours for $u; $b')dnl"
    after = rewrite(ConfigKind.SENDMAIL_MC, with_lines(DEBIAN_MC, line))
    assert line.replace(" ($v/$Z)", "") in after
    assert "_REC_BY_" not in after


def test_line_ends_stay_as_they_are() -> None:
    for kind, text in ((ConfigKind.SENDMAIL_MC, DEBIAN_MC), (ConfigKind.SENDMAIL_CF, CF)):
        after = rewrite(kind, text.replace("\n", "\r\n"))
        assert "\n" not in after.replace("\r\n", "")
        assert after.replace("\r\n", "\n") == rewrite(kind, text)
    assert rewrite(ConfigKind.SENDMAIL_MC, "OSTYPE(linux)") == "\n".join(["OSTYPE(linux)", *facts.MC_SETTINGS])
    assert rewrite(ConfigKind.SUBMIT_CF, CF.rstrip("\n")) == rewrite(ConfigKind.SUBMIT_CF, CF).rstrip("\n")


def test_a_file_that_m4_cannot_read_comes_back_as_it_was() -> None:
    for text in ("define(`confSMTP_LOGIN_MSG', `$v)", "OSTYPE(`debian'", "changequote([, ])" + DEBIAN_MC):
        assert rewrite(ConfigKind.SENDMAIL_MC, text) == text


def test_of_findings_that_meet_one_is_mended_whole() -> None:
    def finding(*edits: Edit) -> ConfigFinding:
        return ConfigFinding("x", ConfigSeverity.LEAK, 1, "", "", "", edits)

    commented = finding(Edit(0, 0, "#"), Edit(4, 4, "#"))
    assert apply_edits("abc\ndef\n", [finding(Edit(2, 5, "-")), commented]) == "#abc\n#def\n"
    assert apply_edits("ab", [finding(Edit(1, 1, "1")), finding(Edit(1, 1, "2"))]) == "a12b"


PIECES = st.sampled_from(
    [*DEBIAN_MC.splitlines(True), *GENERIC_MC.splitlines(True), *CF.splitlines(True), *SUBMIT_MC.splitlines(True),
     WRONG_NOTE, WRONG_NOTE + "dnl\n", "define(`confSMTP_LOGIN_MSG', `", "')", "$v", "$Z", "dnl ", "\n", "\r\n", " ",
     "(", ")", "`", "'", ",", "#", "\xff\x00\x1b[31m", "O SmtpGreetingMesage=$j\n", "OH\n", "#O HelpFile=x\n",
     "HReceived: $v\n", "ifdef(`X', `", "undefine(`confSMTP_LOGIN_MSG')", "LOCAL_CONFIG\n", "LOCAL_RULESETS\n",
     "FEATURE(`msp')", "HACK(`virthost_by_ip')\n", "O SmtpGreetingMessage=$v\n", "define(`_REC_BY_', `($v)')",
     "popdef(`_REC_BY_')", "define(`confRECEIVED_HEADER', `_REC_BY_ $v')", "define(confPRIVACY_FLAGS, `public')",
     "O PrivacyOptions=public\n"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=24).map("".join) | st.text(alphabet=st.characters(max_codepoint=255))


@settings(max_examples=400)
@given(TEXTS, st.sampled_from(list(ConfigKind)))
@example("`a quote\ndnl that does not end before here: ' FEATURE(`msp')\n", ConfigKind.SUBMIT_MC)
def test_once_is_enough_and_nothing_is_left_that_could_be_mended(text: str, kind: ConfigKind) -> None:
    after = rewrite(kind, text)
    assert rewrite(kind, after) == after
    assert to_mend(kind, after) == []
    assert after.encode("latin-1").decode("latin-1") == after


WHOLE_LINES = [f"{line}\n" for line in re.split(r"\n(?![ \t])", CF)]


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from([*WHOLE_LINES, "# \xe9\x00\x80\n", "R$*\t$: $1\n", "O X=1\r\n"])),
    st.booleans(),
)
def test_lines_that_do_not_leak_come_back_byte_for_byte(lines: list[str], is_submit: bool) -> None:
    kind = ConfigKind.SUBMIT_CF if is_submit else ConfigKind.SENDMAIL_CF
    after = rewrite(kind, "".join(lines)).split("\n")
    for line in "".join(lines).split("\n"):
        if "$v" not in line and not re.match(r"#?O (Smtp|Help|Priv)", line):
            assert line in after
