"""Checks that tell a number from an account, and a word from a password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.shields import identifiers
from tests.spec.registry import requirement


@requirement("redaction:identifiers")
@given(st.text("0123456789", min_size=12, max_size=18), st.integers(1, 9))
def test_one_wrong_digit_never_passes_luhn(digits: str, more: int) -> None:
    right = next(digits + last for last in "0123456789" if identifiers.luhn(digits + last))
    assert not identifiers.luhn(right[:-1] + str((int(right[-1]) + more) % 10))


@requirement("redaction:identifiers")
@given(st.text("0123456789", min_size=18, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_never_passes_as_iban(digits: str, place: int, more: int) -> None:
    check = 98 - int(f"{digits}131400") % 97  # D is 13 and E is 14
    wrong = digits[:place] + str((int(digits[place]) + more) % 10) + digits[place + 1 :]
    assert identifiers.iban(f"DE{check:02}{digits}") == 22
    assert identifiers.iban(f"DE{check:02}{wrong}") == 0


@requirement("redaction:identifiers")
@pytest.mark.parametrize(
    ("candidate", "length"),
    [
        ("DE89370400440532013000", 22),
        ("de89 3704 0044 0532 0130 00", 27),
        ("DE89 3704 0044 0532 0130 00 BIC", 27),
        ("DE893704004405320130001", 0),
        ("DE8937040044053201300", 0),
        ("XX89370400440532013000", 0),
        ("NO9386011117947", 15),
        ("MT84MALT011000012345MTLCAST001S", 31),
    ],
)
def test_iban(candidate: str, length: int) -> None:
    assert identifiers.iban(candidate) == length


@requirement("redaction:identifiers")
@pytest.mark.parametrize(
    ("candidate", "length"),
    [
        ("4111111111111111", 16),
        ("4111 1111 1111 1111", 19),
        ("4111-1111-1111-1111", 19),
        ("4111 1111 1111 1111 123", 19),
        ("4111111111111112", 0),
        ("4222222222222", 13),
        ("378282246310005", 15),
        ("3782 822463 10005", 17),
        ("30569309025904", 14),
        ("3056 930902 5904", 16),
        ("2223000048400011", 16),
        ("2221000000000009", 16),
        ("6011111111111117", 16),
        ("3530111333300000", 16),
        ("6200000000000005", 16),
        ("5555 55 55 5555 4444", 0),  # no card is printed so
        ("0000000000000000", 0),
        ("1234567812345670", 0),
    ],
)
def test_cards(candidate: str, length: int) -> None:
    assert identifiers.card(candidate) == length


@requirement("redaction:identifiers")
@pytest.mark.parametrize(
    ("check", "candidate", "is_one"),
    [
        (identifiers.email, "jane@example.com", True),
        (identifiers.email, "git@github.com", False),
        (identifiers.email, "getty@tty1.service", False),
        (identifiers.email, "pad@1.3.beta", False),
        (identifiers.token, "x" * 40, False),
        (identifiers.token, "ghp_16C7e42F292c6912", True),
        (identifiers.mixed_token, "sk-something-without-one", False),
        (identifiers.password, "Enter", False),
        (identifiers.password, "hunter2", True),
        (identifiers.line_value, "swordfish", True),
        (identifiers.line_value, "required", False),
        (identifiers.line_value, "${DB}", False),
        (identifiers.credential, "my-secret-name", False),
        (identifiers.credential, "9f8e7d6c5b4a", True),
        (identifiers.authorization, "authentication", False),
        (identifiers.authorization, "dXNlcjpwYXNz", True),
    ],
)
def test_words_and_names_are_no_secrets(check: identifiers.Check, candidate: str, is_one: bool) -> None:
    assert check(candidate) == (len(candidate) if is_one else 0)
