"""Text files as people's editors write them: bytes to text, or a sentence that says how to save them.

Holds the decoding. Holds no parser. A byte order mark is dropped, and line ends are those of any system;
every other encoding is refused by name, since a wrong guess changes what is read.

Invariant: what is returned holds no byte order mark, no NUL, and no line end but LF.
"""

from __future__ import annotations

import codecs

from undertow.errors import InputError

# Longer marks first: UTF-32's begins with UTF-16's.
_OTHERS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def text_of(raw: bytes, label: str) -> str:
    """The text of a file. InputError, with the file's label, where it is no UTF-8."""
    for mark, name in _OTHERS:
        if raw.startswith(mark):
            raise InputError(f"{label}: is {name} text; save the file as UTF-8 text")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{label}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None
    if "\0" in text:
        place = raw.index(b"\0")
        raise InputError(
            f"{label}: byte {place} is zero, as in UTF-16 text or a binary file; save the file as UTF-8 text"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")
