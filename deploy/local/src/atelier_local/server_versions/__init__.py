"""Servers of a chosen version, from Debian's archive, each in a folder of its own beside those of the machine."""
