"""The reader of Sendmail's configuration names what leaks, the line it is in, and why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.m4 import Call, scan
from scanner.remediation.sendmail.reader import ConfigKind, read
from scanner.remediation.sendmail.values import ConfigFinding, ConfigSeverity, HelpFile, help_text_problem
from tests.support.sendmail_files import CF, DEBIAN_MC, GENERIC_MC, SUBMIT_MC, WRONG_NOTE, with_greeting, with_lines

OURS = HelpFile(facts.HELP_FILE_TEXT)


def ids(findings: list[ConfigFinding]) -> dict[str, int | None]:
    """Return line numbers by id, notes left out."""
    return {finding.id: finding.line for finding in findings if finding.counts}


def mc(*lines: str) -> dict[str, int | None]:
    """Return what is found because of lines at line 21 of Debian's file, and not without them."""
    text = with_lines(DEBIAN_MC, *lines)
    start = text[: text.index(lines[0] + "\n")].count("\n") + 1
    assert start == 21
    usual = ids(read(ConfigKind.SENDMAIL_MC, DEBIAN_MC, OURS))
    found = ids(read(ConfigKind.SENDMAIL_MC, text, OURS))
    return {key: line for key, line in found.items() if usual.get(key, "no") != line}


def test_debians_own_file_leaks_in_four_places_and_the_fourth_is_a_line_with_dnl_in_it() -> None:
    found = read(ConfigKind.SENDMAIL_MC, DEBIAN_MC)
    assert ids(found) == {"privacy-flags": 15, "greeting-version": None, "help-version": None, "received-version": None}
    assert found[0].text == "define(`confPRIVACY_FLAGS',dnl"
    assert {finding.id: str(finding.severity) for finding in found}["greeting-version"] == "leak"
    assert found[0].severity is ConfigSeverity.WARNING


def test_the_submission_file_is_only_looked_at_for_received() -> None:
    assert ids(read(ConfigKind.SUBMIT_MC, SUBMIT_MC)) == {"received-version": None}
    assert (
        ids(read(ConfigKind.SUBMIT_MC, SUBMIT_MC.replace("FEATURE", facts.SUBMIT_MC_SETTINGS[0] + "\nFEATURE"))) == {}
    )


def test_our_own_settings_leave_nothing_to_find() -> None:
    for at in ("MAILER(local)", "MAILER(smtp)"):
        text = GENERIC_MC.replace(at, "\n".join([*facts.MC_SETTINGS, at]))
        assert ids(read(ConfigKind.SENDMAIL_MC, text)) == {}
    assert ids(read(ConfigKind.SENDMAIL_MC, GENERIC_MC + "\n".join(facts.MC_SETTINGS))) == {}  # after MAILER works too


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$j", None),
        ("$j ready", None),
        ("$j ready at $b", None),
        ("mail.example.com welcome", None),
        ("$j $$v", None),
        ("$j ${verify}", None),
        ("", "greeting-empty"),
        (" ", "greeting-empty"),
        ("$j Sendmail $v/$Z; $b", "greeting-version"),
        ("$j $version", "greeting-version"),
        ("$j ${v}", "greeting-version"),
        ("$j $&{Z}", "greeting-version"),
        ("$j Sendmail 8.14.4", "greeting-version"),
        ("$j SendMail here", "greeting-product"),
        ("$j ESMTP ready", "greeting-esmtp-twice"),
        ("$j esmtp", "greeting-esmtp-twice"),
        ("ready", "greeting-no-host"),
        ("line one", "greeting-no-host"),
    ],
)
def test_a_greeting_is_judged_by_what_the_server_then_says(value: str, expected: str | None) -> None:
    define = mc(f"define(`confSMTP_LOGIN_MSG', `{value}')dnl")
    assert define.pop("greeting-version", 21) in (21, None)  # None: it was the default, and is gone
    option = {
        key for key in ids(read(ConfigKind.SENDMAIL_CF, with_greeting(value), OURS)) if key.startswith("greeting")
    }
    assert option == ({expected} if expected else set())
    if expected != "greeting-version":
        assert define == ({expected: 21} if expected else {})


