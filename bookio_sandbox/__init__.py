"""A local imitation of Bookio: the server for the demo, the tests and the benchmarks.

It takes the API from ``bookio_api.contract``, ``bookio_api.errors`` and ``schemas/`` and shares no
other code with the client: a bug that both had would go unnoticed.
"""
