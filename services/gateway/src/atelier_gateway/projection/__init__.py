"""What clients see of generations, built from events, kept in Postgres and waited for."""
