"""What a route asks for: the services, and the caller with a permission."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request

from lightspeed_stack.api.values import storable
from lightspeed_stack.domain.identity import Action, Credentials, Principal
from lightspeed_stack.errors import CredentialsMalformed
from lightspeed_stack.services import Services


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def caller(request: Request) -> Principal:
    """Who asks. Raises CredentialsMalformed or NotAuthenticated."""
    user_id = request.query_params.get("user_id") if request.scope["query_string"] else None
    credentials = Credentials(request.headers.get("authorization"), user_id)
    who = await services_of(request).authenticator.authenticate(credentials)
    try:
        storable(who.user_id)
    except ValueError as error:
        raise CredentialsMalformed(f"The user id cannot be used: {error}") from None
    return who


Caller = Annotated[Principal, Depends(caller)]
"""An authenticated caller. Routes with a body check the action themselves, because a bad body is told first
(rest-api.md 0.2)."""


def allowed(action: Action) -> Callable[[Request, Principal], Awaitable[Principal]]:
    """A dependency: an authenticated caller who has ``action``; raises NotAllowed otherwise."""

    async def check(request: Request, who: Caller) -> Principal:
        services_of(request).policy.require(who, action)
        return who

    return check
