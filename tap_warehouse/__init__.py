"""Singer tap for SQL queries on a warehouse, to feed target-bookio."""
