"""Review of a campaign's products by eye: pages in a browser, and decisions that go into records and into the plan."""
