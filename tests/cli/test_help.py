"""The help: what a newcomer finds in it, and that what it shows can be typed."""

import re
import shlex
from dataclasses import asdict

import pytest

from foodvision.cli.examples import EXAMPLES, START
from foodvision.cli.main import app, main
from foodvision.runs.record import write_start
from foodvision.training.config import TrainConfig

COMMANDS = [name for name in app if not name.startswith("-")]


@pytest.fixture(autouse=True)
def in_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def show_help(capsys, *call):
    assert main([*call, "--help"]) == 0
    return capsys.readouterr().out


def parse(line):
    name, *arguments = shlex.split(line)
    assert name == "foodvision"
    app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_commands_stand_in_groups_by_purpose(capsys):
    out = show_help(capsys)
    titles = re.findall(r"^╭─ (.+?) ─+╮$", out, re.MULTILINE)
    assert titles == ["Try it", "Train", "Evaluate", "Publish", "Serve", "Options"]
    listed = re.findall(r"^│ ([a-z][a-z-]*) ", out, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    assert listed.index("train") < listed.index("data") < listed.index("evaluate")


def test_each_command_is_one_line_of_the_list(capsys):
    lines = show_help(capsys).splitlines()
    for name in COMMANDS:
        (line,) = (line for line in lines if line.startswith(f"│ {name} "))
        summary = line.strip("│ ").removeprefix(name).strip()
        assert re.fullmatch(r"[A-Z][^.:;]+\.", summary), line


def test_alone_it_shows_three_commands_to_try(capsys):
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out == START + "\n"
    lines = [line.strip() for line in out.splitlines() if line.startswith("  ")]
    assert len(lines) == 3
    for line in lines:
        parse(line.split("  ")[0])
    assert max(map(len, out.splitlines())) <= 80


def test_every_command_has_examples():
    assert sorted(EXAMPLES) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_examples_that_can_be_typed(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_start(
        tmp_path / "runs" / "mine", asdict(TrainConfig()), "photos", ["foodvision", "train"]
    )
    examples = EXAMPLES[command]
    assert 2 <= len(examples) <= 4
    for example in examples:
        assert example.split()[1] == command
        parse(example)
    _, shown = show_help(capsys, command).split("Examples:")
    assert [line.strip() for line in shown.strip().splitlines()] == list(examples)


@pytest.mark.parametrize("command", COMMANDS)
def test_usage_names_the_arguments_as_the_help_does(command, capsys):
    usage = show_help(capsys, command).strip().splitlines()[0]
    assert usage.startswith(f"Usage: foodvision {command}")
    named = [
        argument.names[0]
        for argument in app[command].assemble_argument_collection()
        if argument.names[0].isupper()
    ]
    words = [word.strip("[].") for word in usage.split()[3:]]
    assert [word for word in words if word != "OPTIONS"] == named


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained_in_short_sentences(command):
    for argument in app[command].assemble_argument_collection(parse_docstring=True):
        if argument.show:
            said = argument.parameter.help
            assert said, argument.name
            assert said.endswith((".", '"')), said
            for sentence in re.split(r"[.:;] ", said):
                assert len(sentence.split()) <= 25, said


def test_switch_shows_no_default(capsys):
    out = show_help(capsys, "deploy")
    assert "--dry-run" in out
    assert "[default: False]" not in out
    assert "[default: ()]" not in out
