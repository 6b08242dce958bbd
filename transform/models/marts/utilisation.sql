-- Grain: calendar, local day, hour. Days from the first reservation to the last that is known to be over.
with calendars as (
    select
        stg_calendars.calendar_id,
        stg_calendars.facility_id,
        stg_calendars.calendar_name,
        {{ local_time('stg_calendars.valid_from', 'stg_facilities.time_zone') }} as valid_from,
        {{ local_time('stg_calendars.valid_to', 'stg_facilities.time_zone') }} as valid_to,
        {{ local_time(as_of(), 'stg_facilities.time_zone') }} as known_until
    from {{ ref('stg_calendars') }}
    inner join {{ ref('stg_facilities') }} on stg_facilities.facility_id = stg_calendars.facility_id
),

days as (
    select day, extract(isodow from day)::integer as weekday
    from {{ days_between(
        '(select min(date_from_local)::date from ' ~ ref('stg_reservations') ~ ')',
        as_of()
    ) }} as spine
),

-- Each opening interval of each day, cut into hours.
open_hours as (
    select
        calendars.calendar_id,
        days.day,
        hours.hour_of_day,
        sum({{ shared_minutes(
            'days.day + intervals.opens_at', 'days.day + intervals.closes_at',
            "days.day + hours.hour_of_day * interval '1 hour'", "days.day + (hours.hour_of_day + 1) * interval '1 hour'"
        ) }}) as open_minutes
    from calendars
    inner join {{ ref('stg_opening_intervals') }} as intervals on intervals.calendar_id = calendars.calendar_id
    inner join days
        on days.weekday = intervals.weekday
        and days.day >= calendars.valid_from::date
        and days.day < calendars.known_until::date
        and (calendars.valid_to is null or days.day <= calendars.valid_to::date)
    cross join (
        select 0 as hour_of_day {% for hour in range(1, 24) %}union all select {{ hour }} {% endfor %}
    ) as hours
    where days.day + intervals.opens_at < days.day + (hours.hour_of_day + 1) * interval '1 hour'
        and days.day + intervals.closes_at > days.day + hours.hour_of_day * interval '1 hour'
    group by calendars.calendar_id, days.day, hours.hour_of_day
),

blocked as (
    select
        open_hours.calendar_id,
        open_hours.day,
        open_hours.hour_of_day,
        sum({{ shared_minutes(
            'blocks.date_from_local', 'blocks.date_to_local',
            "open_hours.day + open_hours.hour_of_day * interval '1 hour'",
            "open_hours.day + (open_hours.hour_of_day + 1) * interval '1 hour'"
        ) }}) as blocked_minutes
    from open_hours
    inner join calendars on calendars.calendar_id = open_hours.calendar_id
    inner join {{ ref('stg_blocked_times') }} as blocks
        on blocks.facility_id = calendars.facility_id
        and blocks.date_from_local < open_hours.day + (open_hours.hour_of_day + 1) * interval '1 hour'
        and blocks.date_to_local > open_hours.day + open_hours.hour_of_day * interval '1 hour'
    group by open_hours.calendar_id, open_hours.day, open_hours.hour_of_day
),

-- A term of a service for several people takes its share of the calendar's time.
booked as (
    select
        services.calendar_id,
        terms.date_from_local::date as day,
        hours.hour_of_day,
        sum({{ shared_minutes(
            'terms.date_from_local', 'terms.date_to_local',
            "terms.date_from_local::date + hours.hour_of_day * interval '1 hour'",
            "terms.date_from_local::date + (hours.hour_of_day + 1) * interval '1 hour'"
        ) }} / services.capacity) as booked_minutes,
        count(*) as terms
    from {{ ref('stg_reservations') }} as terms
    inner join {{ ref('stg_services') }} as services on services.service_id = terms.service_id
    cross join (
        select 0 as hour_of_day {% for hour in range(1, 24) %}union all select {{ hour }} {% endfor %}
    ) as hours
    where terms.status in ('CONFIRMED', 'DID_NOT_COME')
        and terms.date_from_local < terms.date_from_local::date + (hours.hour_of_day + 1) * interval '1 hour'
        and terms.date_to_local > terms.date_from_local::date + hours.hour_of_day * interval '1 hour'
    group by services.calendar_id, terms.date_from_local::date, hours.hour_of_day
),

hours_known as (
    select calendar_id, day, hour_of_day, open_minutes from open_hours
    union all
    -- Calendars whose intervals cannot be read: what is booked is known, how long they are open is not.
    select booked.calendar_id, booked.day, booked.hour_of_day, null
    from booked
    inner join calendars on calendars.calendar_id = booked.calendar_id
    where booked.day < calendars.known_until::date
        and booked.calendar_id not in (select calendar_id from {{ ref('stg_opening_intervals') }})
)

select
    hours_known.calendar_id,
    calendars.facility_id,
    calendars.calendar_name,
    hours_known.day,
    extract(isodow from hours_known.day)::integer as weekday,
    hours_known.hour_of_day,
    case when hours_known.open_minutes is null then 'intervals not readable' else 'intervals' end as basis,
    round(hours_known.open_minutes::numeric, 1) as open_minutes,
    round(least(hours_known.open_minutes, coalesce(blocked.blocked_minutes, 0))::numeric, 1) as blocked_minutes,
    round(coalesce(booked.booked_minutes, 0)::numeric, 1) as booked_minutes,
    {{ rate(
        'coalesce(booked.booked_minutes, 0)',
        'hours_known.open_minutes - least(hours_known.open_minutes, coalesce(blocked.blocked_minutes, 0))'
    ) }} as utilisation
from hours_known
inner join calendars on calendars.calendar_id = hours_known.calendar_id
left join blocked
    on blocked.calendar_id = hours_known.calendar_id
    and blocked.day = hours_known.day
    and blocked.hour_of_day = hours_known.hour_of_day
left join booked
    on booked.calendar_id = hours_known.calendar_id
    and booked.day = hours_known.day
    and booked.hour_of_day = hours_known.hour_of_day
