"""Stories that narrations are made of (seed 001)."""
