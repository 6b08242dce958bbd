"""HTTP for the client: one connection pool, deadlines, proxies, pace and retries."""
