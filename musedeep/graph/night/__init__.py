"""The reduction of a night: plan, tasks, run."""
