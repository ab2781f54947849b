"""Ways to check a completion against an example, one file each; registered in `rftlab.registry.VERIFIERS`."""
