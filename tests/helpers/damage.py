"""What happens to files on disks."""

from __future__ import annotations

import zipfile
from pathlib import Path


def flip_a_bit(path: Path) -> None:
    """Change a bit in the exponent of the first number of the largest tensor.

    The file can still be read: torch checks no checksum.
    """
    with zipfile.ZipFile(path) as archive:
        tensors = [info for info in archive.infolist() if "/data/" in info.filename]
    header = max(tensors, key=lambda info: info.file_size).header_offset
    content = bytearray(path.read_bytes())
    lengths = content[header + 26 : header + 28], content[header + 28 : header + 30]
    start = header + 30 + sum(int.from_bytes(length, "little") for length in lengths)
    content[start + 3] ^= 0x40
    path.write_bytes(bytes(content))
