"""Run the command: parse its arguments, check them, run the verb, give the exit status."""

import sys
from collections.abc import Sequence

from tfvae.cli import arguments, errors, streams, terminal, verbs

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> int:
    """Run a verb and give the exit status; an error is one line on stderr.

    A user's mistake has status 2. A fault of the program has 1, and its line names a file with the traceback.

    Args:
        words: the arguments; those of the process unless given.
    """
    streams.open_closed_streams()
    try:
        parser = arguments.make_parser({name: getattr(verbs, name) for name in arguments.ARGUMENTS})
        options = parser.parse_args(words)
    except SystemExit:
        streams.flush_stdout()  # the help
        raise
    try:
        with terminal.show_progress(options.quiet):
            options.check(options)
            options.verb(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        streams.flush_stdout()
        streams.write_error_line("interrupted")
        return 130
    except Exception as error:
        if options.debug:
            raise
        streams.flush_stdout()
        return errors.report(error)
    return 0
