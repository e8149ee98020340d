"""A running system under load and faults, and the questions it must be able to answer afterwards."""
