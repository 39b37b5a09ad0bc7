"""Prints little PDF files, so that none has to be kept as bytes."""

from pathlib import Path

HANDBOOK = (
    (
        "Handbook for the watch",
        "This handbook is for the watch. It says what to do with the copies",
        "when something happens aboard.",
    ),
    (
        "Fire drill",
        "In a fire drill the keepers of the engine room are switched off by hand.",
        "Switch them on again within one hour, or their queue has gaps.",
    ),
    (
        "Emergency contacts",
        "When the harbour does not answer, call the duty engineer on channel 12.",
        "The duty engineer decides whether copies are made to a local disk.",
    ),
)


def pdf(pages: tuple[tuple[str, ...], ...], *, bookmarks: bool = True, title: str = "") -> bytes:
    """A PDF with lines of text in Helvetica; the first line of each page gets a bookmark."""
    count = len(pages)
    first = 4  # 1 catalogue, 2 pages, 3 font; then two objects a page, then the bookmarks
    outline = first + 2 * count
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R" + (f" /Outlines {outline} 0 R" if bookmarks else "") + " >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, lines in enumerate(pages):
        shown = " ".join(f"({_escaped(line)}) Tj 0 -16 Td" for line in lines)
        content = f"BT /F1 12 Tf 60 780 Td {shown} ET" if lines else ""
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >>"
            f" /Contents {first + 2 * number + 1} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    if bookmarks:
        last = outline + count
        objects.append(f"<< /Type /Outlines /First {outline + 1} 0 R /Last {last} 0 R /Count {count} >>")
        for number, lines in enumerate(pages):
            around = f" /Prev {outline + number} 0 R" if number else ""
            around += f" /Next {outline + number + 2} 0 R" if number + 1 < count else ""
            place = f"[{first + 2 * number} 0 R /XYZ 0 842 0]"
            objects.append(f"<< /Title ({_escaped(lines[0])}) /Parent {outline} 0 R /Dest {place}{around} >>")
    info = f"<< /Title ({_escaped(title)}) >>"
    return _file([*objects, info], information=len(objects) + 1)


def write_handbook(folder: Path) -> None:
    (folder / "handbook.pdf").write_bytes(pdf(HANDBOOK))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: list[str], *, information: int) -> bytes:
    parts = [b"%PDF-1.7\n"]
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(sum(len(part) for part in parts))
        parts.append(f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1"))
    start = sum(len(part) for part in parts)
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    parts.append(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    trailer = (
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {information} 0 R >>\nstartxref\n{start}\n%%EOF\n"
    )
    parts.append(trailer.encode())
    return b"".join(parts)
