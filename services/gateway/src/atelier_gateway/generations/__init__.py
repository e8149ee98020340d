"""From a request to a generation and its end: admission, capacity, cancellation, deletion, timelines."""
