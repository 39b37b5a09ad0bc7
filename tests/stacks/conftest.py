"""One stack, and one service before it, for all tests of a release; the table's results are written here."""

import json
import uuid
from collections.abc import AsyncIterator, Generator

import anyio
import pytest

from tests.blackbox.stand import HELLO
from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.stacks import MODELS, stack_server
from tests.stacks.kinds import KINDS, RESULTS, Kind
from tests.stacks.stand import Serving, StackStand


def claims(item: pytest.Function | pytest.Metafunc) -> tuple[str, ...]:
    """The requirements of a test."""
    node = item if isinstance(item, pytest.Function) else item.definition
    return tuple(id_ for mark in node.iter_markers("requirement") for id_ in mark.args)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a ``kind``, itself or by a fixture, runs for all that can show its behaviour."""
    if "kind" not in metafunc.fixturenames:
        return
    shown = [kind for kind in KINDS if kind.shows(claims(metafunc))]
    params = [pytest.param(kind, id=kind.name, marks=[pytest.mark.slow] if kind.long else []) for kind in shown]
    metafunc.parametrize("kind", params, indirect=True, scope="package")


@pytest.fixture(scope="package")
def kind(request: pytest.FixtureRequest) -> Kind:
    found = request.param
    assert isinstance(found, Kind)
    found.check_installed()
    return found


@pytest.fixture(scope="package")
async def model(kind: Kind) -> AsyncIterator[OpenAIServer]:
    async with openai_server(HELLO, models=MODELS) as server:
        yield server


@pytest.fixture(scope="package")
async def serving(kind: Kind, model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """Starts services before a stack that all tests of a kind share. It has nothing to search."""
    folder = tmp_path_factory.mktemp(kind.name)
    if kind.library:
        yield Serving(kind, folder, model, None)
        return
    async with stack_server(kind.release, folder, model.url) as stack:
        yield Serving(kind, folder, model, stack)


@pytest.fixture(scope="package")
async def service(serving: Serving, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StackStand]:
    async with serving(tmp_path_factory.mktemp("service")) as stand:
        yield stand


@pytest.fixture
def stand(service: StackStand) -> StackStand:
    """The shared service, with a model that knows nothing of other tests, for a user whom nobody else is."""
    return fresh(service)


def fresh(service: StackStand) -> StackStand:
    model = service.model
    model.hanging, model.release, model.cancelled = anyio.Event(), anyio.Event(), anyio.Event()
    model.requests.clear()
    service.play(HELLO)
    stand = service.of(f"user-{uuid.uuid4()}")
    assert isinstance(stand, StackStand)
    return stand


outcomes: dict[str, dict[str, str]] = {}
"""Kind → requirement → ``passed``, or what became of one of its tests."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    column = item.callspec.params.get("kind") if hasattr(item, "callspec") else None
    if isinstance(item, pytest.Function) and isinstance(column, Kind):
        shown = outcomes.setdefault(column.name, {})
        for id_ in claims(item):
            shown[id_] = report.outcome if report.outcome != "passed" else shown.get(id_, "passed")
    return report


def pytest_sessionfinish() -> None:
    if outcomes:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(outcomes, indent=2), "utf-8")
