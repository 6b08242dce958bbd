-- One row a scan. Empty where the tap does not log its scans (setting scan_log).
{% set scans = source('bookio', 'scans') %}
{% if execute and load_relation(scans) is not none %}
select
    "stream" as stream,
    "facilityId"::bigint as facility_id,
    "askedAt" as asked_at,
    "lastSync"::bigint as last_sync_ms,
    "complete" as is_complete,
    "rows"::bigint as row_count,
    "requests"::bigint as request_count,
    "seconds"::double precision as seconds,
    "startedAt" as started_at
from {{ scans }}
{% else %}
select
    null::varchar as stream,
    null::bigint as facility_id,
    null::timestamp as asked_at,
    null::bigint as last_sync_ms,
    null::boolean as is_complete,
    null::bigint as row_count,
    null::bigint as request_count,
    null::double precision as seconds,
    null::timestamp as started_at
where false
{% endif %}
