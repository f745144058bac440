"""What a model says of photos: one by one, judged, on a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from foodvision.cli.options import ModelName, ModelNames, Port, Split, Switch
from foodvision.errors import FoodVisionError, PhotoError, SettingsError
from foodvision.system.terminal import complain, say, say_json

if TYPE_CHECKING:
    from foodvision.classifier import Classifier, Prediction
    from foodvision.decoding import Decoder
    from foodvision.runs import JudgedPhoto


def predict(*photos: Path, model: ModelName = None, top: int = 5, json: Switch = False) -> int:
    """Say what is in photos.

    Parameters
    ----------
    photos:
        Photos, or folders of them.
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given.
    top:
        How many guesses to give.
    json:
        One JSON object a line: path, label, confidence, certainty, known, known_score, top; or
        path, error.
    """
    from foodvision.classifier import check_top, load
    from foodvision.decoding import Decoder

    check_top(top)
    paths = _photo_paths(photos)
    classifier, decoder = load(model), Decoder()
    show = _show_json if json else _show_line
    answered = [show(path, _try(classifier, decoder, path, top)) for path in paths]
    return 0 if all(answered) else 1


def evaluate(
    data: str,
    /,
    *,
    model: ModelName = None,
    split: Split = "test",
    unknown: Path | None = None,
    html: Path | None = None,
    json: Switch = False,
) -> None:
    """Judge a model on labelled photos, each figure with n and a 95% interval.

    Parameters
    ----------
    data:
        A folder, .zip or .tar.gz with train/ and test/ class folders, or with class folders only
        (then all of their photos are judged); a .csv of path and label; food101 or food101:FOLDER;
        hf://user/dataset.
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given.
    split:
        Which photos to judge: train, val, test or all.
    unknown:
        Photos of other things than the model's classes, in a folder, .zip or .tar.gz: also say how
        many of them it refuses.
    html:
        Also write a page with pictures to this file.
    json:
        One JSON object: n, top1, top1_interval, top5, top5_interval, macro_f1, macro_f1_interval,
        per_class, nll, brier, ece, ece_interval, ece_by_chance, reliability, confused, robustness,
        speed, known, certainty, confusion, mistakes.
    """
    if html:
        from foodvision.reports.documents import check_place
        from foodvision.reports.pages import write_judgement

        check_place(html)
    from foodvision.classifier import load
    from foodvision.data import open_photos, open_unlabelled
    from foodvision.evaluation import answer, choose_split, judge
    from foodvision.runs import list_answers

    classifier, name = load(model), model or "foodvision_101"
    with open_photos(data) as photos, open_unlabelled(unknown) as others:
        chosen = choose_split(photos, split, classifier.config)
        answers = answer(classifier, chosen)
        judgement = judge(classifier, chosen, answers, others)
        listed = list_answers(photos.root, chosen, classifier.classes, answers)
        if html:
            write_judgement(html, judgement, listed, photos.root, chosen, name, data)
    if json:
        say_json(judgement.to_dict() | _told_of(listed))
    else:
        from foodvision.cli.tables import console, judgement_tables

        for table in judgement_tables(judgement, f"{name} on {data}"):
            console().print(table)
        if html:
            say(f"Written: {html}")


def demo(
    *,
    model: ModelNames = (),
    port: Port = None,
    share: Switch = False,
    feedback: Annotated[str | None, Parameter(env_var="FOODVISION_FEEDBACK")] = None,
    feedback_classes_only: Switch = False,
    mcp: Switch = False,
    allow_host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> None:
    """Serve the page.

    Parameters
    ----------
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given. Several
        let visitors choose.
    port:
        Where to listen; 7860 or the next free one if not given.
    share:
        Also make a public link to send.
    feedback:
        Ask visitors what is in their photos, and keep photos and answers as a dataset to train
        with, in this folder or at hf://user/dataset, a private one. Nothing is kept if not given.
    feedback_classes_only:
        Keep no photo of what is none of the model's classes.
    mcp:
        Also serve the answers as tools of the Model Context Protocol.
    allow_host:
        A name by which visitors ask for the page, such as food.example.org behind a proxy; may be
        given several times. A page on this machine alone answers to no other name.
    """
    from foodvision.web import build_page, launch_page, load_models, open_feedback

    if feedback_classes_only and not feedback:
        raise SettingsError(
            "--feedback-classes-only is for --feedback: add a folder to keep them in"
        )
    kept = open_feedback(feedback, only_classes=feedback_classes_only) if feedback else None
    page = build_page(load_models(model), kept)
    launch_page(page, port=port, share=share, mcp=mcp, hosts=allow_host)


def _told_of(answers: "Sequence[JudgedPhoto]") -> dict[str, Any]:
    """What the JSON object has besides figures: the confusion matrix and the surest mistakes."""
    from foodvision.runs import confusion_counts, find_mistakes

    mistakes = [mistake._asdict() for mistake in find_mistakes(answers)]
    return {"confusion": confusion_counts(answers), "mistakes": mistakes}


def _photo_paths(photos: Sequence[Path]) -> list[Path]:
    """Photos named, and those inside of folders named.

    What is missing, and a folder that holds none, stand for themselves: they are told one by one.
    """
    if not photos:
        raise PhotoError("name a photo or a folder of photos")
    if not any(path.exists() for path in photos):
        raise PhotoError(f"{photos[0]}: no such file or folder")
    from foodvision.data.photos import photo_files

    inside = ((list(photo_files(path)) if path.is_dir() else []) or [path] for path in photos)
    paths = [path for found in inside for path in found]
    if all(path.is_dir() for path in paths):
        raise _holds_none(paths[0])
    return paths


def _holds_none(folder: Path) -> PhotoError:
    return PhotoError(f"{folder} holds no photos")


def _try(
    classifier: "Classifier", decoder: "Decoder", path: Path, top: int
) -> "Prediction | FoodVisionError":
    if path.is_dir():
        return _holds_none(path)
    try:
        square = decoder.decode(path, classifier.config.preprocess).square
        return classifier.predict_pixels(square[None], top)[0]
    except PhotoError as error:
        return error


def _show_json(path: Path, answer: "Prediction | FoodVisionError") -> bool:
    content = {"error": str(answer)} if isinstance(answer, FoodVisionError) else answer.to_dict()
    say_json({"path": str(path), **content})
    return "error" not in content


def _show_line(path: Path, answer: "Prediction | FoodVisionError") -> bool:
    if isinstance(answer, FoodVisionError):
        complain(answer)
        return False
    guesses = ", ".join(f"{guess.label} {100 * guess.confidence:.1f}%" for guess in answer.top)
    said = f"{answer.certainty}: {guesses}" if answer.known else f"not known (nearest: {guesses})"
    say(f"{path}: {said}")
    return True
