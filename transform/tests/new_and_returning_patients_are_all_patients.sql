select * from {{ ref('patients') }} where new_patients + returning_patients <> patients
