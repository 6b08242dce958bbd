{# The moment, in UTC, up to which the warehouse knows: the newest extraction, or the variable `as_of`. #}
{% macro as_of() %}
    {% if var('as_of') %}
        '{{ var('as_of') }}'::timestamp
    {% else %}
        (select max(extracted_at) from {{ ref('stg_reservations') }})
    {% endif %}
{% endmacro %}
