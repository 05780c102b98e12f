"""The command line: thin readers of the front door, one file a group of verbs."""
