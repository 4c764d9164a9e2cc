"""Settings of all tests."""

import signal

from hypothesis import settings

# the first example of a test compiles kernels, which takes longer than any deadline
settings.register_profile("musedeep", deadline=None)
settings.load_profile("musedeep")

# what a shell runs in the background ignores interrupts, and so would the processes that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
