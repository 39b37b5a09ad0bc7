"""Files to text: titles, headings with their places, and what is refused."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import pdf, readers
from lightspeed_stack.retrieval.base import Extract
from tests.spec.registry import requirement
from tests.unit.retrieval import evaluation, paper


def outline(extract: Extract) -> list[tuple[int, str, str | None]]:
    return [(heading.level, heading.title, heading.anchor) for heading in extract.headings]


@requirement("retrieval:readers:markdown")
def test_markdown_has_a_title_and_headings_but_none_in_code() -> None:
    extract = readers.read((evaluation.CORPUS / "guides/install.md").read_bytes(), "install.md")
    assert extract.title == "Install a keeper"
    assert outline(extract) == [
        (1, "Install a keeper", "install-a-keeper"),
        (2, "Before you begin", "before-you-begin"),
        (2, "Steps", "steps"),
        (2, "Remove a keeper", "remove-a-keeper"),
    ]


@requirement("retrieval:readers:markdown")
def test_a_heading_knows_its_place_and_loses_its_markup() -> None:
    extract = readers.read(b"intro\n\n# The `size` of *it*\n\nbody\n\nSecond\n======\nend", "x.md")
    assert [heading.title for heading in extract.headings] == ["The size of it", "Second"]
    assert [extract.text[it.start : it.end] for it in extract.headings] == [
        "# The `size` of *it*\n",
        "Second\n======\n",
    ]


@requirement("retrieval:readers:front-matter")
@pytest.mark.parametrize(
    ("source", "title", "url"),
    [
        ("---\ntitle: Told\nurl: https://a.example/x\n---\n# Written\n", "Told", "https://a.example/x"),
        ("---\ntitle: 2031\n---\n# Written\n", "2031", None),
        ("---\nother: 1\n---\n# Written\n", "Written", None),
        ("---\njust words\n---\n# Written\n", "Written", None),
        ("## Only a second\n", "Only a second", None),
        ("no heading\n", "page", None),
    ],
)
def test_front_matter_gives_title_and_url(source: str, title: str, url: str | None) -> None:
    extract = readers.read(source.encode(), "page.md")
    assert (extract.title, extract.url) == (title, url)


@requirement("retrieval:readers:front-matter")
def test_what_cannot_be_encoded_is_replaced() -> None:
    assert readers.read(b'---\ntitle: "a\\ud800b"\n---\nx\n', "page.md").title == "a?b"


@requirement("retrieval:readers:front-matter")
def test_front_matter_is_no_part_of_the_text() -> None:
    assert readers.read(b"---\ntitle: T\n---\nbody\n", "x.md").text == "body\n"


@requirement("retrieval:readers:html")
def test_html_is_read_without_what_surrounds_it() -> None:
    extract = readers.read((evaluation.CORPUS / "reference/retention.html").read_bytes(), "retention.html")
    assert extract.title == "Retention"
    assert outline(extract) == [
        (1, "Retention", "retention"),
        (2, "The default rule", "default-rule"),
        (2, "Legal hold", "legal-hold"),
        (2, "Deleting a copy now", "deleting-now"),
    ]
    assert "forget --computer BRIDGE-2 \\\n    --before" in extract.text  # preformatted text keeps its lines
    assert "one a month for two years." in extract.text
    for surrounding in ("Home", "tracking", "nobody in particular", "color: black"):
        assert surrounding not in extract.text


@requirement("retrieval:readers:html")
def test_tables_stay_readable_and_the_title_is_the_heading() -> None:
    extract = readers.read((evaluation.CORPUS / "reference/roles.html").read_bytes(), "roles.html")
    assert extract.title == "Roles and permissions"
    assert "engineer | restore any file, pair and unpair keepers\n" in extract.text


@requirement("retrieval:readers:html")
def test_html_may_be_nested_as_deep_as_it_likes() -> None:
    assert readers.read(b"<div>" * 5000 + b"deep" + b"</div>" * 5000, "x.html").text.strip() == "deep"


@requirement("retrieval:readers:text")
def test_underlined_lines_are_headings() -> None:
    extract = readers.read((evaluation.CORPUS / "reference/security.rst").read_bytes(), "security.rst")
    assert extract.title == "Encryption and keys"
    assert outline(extract) == [
        (1, "Encryption and keys", None),
        (2, "Recovery phrase", None),
        (2, "Reporting a vulnerability", None),
    ]


@requirement("retrieval:readers:pdf")
def test_pdf_bookmarks_are_headings_where_their_words_stand() -> None:
    extract = readers.read(paper.pdf(paper.HANDBOOK, title="The handbook"), "handbook.pdf")
    assert extract.title == "The handbook"
    assert outline(extract) == [(1, page[0], None) for page in paper.HANDBOOK]
    assert [extract.text[it.start : it.end] for it in extract.headings] == [page[0] for page in paper.HANDBOOK]


@requirement("retrieval:readers:pdf")
def test_a_pdf_without_bookmarks_is_named_after_its_file() -> None:
    extract = readers.read(paper.pdf(paper.HANDBOOK, bookmarks=False), "handbook.pdf")
    assert (extract.title, extract.headings) == ("handbook", ())


def encrypted() -> bytes:
    from io import BytesIO

    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=BytesIO(paper.pdf(paper.HANDBOOK)))
    writer.encrypt("secret", algorithm="RC4-128")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


@requirement("retrieval:readers:refused")
@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"\x89PNG\r\n\0\0\0", "picture.txt", "binary file"),
        ("naïve".encode("latin-1"), "old.md", "not valid utf-8; fix: convert it with  iconv"),
        (b"\xff\xfea", "half.txt", "not valid utf-16"),
        (b'<meta charset="no-such-thing">x', "x.html", "not valid no-such-thing"),
        (b"   \n\t\n", "blank.txt", "holds no text"),
        (b"<body><script>only()</script></body>", "x.html", "holds no text"),
        (b"x", "x.docx", "no kind that can be read"),
        (b"x", "none", "no kind that can be read"),
        (b"a" * (readers.MAX_BYTES + 1), "big.txt", "larger than 20 MB"),
        (b"a" * (readers.MAX_CHARACTERS + 1), "long.txt", "more than 5,000,000 characters"),
        (b"---\na: [\n---\nx\n", "x.md", "not valid YAML (line 3)"),
        (b"---\nurl: javascript:alert(1)\n---\nx\n", "x.md", "no web address"),
        (b"---\nurl: 5\n---\nx\n", "x.md", "no web address"),
        (b"%PDF-1.7 and then nothing", "x.pdf", "broken PDF"),
        (b"", "x.pdf", "broken PDF"),
        (paper.pdf(((), ())[:2], bookmarks=False), "scan.pdf", "no text; fix: run it through text recognition"),
        (encrypted(), "locked.pdf", "is encrypted; fix: save a copy without a password"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_fix(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(KnowledgeError) as refused:
        readers.read(data, name)
    assert reason in refused.value.cause
    assert "; fix: " in refused.value.cause


@requirement("retrieval:readers:encoding")
@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("naïve\n".encode(), "x.txt"),
        ("naïve\n".encode("utf-8-sig"), "x.txt"),
        ("naïve\n".encode("utf-16"), "x.txt"),
        ("naïve\n".encode("utf-32"), "x.txt"),
        (b"na\xefve\r\n", "x.html"),
    ],
)
def test_encodings_are_told_by_mark_declaration_or_utf8(data: bytes, name: str) -> None:
    if name.endswith(".html"):
        data = b'<meta charset="iso-8859-1"><p>' + data
    assert readers.read(data, name).text.strip() == "naïve"


@requirement("retrieval:readers:refused")
@given(st.binary(max_size=300), st.sampled_from(sorted(readers.READERS)))
def test_any_bytes_are_read_or_refused(data: bytes, suffix: str) -> None:
    try:
        extract = readers.read(data, f"x{suffix}")
    except KnowledgeError:
        return
    assert all(0 <= it.start < it.end <= len(extract.text) for it in extract.headings)
    assert [it.start for it in extract.headings] == sorted(it.start for it in extract.headings)


@requirement("retrieval:readers:refused")
@given(st.data())
def test_a_damaged_pdf_is_read_or_refused(draw: st.DataObject) -> None:
    whole = bytearray(paper.pdf(paper.HANDBOOK))
    for _ in range(draw.draw(st.integers(1, 8))):
        whole[draw.draw(st.integers(0, len(whole) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(KnowledgeError):
        assert pdf.read(bytes(whole), "x").text.strip()


def test_every_document_of_the_corpus_is_read(tmp_path: Path) -> None:
    for path in sorted(evaluation.lay_out(tmp_path).rglob("*.*")):
        assert readers.read(path.read_bytes(), path.name).title
