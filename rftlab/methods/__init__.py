"""Training methods, one file each; registered in `rftlab.registry.METHODS`."""
