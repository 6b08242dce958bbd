"""The messages of rejects: each says what happened, and what to do next."""

MAX_SENT = 3
"""How often one record may be sent without a clear outcome."""

HELD = "another reservation has this externalId already; look which of them it belongs to"
IN_DOUBT = (
    "no answer came and the lists do not tell whether it was applied; it will not be sent again: "
    "look for it in Bookio"
)
FAILING = (
    f"Bookio failed on it {MAX_SENT} times and does not have it; try again later, "
    "or ask Bookio about it"
)
DUPLICATE = "Bookio says that it holds this reservation, but lists none with this externalId"
OVERLAP = (
    "it overlaps with bookings, and on_overlap is reject; move one of them, or write it with warn"
)
TWO_ROWS = "two rows in Bookio have this externalId; cancel the one that is not meant"
TWO_CALENDARS = (
    "two calendars of this facility have this name; say by its id which of them is meant"
)
UNSEEN = (
    "it was written from here, but Bookio's list shows neither its id nor an externalId, so it "
    "cannot be found again: change it in Bookio"
)
UNKNOWN_FACILITY = "facilityId: not a facility that the token sees, or that facility_ids names"
