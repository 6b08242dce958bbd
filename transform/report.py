"""Draws the marts: one HTML page that needs no network, and a PNG.

    python transform/report.py --database warehouse/bookio.duckdb --output output/report
    python transform/report.py --database "host=… user=… dbname=…" --output output/report

Without ``--database`` it draws the file that ``BOOKIO_WAREHOUSE`` names, as dbt does.

Every figure comes from a table in schema ``marts``; nothing is computed here but sums and their
ratios. Runs in the environment of requirements/marts.txt.
"""

from __future__ import annotations

import argparse
import html
import json
import os
from pathlib import Path
from typing import Any

import altair as alt
import duckdb
import psycopg2
import vl_convert
from figures import Figure, make_figures

Row = dict[str, Any]

INK = "#64748b"
"""Legible on white and on black."""

_QUERIES = {
    "facilities": """
        SELECT facility_id, coalesce(facility_name, 'Facility ' || facility_id) AS facility
        FROM staging.stg_facilities ORDER BY 2""",
    "no_show": """
        SELECT facility_id, lead_time, sum(expected) AS expected, sum(no_shows) AS no_shows,
               sum(reservations) AS reservations, sum(cancelled) AS cancelled
        FROM marts.no_show GROUP BY 1, 2""",
    "utilisation": """
        SELECT facility_id, weekday, hour_of_day, sum(open_minutes - blocked_minutes) AS available,
               sum(booked_minutes) AS booked
        FROM marts.utilisation WHERE open_minutes IS NOT NULL GROUP BY 1, 2, 3""",
    "bookings": """
        SELECT facility_id, CAST(date_trunc('week', day) AS date) AS week,
               sum(bookings) AS bookings, sum(bookings * mean_lead_days) AS lead_days
        FROM marts.bookings_daily GROUP BY 1, 2 ORDER BY 2""",
    "blocked": """
        SELECT facility_id, CAST(date_trunc('month', day) AS date) AS month,
               sum(blocked_minutes) / 60 AS hours
        FROM marts.utilisation GROUP BY 1, 2 ORDER BY 2""",
}


def main() -> None:
    """Write the page and the picture."""
    parser = argparse.ArgumentParser(description="Draw the marts.")
    parser.add_argument(
        "--database",
        default=os.environ.get("BOOKIO_WAREHOUSE", "warehouse/bookio.duckdb"),
        help="a DuckDB file, or a PostgreSQL DSN",
    )
    parser.add_argument("--output", type=Path, required=True, help="path without an ending")
    options = parser.parse_args()
    figures = make_figures(read_marts(options.database))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.with_suffix(".html").write_text(page(figures), encoding="utf-8")
    options.output.with_suffix(".png").write_bytes(picture(figures))
    print(f"{options.output.with_suffix('.html')} and {options.output.with_suffix('.png')}")


def read_marts(database: str) -> dict[str, list[Row]]:
    """Return the rows of each query, with the facility's name beside its number."""
    is_file = "=" not in database
    connection: Any = (
        duckdb.connect(database, read_only=True) if is_file else psycopg2.connect(database)
    )
    try:
        tables = {name: _rows(connection, query) for name, query in _QUERIES.items()}
    finally:
        connection.close()
    names = {row["facility_id"]: row["facility"] for row in tables.pop("facilities")}
    for rows in tables.values():
        for row in rows:
            number = row.pop("facility_id")
            row["facility"] = names.get(number, f"Facility {number}")
    return tables


def _rows(connection: Any, query: str) -> list[Row]:  # noqa: ANN401 - of either database
    cursor = connection.cursor()
    cursor.execute(query)
    heads = [column[0] for column in cursor.description]
    return [dict(zip(heads, map(_plain, row), strict=True)) for row in cursor.fetchall()]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """Return a value as JSON would store it."""
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def _configured(chart: alt.Chart | alt.VConcatChart, ink: str) -> Any:  # noqa: ANN401
    return (
        chart.configure_axis(labelColor=ink, titleColor=ink, gridOpacity=0.25, domainColor=ink)
        .configure_legend(labelColor=ink, titleColor=ink)
        .configure_title(color=ink, anchor="start")
        .configure_view(strokeOpacity=0)
    )


def picture(figures: list[Figure]) -> bytes:
    """Return all charts below one another, as a PNG."""
    charts = [
        figure.chart.properties(title=figure.title, width=640, height=180) for figure in figures
    ]
    whole = _configured(alt.vconcat(*charts).resolve_scale(color="independent"), "#1e293b")
    return vl_convert.vegalite_to_png(whole.properties(background="white").to_dict(), scale=1.5)


def page(figures: list[Figure]) -> str:
    """Return the page: a menu of facilities, and for each figure a chart and a table."""
    facilities = sorted({row[0] for figure in figures for row in figure.rows})
    options = "".join(f"<option>{html.escape(name)}</option>" for name in facilities)
    specs = [
        _configured(
            figure.chart.properties(width="container", height=220, background="transparent"), INK
        ).to_dict()
        for figure in figures
    ]
    template = (Path(__file__).parent / "report.html").read_text(encoding="utf-8")
    parts = {
        "OPTIONS": options,
        "SECTIONS": "".join(_section(number, figure) for number, figure in enumerate(figures)),
        "SPECS": json.dumps(specs).replace("</", "<\\/"),
        "LIBRARY": vl_convert.javascript_bundle(),
    }
    for name, text in parts.items():
        template = template.replace(f"/*{name}*/", text)
    return template


def _section(number: int, figure: Figure) -> str:
    heads = "".join(f"<th scope=col>{html.escape(head)}</th>" for head in figure.heads)
    rows = "".join(
        f'<tr data-facility="{html.escape(row[0], quote=True)}">'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in figure.rows
    )
    title, note = html.escape(figure.title), html.escape(figure.note)
    return (
        f"<section><h2>{title}</h2><p>{note}</p>"
        f'<div class=chart id=chart{number} role=img aria-label="{title}"></div>'
        f"<details><summary>The figures as a table</summary><div class=scroll><table>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details></section>"
    )


if __name__ == "__main__":
    main()
