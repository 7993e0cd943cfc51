"""Tables as CSV text that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # also in their full width


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV.

    Spreadsheets run text that begins with = + - @ as a formula, and a file or class may be called so: an
    apostrophe before it keeps it text. Numbers are left as they are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
