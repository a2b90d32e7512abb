"""Ties a process's life to its parent's. Run as a program it becomes another one: ``python tether.py <parent's pid>
<program> <arguments>``; the tie stays over the exec (prctl(2)), so programs that know nothing of us die with us as well.

The standard library's lightest only: it is run before anything else, also without `site`.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies (prctl(2)).

    The kernel signals only deaths after the call; a parent that died before it has been replaced in getppid().
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Become the program named on the command line."""
    die_with(int(sys.argv[1]))
    # Ctrl-C reaches the whole group of the terminal; when to stop is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell, and the arguments are a list


if __name__ == "__main__":
    main()
