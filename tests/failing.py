"""Checks of which some fail."""


def failures(checks):
    """Call each check; the name and the message of each that fails, in order, while they are asked for."""
    for check in checks:
        try:
            check()
        except AssertionError as error:
            yield str(check), str(error)


def first_failure(checks):
    """The message of the first check that fails."""
    return next(failures(checks), (None, "none failed"))[1]
