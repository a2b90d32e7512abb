"""The entry of a supervised process: ``python -m runtime.supervision.child <fd> <parent's pid> <target>``.

First of all it ties its life to its parent's; then it imports the target (which may take seconds: a warm spare has
that behind it), tells ``warm`` and waits for its assignment. Then it runs ``main(settings, lifeline)``.
"""

# The standard library's lightest only, until the parent's death is arranged for.
import gc
import os
import signal
import sys

from runtime.supervision.tether import die_with

__all__ = ["die_with", "main"]


def main() -> None:
    """Run the child named on the command line."""
    fd, parent, target = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    die_with(parent)
    # Ctrl-C reaches the whole group of the terminal; when to stop is the parent's to say, over the lifeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Modules are made of objects that stay: looking for garbage among them takes a quarter of the time of importing them.
    # `host` turns it on again.
    gc.disable()
    # Only now what takes time to import.
    from runtime.supervision.hosting import host

    status = host(fd, target)
    # Not by way of the interpreter's own end, which collects all that is left and destroys it in whatever order: with
    # codecs that took seconds, of silence to the parent, in which the next worker could not begin. All is closed.
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
