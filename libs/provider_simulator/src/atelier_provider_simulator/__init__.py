"""An HTTP server that speaks two providers' wire formats and fails as it is configured to."""
