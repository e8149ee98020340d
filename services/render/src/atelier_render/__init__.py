"""Render owns jobs, leases, providers and artefacts."""
