select calendar_id, day, hour_of_day from {{ ref('utilisation') }} group by calendar_id, day, hour_of_day having count(*) > 1
