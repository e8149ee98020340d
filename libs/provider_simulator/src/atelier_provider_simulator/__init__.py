"""An HTTP server that speaks several providers' wire formats and fails as it is configured to."""
