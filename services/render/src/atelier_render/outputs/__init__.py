"""What was made: looked at, stored, delivered again, and in the end removed."""
