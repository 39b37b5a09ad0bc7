"""How a part of the service is."""

from dataclasses import dataclass
from enum import StrEnum


class HealthStatus(StrEnum):
    """The three words the readiness contract knows."""

    OK = "OK"
    ERROR = "Error"
    NOT_IMPLEMENTED = "Not Implemented"


@dataclass(frozen=True, slots=True)
class Health:
    """How a part is; ``message`` says what is wrong and what to do, without secrets."""

    status: HealthStatus
    message: str | None = None

    @classmethod
    def ok(cls) -> "Health":
        return cls(HealthStatus.OK)

    @classmethod
    def error(cls, message: str) -> "Health":
        return cls(HealthStatus.ERROR, message)
