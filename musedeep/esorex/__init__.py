"""The command line of ESO's recipe tool esorex, for programs and scripts that call it."""
