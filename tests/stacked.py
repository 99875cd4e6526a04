"""What a browser tells of tables whose rows are blocks on a narrow screen: labels, boxes, and what is read aloud."""

from typing import Final

from playwright.sync_api import Page

LABELS: Final = """tables => tables.map(table => {
    const names = [...table.querySelectorAll('thead th')].map(cell => cell.textContent);
    return [...table.querySelectorAll('td[data-label]:not(:empty)')].every(cell =>
        cell.dataset.label === names[cell.cellIndex]
        && getComputedStyle(cell, '::before').content.startsWith(JSON.stringify(cell.dataset.label)));
})"""
"""Whether what stands before each cell is the name of its column."""
OVERLAPS: Final = """rows => rows.flatMap(row => [...row.cells].filter((cell, place) => {
    const box = cell.getBoundingClientRect(), next = row.cells[place + 1]?.getBoundingClientRect();
    return next && box.height && next.height && next.top < box.bottom && next.left < box.right;
}).map(cell => cell.textContent))"""
"""Cells that reach into the one after them."""
NAMELESS: Final = (
    ".stack:not([role=table]), .stack :is(thead, tbody):not([role=rowgroup]), .stack tr:not([role=row]), "
    ".stack td:not([role=cell]), .stack th[scope=col]:not([role=columnheader]), "
    ".stack th[scope=row]:not([role=rowheader])"
)
"""Parts of such a table that leave their role to the browser."""
_ROLES: Final = frozenset({"table", "row", "columnheader", "rowheader", "cell", "gridcell"})


def tables_told(page: Page) -> list[tuple[str, str]]:
    """Role and name of all that belongs to a table, as the browser tells it to a screen reader."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    return [(role, said) for role, said in told if role in _ROLES]
