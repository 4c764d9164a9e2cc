"""How long a combination will take, told before it runs."""
