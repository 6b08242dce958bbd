"""Pure: what a record asks for, what Bookio has and what was last written -> operations."""
