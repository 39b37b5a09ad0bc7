"""``noop``: everybody is who they say. For development."""

from lightspeed_stack.domain.identity import Credentials, Principal

DEFAULT_USER_ID = "00000000-0000-0000-0000-000"
DEFAULT_USERNAME = "lightspeed-user"


def build() -> "NoopAuthenticator":
    return NoopAuthenticator()


class NoopAuthenticator:
    """Never fails; believes the query parameter ``user_id``, even an empty one (auth.md 2.1)."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """See Authenticator."""
        user_id = DEFAULT_USER_ID if credentials.user_id is None else credentials.user_id
        return Principal(user_id, DEFAULT_USERNAME, skip_user_id_check=True)
