"""The errors that a user can cause and can mend: one clear line each, never a traceback."""


class AuxsegError(Exception):
    """Something a user can mend. The message is one line that names the file, key or value.

    Attributes:
        exit_status: what the command line exits with.
    """

    exit_status = 1


class UsageError(AuxsegError):
    """A wrong option, key or value. The message says what is allowed."""

    exit_status = 2


class DataError(AuxsegError):
    """Something is wrong with the data. The message names the file, and the row if there is one."""


class UnreadableImageError(DataError):
    """One image file cannot be decoded: data sets leave that image out and go on."""


class TrainingError(AuxsegError):
    """Training cannot go on (a loss that is not a number, no memory, …)."""


class Preempted(BaseException):
    """The program was told to end (SIGTERM), and is to be started again later.

    Attributes:
        exit_status: what the command line exits with: EX_TEMPFAIL, "try again", which Slurm and
            Kubernetes can tell from a failure.
    """

    exit_status = 75


def first_line(error: BaseException) -> str:
    """What somebody else's error says, for a message of one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
