"""The options of esorex itself: names, environment variables, types, defaults, meanings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from musedeep.esorex.parameters import TYPES, CplParameter

if TYPE_CHECKING:
    from musedeep.declaration import Value

ESOREX_VERSION: Final = "3.13.6"
"""Of the esorex that has these options; callers read it in the first line of all output."""

CONTEXT: Final = "esorex.caller"
LEVELS: Final = ("debug", "info", "warning", "error", "off")


@dataclass(frozen=True, kw_only=True)
class Option(CplParameter):
    """An option of esorex.

    Attributes
    ----------
    in_file : whether a configuration file that esorex writes has it
    """

    in_file: bool = True


def _option(
    alias: str,
    default: "Value",
    description: str,
    *,
    environment: str | None = None,
    choices: tuple[str, ...] = (),
    in_file: bool = True,
) -> Option:
    variable = f"ESOREX_{alias.upper().replace('-', '_')}" if environment is None else environment
    return Option(
        name=f"{CONTEXT}.{alias}",
        alias=alias,
        type=TYPES[type(default)],
        default=default,
        description=description,
        partype="enum" if choices else "value",
        choices=choices,
        environment=variable,
        in_file=in_file,
    )


OPTIONS: Final = (
    _option("help", False, "Show this help, or that of the recipe that follows, and stop.", environment="",
            in_file=False),
    _option("version", False, "Show the version and stop.", environment="", in_file=False),
    _option("check-sof-exist", False, "Look for all files of the set-of-frames before the recipe starts."),
    _option("config", "", "Configuration file of esorex, read after those of the installation and of the user.",
            in_file=False),
    _option("create-config", "FALSE",
            "Write a configuration file with all options, or with the parameters of the recipe that follows. TRUE: "
            "esorex.rc, or RECIPE.rc, in the directory .esorex of the home directory. Otherwise the name of the file, "
            "which is in JSON if it ends with .json. What was there is kept with .bak behind its name.", in_file=False),
    _option("link-dir", "/tmp", "Directory of the symbolic links to products, see suppress-link."),
    _option("log-dir", ".", "Directory of the log file. It must exist."),
    _option("log-file", "esorex.log", "Name of the log file. Each call begins it anew."),
    _option("log-level", "info", "Least severity of the messages in the log file.", choices=LEVELS),
    _option("no-datamd5", False, "Write products without the MD5 sum of their data."),
    _option("no-checksum", False, "Write products without CHECKSUM and DATASUM."),
    _option("man-page", False, "Show the manual page of the recipe that follows, and stop.", in_file=False),
    _option("mem-check", False, "Report on memory at the end. It is accepted and does nothing."),
    _option("msg-level", "info", "Least severity of the messages on the terminal.", choices=LEVELS),
    _option("output-dir", ".", "Directory that products are moved to. It must exist. Products of the same name that "
            "are there already are overwritten."),
    _option("output-prefix", "out", "With suppress-prefix=FALSE, products are named PREFIX_0000.fits, "
            "PREFIX_0001.fits and so on."),
    _option("output-readonly", False, "Write-protect the products."),
    _option("paf-config", "", "Configuration file for PAF files. It must exist, and does nothing."),
    _option("params", False, "List all options, and the parameters of the recipe that follows, with their values."),
    _option("products-sof", "", "File that the products are listed in, as a set-of-frames, or in JSON if its name "
            "ends with .json."),
    _option("recipes", False, "List all recipes and stop."),
    _option("recipe-config", "", "Configuration file of the recipe."),
    _option("recipe-dir", ".", "Directories, separated by colons, with the recipes of other pipelines.",
            environment="ESOREX_PLUGIN_DIR"),
    _option("show-hidden", False, "Show in help and manual pages the parameters, too, that are seldom needed.",
            environment=""),
    _option("suppress-link", True, "Make no symbolic links to products; FALSE: make them in link-dir."),
    _option("suppress-prefix", False, "Keep the names of products as the recipe gives them; FALSE: rename them, see "
            "output-prefix."),
    _option("time", False, "Report the time that the recipe took, and the size of the raw frames."),
    _option("unload-plugin", True, "Unload the plug-in at the end. It is accepted and does nothing."),
)  # fmt: skip
"""In the order of help and configuration files. The defaults are those without any configuration file."""
