"""The catalog's routes, refused input, and the document that describes all routes."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "providers:one": Requirement(
        "A provider is shown with its configuration, secrets masked, and how it is.", "rest-api.md 4.6"
    ),
    "providers:unknown": Requirement("An unknown provider is told with 404, without a cause.", "rest-api.md 4.6"),
    "models:failure": Requirement(
        "A list of models that no provider gives is told in the contract's words.", "rest-api.md 4.2"
    ),
    "tools:list": Requirement("Tools are listed for those who may see them.", "rest-api.md 4.3"),
    "tools:entry": Requirement("A tool has the shape of Llama Stack's, its origin with it.", "rest-api.md 4.3"),
    "tools:descriptions": Requirement(
        "A description that is written for models is shown by the part that people read.", "rest-api.md 4.3"
    ),
    "shields:list": Requirement("Shields are listed for those who may see them.", "rest-api.md 4.4"),
    "shields:entry": Requirement("A shield has the shape of Llama Stack's.", "rest-api.md 4.4"),
    "problems:shown": Requirement(
        "Refused values are shown shortened, as JSON that every client reads.", "rest-api.md 0.3; issue 3"
    ),
    "problems:storable": Requirement(
        "Text that no store can take is refused: NULs and halves of characters.", "issue 3"
    ),
    "problems:many-fields": Requirement("An object of endless unknown fields costs one problem.", "issue 3"),
    "problems:bodies": Requirement(
        "Deep, endless, broken and foreign bodies are refused with 400 or 422, in few words.", "issue 3"
    ),
    "problems:allow": Requirement(
        "A wrong method is told every method of the path, whichever route has it.", "rest-api.md 0.1; RFC 9110 15.5.6"
    ),
    "openapi:contains": Requirement(
        "Our document contains the reference's, but for the differences that are listed with a reason.", "issue 3"
    ),
    "openapi:current": Requirement("The document that is checked in is the one the service gives.", "issue 3"),
    "openapi:served": Requirement(
        "The document is made when first asked for, beside the loop, and open to everybody.", "rest-api.md 0.1; issue 3"
    ),
    "openapi:declared": Requirement(
        "Every operation declares what its authentication and its body can make it answer.", "issue 3"
    ),
    "openapi:links": Requirement("Links lead from an answer to its conversation in both versions.", "issue 3"),
    "openapi:comparison": Requirement("The comparison of documents finds what is missing.", "style.md 12"),
    "openapi:schemathesis": Requirement(
        "What is generated from the document finds no 5xx and no undeclared answer.", "issue 3"
    ),
}
