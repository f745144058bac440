"""Calls that are nearly right: each says what to type instead, and that is always there."""

import re

import pytest
from conftest import REPOSITORY

from foodvision.cli.main import app, main
from foodvision.cli.mistakes import option_hint, options_of
from foodvision.cli.names import ADVICE, COMMANDS, OPTIONS

CASES = {
    # Other tools' options that this command has by another name.
    "train photos --lr 0.1": "Unknown option: --lr. Did you mean --learning-rate?",
    "train photos --LR=0.1": "Unknown option: --LR. Did you mean --learning-rate?",
    "train photos -lr 0.1": "Unknown option: -lr. Did you mean --learning-rate?",
    "find-lr photos --wd 0": "Unknown option: --wd. Did you mean --weight-decay?",
    "train photos --batch 8": "Unknown option: --batch. Did you mean --batch-size?",
    "train photos --epoch 3": "Unknown option: --epoch. Did you mean --epochs?",
    "train photos --weights x": "Unknown option: --weights. Did you mean --model?",
    "predict x.jpg --weights x": "Unknown option: --weights. Did you mean --model?",
    "train photos --imgsz 224": "Unknown option: --imgsz. Did you mean --image-size?",
    "train photos --img_size 224": "Unknown option: --img_size. Did you mean --image-size?",
    "train photos --name x": "Unknown option: --name. Did you mean --output?",
    "train photos --out x": "Unknown option: --out. Did you mean --output?",
    "train photos -o x": "Unknown option: -o. Did you mean --output?",
    "find-lr photos -o x": "Unknown option: -o. Did you mean --plot?",
    "predict x.jpg -o x": "Unknown option: -o. Did you mean --csv?",
    "evaluate photos --output x": "Unknown option: --output. Did you mean --html?",
    "predict x.jpg --topk 3": "Unknown option: --topk. Did you mean --top?",
    "serve --workers 4": "Unknown option: --workers. Did you mean --max-replicas?",
    "deploy a/b --gpu t4": "Unknown option: --gpu. Did you mean --hardware?",
    # What stands without an option here.
    "train --data photos": "Unknown option: --data. Give DATA without an option, as in: "
    "foodvision train photos/",
    "predict --image x.jpg": "Unknown option: --image. Give PHOTOS without an option, as in: "
    "foodvision predict photo.jpg",
    "push x --name a/b": "Unknown option: --name. Give NAME without an option, as in: "
    "foodvision push runs/mine user/name --dry-run",
    "export x -o site": "Unknown option: -o. Give FOLDER without an option, as in: "
    "foodvision export runs/mine site/",
    # What needs no option.
    "train photos --workers 4": "Unknown option: --workers. All processor cores are used.",
    "predict x.jpg --device cpu": "Unknown option: --device. Predictions run on the CPU.",
    "train photos --gpu": "Unknown option: --gpu. --device auto, the default, uses a GPU if there "
    "is one. --device cpu uses none.",
    "train photos --device cuda": 'Invalid value "cuda" for --device. Choose from: "auto", "cpu". '
    "--device auto, the default, uses a GPU if there is one. --device cpu uses none.",
    # What other commands have.
    "predict x.jpg --lr 3": "Unknown option: --lr. --learning-rate is an option of train and "
    "find-lr.",
    "train photos --csv x": "Unknown option: --csv. --csv is an option of predict.",
    # Spelling, and what is like nothing.
    "predict x.jpg --modle x": "Unknown option: --modle. Did you mean --model?",
    "train photos --learnig-rate 1": "Unknown option: --learnig-rate. Did you mean "
    "--learning-rate?",
    "train photos --half-storag": "Unknown option: --half-storag. See: foodvision train --help",
    "predict - --foo": "Unknown option: --foo. See: foodvision predict --help",
    "predict x.jpg --cvs x": "Unknown option: --cvs. Did you mean --csv?",
    "predict x.jpg --tpo 3": "Unknown option: --tpo. Did you mean --top?",
    # Values and arguments.
    "predict x.jpg --top 0": "--top 0 is out of range: at least 1",
    "demo --port 99999": "--port 99999 is out of range: at most 65535",
    "serve --port many": '--port needs a whole number, not "many"',
    "predict x.jpg --top 2.5": '--top needs a whole number, not "2.5"',
    "demo --port 7860.5": '--port needs a whole number, not "7860.5"',
    "serve --port 8000.2": '--port needs a whole number, not "8000.2"',
    "serve --min-replicas 1.5": '--min-replicas needs a whole number, not "1.5"',
    "serve --max-replicas 1.": '--max-replicas needs a whole number, not "1."',
    "serve --ray-cpus .5": '--ray-cpus needs a whole number, not ".5"',
    "train photos --learning-rate fast": '--learning-rate needs a number, not "fast"',
    "predict x.jpg --json=x": '--json needs true or false, not "x"',
    "train photos --epochs": "--epochs requires a value. See: foodvision train --help",
    "train": "train requires DATA, as in: foodvision train photos/",
    "train my photos": 'Unexpected argument "photos". Quote names with spaces. See: foodvision '
    "train --help",
    "demo runs/mine": 'Unexpected argument "runs/mine". Did you mean --model runs/mine?',
    "demo app.py": 'Unexpected argument "app.py". demo takes no photos. See: foodvision demo '
    "--help",
    # Commands.
    "test photos": 'Unknown command "test". Did you mean "evaluate"? See all commands: foodvision '
    "--help",
    "clasify x.jpg": 'Unknown command "clasify". Did you mean "predict"? See all commands: '
    "foodvision --help",
    "find_lr photos": 'Unknown command "find_lr". Did you mean "find-lr"? See all commands: '
    "foodvision --help",
    "help": 'Unknown command "help". Did you mean "--help"? See all commands: foodvision --help',
    "xyzzy": 'Unknown command "xyzzy". See all commands: foodvision --help',
    "examples": 'Unknown command "examples". Did you mean: foodvision predict examples',
    "--model x predict y": 'Unknown command "--model". An option follows its command, as in: '
    "foodvision predict photo.jpg --model",
}


@pytest.mark.parametrize("call", CASES)
def test_call_that_is_nearly_right_says_what_to_type(call, capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert main(call.split()) == 2
    assert capsys.readouterr().err == f"foodvision: {CASES[call]}\n"


@pytest.mark.parametrize(
    ("word", "command"),
    [
        *[("fit", "train"), ("classify", "predict"), ("gui", "demo"), ("ui", "demo")],
        *[("web", "demo"), ("upload", "push"), ("eval", "evaluate"), ("check", "data")],
    ],
)
def test_command_of_other_tools_names_ours(word, command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([word]) == 2
    assert f'Did you mean "{command}"?' in capsys.readouterr().err


def test_tables_name_what_there_is():
    options = {name for names in options_of(app).values() for name in names}
    assert {name for names in OPTIONS.values() for name in names} <= options
    assert set(COMMANDS.values()) <= set(app)
    assert not set(COMMANDS) & set(app)


def test_suggestion_is_always_an_option_of_the_command():
    options = options_of(app)
    for command, own in options.items():
        for word in {*OPTIONS, *ADVICE} - set(own):
            said = option_hint(word, command, options)
            for name in re.findall(r"Did you mean (--[a-z-]+)|Give ([A-Z]+)", said):
                assert "".join(name) in own, (command, word, said)
            if found := re.search(r"(--[a-z-]+) is an option of (.*)\.", said):
                for other in found[2].split(" and "):
                    assert found[1] in options[other], (command, word, said)
