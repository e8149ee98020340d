"""Estimates of completion times: measured durations, quantiles, and how good past estimates were."""
