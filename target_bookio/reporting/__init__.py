"""What became of the records: counts, rejects, the plan of a dry run."""
