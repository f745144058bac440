"""What to type: the examples that the help shows.

`tests/cli/test_help.py` parses each of them, so that none names an option that is gone.
"""

START = """\
foodvision recognises the food in a photo.

Try these first:
  foodvision demo               Open a page that classifies your photos.
  foodvision predict photo.jpg  Classify a photo.
  foodvision train photos/      Train on your own photos, one folder per class.

See all commands: foodvision --help"""
"""Printed by `foodvision` without a command."""

EXAMPLES = {
    "demo": (
        "foodvision demo",
        "foodvision demo --model runs/mine --port 8080",
        "foodvision demo --share",
        "foodvision demo --feedback feedback/",
    ),
    "predict": (
        "foodvision predict photo.jpg",
        "foodvision predict photos/ --csv predictions.csv",
        "foodvision predict photos.zip --model runs/mine --json",
        "foodvision predict photos/ --sort-into sorted/",
    ),
    "train": (
        "foodvision train photos/",
        "foodvision train photos/ --preset best --output runs/mine",
        "foodvision train photos.zip --epochs 10 --finetune-epochs 5",
        "foodvision train photos/ --resume runs/mine",
    ),
    "data": (
        "foodvision data photos/",
        "foodvision data photos/ --html problems.html",
        "foodvision data photos/ --write-exclude exclude.txt",
    ),
    "find-lr": (
        "foodvision find-lr photos/",
        "foodvision find-lr photos/ --no-freeze --plot rates.png",
    ),
    "evaluate": (
        "foodvision evaluate photos/",
        "foodvision evaluate photos/ --model runs/mine --html report.html",
        "foodvision evaluate photos/ --split val --unknown other-photos/",
        "foodvision evaluate hf://user/dataset --json",
    ),
    "compare": (
        "foodvision compare runs/first runs/second",
        "foodvision compare runs/first runs/second --html comparison.html",
    ),
    "runs": (
        "foodvision runs",
        "foodvision runs --sort top1",
        "foodvision runs --dashboard",
    ),
    "push": (
        "foodvision push runs/mine user/name --dry-run",
        "foodvision push runs/mine user/name --license apache-2.0",
        "foodvision push runs/mine user/name --private --examples photos/",
    ),
    "deploy": (
        "foodvision deploy user/space --model user/name",
        "foodvision deploy user/space --model user/name --static",
        "foodvision deploy user/space --check",
    ),
    "verify": (
        "foodvision verify user/name photos/",
        "foodvision verify user/name photos.zip --split all",
    ),
    "export": (
        "foodvision export runs/mine site/",
        "foodvision export user/name site/ --cdn",
    ),
    "serve": (
        "foodvision serve",
        "foodvision serve --model runs/mine --host 0.0.0.0 --port 8080",
        "foodvision serve --ray local --max-replicas 4",
    ),
}
"""Two to four a command: first the plainest one, then what people ask for most."""


def epilogue(command: str) -> str:
    """Return the end of a command's help, as Markdown with an example a line."""
    return "Examples:\n\n" + "  \n".join(f"`{example}`" for example in EXAMPLES[command])
