"""The Bookio Medical Public API, with no Singer in it: contract, client, errors, time, schemas."""
