-- Grain: facility, local day on which a booking was made.
select
    facility_id,
    created_at_local::date as day,
    count(*) as bookings,
    sum(case when status = 'CANCELLED' then 1 else 0 end) as cancelled_since,
    round((avg(extract(epoch from date_from - created_at)) / 86400)::numeric, 2) as mean_lead_days,
    round((percentile_cont(0.5) within group (order by extract(epoch from date_from - created_at)) / 86400)::numeric, 2)
        as median_lead_days
from {{ ref('stg_reservations') }}
where created_at is not null
group by facility_id, day
