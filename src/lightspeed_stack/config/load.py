"""From a YAML file to ``Config``, with every mistake reported at once: file, line, key, what is wrong, how to mend it.

lightspeed-stack.yaml:4: llama_stack.url: 'vllm:8000' has no scheme
fix: write  url: http://vllm:8000
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from lightspeed_stack.config.environment import expand
from lightspeed_stack.config.problems import findings, located
from lightspeed_stack.config.section import Loading, SettingsOf, no_settings
from lightspeed_stack.config.source import Problem, SourceError, read_yaml
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import ConfigurationError

MAX_PROBLEMS = 50


def load_config(
    path: Path, *, environ: Mapping[str, str] = os.environ, settings_of: SettingsOf = no_settings
) -> Config:
    """Read, expand and check a configuration file.

    ``settings_of`` gives the settings class of a provider's adapter by its ``type``, with which ``extra`` is checked.
    The files that the configuration names, profiles and prompts, are read as well; a Python profile is run.

    Raises ConfigurationError, whose ``cause`` has two lines for each problem, in the order of the file.
    """
    try:
        document = read_yaml(path)
    except SourceError as error:
        raise refused(path, error.problems) from None
    if document.value is None:
        fix = "write at least  name, service, llama_stack and user_data_collection"
        raise refused(path, [Problem("the file is empty", fix, 1)])
    if not isinstance(document.value, dict):
        fix = "begin with a key, as  name: my service"
        raise refused(path, [Problem("the file is not a mapping of keys to values", fix, document.line(()))])
    expansion = expand(document.value, environ)
    config = None
    found = []
    try:
        config = Config.model_validate(expansion.value, context=Loading(environ, settings_of))
    except ValidationError as error:
        found = list(findings(error, Config))
    if config is None or expansion.unset:
        raise refused(path, located(found, document, expansion))
    return config


def refused(path: Path, problems: Iterable[Problem]) -> ConfigurationError:
    """The error that tells of some problems in one file; of very many, the first ones."""
    texts = [problem.text(str(path)) for problem in problems]
    more = len(texts) - MAX_PROBLEMS
    if more > 0:
        texts[MAX_PROBLEMS:] = [f"{path}: {more} more problems\n    fix: mend the ones above first"]
    return ConfigurationError("\n".join(texts))
