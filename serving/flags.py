"""A service's flags: what is wrong with one is said in one line, with the flag that was meant."""

import argparse
import difflib
import inspect
from typing import Any, NoReturn

NO_FLAG = "多了一个词，它不是参数：参数都以 -- 开头，见 --help"
UNKNOWN_FLAG = "不认识的参数 {name}。全部参数见 --help"
MISSPELT = "不认识的参数 {name}，是不是 {meant}？全部参数见 --help"
NO_VALUE, ODD_VALUE = "参数 {name} 后面少了它的值", "参数 {name} 后面不要写值"
WRONG = 2  # the exit status


class Flags(argparse.ArgumentParser):
    """Parses flags; one that is wrong ends the process with a sentence and status 2."""

    def __init__(self, about: str | None) -> None:
        super().__init__(
            description=inspect.cleandoc(about or ""),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            exit_on_error=False,
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all of them: what is unknown is wrong. Its value may be a secret, and is not repeated."""
        try:
            given, unknown = super().parse_known_args(args, namespace)
        except argparse.ArgumentError as error:
            taking = {"/".join(each.option_strings) for each in self._actions if each.nargs != 0}
            said = NO_VALUE if error.argument_name in taking else ODD_VALUE
            self._refuse(said.format(name=error.argument_name))
        if unknown and not unknown[0].startswith("-"):  # perhaps a token, after a blank too many
            self._refuse(NO_FLAG)
        if unknown:
            name = unknown[0].partition("=")[0]
            flags = [flag for each in self._actions for flag in each.option_strings]
            [meant] = difflib.get_close_matches(name, flags, 1) or [""]
            self._refuse((MISSPELT if meant else UNKNOWN_FLAG).format(name=name, meant=meant))
        return given, unknown

    def _refuse(self, said: str) -> NoReturn:
        self.exit(WRONG, f"{said}\n")
