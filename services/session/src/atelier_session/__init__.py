"""Session owns the saga: one row a generation, its deadlines, its log."""
