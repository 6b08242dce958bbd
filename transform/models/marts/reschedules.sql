-- Grain: reservation, from its first loaded version on. What changed between two loads shows once.
with versions as (
    select
        *,
        lag(date_from) over (partition by reservation_id order by dbt_valid_from) as date_from_before,
        lag(status) over (partition by reservation_id order by dbt_valid_from) as status_before,
        first_value(date_from) over (partition by reservation_id order by dbt_valid_from) as first_date_from
    from {{ ref('reservation_history') }}
)

select
    reservation_id,
    max(facility_id) as facility_id,
    count(*) as versions,
    sum(case when date_from <> date_from_before then 1 else 0 end) as moves,
    sum(case when status = 'CANCELLED' and status_before <> 'CANCELLED' then 1 else 0 end) as cancellations_seen,
    min(first_date_from) as first_date_from,
    max(case when dbt_valid_to is null then date_from end) as date_from,
    max(case when dbt_valid_to is null then status end) as status
from versions
group by reservation_id
