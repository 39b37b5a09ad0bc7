"""Everything that can go wrong, as seen from inside; the edges translate it once.

AssistantError
├── ConfigurationError            the configuration file cannot be used
├── StackNotSupported             the Llama Stack has a version that is not supported
├── CredentialsMalformed          nothing usable in the Authorization header
├── NotAuthenticated              who is asking could not be established
├── NotAllowed                    the caller lacks the right to an action
├── ModelOverrideNotAllowed       ... to choose the model
├── SystemPromptNotAllowed        the operator forbids system prompts in requests
├── AttachmentNotAllowed          an attachment of an unknown kind
├── ConversationNotFound          no such conversation, or not the caller's
├── ConversationAccessDenied      the same, in the words of the streaming endpoint
├── ModelNotFound                 the model and provider pair is not offered
├── ShieldNotFound                the request names a shield that there is not
├── ToolAuthorizationRequired     a server of tools that was asked for wants a token
├── ServerNotFound                no server of tools has that name
├── ServerExists                  a server of tools has that name already
├── ServerRefused                 no more servers of tools, or not this one
├── ServerNotRemovable            the configuration names the server of tools, not a caller
├── PromptTooLong                 the question does not fit
├── BackendError
│   ├── BackendUnavailable        the model's server cannot be reached, or is not ready
│   │   └── StackUnavailable      ... which is a Llama Stack
│   ├── BackendRateLimited        the model's server asks to slow down
│   └── BackendFailed             the model's server answered with a failure
├── ServiceStopping               the service is asked to stop
├── StorageError                  something could not be read or stored
└── KnowledgeError                documents or their index cannot be used

``response`` is the short sentence a client shows; ``cause`` the particular reason. Neither ever carries a secret,
a prompt or an internal address: both reach the caller.
"""

from typing import ClassVar


class AssistantError(Exception):
    """Base of all errors of this package; ``cause`` is fit to be shown to the caller."""

    response: ClassVar[str] = "Internal server error"

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class ConfigurationError(AssistantError):
    """The configuration cannot be used; ``cause`` holds one problem a line, with its fix."""

    response = "Configuration is not valid"


class StackNotSupported(AssistantError):
    """The Llama Stack's version is outside what this release speaks with; ``cause`` names the limit."""

    response = "Llama Stack is not supported"


class CredentialsMalformed(AssistantError):
    """The request carries no usable credentials where the module demands some."""

    response = "Bad request"


class NotAuthenticated(AssistantError):
    """The credentials do not say who is asking."""

    response = "Unauthorized"


class NotAllowed(AssistantError):
    """The caller lacks an action; ``cause`` names it as the contract does."""

    response = "Forbidden"


class ModelOverrideNotAllowed(AssistantError):
    """The caller may not choose ``model`` and ``provider``."""

    response = (
        "This instance does not permit overriding model/provider in the query request "
        "(missing permission: MODEL_OVERRIDE). Please remove the model and provider fields from your request."
    )

    def __init__(self) -> None:
        super().__init__("")


class SystemPromptNotAllowed(AssistantError):
    """The operator set ``customization.disable_query_system_prompt``."""

    response = (
        "This instance does not support customizing the system prompt in the query request "
        "(disable_query_system_prompt is set). Please remove the system_prompt field from your request."
    )

    def __init__(self) -> None:
        super().__init__("")


class AttachmentNotAllowed(AssistantError):
    """An attachment's type or content type is not one of the allowed ones."""

    response = "Unable to process this request"


class ConversationNotFound(AssistantError):
    """There is no such conversation, or it belongs to somebody else."""

    response = "Conversation not found"

    def __init__(self, cause: str = "The requested conversation does not exist.") -> None:
        super().__init__(cause)


class ConversationAccessDenied(AssistantError):
    """What the streaming endpoint answers where others say that a conversation is not found."""

    response = "Access denied"

    def __init__(self, cause: str = "You do not have permission to access this conversation") -> None:
        super().__init__(cause)


class ModelNotFound(AssistantError):
    """No provider offers the model that was asked for, or none offers any."""

    response = "Unable to process this request"


class ShieldNotFound(AssistantError):
    """``shield_ids`` of a request name a shield that this service does not have."""

    response = "Unable to process this request"


class ToolAuthorizationRequired(AssistantError):
    """A server of tools that the request asked for refuses what was sent to prove who asks, or misses it.

    ``www_authenticate`` is the server's own header of that name, which tells a client where to get a token.
    """

    response = "Authorization required"

    def __init__(self, cause: str, *, www_authenticate: str) -> None:
        super().__init__(cause)
        self.www_authenticate = www_authenticate


class ServerNotFound(AssistantError):
    """No server of tools has that name."""

    response = "MCP server not found"


class ServerExists(AssistantError):
    """A server of tools has that name already."""

    response = "MCP server already exists"


class ServerRefused(AssistantError):
    """There are as many registered servers of tools as may be, or this one asks for what a caller may not have."""

    response = "MCP server cannot be registered"


class ServerNotRemovable(AssistantError):
    """The server of tools stands in the configuration, where the operator may remove it."""

    response = "MCP server cannot be removed"


class PromptTooLong(AssistantError):
    """The question, alone or with what must go with it, is over a limit."""

    response = "Prompt is too long"


class BackendError(AssistantError):
    """A place where a model answers did not answer."""

    response = "Unable to get an answer from the model"


class BackendUnavailable(BackendError):
    """The model's server cannot be reached in time, or is still starting."""

    response = "Unable to connect to the model provider"


class StackUnavailable(BackendUnavailable):
    """The Llama Stack cannot be reached in time."""

    response = "Unable to connect to Llama Stack"


class BackendRateLimited(BackendError):
    """The model's server refuses for now; ``retry_after`` in seconds where it said so."""

    response = "The model provider is busy"

    def __init__(self, cause: str, *, retry_after: int | None = None) -> None:
        super().__init__(cause)
        self.retry_after = retry_after


class BackendFailed(BackendError):
    """The model's server answered with an error, or broke off."""


class ServiceStopping(AssistantError):
    """The service stops before an answer is complete."""

    response = "The service is stopping"


class StorageError(AssistantError):
    """The database or a directory failed."""

    response = "Unable to read or store data"


class KnowledgeError(AssistantError):
    """A document or a knowledge store cannot be read or written."""

    response = "Unable to use the knowledge store"
