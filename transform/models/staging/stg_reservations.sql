-- One row a reservation, the newest version of it, in UTC and in the facility's local time.
with newest as (
    select
        *,
        row_number() over (partition by "id" order by "_sdc_extracted_at" desc, "_sdc_batched_at" desc) as version
    from {{ source('bookio', 'reservations') }}
    where "_sdc_deleted_at" is null
)

select
    newest."id"::bigint as reservation_id,
    newest."number" as reservation_number,
    newest."externalId"::bigint as external_id,
    newest."facilityId"::bigint as facility_id,
    newest."serviceId"::bigint as service_id,
    newest."service" as service_name,
    newest."status" as status,
    newest."dateFrom" as date_from,
    newest."dateTo" as date_to,
    newest."created" as created_at,
    newest."cancelTime" as cancelled_at,
    {{ local_time('newest."dateFrom"', 'facilities.time_zone') }} as date_from_local,
    {{ local_time('newest."dateTo"', 'facilities.time_zone') }} as date_to_local,
    {{ local_time('newest."created"', 'facilities.time_zone') }} as created_at_local,
    -- With personal_data=pseudonymise these are pseudonyms, and the same person is the same one.
    coalesce(nullif(lower(trim(newest."email")), ''), nullif(trim(newest."phone"), '')) as patient,
    newest."_sdc_extracted_at" as extracted_at
from newest
left join {{ ref('stg_facilities') }} as facilities on facilities.facility_id = newest."facilityId"
where newest.version = 1
