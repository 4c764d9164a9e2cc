"""The exposures of a campaign, and which are combined."""
