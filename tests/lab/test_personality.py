"""What an address of the lab is, and what must be found there."""

from collections import Counter
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import InputError
from scanner.lab.behaviours import BEHAVIOURS, PLAIN, READY_FORMS, ScriptEnd
from scanner.lab.greetings import MOMENTS, SOFTWARE_FIELDS, Form, host_name, render
from scanner.lab.personality import PROFILES, SHARES, Personality, mix, personality
from scanner.lab.truth import Truth, expected, mismatches, truths
from scanner.model import Software, Status

NETWORK = int(ip_address("127.1.0.0"))


def host_with_form(form_id: str) -> str:
    """The first plain host of 127.1.0.0/16 that greets in this form."""
    for offset in range(2**16):
        host = personality(NETWORK + offset, 1, "dense")
        if host.form is not None and host.form.id == form_id:
            return str(ip_address(NETWORK + offset))
    raise LookupError(form_id)


def record_of(truth: Truth, **software: str | None) -> dict[str, Any]:
    """A record that says exactly what the truth says, but for what is given."""
    return {
        "status": str(truth.status),
        "banner": {**truth.banner, "flags": list(truth.flags)},
        "software": {**truth.software, **software},
    }


# --- the mapping ---------------------------------------------------------------------------------------------


def test_mix_is_splitmix64() -> None:
    """The first outputs of splitmix64 seeded with 0 and with 1234567, as published."""
    assert mix(0, 0) == 0xE220A8397B1DCDAF
    assert mix(1, 0) == 0x6E789E6AA1B965F4
    assert mix(0, 1234567) == 6457827717110365317


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.sampled_from(PROFILES))
def test_any_address_has_one_personality(ip: int, seed: int, profile: str) -> None:
    host = personality(ip, seed, profile)

    assert host == personality(ip, seed, profile)
    assert host.behaviour.name in SHARES[profile]
    assert (host.form in host.behaviour.forms) == bool(host.behaviour.forms)
    assert host.steps == personality(ip, seed, profile).steps


def test_the_personality_of_an_address_does_not_change_between_versions() -> None:
    """Recorded benchmarks and truth files stay comparable; a change of this line is a change of the lab."""
    names = [personality(NETWORK + offset, 1, "mixed").behaviour.name for offset in range(8)]

    assert names == ["plain", "split", "plain", "temporary", "plain", "plain", "plain", "bare_code"]


def test_another_seed_gives_another_network() -> None:
    one, two = ([personality(NETWORK + i, seed, "mixed").behaviour.name for i in range(1000)] for seed in (1, 2))

    same = sum(a == b for a, b in zip(one, two, strict=True))
    assert 400 < same < 600  # plain (68 %) meets plain by chance, 0.68 ** 2


@pytest.mark.parametrize("profile", PROFILES)
def test_shares_are_per_mille_of_known_behaviours(profile: str) -> None:
    assert sum(SHARES[profile].values()) == 1000
    assert set(SHARES[profile]) <= set(BEHAVIOURS)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_large_network_has_the_shares_of_its_profile(profile: str) -> None:
    seen = Counter(personality(NETWORK + offset, 7, profile).behaviour.name for offset in range(20_000))

    for name, share in SHARES[profile].items():
        assert seen[name] == pytest.approx(20 * share, rel=0.25, abs=25), name


def test_the_greeting_does_not_depend_on_the_behaviour() -> None:
    """Even the few hosts of a rare behaviour use every form."""
    hosts = [personality(NETWORK + offset, 1, "mixed") for offset in range(2**16)]

    assert {host.form for host in hosts if host.behaviour.name == "split"} == set(READY_FORMS)


def test_every_behaviour_occurs_in_the_mixed_profile() -> None:
    assert set(SHARES["mixed"]) == set(BEHAVIOURS)


