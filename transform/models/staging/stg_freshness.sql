-- When each list of a facility was last asked for and read completely. A quiet clinic is fresh although it has no new row.
select stream, facility_id, max(asked_at) as fresh_at
from {{ ref('stg_scans') }}
where is_complete
group by stream, facility_id
