"""Notes of the readers: exact counts, short lists, one line per kind."""

from utils.data import notes
from utils.data.notes import (
    CLIPPED,
    NO_LABEL_FILE,
    OTHER_CLASSES,
    NoteTaker,
    count_of,
    counts_by_subject,
    merge_notes,
    note_lines,
    problems_of,
)


def taken(*entries):
    """The notes of (kind, file, reason) entries."""
    taker = NoteTaker()
    for entry in entries:
        taker.add(*entry)
    return taker.notes()


def test_problems_are_gathered_by_kind():
    found = taken((CLIPPED, "a", "1"), (NO_LABEL_FILE, "b", "2"), (CLIPPED, "c", "3"))
    assert [(note.kind, note.number) for note in found] == [(CLIPPED, 2), (NO_LABEL_FILE, 1)]
    assert problems_of(found, [CLIPPED]) == [("a", "1"), ("c", "3")]
    assert (count_of(found, CLIPPED), count_of(found, OTHER_CLASSES)) == (2, 0)


def test_a_note_may_have_a_subject_and_a_count():
    taker = NoteTaker()
    taker.add(OTHER_CLASSES, "a.xml", "unknown", subject="fox", count=3)
    taker.add(OTHER_CLASSES, "b.xml", "unknown", subject="fox", count=2)
    taker.add(OTHER_CLASSES, "b.xml", "unknown", subject="cow")
    assert counts_by_subject(taker.notes(), OTHER_CLASSES) == {"fox": 5, "cow": 1}
    assert note_lines(taker.notes()) == [
        "5 objects of other classes skipped (fox), such as a.xml: unknown",
        "1 objects of other classes skipped (cow): b.xml: unknown",
    ]


def test_lists_are_cut_off_but_counts_are_not(monkeypatch):
    monkeypatch.setattr(notes, "MAX_PROBLEMS", 2)
    found = taken(*[(CLIPPED, str(number), "") for number in range(5)])
    assert (found[0].number, len(found[0].problems)) == (5, 2)
    merged = merge_notes([found, taken((CLIPPED, "x", ""))])
    assert (merged[0].number, len(merged[0].problems)) == (6, 2)
    assert note_lines(tuple(note._replace(subject=str(k)) for k in range(12) for note in found))[10:] == [
        "and 2 more kinds of problems"
    ]


def test_notes_of_a_file_that_is_read_twice_count_once():
    found = taken((CLIPPED, "a", "1"))
    assert merge_notes([found, found, taken((CLIPPED, "b", "1"))])[0].number == 2
    assert merge_notes([]) == ()
