"""Singer target for the Bookio Medical Public API: writes a booking once."""
