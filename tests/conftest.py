"""Settings of all tests."""

from hypothesis import settings

# the first example of a test compiles kernels, which takes longer than any deadline
settings.register_profile("musedeep", deadline=None)
settings.load_profile("musedeep")
