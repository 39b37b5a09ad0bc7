"""What the model may read."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "retrieval:readers:markdown": Requirement(
        "Markdown is read with its headings, their places and anchors.", "layout.md retrieval/ingest.py"
    ),
    "retrieval:readers:front-matter": Requirement(
        "A document's front matter gives its title and address.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:readers:html": Requirement(
        "HTML is read without navigation, scripts and styles.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:readers:text": Requirement(
        "Plain text is read, with underlined lines as headings.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:readers:pdf": Requirement(
        "PDF is read, with its bookmarks as headings.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:readers:encoding": Requirement(
        "Text is decoded by its mark, its declaration or as UTF-8, never by guess.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:readers:refused": Requirement("What cannot be read is refused with a reason and a fix.", "style.md 6"),
    "retrieval:chunks:offsets": Requirement("A chunk is the text at its offsets.", "docs/decisions/0004-retrieval.md"),
    "retrieval:chunks:cover": Requirement("Chunks leave out white space only.", "docs/decisions/0004-retrieval.md"),
    "retrieval:chunks:size": Requirement("No chunk is longer than the embedder reads.", "lab.md 3"),
    "retrieval:chunks:words": Requirement(
        "Words and lines of code are not cut where that can be avoided.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:chunks:sections": Requirement(
        "A chunk knows the headings above it and does not cross one.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:embedder:unit-vectors": Requirement(
        "An embedder gives each text one unit vector, and like texts near ones.", "layout.md retrieval/base.py"
    ),
    "retrieval:embedder:threads": Requirement("An embedder may be called from several threads.", "style.md 9"),
    "retrieval:minilm:published": Requirement("MiniLM gives the similarities that its authors publish.", "lab.md 3"),
    "retrieval:minilm:missing": Requirement(
        "Without the extra, searching and reading say which command installs it.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:ranking:order": Requirement(
        "Passages come best first, by meaning, and none below the minimum.", "lab.md 3"
    ),
    "retrieval:ranking:terms": Requirement(
        "Identifiers, error codes and quoted strings lift the passages that hold them.", "lab.md 3"
    ),
    "retrieval:ranking:words": Requirement(
        "Common words order passages of like meaning and make none an answer.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:ranking:duplicates": Requirement(
        "Passages that say the same are shown once.", "layout.md retrieval/ranking.py"
    ),
    "retrieval:store:passages": Requirement(
        "A stored passage tells its document, section, anchor and offsets.", "decisions.md 13"
    ),
    "retrieval:store:candidates": Requirement("A store finds by meaning, by terms and by words.", "lab.md 4"),
    "retrieval:store:sees-new": Requirement(
        "A running service sees what is ingested meanwhile.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:store:whole-documents": Requirement(
        "A store holds whole documents only, whenever an ingest was killed.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:store:one-writer": Requirement(
        "A second writer is refused in time, and readers go on.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:store:one-file": Requirement("A store at rest is one file.", "docs/decisions/0004-retrieval.md"),
    "retrieval:store:refused": Requirement(
        "A file that is no store, a newer one or another embedder's is refused with the fix.", "style.md 6"
    ),
    "retrieval:store:missing": Requirement("A missing store is named with the command that makes it.", "style.md 7"),
    "retrieval:ingest:folders": Requirement(
        "Folders are walked in order, without hidden files and links that lead out.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:ingest:unchanged": Requirement(
        "Documents that did not change cost neither embedding nor its libraries.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:ingest:changed": Requirement(
        "Changed documents are replaced, and those vanished from below a given path removed.",
        "docs/decisions/0004-retrieval.md",
    ),
    "retrieval:ingest:failed": Requirement(
        "A document that fails keeps what was stored of it, and the others go on.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:ingest:addresses": Requirement(
        "A document's address is its own, or the base with its path.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:search:best-first": Requirement(
        "A search gives at most so many passages, best first, the same for the same question.",
        "layout.md 5, step 6",
    ),
    "retrieval:search:offsets": Requirement("Passages are exact pieces of their documents.", "decisions.md 13"),
    "retrieval:search:terms": Requirement("An error code alone finds its passage.", "lab.md 3"),
    "retrieval:search:odd-questions": Requirement(
        "No question, however odd, is a query to the database.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:search:stores": Requirement("Several stores are searched as one.", "layout.md 5, step 6"),
    "retrieval:search:probe": Requirement("Health names what cannot be searched, and the fix.", "layout.md 7"),
    "retrieval:search:warm": Requirement("The model can be loaded ahead of the first question.", "lab.md 3"),
    "retrieval:search:timeout": Requirement("A search that takes too long is given up.", "style.md 9"),
    "retrieval:search:bounded": Requirement("More searches than can wait are refused.", "style.md 9"),
    "retrieval:quality:recall": Requirement(
        "The evaluation set is answered as well as was measured.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:quality:identifiers": Requirement(
        "A question with an identifier is answered by the first passage.", "lab.md 3"
    ),
    "retrieval:quality:off-topic": Requirement(
        "A question about something else finds nothing.", "docs/decisions/0004-retrieval.md"
    ),
    "retrieval:cli:ingest": Requirement(
        "The command ingest tells each document that changed, and a summary; 1 where one failed.",
        "layout.md cli/knowledge.py",
    ),
    "retrieval:cli:search": Requirement(
        "The command search shows what the assistant would read, as text or JSON.", "layout.md cli/knowledge.py"
    ),
    "retrieval:cli:interrupted": Requirement(
        "An interrupted ingest keeps whole documents and says so.", "docs/decisions/0004-retrieval.md"
    ),
}
