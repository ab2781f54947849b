"""What a study's records may be asked: below report and advise, above the records."""
