"""
`hookd points`: where the connector asks, what it sends and what may be returned.
"""

import argparse
from dataclasses import fields

from hookd.cli.arguments import add_format
from hookd.cli.output import OK, print_json, print_table
from hookd.documents import Json
from hookd.points import CALL_STAGES, POINTS, Point

NONE = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    shape = parser.add_mutually_exclusive_group()
    add_format(shape)
    shape.add_argument("--markdown", action="store_true", help="print the README's table of the points' keys")
    parser.set_defaults(command=points)


def points(args: argparse.Namespace) -> int:
    """Print the points: a table for people, or everything that hookd knows of them."""
    if args.markdown:
        print(markdown(), end="")
    elif args.format == "json":
        print_json([document(point) for point in POINTS.values()])
    else:
        header = ("POINT", "REQUIRED", "REPLY KEYS", "CANCEL", "LIMIT", "STAGES")
        print_table([header, *map(_row, POINTS.values())])
    return OK


def document(point: Point) -> dict[str, Json]:
    """
    Return *point* as JSON.
    """
    found = {row.name: getattr(point, row.name) for row in fields(point) if row.name != "kind"}
    return found | {"keys": dict(point.keys), "constant": dict(point.constant), "unchanged": str(point.unchanged)}


def markdown() -> str:
    """
    Return the table of the points' keys that the README has.
    """
    lines = ["| point | what for | request | reply | CANCEL | limit |", "|---|---|---|---|---|---|"]
    for point in POINTS.values():
        cells = (
            f"`{point.name}`",
            point.summary,
            _listed([_request_key(point, key) for key in _request_keys(point)]),
            _listed([f"`{key}`" for key in point.echo] + ["any CRM field"] * point.is_open),
            "yes" if point.cancels else "no",
            _limit(point),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _row(point: Point) -> tuple[str, ...]:
    return (
        point.name,
        _listed(point.required),
        _listed([*point.echo, *["any CRM field"] * point.is_open]),
        "yes" if point.cancels else "no",
        _limit(point),
        "all" if point.stages == CALL_STAGES else _listed(point.stages),
    )


def _request_keys(point: Point) -> list[str]:
    return [*point.keys, *["call_full"] * point.has_call, *["call_stage"] * bool(point.stages)]


def _request_key(point: Point, key: str) -> str:
    return f"**`{key}`**" if key in point.required else f"`{key}`"


def _limit(point: Point) -> str:
    return f"{point.timeout_s:g} s" + (", fixed" if point.is_fixed else "")


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names) or NONE
