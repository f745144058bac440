"""Options that have no effect, alone or beside others, are refused in one line."""

import re

import pytest

from foodvision.cli.main import app, main
from foodvision.cli.options import IDLE, NEEDS

COMMANDS = [name for name in app if not name.startswith("-")]


def options_of(command):
    """Return the options of a command, by all their names."""
    arguments = app[command].assemble_argument_collection(parse_docstring=True)
    return {name: argument for argument in arguments for name in argument.names}


def typed(words, options):
    """Return an option as it is typed, with a value where it takes one that is not given."""
    name, *value = words.split()
    is_switch = options[name].hint is bool
    return [name, *(value or ([] if is_switch else ["1"]))]


def call(command, *words):
    options = options_of(command)
    arguments = {id(of): of for name, of in options.items() if name.isupper() and of.required}
    return [command, *["x" for _ in arguments], *[w for of in words for w in typed(of, options)]]


ALONE = [
    (command, option, [need for need in needs if need.split()[0] in options_of(command)])
    for command in COMMANDS
    for option, needs in NEEDS.items()
    if option in options_of(command)
]
BESIDE = [
    (command, other, option)
    for command in COMMANDS
    for other, idle in IDLE.items()
    for option in idle
    if {other.split()[0], option} <= set(options_of(command))
]


@pytest.mark.parametrize(("command", "option", "needs"), [of for of in ALONE if of[2]])
def test_option_that_needs_another_is_refused_alone(command, option, needs, capsys):
    assert main(call(command, option)) == 2
    said = f"{option} has no effect without {' or '.join(needs)}: add it, or leave {option} out"
    assert capsys.readouterr().err == f"foodvision: {said}\n"


@pytest.mark.parametrize(("command", "other", "option"), BESIDE)
def test_option_without_effect_beside_another_is_refused(command, other, option, capsys):
    assert main(call(command, other, option)) == 2
    said = f"{option} cannot be used with {other}: leave one out"
    assert capsys.readouterr().err == f"foodvision: {said}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_table_name_the_same_options(command):
    """An option whose help begins with "With --other:" needs that one, and the other way round."""
    options = options_of(command)
    in_help = {
        name: re.findall(r"--[a-z-]+(?: tinyvgg)?", found[1])
        for name, argument in options.items()
        if (found := re.match(r"With (--[^,:]*)", argument.parameter.help or ""))
    }
    in_table = {option: needs for of, option, needs in ALONE if of == command and needs}
    assert in_help == in_table


def test_tables_name_options_that_there_are():
    every = {name for command in COMMANDS for name in options_of(command)}
    named = {
        *NEEDS,
        *IDLE,
        *(of for table in (NEEDS, IDLE) for names in table.values() for of in names),
    }
    assert {name.split()[0] for name in named} <= every


def test_what_a_file_or_preset_sets_is_not_refused(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_text("model: tinyvgg\nviews: 4\n")
    call = ["train", "nowhere", "--config", str(file), "--hidden-units", "8"]
    assert main([*call, "--preset", "best"]) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_what_is_typed_is_refused_beside_what_a_file_switches_off(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    file.write_text("freeze: false\n")
    assert main(["train", "nowhere", "--config", str(file), "--views", "3"]) == 2
    said = "foodvision: --views cannot be used with --no-freeze: leave one out\n"
    assert capsys.readouterr().err == said


def test_most_replicas_are_not_below_the_least(capsys):
    replicas = ["--min-replicas", "4", "--max-replicas", "2"]
    assert main(["serve", "--ray", "local", *replicas]) == 2
    said = "foodvision: --max-replicas 2 is below --min-replicas 4: raise it\n"
    assert capsys.readouterr().err == said
