"""Who may call, and what they may do: authentication, roles, access rules."""

import re
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, FilePath, field_validator, model_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.values import HttpUrl
from lightspeed_stack.domain.identity import Action

MODULES = ("noop", "noop-with-token", "k8s", "jwk-token")


class JsonPathOperator(StrEnum):
    """How the values found by a role rule are compared with its ``value``."""

    EQUALS = "equals"
    CONTAINS = "contains"
    IN = "in"
    MATCH = "match"


class RoleRule(Section):
    """Gives roles to those whose token's claims pass a test.

    ``value`` is kept as the file has it, with lists as lists: it is compared with a list of found claims.
    """

    jsonpath: str = Field(description="JSONPath into the claims.", examples=["$.realm_access.roles[*]"])
    operator: JsonPathOperator = Field(description="How to compare the found values.", examples=["contains"])
    negate: bool = Field(default=False, description="Whether the result is turned round.")
    value: Any = Field(description="What to compare with; a regular expression for `match`.", examples=["employee"])
    roles: tuple[str, ...] = Field(
        description="Roles to give: at least one, each once, never `*`.", examples=[["user"]]
    )

    @field_validator("jsonpath")
    @classmethod
    def _parses(cls, jsonpath: str) -> str:
        # Imported here: the parser is slow to import, and most configurations have no role rule.
        from jsonpath_ng.exceptions import JSONPathError
        from jsonpath_ng.parser import parse

        try:
            parse(jsonpath)
        # The parser lets plain exceptions out besides its own, e.g. for the empty expression.
        except (JSONPathError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as error:
            message = f"Invalid JSONPath expression: {jsonpath}: {error}"
            raise RulesBroken(Breach(message, "write a JSONPath such as  jsonpath: $.groups[*]")) from None
        return jsonpath

    @field_validator("roles")
    @classmethod
    def _usable_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        breaches = []
        if not roles:
            breaches.append(Breach("At least one role must be specified in the rule", "write  roles: [user]"))
        if len(set(roles)) < len(roles):
            breaches.append(Breach("Roles must be unique in the rule", "name each role once"))
        if "*" in roles:
            message = "The wildcard '*' role is not allowed in role rules, everyone automatically gets this role"
            breaches.append(Breach(message, "remove '*' from roles; give it actions in authorization.access_rules"))
        if breaches:
            raise RulesBroken(*breaches)
        return roles

    @model_validator(mode="after")
    def _match_has_a_pattern(self) -> Self:
        if self.operator is not JsonPathOperator.MATCH:
            return self
        if not isinstance(self.value, str):
            message = f"MATCH operator requires a string pattern, {type(self.value).__name__}"
            raise RulesBroken(Breach(message, 'write  value: "^team-"', "value"))
        try:
            re.compile(self.value)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"Invalid regex pattern for MATCH operator: {self.value}: {error}"
            raise RulesBroken(Breach(message, "correct the regular expression", "value")) from None
        return self


class JwtSection(Section):
    """Which claims of a token say who the caller is."""

    user_id_claim: str = Field(default="user_id", description="Claim with the caller's id.", examples=["sub"])
    username_claim: str = Field(default="username", description="Claim with the name.", examples=["preferred_username"])
    role_rules: tuple[RoleRule, ...] = Field(default=(), description="Rules that give roles.")


class JwkSection(Section):
    """The issuer's keys, and how to read its tokens."""

    url: HttpUrl = Field(description="Where the key set is, http or https.", examples=["https://idp.example.com/keys"])
    jwt_configuration: JwtSection = Field(default_factory=JwtSection, description="How tokens are read.")


class AuthenticationSection(Section):
    """How callers say who they are."""

    module: str = Field(default="noop", description=f"One of {', '.join(f'`{name}`' for name in MODULES)}.")
    skip_tls_verification: bool = Field(
        default=False, description="`k8s`: whether the cluster's certificate is not checked."
    )
    k8s_cluster_api: HttpUrl | None = Field(
        default=None,
        description="`k8s`: URL of the cluster's API, http or https.",
        examples=["https://api.example.com:6443"],
    )
    k8s_ca_cert_path: FilePath | None = Field(
        default=None, description="`k8s`: PEM file of the cluster's authority.", examples=["/etc/tls/ca.crt"]
    )
    jwk_config: JwkSection | None = Field(default=None, description="Settings of `jwk-token`, which requires them.")
    skip_for_health_probes: bool = Field(
        default=False, description="Whether liveness and readiness are told to everybody, without credentials."
    )
    skip_for_metrics: bool = Field(
        default=False, description="Whether `/metrics` is shown to everybody, without credentials."
    )

    @field_validator("module")
    @classmethod
    def _supported(cls, module: str) -> str:
        if module not in MODULES:
            message = f"Unsupported authentication module '{module}'. Supported modules: {', '.join(MODULES)}"
            raise RulesBroken(Breach(message, "write  module: noop-with-token  or another of the supported modules"))
        return module

    @model_validator(mode="after")
    def _keys_for_tokens(self) -> Self:
        if self.module == "jwk-token" and self.jwk_config is None:
            message = "JWK configuration must be specified when using JWK token authentication"
            fix = "add  jwk_config: {url: https://idp.example.com/keys}"
            raise RulesBroken(Breach(message, fix, "jwk_config"))
        return self


class AccessRule(Section):
    """What the bearers of a role may do."""

    role: str = Field(description="Name of a role; everyone has `*`.", examples=["user"])
    actions: tuple[Action, ...] = Field(
        description=f"What they may do: {', '.join(f'`{action.value}`' for action in Action)}. `admin` stands alone.",
        examples=[["query", "info"]],
    )

    @field_validator("actions")
    @classmethod
    def _admin_stands_alone(cls, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        if Action.ADMIN in actions and set(actions) != {Action.ADMIN}:
            message = "Access rule with 'admin' action cannot have other actions"
            raise RulesBroken(Breach(message, "write  actions: [admin]  since admin includes every other action"))
        return actions


class AuthorizationSection(Section):
    """Which roles may do what."""

    access_rules: tuple[AccessRule, ...] = Field(default=(), description="The rules; a caller's roles add up.")
