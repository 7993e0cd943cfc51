"""Lets Ctrl+C end a script quietly while it imports packages, which takes seconds and can lose nothing.

Scripts import it before anything else; then `run` in cli.py handles Ctrl+C.
"""

import signal

import utils.system.clock  # noqa: F401

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if the shell had it ignored
    signal.signal(signal.SIGINT, signal.SIG_DFL)
