"""The pages of a Parquet file, by the headers that stand before them.

What the description at a file's end says of sizes is only a claim, and a page is decoded as a whole: its own header
says how much memory that takes. They are structs of Thrift's compact protocol
(https://parquet.apache.org/docs/file-format/data-pages/).
"""

from __future__ import annotations

from dataclasses import dataclass
from io import SEEK_CUR
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pyarrow.parquet as pq

DATA, DICTIONARY, DATA_V2 = 0, 2, 3
# Fields of a page's header, and of the headers in it: how much is in the page.
KIND, UNPACKED, PACKED, VALUES = 1, 2, 3, 1
DETAILS = {DATA: 5, DICTIONARY: 7, DATA_V2: 8}
# Levels of structs, and a size that fits into 32 bits.
DEEPEST, LARGEST = 4, 2**31

type Struct = dict[int, int | Struct]


@dataclass(slots=True)
class Pages:
    """Of one column in one row group: bytes of the largest page of each kind, and how many values there are.

    ``fewest`` are the values of the smallest page of data; the last one, which is what was left, does not count.
    """

    dictionary: int = 0
    data: int = 0
    values: int = 0
    fewest: int | None = None
    last: int | None = None

    def add(self, kind: int, size: int, values: int) -> None:
        """Count one page."""
        if kind == DICTIONARY:
            self.dictionary = max(self.dictionary, size)
            return
        self.data, self.values = max(self.data, size), self.values + values
        if self.last is not None:
            self.fewest = self.last if self.fewest is None else min(self.fewest, self.last)
        self.last = values


def of_column(file: BinaryIO, column: pq.ColumnChunkMetaData) -> Pages:
    """What the headers of the column's pages say. Raises ValueError where one cannot be read."""
    starts = [column.data_page_offset, column.dictionary_page_offset if column.has_dictionary_page else 0]
    at = min(start for start in starts if start) if any(starts) else 0
    end, found = at + column.total_compressed_size, Pages()
    while at < end:
        file.seek(at)
        header = _struct(file)
        kind, unpacked, packed = _number(header, KIND), _number(header, UNPACKED), _number(header, PACKED)
        if kind in DETAILS:
            details = header.get(DETAILS[kind])
            found.add(kind, max(unpacked, packed), _number(details if isinstance(details, dict) else {}, VALUES))
        at = file.tell() + packed
    return found


def _number(struct: Struct, field: int) -> int:
    value = struct.get(field)
    if not isinstance(value, int) or not 0 <= value < LARGEST:
        raise ValueError("a page does not say what it holds")
    return value


def _struct(file: BinaryIO, depth: int = 1) -> Struct:
    """The whole numbers and structs in it, by number of field; texts are skipped."""
    found: Struct = {}
    number = 0
    while byte := _byte(file):
        number = number + (byte >> 4) if byte >> 4 else _signed(file)
        match byte & 15:
            case 1 | 2:  # true, false
                continue
            case 3:
                file.seek(1, SEEK_CUR)
            case 4 | 5 | 6:
                found[number] = _signed(file)
            case 7:
                file.seek(8, SEEK_CUR)
            case 8:
                file.seek(min(_unsigned(file), LARGEST), SEEK_CUR)
            case 12 if depth < DEEPEST:
                found[number] = _struct(file, depth + 1)
            case _:
                raise ValueError("the header of a page is broken")
    return found


def _signed(file: BinaryIO) -> int:
    value = _unsigned(file)
    return value >> 1 ^ -(value & 1)


def _unsigned(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 63, 7):
        byte = _byte(file)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("the header of a page is broken")


def _byte(file: BinaryIO) -> int:
    if not (read := file.read(1)):
        raise ValueError("a page is cut off")
    return read[0]
