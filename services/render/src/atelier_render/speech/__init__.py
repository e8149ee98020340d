"""Text to speech in a bounded child process. Importing this loads no speech library: those live in the child only."""
