"""The toolchain: what installs Python packages and the Pulumi CLI, and what `make` calls. Standard library only."""

import signal
import sys

# During `python -m tools.…` (argv[0] is "-m" while packages are imported) a Ctrl-C must stop the process without a
# traceback; `tools.problem.run` takes over once the tool has started.
if sys.argv[:1] == ["-m"]:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
