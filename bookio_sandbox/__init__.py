"""A Bookio to run locally: the other end of the demo, the tests and the benchmarks.

It knows the API only from ``bookio_api.contract`` and ``schemas/`` and shares no logic with the
client, so that a bug of one side cannot be excused by the same bug on the other.
"""
