"""Sendmail's greetings made from parts: every combination gives the same parts back."""

from hypothesis import given
from hypothesis import strategies as st

from scanner.identify.disclaimers import is_not_a_version
from tests.support.sendmail_greetings import DATE, NAMED_SENDMAIL, identified, told

NUMBERS = st.lists(st.integers(0, 20061231), min_size=2, max_size=4).map(lambda parts: ".".join(map(str, parts)))
VERSIONS = st.builds(
    lambda first, rest, stage: f"{first}.{rest}{stage}",
    st.integers(1, 9),  # above them it may be a day or an address
    NUMBERS,
    st.sampled_from(["", ".Beta7", ".Alpha.3", ".RC1", "a"]),
).filter(lambda version: not is_not_a_version(version))
PATCHES = st.one_of(st.none(), st.builds("{}{}".format, st.sampled_from(["p", "h"]), st.integers(1, 99)))
TAGS = st.sampled_from([None, "+Sun", "+3.4W", "+2.7Wbeta7", "-secure"])
HP_PATCHES = st.one_of(
    st.none(),
    st.integers(1, 99999).map("PHNE_{}".format),
    st.sampled_from(["PHNE_28810+JAGae91741", "PHNE_1+PHNE_2", "Revision 1.010"]),
)
CONFIGS = st.one_of(
    st.none(), VERSIONS, st.sampled_from(["linuxconf", "SVR4", "8.9.3+3.4W", "8.11.6p2", "Switch-3.3.4", "..."])
)
PACKAGES = st.sampled_from(
    [None, "Debian-2+deb12u2", "Debian-3ubuntu1.1", "Debian 8.12.0.Beta7-1", "SuSE Linux 8.9.3-0.1", "RHEL6", "Submit"]
)
SYSTEMS = st.one_of(st.none(), st.tuples(st.just("AIX"), st.sampled_from(["5.1", "7.2", "4.3.3"])))
SYSTEM_OF_PACKAGE = {
    "Debian-2+deb12u2": ("Debian", "12"),
    "Debian-3ubuntu1.1": ("Ubuntu", None),
    "Debian 8.12.0.Beta7-1": ("Debian", None),
    "SuSE Linux 8.9.3-0.1": ("SuSE Linux", None),
    "RHEL6": ("Red Hat Enterprise Linux", "6"),
}
FRAMES = st.sampled_from(
    [
        "220 foo.bar ESMTP Sendmail {}; " + DATE,
        "220 foo.bar ESMTP Sendmail {} ready at " + DATE,
        "220 ESMTP Sendmail  {}; " + DATE,
        "220 foo.bar ESMTP foo-MTA Sendmail {};",
        "220 [192.0.2.1] ESMTP Sendmail {}",
        "220 foo.bar Sendmail {} ready at " + DATE,
        "220-foo.bar Sendmail {} ready at " + DATE + "\r\n220 ESMTP spoken here",
        "220-Welcome\r\n220 foo.bar ESMTP Sendmail {}; " + DATE + "; (No UCE/UBE) logging access from: h [10.0.0.1]",
    ]
)


@given(FRAMES, SYSTEMS, VERSIONS, PATCHES, TAGS, HP_PATCHES, CONFIGS, PACKAGES)
def test_a_greeting_made_from_parts_gives_the_same_parts_back(
    frame: str,
    system: tuple[str, str] | None,
    version: str,
    patch: str | None,
    tag: str | None,
    hp_patch: str | None,
    config: str | None,
    package: str | None,
) -> None:
    if patch is not None:
        version = version.removesuffix("a")  # "8.9.1ap2": nobody has a letter and a patch
    text = version + (patch or "") + (tag or "")
    expected = {"version": version, "vendor_tag": tag}
    if system is not None:
        text = f"{system[0]}{system[1]}/{text}"
    if hp_patch is not None:
        text += f" ({hp_patch})" if hp_patch.startswith("PHNE") else f" - ({hp_patch})"
    if config is not None:
        text += f"/{config}"
        expected["config_version"] = config
    if config is not None and package is not None:
        text += f"/{package}"
        expected["package"] = package
    expected["patch"] = " ".join(filter(None, (patch, hp_patch))) or None
    settled = [
        system,
        SYSTEM_OF_PACKAGE.get(expected.get("package") or ""),
        ("HP-UX", None) if hp_patch and hp_patch.startswith("PHNE") else None,
        ("Solaris", None) if tag == "+Sun" else None,
        ("Linux", None) if config == "linuxconf" else None,
    ]
    expected["os"], expected["os_version"] = next(filter(None, settled), (None, None))
    stated = {name: value for name, value in expected.items() if value is not None}
    assert told(identified(frame.format(text))) == {**NAMED_SENDMAIL, **stated}


@given(
    st.sampled_from([("Switch", "Switch-"), ("Sentrion", "Sentrion-MTA-"), ("Sentrion", "Sentrion-"), ("SMI", "SMI-")]),
    VERSIONS,
    CONFIGS,
)
def test_product_lines_keep_their_own_numbers(line: tuple[str, str], version: str, config: str | None) -> None:
    text = line[1] + version + (f"/{config}" if config else "")
    software = told(identified(f"220 h ESMTP Sendmail {text}; {DATE}"))
    assert (software["product_line"], software["version"]) == (line[0], version)
    assert software.get("config_version") == config
