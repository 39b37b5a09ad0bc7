"""The door to authentication. Below: one file per module, named as in ``authentication.module``."""

from typing import Protocol

from lightspeed_stack.domain.identity import Credentials, Principal


class Authenticator(Protocol):
    """Establishes who is asking."""

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Raises CredentialsMalformed or NotAuthenticated."""
        ...
