"""What the service can ask a stack for, and no question asks for yet."""

import json
import sys
from pathlib import Path

import pytest

from tests.servers.openai_embeddings import embed
from tests.servers.openai_server import Script, ScriptedCall
from tests.servers.program import Program, heard, launched
from tests.servers.stacks import environment
from tests.spec.registry import requirement
from tests.stacks.stand import Json, StackStand

SPEAKING = Path(__file__).with_name("speaking.py")
CALL = ScriptedCall("call-1", "look", '{"a": 1}')


async def said(stand: StackStand, folder: Path) -> Json:
    """What the stack says to ``speaking.py``, which runs in the release's own environment where that is a library."""
    stand.play(Script((), tool_calls=(CALL,), usage=(1, 1)))
    if stand.kind.library:
        python, place = stand.kind.release.place / "bin" / "python", str(stand.kind.release.run)
    else:
        python, place = Path(sys.executable), stand.server.url
    environ = environment(folder, stand.model.url)
    process = await launched([python, SPEAKING, place], folder, environ)
    async with process, heard(Program(process)) as program:
        assert await program.ended() == 0, program.log
        told = json.loads(program.log.splitlines()[-1])
        assert isinstance(told, dict)
        return told


@requirement("stacks:embeddings")
@requirement("stacks:tool-calls")
async def test_texts_are_embedded_and_tools_are_offered(stand: StackStand, tmp_path: Path) -> None:
    told = await said(stand, tmp_path)
    expected = [embed("a pump"), embed("a banana")]
    assert told["vectors"] == [pytest.approx(vector, abs=1e-6) for vector in expected]
    assert told["call"] == ["look", '{"a": 1}']
    (offered,) = stand.chats[-1]["tools"]
    assert offered["function"]["name"] == "look"
    assert told["version"] == stand.kind.release.version


@requirement("stacks:moderations")
async def test_a_text_is_judged(stand: StackStand, tmp_path: Path) -> None:
    assert (await said(stand, tmp_path))["moderations"] == [True, False]