def test_m4_and_no_other_quotes_open_and_close() -> None:
    assert mc("define(`confSMTP_LOGIN_MSG', ' ')dnl") == {"greeting-quotes": 21}
    assert mc("define('confSMTP_LOGIN_MSG', '$j')dnl") == {"name-quotes": 21}
    assert mc('define("confSMTP_LOGIN_MSG", "$j")dnl') == {"name-quotes": 21}
    opening, closing = "\u2018".encode().decode("latin-1"), "\u2019".encode().decode("latin-1")
    curly = f"define({opening}confSMTP_LOGIN_MSG{closing}, {opening}$j{closing})dnl"
    assert mc(curly) == {"name-quotes": 21}
    assert mc("define(confSMTP_LOGIN_MSG, `$j')dnl") == {"name-unquoted": 21}
    assert mc("define(`confSMTP_LOGIN_MSG', $j)dnl") == {}


@pytest.mark.parametrize(
    "name",
    ["confSMTP_banner", "confSMTP_BANNER", "confsmtp_banner", "confSMTP_GREETING", "confBANNER",
     "confSMTP_LOGIN_MESSAGE", "confSmtp_Login_Msg", "SMTP_LOGIN_MSG", "confHELP_FILE", "confPRIVACY_OPTIONS",
     "conf_SMTP_BANNER", "_REC_BY"],
)  # fmt: skip
def test_a_name_that_no_one_uses_is_named_in_any_spelling(name: str) -> None:
    assert mc(f"define(`{name}', ' ')") == {"name-unknown": 21}
    (found,) = (
        each
        for each in read(ConfigKind.SENDMAIL_MC, with_lines(DEBIAN_MC, f"define(`{name}', `x')"))
        if each.line == 21
    )
    assert "no such setting" in found.why
    assert found.text == f"define(`{name}', `x')"
    assert "confSMTP_LOGIN_MSG" in found.todo


@pytest.mark.parametrize("name", ["confSMTP_MAILER", "confLOG_LEVEL", "SMTP_MAILER_FLAGS", "LOCAL_MAILER_ARGS"])
def test_other_settings_are_left_alone(name: str) -> None:
    assert mc(f"define(`{name}', `esmtp')dnl") == {}


def test_a_define_that_ostype_sets_again_is_lost() -> None:
    good = "define(`confSMTP_LOGIN_MSG', `$j')dnl\n"
    text = DEBIAN_MC.replace("OSTYPE", good + "OSTYPE")
    found = read(ConfigKind.SENDMAIL_MC, text, OURS)
    assert ids(found)["overridden"] == 10
    assert ids(found)["greeting-version"] is None
    assert "OSTYPE in line 11 sets confSMTP_LOGIN_MSG again" in found[0].why
    above_cf_m4 = read(ConfigKind.SENDMAIL_MC, good + DEBIAN_MC, OURS)
    assert "include in line 9" in above_cf_m4[0].why
    assert "overridden" not in ids(read(ConfigKind.SENDMAIL_MC, good + GENERIC_MC))  # upstream's OSTYPEs do not set it


def test_the_last_define_wins_and_undefine_falls_back_to_what_leaks() -> None:
    good, bad = "define(`confSMTP_LOGIN_MSG', `$j')dnl", "define(`confSMTP_LOGIN_MSG', `$v')dnl"
    assert mc(good, bad) == {"greeting-version": 22}
    assert "greeting-version" not in mc(bad, good)
    assert mc(good, "undefine(`confSMTP_LOGIN_MSG')dnl") == {"setting-removed": 22}
    assert "built-in greeting" in next(f for f in read(ConfigKind.SENDMAIL_MC, with_lines(
        DEBIAN_MC, "undefine(`confSMTP_LOGIN_MSG')")) if f.id == "setting-removed").why  # fmt: skip


