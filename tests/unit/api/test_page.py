"""The page's route and files, without a browser."""

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lightspeed_stack.api import page, problems
from lightspeed_stack.auth.access import AccessPolicy
from lightspeed_stack.auth.noop import NoopAuthenticator
from tests.spec.registry import requirement


def application(policy: AccessPolicy) -> FastAPI:
    """The page alone, with the two services that its route asks for."""
    app = FastAPI()
    problems.install(app)
    app.include_router(page.router)
    app.state.services = SimpleNamespace(authenticator=NoopAuthenticator(), policy=policy)
    return app


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(application(AccessPolicy.build("noop", None))) as client:
        yield client


@requirement("page:root:html")
def test_the_root_is_a_page_with_relative_links(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Lightspeed core service</title>" in answer.text
    assert re.search(r"<h1>[^<]*Lightspeed core service", answer.text)
    addresses = re.findall(r'(?:href|src)="([^"]*)"', answer.text)
    assert {"docs", "redoc", "guide/"} <= set(addresses)
    assert [one for one in addresses if one.startswith("/") or ":" in one] == []


@requirement("page:root:permission")
def test_a_caller_without_the_action_gets_no_page() -> None:
    with TestClient(application(AccessPolicy.build("noop", [("*", [])]))) as client:
        answer = client.get("/")
    assert answer.status_code == 403
    assert answer.json() == {"detail": "Insufficient permissions for action: Action.INFO"}


@requirement("page:root:operation")
def test_the_operation_is_the_contracts_and_files_are_no_operations(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert list(paths) == ["/"]
    assert paths["/"]["get"]["operationId"] == "root_endpoint_handler__get"
    assert paths["/"]["get"]["tags"] == ["root"]
    assert list(paths["/"]["get"]["responses"]["200"]["content"]) == ["text/html"]


@requirement("page:root:policy")
def test_the_browser_is_told_what_the_page_may_do(client: TestClient) -> None:
    headers = client.get("/").headers
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@requirement("page:assets:allow-list")
def test_everything_the_page_names_is_served(client: TestClient) -> None:
    named = set(re.findall(r'(?:href|src)="assets/([^"]*)"', client.get("/").text))
    for name in [one for one in page.assets() if one.endswith(".js")]:
        named |= set(re.findall(r'from "\./([^"]*)"', page.assets()[name].body.decode()))
    assert {"page.js", "page.css", "stream.js", "markdown.js"} <= named
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for name in named:
        answer = client.get(f"/assets/{name}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, types[name.rpartition(".")[2]])


@requirement("page:assets:allow-list")
@pytest.mark.parametrize(
    "path", ["nothing.js", "index.html", "..%2Fpage.py", "%2e%2e%2f__init__.py", "..%5Cpage.py", "page.js%00", ".", ""]
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/assets/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


@requirement("page:assets:revalidation")
@pytest.mark.parametrize("path", ["/", "/assets/page.css"])
def test_a_client_that_has_the_file_is_told_so(client: TestClient, path: str) -> None:
    first = client.get(path)
    assert "no-cache" in first.headers["cache-control"]
    again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@requirement("page:private")
def test_no_file_of_the_page_names_another_host() -> None:
    for name, asset in page.assets().items():
        addresses = re.findall(r"https?://[\w.-]+", asset.body.decode())
        assert [one for one in addresses if one != "http://www.w3.org"] == [], name
