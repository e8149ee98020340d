"""Public events for subscribers: a log in the order of commits, and for each subscriber the position it has reached."""
