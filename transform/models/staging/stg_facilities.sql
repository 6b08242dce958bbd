select
    "id"::bigint as facility_id,
    "name" as facility_name,
    coalesce(nullif(trim("timeZone"), ''), 'Europe/Bratislava') as time_zone,
    "_sdc_extracted_at" as extracted_at
from {{ source('bookio', 'facilities') }}
