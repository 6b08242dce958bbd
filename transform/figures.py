"""The charts of the report, each with the same figures as a table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import altair as alt

Row = dict[str, Any]

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
LEAD_TIMES = ["under 1 day", "1 to 6 days", "1 to 3 weeks", "4 weeks and more", "unknown"]
CHOSEN = "facility == 'All facilities' || datum.facility == facility"
"""The filter of every chart; the page's menu sets the parameter ``facility``."""
ACCENT, SECOND = "#2563eb", "#d97706"


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
        "Share of terms that have started and have status DID_NOT_COME, among those with "
        "CONFIRMED or DID_NOT_COME. Cancelled terms are excluded.",
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
        "whose opening intervals cannot be parsed are left out.",
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
        "Reservations by the week in which they were made, whatever their current status. The last "
        "week may be incomplete.",
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
        "Hours in which calendars would have been open but their facility was blocked, summed over "
        "calendars.",
        bars,
        ("facility", "month", "hours"),
        table,
    )


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "none"
