-- One row a blocked time that is still there. A removed one just disappears from Bookio's list, so it is gone if the last
-- complete full scan of its facility did not see it: its row was extracted before that scan began. Both times below are of
-- the tap's own clock, a second apart for what a loader rounds.
with last_full_scan as (
    select facility_id, max(started_at) as began_at
    from {{ ref('stg_scans') }}
    where stream = 'blocked_times' and is_complete and last_sync_ms is null
    group by facility_id
),

newest as (
    select
        *,
        row_number() over (partition by "id" order by "_sdc_extracted_at" desc, "_sdc_batched_at" desc) as version
    from {{ source('bookio', 'blocked_times') }}
    where "_sdc_deleted_at" is null
)

select
    newest."id"::bigint as blocked_time_id,
    newest."facilityId"::bigint as facility_id,
    newest."dateFrom" as date_from,
    newest."dateTo" as date_to,
    {{ local_time('newest."dateFrom"', 'facilities.time_zone') }} as date_from_local,
    {{ local_time('newest."dateTo"', 'facilities.time_zone') }} as date_to_local,
    newest."_sdc_extracted_at" as extracted_at
from newest
left join {{ ref('stg_facilities') }} as facilities on facilities.facility_id = newest."facilityId"
left join last_full_scan on last_full_scan.facility_id = newest."facilityId"
where newest.version = 1
    and (
        last_full_scan.began_at is null
        or newest."_sdc_extracted_at" >= last_full_scan.began_at - interval '1 second'
    )
