"""Tables that never cut a number: where columns have no room, each row becomes a list."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

#: Letters of the longest words of a text column that are never broken; longer words may be.
WHOLE_WORD = 20
#: Spaces between two columns.
BETWEEN = 3


class Foldable(Table):
    """A table whose rows become lists where its columns have no room.

    Columns that do not wrap keep their width. The others get the rest, each at least its longest word.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table, or a list for each row."""
        widths = self._widths(console, options)
        if widths is None:
            yield from self._lists(options)
            return
        for column, width in zip(self.columns, widths, strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _widths(self, console: Console, options: ConsoleOptions) -> list[int] | None:
        """Width of each column; None where they have no room."""
        ranges = [_range(console, options, column) for column in self.columns]
        widths = [widest for _, widest in ranges]
        excess = sum(widths) + BETWEEN * (len(widths) - 1) - options.max_width
        for _ in range(excess):
            pairs = zip(widths, ranges, strict=True)
            spare = [width if width > least else 0 for width, (least, _) in pairs]
            if not any(spare):
                return None
            widths[spare.index(max(spare))] -= 1
        return widths

    def _lists(self, options: ConsoleOptions) -> RenderResult:
        """The rows: the first cell, and below it the others with the heads of their columns."""
        if self.title:
            yield from _wrapped(options, self.title, 0, str(self.title_style))
        heads = [_joined(str(column.header)) for column in self.columns]
        for row in zip(*(column.cells for column in self.columns), strict=True):
            cells = [cell if isinstance(cell, Text) else Text(str(cell)) for cell in row]
            if cells[0].plain:
                yield Text()
                yield from _wrapped(options, cells[0], 0)
            for column, head, cell in zip(self.columns[1:], heads[1:], cells[1:], strict=True):
                lines = list(cell.split("\n"))
                if column.no_wrap:
                    lines = [Text(", ").join(lines)]
                for number, line in enumerate(lines):
                    said = Text.assemble(f"{head}: " if head and not number else "", line)
                    if line.plain:
                        yield from _wrapped(options, said, 4 if number else 2)


def _range(console: Console, options: ConsoleOptions, column: Column) -> tuple[int, int]:
    """Least and largest width of a column."""
    measured = [Measurement.get(console, options, cell) for cell in (column.header, *column.cells)]
    widest = max(each.maximum for each in measured)
    if column.no_wrap:
        return widest, widest
    return min(max(each.minimum for each in measured), WHOLE_WORD), widest


def _joined(head: str) -> str:
    """The head of a column in one line."""
    return head.replace("-\n", "").replace("\n", " ")


def _wrapped(
    options: ConsoleOptions, text: str | Text, indent: int, style: str = ""
) -> RenderResult:
    """The lines of a text, indented; words are never broken, wherever the line ends."""
    whole = text if isinstance(text, Text) else Text(text, style=style)
    for paragraph in whole.split("\n"):
        used, ends = indent, []
        for word in re.finditer(r"\S+\s*", paragraph.plain):
            if used > indent and used + cell_len(word.group().rstrip()) > options.max_width:
                ends.append(word.start())
                used = indent
            used += cell_len(word.group())
        for line in paragraph.divide(ends):
            line.rstrip()
            yield Text.assemble(" " * indent, line, no_wrap=True, overflow="ignore")
