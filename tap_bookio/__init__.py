"""Singer tap for the Bookio Medical Public API."""
