"""What talks to the gateway over HTTP: the public API and the admin API, with their answers as values."""
