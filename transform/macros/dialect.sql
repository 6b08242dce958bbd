{# What DuckDB and PostgreSQL write differently. Everything else in this project runs on both. #}

{# Local wall time of a column that holds UTC without a zone, as both loaders store it. #}
{% macro local_time(column, zone) %}
    {{ column }} at time zone 'UTC' at time zone {{ zone }}
{% endmacro %}

{# A table of the elements of a JSON list, as the column `item`. #}
{% macro json_items(column) %}
    {% if target.type == 'duckdb' %}
        unnest(from_json(coalesce({{ column }}, '[]'), '["JSON"]')) as items(item)
    {% else %}
        jsonb_array_elements(coalesce(to_jsonb({{ column }}), '[]'::jsonb)) as items(item)
    {% endif %}
{% endmacro %}

{# A field of a JSON object, as text. #}
{% macro json_text(column, field) %}
    {{ column }} ->> '{{ field }}'
{% endmacro %}

{# A table of days from the first to the last, as the column `day`. #}
{% macro days_between(first, last) %}
    {% if target.type == 'duckdb' %}
        (select unnest(generate_series({{ first }}::timestamp, {{ last }}::timestamp, interval '1 day'))::date as day)
    {% else %}
        (select generate_series({{ first }}::timestamp, {{ last }}::timestamp, interval '1 day')::date as day)
    {% endif %}
{% endmacro %}

{# Minutes that two spans of time share, never negative. #}
{% macro shared_minutes(start_a, end_a, start_b, end_b) %}
    greatest(0, extract(epoch from least({{ end_a }}, {{ end_b }}) - greatest({{ start_a }}, {{ start_b }})) / 60)
{% endmacro %}

{# Part of a whole, rounded to four places; null where there is no whole. #}
{% macro rate(part, whole) %}
    round(({{ part }})::numeric / nullif({{ whole }}, 0), 4)
{% endmacro %}
