"""Self-hosted diffusion models: warm in a process of their own, called in batches. Needs the extra ``diffusers``."""
