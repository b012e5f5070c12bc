"""Markdown tables, as programs print them."""

from collections.abc import Iterable, Sequence


def row(cells: Iterable[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def cell(value: float | None, digits: int) -> str:
    """A number as a table shows it; "-" where there is none."""
    return "-" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: never -0


def head(titles: Sequence[str], text: int = 1) -> str:
    """The two lines above a table that is printed row by row; its first `text` columns hold words, the rest numbers."""
    return f"{row(titles)}\n|{'---|' * text}{'--:|' * (len(titles) - text)}"


def aligned(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A whole table whose columns line up: the first to the left, those of numbers to the right."""
    lines = [list(titles), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        row([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])
        for line in lines
    )
