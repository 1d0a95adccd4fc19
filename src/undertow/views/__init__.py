"""What people see: the command line, its progress bars and the report. Decides nothing about a run."""
