-- Grain: facility, local month of the term. A patient is an e-mail address, else a phone number, or the pseudonym of it.
with visits as (
    select facility_id, patient, date_trunc('month', date_from_local)::date as month
    from {{ ref('stg_reservations') }}
    where status = 'CONFIRMED' and patient is not null and date_from <= {{ as_of() }}
),

firsts as (
    select facility_id, patient, min(month) as first_month from visits group by facility_id, patient
)

select
    visits.facility_id,
    visits.month,
    count(*) as visits,
    count(distinct visits.patient) as patients,
    count(distinct case when firsts.first_month = visits.month then visits.patient end) as new_patients,
    count(distinct case when firsts.first_month < visits.month then visits.patient end) as returning_patients
from visits
inner join firsts on firsts.facility_id = visits.facility_id and firsts.patient = visits.patient
group by visits.facility_id, visits.month
