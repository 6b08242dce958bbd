-- Grain: facility, service, weekday, hour, lead time.
with begun as (
    select
        *,
        case
            when created_at is null then 'unknown'
            when date_from - created_at < interval '1 day' then 'under 1 day'
            when date_from - created_at < interval '7 days' then '1 to 6 days'
            when date_from - created_at < interval '28 days' then '1 to 3 weeks'
            else '4 weeks and more'
        end as lead_time
    from {{ ref('stg_reservations') }}
    where date_from <= {{ as_of() }}
)

select
    facility_id,
    service_id,
    max(service_name) as service_name,
    extract(isodow from date_from_local)::integer as weekday,
    extract(hour from date_from_local)::integer as hour_of_day,
    lead_time,
    count(*) as reservations,
    sum(case when status = 'CANCELLED' then 1 else 0 end) as cancelled,
    sum(case when status in ('CONFIRMED', 'DID_NOT_COME') then 1 else 0 end) as expected,
    sum(case when status = 'DID_NOT_COME' then 1 else 0 end) as no_shows,
    {{ rate("sum(case when status = 'CANCELLED' then 1 else 0 end)", 'count(*)') }} as cancellation_rate,
    {{ rate(
        "sum(case when status = 'DID_NOT_COME' then 1 else 0 end)",
        "sum(case when status in ('CONFIRMED', 'DID_NOT_COME') then 1 else 0 end)"
    ) }} as no_show_rate
from begun
group by facility_id, service_id, weekday, hour_of_day, lead_time
