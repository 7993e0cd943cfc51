"""When the script began: imported before anything else, so that the seconds of imports count too."""

import time

STARTED = time.perf_counter()
