"""What a stack's status means to us, in our own words: its own may quote a prompt, a key or an internal address."""

from lightspeed_stack.errors import BackendError, BackendFailed, BackendRateLimited, StackUnavailable


class CredentialsRefused(BackendFailed):
    """The stack does not accept the key that is configured for it."""

    def __init__(self, cause: str = "Llama Stack refused the configured credentials.") -> None:
        super().__init__(cause)


class NotKnown(BackendFailed):
    """The stack knows no such path, or not what is named in it."""

    def __init__(self, cause: str = "Llama Stack does not know what it was asked for.") -> None:
        super().__init__(cause)


class NotAccepted(BackendFailed):
    """The stack takes a request for a wrong one."""

    def __init__(self, cause: str = "Llama Stack did not accept the request.") -> None:
        super().__init__(cause)


_KINDS: dict[int, type[CredentialsRefused | NotKnown | NotAccepted]] = {
    400: NotAccepted,
    401: CredentialsRefused,
    403: CredentialsRefused,
    404: NotKnown,
    422: NotAccepted,
}


def refusal(status: int, retry_after: str | None) -> BackendError:
    """Our error for a status other than success; ``retry_after`` is the header as it was sent."""
    kind = _KINDS.get(status)
    if kind is not None:
        return kind()
    if status == 429:
        seconds = int(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 10 else None
        return BackendRateLimited("Llama Stack limits requests. Please try again later.", retry_after=seconds)
    if status in {502, 503, 504}:
        return StackUnavailable("Llama Stack is not ready.")
    if status == 500:
        return BackendFailed("Llama Stack reported an error.")
    return BackendFailed(f"Llama Stack answered with status {status}.")