def test_dense_hosts_greet_at_once_in_one_piece_and_use_every_form() -> None:
    hosts = [personality(NETWORK + offset, 1, "dense") for offset in range(5000)]

    assert {host.behaviour for host in hosts} == {PLAIN}
    assert {host.form for host in hosts} == set(READY_FORMS)
    assert all([step.delay_s for step in host.steps] == [0.0] for host in hosts)
    assert all(host.steps[0].data == host.greeting for host in hosts[:100])


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 1.0])
def test_silent_hosts_can_be_mixed_into_any_profile(share: float) -> None:
    hosts = [personality(NETWORK + offset, 1, "dense", share) for offset in range(10_000)]

    assert sum(host.behaviour.name == "silent" for host in hosts) == pytest.approx(10_000 * share, abs=150)


def test_the_hosts_that_are_not_silenced_stay_what_they_were() -> None:
    for offset in range(1000):
        silenced = personality(NETWORK + offset, 1, "mixed", 0.2)
        if silenced.behaviour.name != "silent":
            assert silenced == personality(NETWORK + offset, 1, "mixed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "fast"}, "lab: profile 'fast' is unknown: use dense, mixed, slow, hostile"),
        ({"silent": 1.5}, "lab: --silent 1.5: must be 0 to 1"),
        ({"seed": -1}, "lab: --seed -1: must be 0 to 2**64-1"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        personality(1, **arguments)

    assert str(raised.value) == message


# --- the greetings -------------------------------------------------------------------------------------------

ALL_FORMS = {form.id: form for behaviour in BEHAVIOURS.values() for form in behaviour.forms}


@pytest.mark.parametrize("form", ALL_FORMS.values(), ids=ALL_FORMS)
def test_a_form_is_a_proper_reply_at_every_moment(form: Form) -> None:
    renderings = render(form)

    assert len(renderings) == MOMENTS
    for rendering in renderings:
        *lines, last, rest = rendering.greeting(4711).decode("ascii").split("\r\n")
        assert rest == ""
        assert last.startswith(f"{form.code} ")
        assert all(line.startswith(f"{form.code}-") for line in lines)
        assert not any(mark in last for mark in "{}\0\n")
        assert (host_name(4711) in (lines or [last])[0]) or not form.has_hostname or "{host}" not in form.text


@pytest.mark.parametrize("form", ALL_FORMS.values(), ids=ALL_FORMS)
def test_a_form_speaks_about_fields_that_exist(form: Form) -> None:
    assert set(form.software) <= {*SOFTWARE_FIELDS, "product_line"}
    Software(**{"product": "?", **{name: value for name, value in form.software.items() if value}})  # type: ignore[arg-type]  # all of them are str


def test_form_ids_are_unique() -> None:
    forms = {form for behaviour in BEHAVIOURS.values() for form in behaviour.forms}
    assert len({form.id for form in forms}) == len({form.text for form in forms}) == len(forms)


def test_the_case_the_project_started_from_is_there() -> None:
    host = personality(int(ip_address(host_with_form("sendmail-skew"))), 1, "dense")

    assert host.greeting.startswith(f"220 {host.hostname} ESMTP Sendmail 8.14.7/8.13.8; ".encode())
    assert host.form is not None
    assert host.form.software["version"] == "8.14.7"
    assert host.form.software["config_version"] == "8.13.8"


def carrier(behaviour: str, form_id: str) -> Personality:
    """A host of this behaviour that carries this form."""
    form = ALL_FORMS[form_id]
    return Personality(BEHAVIOURS[behaviour], 5, form, render(form)[0], 11)


def test_a_split_greeting_is_cut_inside_the_code_and_between_cr_and_lf() -> None:
    steps = carrier("split", "postfix").steps

    assert [len(step.data) < 3 for step in steps] == [True, False, False, True]
    assert steps[-1].data == b"\n"
    assert b"".join(step.data for step in steps) == b"220 h-5.example ESMTP Postfix\r\n"
    assert all(step.delay_s > 0 for step in steps)


def test_a_drip_is_one_byte_at_a_time_and_ends_before_the_total_deadline() -> None:
    steps = carrier("drip", "postfix").steps

    assert {len(step.data) for step in steps} == {1}
    assert 4 < sum(step.delay_s for step in steps) < 20


def test_a_teaser_comes_at_once_and_the_greeting_six_seconds_later() -> None:
    assert carrier("teaser", "postfix").steps == (
        (0.0, b"220-h-5.example ESMTP\r\n"),
        (6.0, b"220 h-5.example ESMTP Postfix\r\n"),
    )


# --- the truth -----------------------------------------------------------------------------------------------


def test_the_truth_lists_what_the_bytes_decide() -> None:
    truth = expected(host_with_form("sendmail-debian-11"), 1, "dense")

    assert truth.status is Status.READY
    assert truth.product == "Sendmail"
    assert truth.banner["code"] == 220
    assert str(truth.banner["hostname"]).startswith("h-")
    assert str(truth.banner["server_time"]).startswith("2026-11-")
    assert truth.software == {
        "product": "Sendmail",
        "product_line": "Sendmail",
        "version": "8.15.2",
        "config_version": "8.15.2",
        "package": "Debian-22+deb11u3",
        "patch": None,
        "vendor_tag": None,
    }


def test_a_record_that_says_the_truth_has_no_mismatch() -> None:
    for truth in truths(["127.1.0.0/22"], 1, "mixed"):
        assert mismatches(record_of(truth), truth) == []


def test_each_wrong_field_is_one_sentence() -> None:
    truth = expected(host_with_form("sendmail-skew"), 1, "dense")

    wrong = mismatches(record_of(truth, version="8.13.8", package="Debian"), truth)

    assert [sentence.split(": ", 1)[1] for sentence in wrong] == [
        "software.version is '8.13.8', not '8.14.7' (plain, sendmail-skew)",
        "software.package is 'Debian', not None (plain, sendmail-skew)",
    ]


def test_a_record_without_software_matches_only_a_greeting_that_names_none() -> None:
    named, hidden = (expected(host_with_form(form), 1, "dense") for form in ("postfix", "hidden"))

    assert mismatches({**record_of(named), "software": None}, named) != []
    assert mismatches({**record_of(hidden), "software": None}, hidden) == []


def test_another_status_is_the_only_mismatch_told() -> None:
    truth = expected(host_with_form("postfix"), 1, "dense")

    assert mismatches({"status": "silent", "banner": None, "software": None}, truth) == [
        f"{truth.ip}: status is 'silent', not 'ready' (plain)"
    ]


def test_a_moment_may_be_written_with_any_offset() -> None:
    truth = replace(
        expected(host_with_form("postfix"), 1, "dense"), banner={"server_time": "2026-11-22T10:16:56+01:00"}
    )

    assert mismatches({**record_of(truth), "banner": {"server_time": "2026-11-22T09:16:56Z"}}, truth) == []
    assert mismatches({**record_of(truth), "banner": {"server_time": "2026-11-22T10:16:56Z"}}, truth) != []


def test_a_borrowed_name_may_be_anything_but_the_product_it_borrows() -> None:
    truth = replace(expected(host_with_form("postfix"), 1, "dense"), software={}, never="Sendmail")

    assert mismatches(record_of(truth, product="Zeus"), truth) == []
    assert len(mismatches(record_of(truth, product="Sendmail"), truth)) == 1


def test_a_missing_flag_is_told() -> None:
    truth = replace(expected(host_with_form("postfix"), 1, "dense"), flags=("lf_only",))
    record = record_of(truth)
    record["banner"]["flags"] = []

    assert mismatches(record, truth) == [f"{truth.ip}: flag 'lf_only' is missing"]


def test_a_network_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InputError, match=r"lab: --truth-for 127\.1\.0\.1/16: .*host bits set"):
        list(truths(["127.1.0.1/16"], 1, "mixed"))


def test_every_ending_has_a_status_that_fits() -> None:
    """A host that closes or resets is never found ready, and one that serves always greets."""
    for behaviour in BEHAVIOURS.values():
        assert (behaviour.ending is ScriptEnd.RESET) == (behaviour.status is Status.RESET)
        assert behaviour.ending is ScriptEnd.SERVE or behaviour.status is not Status.READY