def test_comments_are_what_m4_takes_for_comments() -> None:
    assert mc("dnl define(`confSMTP_LOGIN_MSG', ` ')") == {}
    # cf.m4 switches # comments off: this one counts, and was tried.
    assert mc("# define(`confSMTP_LOGIN_MSG', ` ')") == {"greeting-empty": 21}
    assert mc("VERSIONID(`define(`confSMTP_LOGIN_MSG', ` ')')") == {}
    assert mc("define (`confSMTP_LOGIN_MSG', `$j')dnl") == {"space-before-parenthesis": 21}


def test_each_branch_of_a_condition_counts() -> None:
    line = "ifdef(`X', `define(`confSMTP_LOGIN_MSG', `$j $v')', `define(`confSMTP_LOGIN_MSG', ` ')')dnl"
    found = read(ConfigKind.SENDMAIL_MC, with_lines(DEBIAN_MC, line), OURS)
    assert [finding.id for finding in found if finding.line == 21] == ["greeting-version", "greeting-empty"]


def test_names_in_a_value_are_followed() -> None:
    assert mc("define(`OUR_TEXT', `Sendmail')dnl", "define(`confSMTP_LOGIN_MSG', `$j OUR_TEXT')dnl") == {
        "greeting-product": 22
    }
    assert mc(
        "define(`confSMTP_LOGIN_MSG', `$j')dnl", "define(`confSMTP_LOGIN_MSG', defn(`confSMTP_LOGIN_MSG')` 8.1')"
    ) == {"greeting-version": 22}


def test_an_option_line_counts_only_in_the_parts_that_come_after_m4s_own() -> None:
    raw = "O SmtpGreetingMessage=$j"
    assert mc("LOCAL_CONFIG", raw) == {"raw-option-lost": 22}
    assert mc(raw) == {"raw-option-lost": 21}
    text = DEBIAN_MC + "LOCAL_RULESETS\nO SmtpGreetingMessage=$j $v\nO HelpFile=/dev/null\n"
    assert ids(read(ConfigKind.SENDMAIL_MC, with_lines(text, *facts.MC_SETTINGS))) == {
        "greeting-version": 29,
        "help-missing": 30,
    }


@pytest.mark.parametrize(
    ("line", "what"),
    [("define(`confSMTP_LOGIN_MSG', `$j)dnl", "quote"), ("define(`confSMTP_LOGIN_MSG', `$j'dnl", "parenthesis"),
     ("changequote([, ])dnl", "changequote")],
)  # fmt: skip
def test_a_file_that_m4_or_we_cannot_read_to_its_end_is_one_error_with_its_line(line: str, what: str) -> None:
    (found,) = read(ConfigKind.SENDMAIL_MC, with_lines(DEBIAN_MC, line))
    assert (found.id, found.severity, found.line, found.edits) == (f"unfinished-{what}", ConfigSeverity.ERROR, 21, ())


def test_a_greeting_of_two_lines_keeps_sendmail_from_starting() -> None:
    assert mc("define(`confSMTP_LOGIN_MSG', `$j", "more')dnl")["greeting-lines"] == 21


def test_received_is_judged_in_both_of_its_settings() -> None:
    assert mc("define(`_REC_BY_', `$.by $j ($v/$Z)$?r with $r$.')dnl") == {"received-version": 21}
    assert mc("define(`confRECEIVED_HEADER', `from $s by $j')dnl") == {}  # _REC_BY_ is not used any more
    assert "received-version" not in ids(
        read(ConfigKind.SENDMAIL_MC, with_lines(DEBIAN_MC, "define(`confRECEIVED_HEADER', `from $s by $j')dnl"))
    )
    assert mc("define(`confRECEIVED_HEADER', `from $s by $j Sendmail')dnl")["received-product"] == 21


