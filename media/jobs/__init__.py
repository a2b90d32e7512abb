"""PROCESS jobs: work on the tape that takes longer than a request. It survives restarts and says why it failed."""
