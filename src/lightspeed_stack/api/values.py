"""What several request bodies are made of."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_FIELDS = 100
"""Fields of an object in a body, far above what any has; each unknown one would be a problem to tell."""


def storable(text: str) -> str:
    """``text`` itself; raises ValueError where no model, store or client could take it.

    JSON can spell half of a character, and a NUL, which PostgreSQL has no place for.
    """
    if "\0" in text:
        raise ValueError("the text has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text is not Unicode: it has a lone surrogate") from None
    return text


Text = Annotated[str, AfterValidator(storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]


class Strict(BaseModel):
    """An object of a body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, given: Any) -> Any:
        if isinstance(given, dict) and len(given) > MAX_FIELDS:
            raise ValueError("too many fields")
        return given
