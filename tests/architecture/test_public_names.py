"""What the package promises, compared with what is there."""

import inspect

import pytest

import lightspeed_stack
from tests.spec.registry import requirement

PUBLIC = ["Assistant", "AssistantError", "__version__", "create_app", "load_config"]


@requirement("ground:public:names")
def test_the_list_of_public_names() -> None:
    assert sorted(lightspeed_stack.__all__) == PUBLIC


@requirement("ground:public:names")
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_there(name: str) -> None:
    found = getattr(lightspeed_stack, name)
    if name == "__version__":
        assert isinstance(found, str)
    elif inspect.isclass(found) or inspect.isfunction(found):
        assert found.__name__ == name
        assert found.__module__.startswith("lightspeed_stack.")
        assert found.__doc__
    else:
        pytest.fail(f"{name} is neither a class nor a function: {found!r}")


@requirement("ground:public:names")
def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lightspeed_stack.no_such_name
