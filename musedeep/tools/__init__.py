"""The small tools of manual 7.2 and 7.3: pictures of calibrations, pixel tables, bad pixels; one command each."""
