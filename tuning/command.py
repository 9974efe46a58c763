"""What the commands of this folder share: exit statuses and messages."""

import os
import sys


def run_command(name, run):
    """Run a command and turn its mistakes into messages.

    Args:
        name: What the user calls it.
        run: Function without arguments that returns the exit status.

    Returns:
        What `run` returns; 2 for a mistake in the arguments or files, 130 after Ctrl-C.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return run()
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command goes on", file=sys.stderr)
        return 130
