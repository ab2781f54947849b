"""Families of tasks, one file each; registered in `rftlab.registry.TASKS`."""