def test_a_cf_file_is_read_with_the_line_of_each_leak() -> None:
    assert ids(read(ConfigKind.SENDMAIL_CF, CF)) == {
        "help-version": 5,
        "privacy-flags": 6,
        "greeting-version": 8,
        "received-version": 13,
    }
    assert ids(read(ConfigKind.SUBMIT_CF, CF)) == {"received-version": 13}
    notes = [finding.id for finding in read(ConfigKind.SENDMAIL_CF, CF) if not finding.counts]
    assert notes == ["configuration-version"]


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("end", ["", "dnl"])
def test_the_wrong_note_in_a_cf_file_is_an_error_that_says_sendmail_will_not_start(where: str, end: str) -> None:
    text = f"{WRONG_NOTE}{end}\n{CF}" if where == "first" else f"{CF}{WRONG_NOTE}{end}\n"
    (found,) = (finding for finding in read(ConfigKind.SENDMAIL_CF, text) if finding.severity is ConfigSeverity.ERROR)
    assert (found.id, found.line) == ("m4-in-cf", 1 if where == "first" else CF.count("\n") + 1)
    assert found.text == WRONG_NOTE + end
    assert "exits with 70 and does not start" in found.why
    assert "O SmtpGreetingMessage=$j" in found.todo


@pytest.mark.parametrize(
    ("line", "expected", "severity"),
    [
        ("dnl a comment", "m4-in-cf", "error"),
        ("FEATURE(`nocanonify')dnl", "m4-in-cf", "error"),
        ("MAILER_DEFINITIONS", "m4-in-cf", "error"),
        ("OSTYPE(`debian')dnl", "m4-in-cf", "warning"),  # taken for the option S: Sendmail starts
        ("banner=x", "line-unknown", "error"),
        ("o SmtpGreetingMessage=x", "line-unknown", "error"),
        ("O SmtpGreetingMesage=$j", "option-unknown", "error"),
        ("O  SmtpGreetingMessage=$j", "option-unknown", "error"),
        ("O\tSmtpGreetingMessage=$j", "option-unknown", "error"),
        ("OSmtpGreetingMessage=$j", "option-no-space", "warning"),
    ],
)
def test_lines_that_sendmail_does_not_take_as_meant(line: str, expected: str, severity: str) -> None:
    (found,) = (finding for finding in read(ConfigKind.SENDMAIL_CF, f"{line}\n{CF}") if finding.line == 1)
    assert (found.id, str(found.severity)) == (expected, severity)


def test_of_two_option_lines_the_last_wins_in_any_spelling() -> None:
    for line in (
        "O SmtpGreetingMessage=$j",
        "O smtpgreetingmessage = $j",
        "O SmtpG=$j",
        "O SmtpGreetingMessage=$j # $v",
    ):
        assert "greeting-version" not in ids(read(ConfigKind.SENDMAIL_CF, f"{CF}{line}\n"))
        assert ids(read(ConfigKind.SENDMAIL_CF, f"{line}\n{CF}"))["greeting-version"] == 9
    assert ids(read(ConfigKind.SENDMAIL_CF, CF + "OH/dev/null\n"))["help-missing"] == CF.count("\n") + 1
    assert "privacy-flags" not in ids(read(ConfigKind.SENDMAIL_CF, CF + "Opgoaway,noetrn\n"))


@pytest.mark.parametrize("line", ["O Smtp=$j", "O S=$j", "O =$j", "O", "O SmtpGreetingMessages=$j", "#O SmtpG=$j"])
def test_a_line_that_does_not_name_the_option_does_not_set_it(line: str) -> None:
    assert ids(read(ConfigKind.SENDMAIL_CF, f"{CF}{line}\n"))["greeting-version"] == 8


def test_an_option_that_is_gone_or_a_comment_falls_back_to_a_worse_default() -> None:
    gone = CF.replace("O SmtpGreetingMessage=$j Sendmail $v/$Z; $b; (No UCE/UBE)\n", "")
    assert ids(read(ConfigKind.SENDMAIL_CF, gone))["greeting-absent"] is None
    comment = CF.replace("O Smtp", "#O Smtp")
    assert ids(read(ConfigKind.SENDMAIL_CF, comment))["greeting-absent"] == 8
    assert ids(read(ConfigKind.SENDMAIL_CF, CF.replace("O HelpFile", "# O HelpFile")))["help-missing"] == 5
    assert ids(read(ConfigKind.SENDMAIL_CF, CF.replace("O Priv", "#O Priv")))["privacy-flags"] == 6


