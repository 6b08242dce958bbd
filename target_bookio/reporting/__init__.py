"""The outcomes of records: counts, rejects, the plan of a dry run."""
