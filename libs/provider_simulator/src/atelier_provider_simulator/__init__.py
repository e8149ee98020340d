"""An HTTP server that speaks two providers' wire formats and misbehaves as it is told."""
