"""The B2B try-on API of seed 000."""
