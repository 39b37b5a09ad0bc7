"""Which release is installed beside us, and whether it can run inside this process."""

from dataclasses import dataclass
from importlib import metadata

from lightspeed_stack.errors import ConfigurationError, StackNotSupported
from lightspeed_stack.stack.versions import MAXIMAL, MINIMAL, check, is_before

KEY = "llama_stack.use_as_library_client"
FIX = (
    f"    fix: install lightspeed-stack[library], which brings ogx {MAXIMAL}; "
    "or in its place llama-stack 0.2.22, or one of 0.3 to 0.7.3"
)


@dataclass(frozen=True, slots=True)
class Release:
    """A release as it is imported (``package``) and installed (``distribution``)."""

    package: str
    distribution: str
    version: str

    @property
    def made_of_functions(self) -> bool:
        """Whether it is of the generation before 0.3, which has no object that is the stack."""
        return self.package == "llama_stack" and is_before(self.version, "0.3.0")

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


KNOWN = (("ogx", "ogx", "1.0.0"), ("llama_stack", "llama-stack", MINIMAL))
"""Package, distribution and the oldest version that is one of these, best first."""


def installed() -> Release:
    """What is installed, without importing it. Raises ConfigurationError where that is nothing, or cannot be used."""
    for package, distribution, oldest in KNOWN:
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
        try:
            check(version)
        except StackNotSupported as error:
            raise ConfigurationError(f"{KEY}: {error.cause}\n{FIX}") from None
        if is_before(version, oldest):
            raise ConfigurationError(f"{KEY}: {distribution} {version} cannot be used\n{FIX}")
        return Release(package, distribution, version)
    raise ConfigurationError(f"{KEY}: neither ogx nor llama-stack is installed\n{FIX}")
