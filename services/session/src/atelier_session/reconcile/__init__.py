"""Compares what the services have on record of each generation: saga, hold, render job and stored artefacts."""
