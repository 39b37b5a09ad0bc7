"""Which releases are spoken with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from lightspeed_stack.errors import StackNotSupported
from lightspeed_stack.stack.versions import LONGEST, MAXIMAL, MINIMAL, check, is_before, order
from tests.spec.registry import requirement

WINDOW = SpecifierSet(f">={MINIMAL},<={MAXIMAL}", prereleases=True)


@requirement("stack:version:window")
@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("0.2.17", None),
        ("0.2.22", None),
        ("0.2.22.dev3", None),
        ("0.2.23rc1", None),
        ("0.7.3", None),
        ("v1.2", None),
        ("1.0.2", None),
        ("1.5.0", None),
        ("1.5", None),
        ("1.5.0rc1", None),
        ("1.5.0-rc.1", None),
        ("1.5.0+local", None),
        ("0.2.16", ">= 0.2.17"),
        ("0.2.17rc1", ">= 0.2.17"),
        ("0.2.17.dev1", ">= 0.2.17"),
        ("0.1.9", ">= 0.2.17"),
        ("1.5.0.post1", "<= 1.5.0"),
        ("1.5.1.dev0", "<= 1.5.0"),
        ("1.5.1", "<= 1.5.0"),
        ("1.10.0", "<= 1.5.0"),
        ("2.0", "<= 1.5.0"),
    ],
)
def test_the_window(version: str, refused: str | None) -> None:
    if refused is None:
        check(version)
        return
    with pytest.raises(StackNotSupported) as raised:
        check(version)
    assert raised.value.cause == f"Llama Stack version {refused} is required, but {version} is used"


@requirement("stack:version:unreadable")
@pytest.mark.parametrize("version", ["", " ", "unknown", "1.x", "1..2", "1.5.0\nINFO: all is well", "1" * 5000, "٣.0"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(StackNotSupported, match="tells a version that cannot be read") as raised:
        check(version)
    assert len(raised.value.cause) < LONGEST
    assert "\n" not in raised.value.cause


PART = st.integers(0, 30)
VERSIONS = st.builds(
    lambda v, release, pre, post, dev, local: f"{v}{release}{pre}{post}{dev}{local}",
    st.sampled_from(["", "v"]),
    st.lists(PART, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts))),
    st.just("") | st.builds("{}{}".format, st.sampled_from(["a", "-beta.", "rc", "_pre"]), PART),
    st.just("") | st.builds("{}{}".format, st.sampled_from([".post", "-", "-r"]), PART),
    st.just("") | st.builds(".dev{}".format, PART),
    st.sampled_from(["", "+local", "+ubuntu.1"]),
)


@requirement("stack:version:window")
@given(VERSIONS)
def test_the_window_is_that_of_the_packagers(version: str) -> None:
    assert (not is_before(version, MINIMAL) and not is_before(MAXIMAL, version)) is WINDOW.contains(version)


@requirement("stack:version:window")
@given(VERSIONS, VERSIONS)
def test_versions_stand_in_the_order_of_the_packagers(one: str, other: str) -> None:
    assert is_before(one, other) is (Version(Version(one).public) < Version(Version(other).public))


@requirement("stack:version:unreadable")
@given(st.text("v0123456789.abcdeprostv-_+! ", max_size=20))
def test_what_can_be_read_is_what_packagers_read(text: str) -> None:
    try:
        readable = Version(text).epoch == 0
    except InvalidVersion:
        readable = False
    assert (order(text) is not None) is (readable and "!" not in text)
