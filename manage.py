#!/usr/bin/env python
"""Django's command line, on the embedded servers where the environment names no others."""

import os
import sys

# Commands that need neither the database nor the broker.
WITHOUT_SERVERS = {"help", "collectstatic", "makemessages", "compilemessages", "startapp", "findstatic", "diffsettings"}


def main() -> None:
    """Run the command; a wrong setting is one line on stderr and exit code 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from config import local

    try:
        if _needs_servers(sys.argv[1:]):
            with local.running():
                execute_from_command_line(sys.argv)
        else:
            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _needs_servers(arguments: list[str]) -> bool:
    asks_for_help = bool({"-h", "--help"} & set(arguments))
    # Votes of a file are measured without a database.
    is_of_file = arguments[:1] == ["agreement"] and any(each.partition("=")[0] == "--file" for each in arguments)
    return (
        bool(arguments) and not asks_for_help and not is_of_file and arguments[0] not in WITHOUT_SERVERS | {"--version"}
    )


if __name__ == "__main__":
    main()
