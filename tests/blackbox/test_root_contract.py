"""rest-api.md 8 and 9: the page, and what the reference's own description had wrong."""

import re

from tests.blackbox.stand import Stand
from tests.spec.registry import requirement


@requirement("rest:8:page")
async def test_the_page(stand: Stand) -> None:
    answer = await stand.get("/")
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    assert b"<title>" in answer.raw


@requirement("rest:8:reachable")
async def test_everything_that_the_page_names_is_there(stand: Stand) -> None:
    page = (await stand.get("/")).raw.decode()
    named = set(re.findall(r'(?:href|src)="([^"#:]+)"', page))
    assert named
    for address in {*named, "docs", "redoc"}:
        assert not address.startswith("/"), "addresses are relative, so that the service may stand behind a prefix"
        assert (await stand.get(f"/{address}")).status == 200, address


@requirement("rest:9:declared")
async def test_errors_are_declared_as_they_are_given(stand: Stand) -> None:
    paths = (await stand.get("/openapi.json")).body["paths"]
    assert {"400", "401", "403", "500"} <= set(paths["/v1/config"]["get"]["responses"])
    assert {"400", "401", "403", "413", "422", "500"} <= set(paths["/v1/feedback"]["post"]["responses"])
    assert {"400", "401", "403", "422", "500"} <= set(paths["/v1/conversations"]["get"]["responses"])
