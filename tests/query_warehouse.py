"""Prints the rows of a query as JSON; runs in the environment of a loader or of dbt.

Arguments: a DuckDB file or a libpq connection string, and the query.
"""

from __future__ import annotations

import json
import sys

warehouse, query = sys.argv[1:]
if "=" in warehouse:
    import psycopg2

    connection = psycopg2.connect(warehouse)
else:
    import duckdb

    connection = duckdb.connect(warehouse, read_only=True)
cursor = connection.cursor()
cursor.execute(query)
print(json.dumps(cursor.fetchall(), default=str))
