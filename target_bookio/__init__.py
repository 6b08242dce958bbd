"""Singer target for the Bookio Medical Public API."""
