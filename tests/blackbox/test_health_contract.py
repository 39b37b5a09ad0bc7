"""rest-api.md 6: probes, and who the caller is."""

import pytest

from tests.blackbox.stand import Serving, Stand
from tests.servers.openai_server import UNAUTHORIZED
from tests.spec.registry import requirement

NAMES = pytest.mark.parametrize("prefix", ["", "/v1"])


@requirement("rest:6.1:ready")
@NAMES
async def test_ready(stand: Stand, prefix: str) -> None:
    told = {"ready": True, "reason": "All providers are healthy", "providers": []}
    assert (await stand.get(f"{prefix}/readiness")).told == (200, told)


@requirement("rest:6.1:not-ready")
async def test_not_ready(serving: Serving) -> None:
    async with serving(rag={"stores": [{"name": "guide", "path": f"{serving.folder}/missing.db"}]}) as stand:
        stand.model.models_refusal = UNAUTHORIZED
        answer = await stand.get("/readiness")
        head = await stand.call("HEAD", "/readiness")
    assert (answer.status, head.status, head.raw) == (503, 503, b"")
    assert (answer.body["ready"], answer.body["reason"]) == (False, "Providers not healthy: fake, knowledge")
    for part in answer.body["providers"]:
        assert set(part) == {"provider_id", "status", "message"}
        assert part["status"] == "Error"
        assert part["message"]


@requirement("rest:6.1:unreachable")
async def test_not_ready_without_a_provider(serving: Serving) -> None:
    async with serving(model_url="http://127.0.0.1:9/v1") as stand:
        answer = await stand.get("/readiness")
        assert (await stand.get("/liveness")).status == 200
    message = "Unable to connect to the model provider: Connection error."
    part = {"provider_id": "fake", "status": "Error", "message": message}
    told = {"ready": False, "reason": "Providers not healthy: fake", "providers": [part]}
    assert answer.told == (503, told)


@requirement("rest:6.2:alive")
@NAMES
async def test_alive(stand: Stand, prefix: str) -> None:
    assert (await stand.get(f"{prefix}/liveness")).told == (200, {"alive": True})


@requirement("rest:6.2:denied")
@NAMES
async def test_probes_need_their_action(serving: Serving, prefix: str) -> None:
    async with serving(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]}) as stand:
        for probe in ("/liveness", "/readiness"):
            assert (await stand.get(f"{prefix}{probe}")).status == 403


@requirement("rest:6.3:body", "rest:6.3:ignored-body")
@pytest.mark.parametrize("body", [None, b"", b"{", b"\xff\0", {"user_id": "mallory"}])
async def test_who_the_caller_is_whatever_is_sent(stand: Stand, body: object) -> None:
    told = {"user_id": stand.user, "username": "lightspeed-user", "skip_userid_check": True}
    assert (await stand.call("POST", "/authorized", body)).told == (200, told)


@requirement("rest:6.3:no-action", "rest:6.3:no-token")
async def test_who_the_caller_is_needs_no_action_and_shows_no_token(serving: Serving) -> None:
    async with serving(authorization={"access_rules": [{"role": "*", "actions": []}]}) as stand:
        answer = await stand.call("POST", "/authorized", headers={"Authorization": "Bearer canary"})
        assert answer.status == 200
        assert b"canary" not in answer.raw
        assert (await stand.call("POST", "/authorized", user_id="\0")).status == 400
