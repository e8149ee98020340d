"""Request limits: sliding windows in Postgres or Redis, and the quota of an hour."""
