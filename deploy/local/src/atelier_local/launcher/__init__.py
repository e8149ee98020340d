"""The local stack: servers and services as supervised processes, their settings, the commands for them."""
