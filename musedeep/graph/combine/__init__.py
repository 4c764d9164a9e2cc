"""The combination: plan, tasks, run."""
