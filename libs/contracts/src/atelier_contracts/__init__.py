"""The words on the bus: versioned messages and their envelope."""
