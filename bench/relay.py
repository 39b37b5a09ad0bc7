"""The floor: a relay that does nothing but pass a question to a model and the answer back.

The same framework, server, loop and HTTP client as the service, without storage, shields, metrics or identity.
Run: ``python -m bench.relay PORT MODEL_URL``.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


class Query(BaseModel):
    query: str


def create_relay(model_url: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)

    def ask(text: str, *, stream: bool) -> aiohttp.client._RequestContextManager:
        client: aiohttp.ClientSession = app.state.client
        body = {"model": "fake-llm", "messages": [{"role": "user", "content": text}], "stream": stream}
        return client.post(f"{model_url}/chat/completions", json=body)

    @app.get("/liveness")
    async def liveness() -> dict[str, bool]:
        return {"alive": True}

    @app.post("/v1/query")
    async def query(asked: Query) -> dict[str, str]:
        async with ask(asked.query, stream=False) as response:
            answer = await response.json()
        return {"response": answer["choices"][0]["message"]["content"]}

    @app.post("/v1/streaming_query")
    async def streaming_query(asked: Query) -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            async with ask(asked.query, stream=True) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        choices = json.loads(line[6:])["choices"]
                        if choices and (text := choices[0]["delta"].get("content")):
                            yield f"data: {json.dumps({'event': 'token', 'data': {'token': text}})}\n\n"

        return StreamingResponse(tokens(), media_type="text/event-stream")

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_relay(sys.argv[2]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
