{% snapshot reservation_history %}
{{
    config(
        unique_key='reservation_id',
        strategy='check',
        check_cols=['date_from', 'date_to', 'status', 'service_id'],
    )
}}
-- The only history of moves and cancellations that there is: the loader's upsert overwrites a row.
select reservation_id, facility_id, service_id, status, date_from, date_to, created_at
from {{ ref('stg_reservations') }}
{% endsnapshot %}
