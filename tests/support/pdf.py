"""What a PDF says."""

import pypdfium2


def text_of(pdf, pages=None):
    """The words of a PDF, or of so many of its first pages, with one space between them."""
    with pypdfium2.PdfDocument(pdf) as document:
        shown = range(len(document))[:pages]
        read = [document[i].get_textpage().get_text_range() for i in shown]
    return " ".join(" ".join(read).split())
