"""What is said before anyone trains: `check` looks at data and verifier. Imports no torch."""
