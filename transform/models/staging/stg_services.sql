-- One row a service of a calendar. A service of two calendars has two rows.
select
    calendars.calendar_id,
    calendars.facility_id,
    ({{ json_text('item', 'id') }})::bigint as service_id,
    {{ json_text('item', 'name') }} as service_name,
    ({{ json_text('item', 'duration') }})::integer as duration_minutes,
    greatest(1, coalesce(({{ json_text('item', 'capacity') }})::integer, 1)) as capacity
from {{ ref('stg_calendars') }} as calendars, {{ json_items('calendars.services') }}
