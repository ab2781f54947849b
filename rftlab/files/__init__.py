"""Files that are whole or not there: staging and scratch folders, checksums, and where the shipped ones lie."""
