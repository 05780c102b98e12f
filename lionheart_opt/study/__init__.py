"""A study: its file, its searches, and the records that they keep."""
