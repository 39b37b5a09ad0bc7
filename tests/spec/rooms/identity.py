"""Ids, callers and rights."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "ids:forms": Requirement(
        "Ids of both generations are accepted in every spelling and kept in one.", "decisions.md 14"
    ),
    "access:without-rules": Requirement(
        "Without access rules nobody reaches the conversations of others.", "decisions.md 7"
    ),
    "access:rules": Requirement("Access rules hold with every authentication module.", "decisions.md 7; auth.md 3.4"),
    "auth:noop": Requirement("The noop module believes the caller.", "auth.md 2.1"),
    "auth:no-token-shown": Requirement("Credentials never show their token.", "auth.md 1; style.md 7"),
}
