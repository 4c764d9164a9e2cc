"""The options of esorex: as its configuration files, help and environment have them."""

from musedeep.esorex.options import OPTIONS
from musedeep.esorex.parameters import TYPES, explained


def test_names_are_once_each_and_in_the_context_of_esorex():
    names = [one.alias for one in OPTIONS]
    assert len(set(names)) == len(names) == 28
    assert all(one.name == f"esorex.caller.{one.alias}" for one in OPTIONS)
    assert all(one.type == TYPES[type(one.default)] for one in OPTIONS)


def test_environment():
    variables = {one.alias: one.environment for one in OPTIONS}
    assert [name for name, variable in variables.items() if not variable] == ["help", "version", "show-hidden"]
    assert variables["recipe-dir"] == "ESOREX_PLUGIN_DIR"
    assert variables["output-readonly"] == "ESOREX_OUTPUT_READONLY"


def test_explained_names_variable_and_choices():
    level = next(one for one in OPTIONS if one.alias == "msg-level")
    assert explained(level).endswith("ESOREX_MSG_LEVEL. <debug | info | warning | error | off>")
