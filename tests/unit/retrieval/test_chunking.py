"""Where documents are cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.retrieval import readers
from lightspeed_stack.retrieval.base import Heading
from lightspeed_stack.retrieval.chunking import MAX_CHARACTERS, estimate, split
from tests.spec.registry import requirement
from tests.unit.retrieval import evaluation

TEXTS = st.text(st.sampled_from("ab .\n\t!é#-`0"), max_size=600)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[Heading]]:
    """A text with headings in order that do not overlap."""
    text = draw(TEXTS)
    edges = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return text, [Heading(f"h{start}", draw(st.integers(1, 4)), start, end) for start, end in pairs]


@requirement("retrieval:chunks:offsets")
@given(documents(), st.integers(1, 60))
def test_chunks_are_the_text_at_their_offsets_in_order(document: tuple[str, list[Heading]], target: int) -> None:
    text, headings = document
    chunks = split(text, headings, target_tokens=target, max_tokens=target + 20)
    assert all(text[it.start : it.end] == it.content == it.content.strip() != "" for it in chunks)
    assert all(before.end <= after.start for before, after in pairwise(chunks))


@requirement("retrieval:chunks:cover")
@given(documents(), st.integers(1, 60))
def test_chunks_hold_everything_but_white_space(document: tuple[str, list[Heading]], target: int) -> None:
    text, headings = document
    chunks = split(text, headings, target_tokens=target, max_tokens=target + 20)
    assert "".join("".join(it.content for it in chunks).split()) == "".join(text.split())


@requirement("retrieval:chunks:size")
@given(documents(), st.integers(1, 60))
def test_no_chunk_is_larger_than_allowed(document: tuple[str, list[Heading]], target: int) -> None:
    text, headings = document
    for chunk in split(text, headings, target_tokens=target, max_tokens=target + 20):
        assert estimate(chunk.content) <= target + 20
        assert len(chunk.content) <= MAX_CHARACTERS


@requirement("retrieval:chunks:size")
@given(st.sampled_from(["x", "\x00", "é", "word "]), st.integers(1, 20_000))
def test_what_no_tokenizer_counts_is_bounded_by_characters(piece: str, times: int) -> None:
    assert all(len(it.content) <= MAX_CHARACTERS for it in split(piece * times, (), measure=lambda _: 1))


@requirement("retrieval:chunks:words")
@given(st.lists(st.text("abc", min_size=1, max_size=12), max_size=120), st.integers(4, 40))
def test_words_that_fit_are_not_cut(words: list[str], target: int) -> None:
    chunks = split(" ".join(words), (), target_tokens=target, max_tokens=target + 20)
    assert [word for chunk in chunks for word in chunk.content.split()] == words


@requirement("retrieval:chunks:words")
def test_code_is_cut_between_lines() -> None:
    lines = [f'    value_{number} = compute("{number}", key=value)' for number in range(60)]
    chunks = split("\n".join(lines), (), target_tokens=50, max_tokens=80)
    assert len(chunks) > 5
    assert {line for chunk in chunks for line in chunk.content.split("\n")} <= {line.strip() for line in lines} | set(
        lines
    )


@requirement("retrieval:chunks:sections")
def test_a_chunk_knows_the_headings_above_it() -> None:
    source = (evaluation.CORPUS / "reference/errors.md").read_bytes()
    extract = readers.read(source, "errors.md")
    chunks = split(extract.text, extract.headings)
    assert [(it.section, it.anchor) for it in chunks] == [
        (("Error codes", "TM-1007"), "tm-1007"),  # the title has nothing below it: it goes with what follows
        (("Error codes", "TM-1012"), "tm-1012"),
        (("Error codes", "TM-2031"), "tm-2031"),
        (("Error codes", "TM-2044"), "tm-2044"),
        (("Error codes", "TM-3005"), "tm-3005"),
    ]
    assert chunks[0].content.startswith("# Error codes\n\n## TM-1007")


@requirement("retrieval:chunks:sections")
def test_a_heading_leaves_the_path_when_one_of_its_level_comes() -> None:
    text = "# A\na\n## B\nb\n### C\nc\n## D\nd\n"
    extract = readers.read(text.encode(), "x.md")
    assert [it.section for it in split(text, extract.headings)] == [("A",), ("A", "B"), ("A", "B", "C"), ("A", "D")]


@requirement("retrieval:chunks:sections")
def test_a_heading_is_not_parted_from_a_long_paragraph() -> None:
    extract = readers.read(b"# Keys\n\n" + b"word " * 150 + b"\n", "x.md")
    [chunk] = split(extract.text, extract.headings)
    assert chunk.content.startswith("# Keys\n\nword")


@requirement("retrieval:chunks:sections")
def test_headings_without_any_text_are_a_chunk_of_their_own() -> None:
    extract = readers.read(b"# A\n## B\n", "x.md")
    [chunk] = split(extract.text, extract.headings)
    assert (chunk.content, chunk.section) == ("# A\n## B", ("A", "B"))
