"""``Authenticator``: one suite for every module; so far there is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.auth import noop
from lightspeed_stack.domain.identity import Credentials
from tests.spec.registry import requirement


@requirement("auth:noop")
@pytest.mark.parametrize(
    ("user_id", "expected"), [(None, "00000000-0000-0000-0000-000"), ("", ""), ("alice", "alice"), ("../x", "../x")]
)
async def test_the_caller_is_who_they_say(user_id: str | None, expected: str) -> None:
    who = await noop.build().authenticate(Credentials("Bearer ignored", user_id))
    assert (who.user_id, who.username, who.skip_user_id_check, who.token) == (expected, "lightspeed-user", True, "")


@requirement("auth:no-token-shown")
@given(st.text(min_size=8))
def test_credentials_do_not_show_their_token(token: str) -> None:
    assert repr(Credentials(f"Bearer {token}")) == "Credentials(user_id=None)"