def test_an_indented_line_goes_on_with_the_line_above_it() -> None:
    assert ids(read(ConfigKind.SENDMAIL_CF, CF.replace("V10", "# comment\n  define(x)\nV10"))) == {
        key: line + 2 for key, line in ids(read(ConfigKind.SENDMAIL_CF, CF)).items() if line
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (facts.HELP_FILE_TEXT, None),
        ("", None),  # only "End of HELP info"; logged as too old
        ("#vers\t2\n", None),
        ("#vers\t3\nsmtp\tx\n", None),
        (None, "help-missing"),
        ("#vers\t2\nsmtp\tThis is sendmail version $v\n", "help-version"),
        ("#vers\t2\ncpyr\t$$Id: helpfile,v 8.49 $$\n", "help-version"),
        ("#vers\t1\nsmtp\tx\n", "help-old"),
        ("smtp\tx\n", "help-old"),
        ("\n#vers\t2\nsmtp\tx\n", "help-old"),
        ("#vers\t" + "9" * 5000 + "\nsmtp\tx\n", None),
    ],
)
def test_a_help_file_is_judged_by_what_help_then_answers(text: str | None, expected: str | None) -> None:
    problem = help_text_problem(HelpFile(text))
    assert (problem and problem.id) == expected


def test_the_help_file_is_judged_by_its_name_until_somebody_looks_at_it() -> None:
    define = "define(`HELP_FILE', `{}')dnl"
    assert mc(define.format("/dev/null")) == {"help-missing": 21}
    assert mc(define.format("")) == {"help-missing": 21}
    named = with_lines(DEBIAN_MC, define.format("/etc/mail/ours"))
    (note,) = (finding for finding in read(ConfigKind.SENDMAIL_MC, named) if finding.line == 21)
    assert (note.id, note.severity, note.edits) == ("help-unseen", ConfigSeverity.NOTE, ())
    assert ids(read(ConfigKind.SENDMAIL_MC, named, HelpFile(None)))["help-missing"] == 21
    assert "help-version" not in ids(read(ConfigKind.SENDMAIL_MC, DEBIAN_MC, OURS))


@pytest.mark.timeout(180)  # on a busy machine; what is not linear takes hours
@pytest.mark.parametrize(
    "text",
    ["`" * 200_000, "define(" * 50_000, "ifdef(`a'," * 40_000, "ifdef(`a', `" * 30_000 + "')" * 30_000,
     "define(`x', `y')" * 30_000, "#\n" * 50_000, "dnl\n" * 50_000 + "MAILER(x)", "O SmtpGreetingMessage=\n" * 20_000,
     "define(`confSMTP_banner', ' ')\n" * 10_000, "\t" * 300_000, "\n \n" * 30_000, "H" * 300_000,
     "define(`a', `a a a a a a')" * 2_000, "undefine(`confSMTP_LOGIN_MSG')" * 10_000],
)  # fmt: skip
def test_a_file_made_to_be_slow_is_read_within_the_time_of_a_test(text: str) -> None:
    """A reader whose time grows with the square of the text would take many minutes here."""
    for kind in ConfigKind:
        assert all(finding.why for finding in read(kind, text))


@settings(max_examples=300)
@given(st.text(alphabet=st.characters(max_codepoint=255)), st.sampled_from(list(ConfigKind)))
def test_any_text_is_read_and_every_line_number_is_one_of_the_text(text: str, kind: ConfigKind) -> None:
    for finding in read(kind, text):
        assert finding.line is None or 1 <= finding.line <= text.count("\n") + 1
        assert "\n" not in finding.why + finding.text
        assert finding.why
        assert finding.todo


def test_arguments_are_cut_as_m4_cuts_them() -> None:
    (call,) = (each for each in scan("define(`a(b', x(c,d)`e'f, dnl g)\n `h`i'')") if isinstance(each, Call))
    assert [(argument.value, argument.quoted) for argument in call.arguments] == [
        ("a(b", True),
        ("x(c,d)ef", False),
        ("h`i'", True),
    ]
