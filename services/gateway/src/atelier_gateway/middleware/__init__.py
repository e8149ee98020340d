"""ASGI middleware that stands before every route: identity of requests, body limits, failed logins."""
