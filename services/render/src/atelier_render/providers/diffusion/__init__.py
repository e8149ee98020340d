"""Self-hosted diffusion models: warm in a process of their own, asked in batches. Needs the extra ``diffusers``."""
