-- Weekly opening hours. The fields of an interval are not documented (evidence U): what has no day, from and to is left
-- out here, and marts.utilisation says so for its calendar.
with named as (
    select
        calendars.calendar_id,
        calendars.facility_id,
        upper({{ json_text('item', 'day') }}) as day_name,
        {{ json_text('item', 'from') }} as opens_at,
        {{ json_text('item', 'to') }} as closes_at
    from {{ ref('stg_calendars') }} as calendars, {{ json_items('calendars.intervals') }}
)

select
    calendar_id,
    facility_id,
    case day_name
        when 'MONDAY' then 1 when 'TUESDAY' then 2 when 'WEDNESDAY' then 3 when 'THURSDAY' then 4
        when 'FRIDAY' then 5 when 'SATURDAY' then 6 when 'SUNDAY' then 7
    end as weekday,
    opens_at::time as opens_at,
    closes_at::time as closes_at
from named
where day_name in ('MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY')
    and opens_at is not null
    and closes_at is not null
