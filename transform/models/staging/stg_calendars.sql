select
    "id"::bigint as calendar_id,
    "facilityId"::bigint as facility_id,
    "name" as calendar_name,
    "validFrom" as valid_from,
    "validTo" as valid_to,
    "services" as services,
    "intervals" as intervals,
    "_sdc_extracted_at" as extracted_at
from {{ source('bookio', 'calendars') }}
