"""Reports the outcomes of records: counts, rejects, results, the plan of a dry run."""
