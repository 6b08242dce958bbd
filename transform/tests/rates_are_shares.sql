select facility_id, service_id, no_show_rate, cancellation_rate
from {{ ref('no_show') }}
where no_show_rate not between 0 and 1 or cancellation_rate not between 0 and 1 or expected + cancelled <> reservations
