"""The page at ``/`` and the guide below ``/guide/``."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "page:root:html": Requirement(
        "GET / answers with an HTML page whose title and heading hold the service's name and whose links to the API "
        "reference are relative.",
        "rest-api.md 8",
    ),
    "page:root:permission": Requirement("GET / asks for the action info.", "rest-api.md 0.1"),
    "page:root:operation": Requirement("GET / keeps its operation id and tag.", "openapi-skeleton.json"),
    "page:root:policy": Requirement(
        "The page forbids the browser every script, style and connection that is not the service's own.",
        "decision: the page",
    ),
    "page:assets:allow-list": Requirement(
        "Under /assets/ the files of the page are served, and nothing else of the machine.", "decision: the page"
    ),
    "page:assets:revalidation": Requirement(
        "A client that has a file already is told so by 304, and asks again each time.", "decision: the page"
    ),
    "page:screenshot": Requirement(
        "A script takes a picture of the page with an answered question.", "decision: the page"
    ),
    "page:answer:streams": Requirement(
        "The answer appears while it is written, as formatted text, with numbered sources, places and passages.",
        "decision: the page",
    ),
    "page:answer:inert": Requirement(
        "What a model writes is shown as text: no markup of it runs, and links lead to http and https only.",
        "decision: the page",
    ),
    "page:answer:notices": Requirement(
        "What was skipped, stopped or taken out of an answer is told below it.", "issue 5, shown when done"
    ),
    "page:answer:announced": Requirement(
        "A screen reader is told of a completed answer once, not of each token.", "decision: the page"
    ),
    "page:follow-up:same-conversation": Requirement(
        "A follow-up belongs to the same conversation until a new one is begun.", "decision: the page"
    ),
    "page:stop:keeps-text": Requirement(
        "Stopping an answer stops the model and leaves on the page what was said, marked as stopped.",
        "decision: the page",
    ),
    "page:error:retry": Requirement(
        "A question that fails shows a readable reason and can be asked again with one button.", "decision: the page"
    ),
    "page:error:cut": Requirement(
        "A stream that ends without end or error is shown as cut off.", "decisions.md, Do better 2"
    ),
    "page:keyboard": Requirement(
        "The page is used with the keyboard alone; focus is always visible.", "WCAG 2.2 2.1.1 and 2.4.7"
    ),
    "page:narrow": Requirement("At 320 pixels nothing scrolls sideways.", "WCAG 2.2 1.4.10"),
    "page:contrast": Requirement(
        "Text has a contrast of at least 4.5 to 1, in the light and in the dark scheme.", "WCAG 2.2 1.4.3"
    ),
    "page:names": Requirement(
        "Every control has a name, and the page has a language, one main landmark and one first heading.",
        "WCAG 2.2 1.3.1, 2.4.6, 3.1.1 and 4.1.2",
    ),
    "page:private": Requirement(
        "The page makes no request to any other host, and breaks none of its own rules.", "decision: the page"
    ),
    "page:limit": Requirement(
        "An empty question cannot be sent, and the page says how many characters are left near the limit.",
        "decision: the page",
    ),
    "page:starting": Requirement(
        "While the model is not ready the page says so with the reason, until it is.", "decision: the page"
    ),
    "page:own-documents": Requirement(
        "With the embedded model and its own documentation the service answers a suggested question with a source.",
        "decision: the page",
    ),
    "guide:anchors:forge-style": Requirement(
        "Headings of the guide have the anchors that code forges give them.", "decision: the guide"
    ),
    "guide:anchors:unique": Requirement("No two headings of a page share an anchor.", "decision: the guide"),
    "guide:page:rendered": Requirement(
        "GET /guide/PATH shows the Markdown file of that path as a page, with the list of all pages in a stated order.",
        "decision: the guide",
    ),
    "guide:page:links": Requirement(
        "Relative links between documents lead to their pages, wherever the service is mounted; those out of the "
        "documentation are text.",
        "decision: the guide",
    ),
    "guide:page:inert": Requirement(
        "HTML inside a document is shown as text; comments are not shown.", "decision: the guide"
    ),
    "guide:page:unknown": Requirement(
        "An unknown page, and any path out of the documentation, is a 404 in JSON.", "decision: the guide"
    ),
    "guide:images": Requirement("Images of the documentation are served beside it.", "decision: the guide"),
    "guide:shipped": Requirement(
        "Every relative link of the shipped documentation leads somewhere.", "decision: the guide"
    ),
}
