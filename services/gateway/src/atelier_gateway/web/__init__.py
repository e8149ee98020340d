"""HTTP building blocks without a rule of the business: bodies, problems, pagination, headers, text."""
