"""The messages of rejects: each says what happened and what to do next."""

MAX_SENT = 3
"""How often one record may be sent without a clear outcome."""

TAKEN = "another reservation already has this externalId; check which one it belongs to"
IN_DOUBT = (
    "no response came, and the lists do not show whether it was applied; it is not sent again: "
    "check it in Bookio"
)
FAILING = (
    f"Bookio failed on it {MAX_SENT} times and did not store it; try again later, "
    "or ask Bookio about it"
)
DUPLICATE = "Bookio reports a duplicate, but lists no reservation with this externalId"
OVERLAP = (
    "it overlaps with bookings, and on_overlap is reject; move one of them, or set on_overlap "
    "to warn"
)
TWO_ROWS = "two rows in Bookio have this externalId; cancel the wrong one"
TWO_CALENDARS = "two calendars of this facility have this name; send the id of the right one"
UNSEEN = (
    "this target created it, but Bookio's list shows neither its id nor an externalId, so it "
    "cannot be found again: change it in Bookio"
)
OUT_OF_SCOPE = (
    "its row is at a facility that the token cannot see or that is not one of facility_ids; run "
    "with that facility"
)
HIDDEN = (
    "the journal does not know this reservation, and Bookio's list leaves out externalId, so it "
    "cannot be found; cancel it in Bookio, or send its id"
)
MAY_BE_CANCELLED = (
    "Bookio already had a cancelled reservation for this person, service and start when this "
    "journal began, and its list does not show whose it is; if it is this one, send its id, "
    "otherwise book it in Bookio"
)
UNKNOWN_FACILITY = "facilityId: not a facility that the token can see, or not one of facility_ids"
