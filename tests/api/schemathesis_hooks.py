"""What schemathesis has to know of our media types: a stream and the page are texts, as the document says."""

import schemathesis


@schemathesis.deserializer("text/event-stream", "text/html")
def text(_context: schemathesis.DeserializationContext, response: schemathesis.Response) -> str:
    return response.content.decode("utf-8")
