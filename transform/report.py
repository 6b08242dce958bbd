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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import duckdb
import psycopg2
import vl_convert

Row = dict[str, Any]

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
LEAD_TIMES = ["under 1 day", "1 to 6 days", "1 to 3 weeks", "4 weeks and more", "unknown"]
CHOSEN = "facility == 'All facilities' || datum.facility == facility"
"""The filter of every chart; the page's menu sets the parameter ``facility``."""
INK, ACCENT, SECOND = "#64748b", "#2563eb", "#d97706"
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


@dataclass(frozen=True)
class Figure:
    """One chart, and the same figures as a table."""

    title: str
    note: str
    """What is counted, in which unit, and what is left out."""
    chart: alt.Chart
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    """The first column is the facility."""


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
    """Return a value as JSON has it."""
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else float(value)


def make_figures(marts: dict[str, list[Row]]) -> list[Figure]:
    """Return the charts with their tables, in the order of the page."""
    return [
        _no_shows(marts["no_show"]),
        _utilisation(marts["utilisation"]),
        _bookings(marts["bookings"]),
        _lead_time(marts["bookings"]),
        _blocked(marts["blocked"]),
    ]


def _chart(rows: list[Row]) -> alt.Chart:
    return (
        alt.Chart(alt.Data(values=rows))
        .add_params(alt.param(name="facility", value="All facilities"))
        .transform_filter(CHOSEN)
    )


def _no_shows(rows: list[Row]) -> Figure:
    bars = (
        _chart(rows)
        .transform_aggregate(
            no_shows="sum(no_shows)", expected="sum(expected)", groupby=["lead_time"]
        )
        .transform_calculate(rate="datum.no_shows / datum.expected")
        .mark_bar(color=ACCENT)
        .encode(
            y=alt.Y("lead_time:N", sort=LEAD_TIMES, title="booked ahead"),
            x=alt.X("rate:Q", axis=alt.Axis(format="%"), title="patients who did not come"),
            tooltip=[
                "lead_time:N",
                alt.Tooltip("rate:Q", format=".1%"),
                "no_shows:Q",
                "expected:Q",
            ],
        )
    )
    order = {name: place for place, name in enumerate(LEAD_TIMES)}
    table = [
        (
            row["facility"],
            row["lead_time"],
            f"{row['expected']:.0f}",
            f"{row['no_shows']:.0f}",
            _percent(row["no_shows"], row["expected"]),
        )
        for row in sorted(rows, key=lambda r: (r["facility"], order[r["lead_time"]]))
    ]
    return Figure(
        "No-shows by lead time",
        "Terms that have begun with status DID_NOT_COME, as a share of those with CONFIRMED or "
        "DID_NOT_COME. Cancelled terms are excluded.",
        bars,
        ("facility", "booked ahead", "expected", "no-shows", "rate"),
        table,
    )


def _utilisation(rows: list[Row]) -> Figure:
    cells = (
        _chart(rows)
        .transform_aggregate(
            booked="sum(booked)", available="sum(available)", groupby=["weekday", "hour_of_day"]
        )
        .transform_calculate(
            rate="datum.available > 0 ? datum.booked / datum.available : 0",
            day=f"{json.dumps(WEEKDAYS)}[datum.weekday - 1]",
        )
        .mark_rect()
        .encode(
            x=alt.X("hour_of_day:O", title="hour of the day, local time"),
            y=alt.Y("day:N", sort=WEEKDAYS, title=None),
            color=alt.Color(
                "rate:Q",
                title="booked",
                scale=alt.Scale(scheme="viridis"),
                legend=alt.Legend(format="%"),
            ),
            tooltip=["day:N", "hour_of_day:O", alt.Tooltip("rate:Q", format=".0%")],
        )
    )
    table = [
        (
            row["facility"],
            WEEKDAYS[row["weekday"] - 1],
            f"{row['hour_of_day']}:00",
            f"{row['available'] / 60:.0f}",
            f"{row['booked'] / 60:.0f}",
            _percent(row["booked"], row["available"]),
        )
        for row in sorted(rows, key=lambda r: (r["facility"], r["weekday"], r["hour_of_day"]))
    ]
    return Figure(
        "Utilisation by weekday and hour",
        "Booked minutes over open minutes less blocked time, up to the last whole day. Calendars "
        "whose opening intervals cannot be read are left out.",
        cells,
        ("facility", "weekday", "hour", "available hours", "booked hours", "rate"),
        table,
    )


def _bookings(rows: list[Row]) -> Figure:
    line = (
        _chart(rows)
        .transform_aggregate(bookings="sum(bookings)", groupby=["week"])
        .mark_area(color=ACCENT, opacity=0.35, line={"color": ACCENT})
        .encode(
            x=alt.X("utcyearmonthdate(week):T", title="week"),
            y=alt.Y("bookings:Q", title="bookings made"),
            tooltip=[alt.Tooltip("week:T", format="%Y-%m-%d"), "bookings:Q"],
        )
    )
    table = [(row["facility"], row["week"][:10], f"{row['bookings']:.0f}") for row in rows]
    return Figure(
        "Bookings over time",
        "Reservations by the week in which they were made, whatever their status is now. The last "
        "week may not be whole.",
        line,
        ("facility", "week from", "bookings"),
        table,
    )


def _lead_time(rows: list[Row]) -> Figure:
    line = (
        _chart(rows)
        .transform_aggregate(days="sum(lead_days)", bookings="sum(bookings)", groupby=["week"])
        .transform_calculate(lead="datum.days / datum.bookings")
        .mark_line(color=SECOND)
        .encode(
            x=alt.X("utcyearmonthdate(week):T", title="week"),
            y=alt.Y("lead:Q", title="days"),
            tooltip=[alt.Tooltip("week:T", format="%Y-%m-%d"), alt.Tooltip("lead:Q", format=".1f")],
        )
    )
    table = [
        (row["facility"], row["week"][:10], f"{(row['lead_days'] or 0) / row['bookings']:.1f}")
        for row in rows
    ]
    return Figure(
        "Lead time",
        "Mean days between booking and term, by the week of the booking.",
        line,
        ("facility", "week from", "mean days"),
        table,
    )


def _blocked(rows: list[Row]) -> Figure:
    bars = (
        _chart(rows)
        .transform_aggregate(hours="sum(hours)", groupby=["month"])
        .mark_bar(color=SECOND)
        .encode(
            x=alt.X("utcyearmonth(month):T", title="month"),
            y=alt.Y("hours:Q", title="blocked hours"),
            tooltip=[alt.Tooltip("month:T", format="%Y-%m"), alt.Tooltip("hours:Q", format=".0f")],
        )
    )
    table = [(row["facility"], row["month"][:7], f"{row['hours'] or 0:.0f}") for row in rows]
    return Figure(
        "Blocked time",
        "Hours in which calendars would have been open and their facility was blocked, summed over "
        "calendars.",
        bars,
        ("facility", "month", "hours"),
        table,
    )


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "none"


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
