"""From a claimed job to its recorded end: scheduler, worker, inputs, progress, completions."""
