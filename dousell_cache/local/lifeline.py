"""Become another program that dies with its parent.

Run by path, importing no package: ``python -I -S lifeline.py PARENT SIGNAL USER GROUP PROGRAM ARGS…``. On Linux the
kernel sends SIGNAL to the program when the thread that spawned it ends, even by SIGKILL; elsewhere the supervisor's
own clean-up is all there is. The other way, Python code between fork and exec, is unsafe beside threads.
"""

import ctypes  # here, not where it is used: the other user may be unable to read our library
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_SAME_USER = -1


def _drop_to(user: int, group: int) -> None:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def _die_with_parent(death: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, death) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")


def main(arguments: list[str]) -> None:
    """Drop to another user if asked, tie this process to its parent, and exec the program."""
    parent, death, user, group = (int(number) for number in arguments[:4])
    program = arguments[4:]
    if user != _SAME_USER:
        _drop_to(user, group)  # first: the kernel forgets the signal when the user changes
    if sys.platform == "linux":
        _die_with_parent(death)
    if os.getppid() != parent:
        sys.exit("the parent ended before its child began")  # its signal was sent too early for us
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what is ignored survives exec
    os.execv(program[0], program)  # noqa: S606 - an argument list of our own


if __name__ == "__main__":
    main(sys.argv[1:])
