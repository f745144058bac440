"""The commands that answer photos: predict, evaluate and demo."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from foodvision.cli.options import (
    All,
    Count,
    ModelName,
    ModelNames,
    Names,
    Port,
    Split,
    Switch,
)
from foodvision.cli.places import check_folder, check_place, check_table
from foodvision.errors import SettingsError
from foodvision.system.network import believe_proxies
from foodvision.system.terminal import complain, say, say_json

if TYPE_CHECKING:
    from foodvision.runs.answers import JudgedPhoto


def predict(
    *photos: str,
    model: ModelName = None,
    top: Count = 5,
    json: Switch = False,
    csv: Path | None = None,
    parquet: str | None = None,
    resume: Switch = False,
    sort_into: Path | None = None,
    ray: str | None = None,
    ray_cpus: Count = 1,
) -> int:
    """Classify photos, one or thousands.

    Parameters
    ----------
    photos:
        Photos, folders, archives (.zip, .tar.gz), patterns such as 'photos/*.jpg', or - for a list
        of paths on standard input, one per line. With --ray also .parquet, webdataset .tar, and
        s3://, gs:// and hf:// addresses of these.
    model:
        The model: a checkpoint or run folder, or user/name on the Hub. The default is
        foodvision_101, which ships.
    top:
        How many classes to show for each photo.
    json:
        Print one JSON object per line, for programs: path, label, confidence, certainty, known,
        known_score, top; or path, error.
    csv:
        Write a CSV file: path, label, confidence, certainty, known, known_score, top2,
        top2_confidence and so on, error.
    parquet:
        Write the same columns to a Parquet file. With --ray, write a folder of them, which may be
        an address. Requires `pip install '.[datasets]'`, or `'.[ray]'`.
    resume:
        Continue an interrupted --csv file, or with --ray a --parquet folder. Photos in it are
        skipped.
    sort_into:
        Also link each photo into this folder, under its label: with sorted/, into sorted/pizza/.
        Unknown ones go into sorted/not known/. Photos are copied where links are not possible.
    ray:
        Predict on a Ray cluster, for millions of photos: local starts a Ray cluster on this
        machine; HOST:PORT or auto joins a running one. Requires --parquet, and
        `pip install '.[ray]'`.
    ray_cpus:
        With --ray: processors per actor. Raise it to save memory: each actor loads the model once.
    """
    from foodvision.checkpoint import read_checkpoint
    from foodvision.classifier import Classifier, find_checkpoint
    from foodvision.cli.answer_photos import Output, answer_photos
    from foodvision.cli.many_photos import check_photos, make_decoder

    if ray:
        if not parquet:
            raise SettingsError("--ray writes a folder of Parquet files: add --parquet DIR")
        from foodvision.cli.cluster_photos import predict_with_ray
        from foodvision.cluster.predicting import ClusterRun

        run = ClusterRun(parquet, top, ray_cpus, resume)
        return predict_with_ray(photos, model, ray, run)
    table = Path(parquet) if parquet else None
    _check_outputs(json, csv, table, resume)
    check_photos(photos)
    check_table(csv or table, resume=resume)
    check_folder(sort_into, photos)
    decoder = make_decoder(photos)
    try:
        classifier = Classifier(read_checkpoint(find_checkpoint(model)), threads=1)
        output = Output(csv=csv, parquet=table, json=json, resume=resume, sort_into=sort_into)
        return answer_photos(classifier, decoder, photos, top, output)
    finally:
        decoder.close()


def evaluate(
    data: str,
    /,
    *,
    model: ModelName = None,
    split: Split | None = None,
    exclude: Path | None = None,
    unknown: Path | None = None,
    html: Path | None = None,
    json: Switch = False,
    show_all: All = False,
) -> None:
    """Measure a model's accuracy on labelled photos.

    Every figure comes with n and a 95% interval.

    Parameters
    ----------
    data:
        Labelled photos: a folder, .zip or .tar.gz with train/ and test/ class folders, or with
        class folders only (then all photos are used). Also a .csv of path and label, food101 or
        food101:FOLDER, or hf://user/dataset.
    model:
        The model: a checkpoint or run folder, or user/name on the Hub. The default is
        foodvision_101, which ships.
    split:
        Which photos to use: train, val, test or all. The default is test, or all photos where there
        are no splits. Of photos that the model was trained on, test and val are those that its
        training set aside.
    exclude:
        A file that lists photos to leave out, as in train.
    unknown:
        Photos of other things than the model's classes: a folder, .zip or .tar.gz. Also measures
        how many of them the model refuses.
    html:
        Also write a report with pictures to this file.
    json:
        Print one JSON object: n, top1, top1_interval, top5, top5_interval, macro_f1,
        macro_f1_interval, per_class, nll, brier, ece, ece_interval, ece_by_chance, reliability,
        confused, robustness, speed, known, certainty, confusion, mistakes.
    show_all:
        List all classes. By default, the 30 least accurate ones are listed.
    """
    check_place(html)
    if html:
        from foodvision.reports.pages import write_judgement
    from foodvision.classifier import load
    from foodvision.data import open_photos, open_unlabelled
    from foodvision.evaluation.judge import answer, judge
    from foodvision.runs.answers import list_answers
    from foodvision.runs.photos import photos_to_judge

    classifier, name = load(model), model or "foodvision_101"
    with open_photos(data) as photos, open_unlabelled(unknown) as others:
        found = photos_to_judge(photos, split, classifier.checkpoint, data, exclude)
        for note in found.notes:
            complain(note)
        chosen, data = found.photos, found.in_words(data)
        answers = answer(classifier, chosen)
        judgement = judge(classifier, chosen, answers, others)
        listed = list_answers(photos.root, chosen, classifier.classes, answers)
        if html:
            white = classifier.config.preprocess.white
            write_judgement(html, judgement, listed, photos.root, chosen, name, data, white)
    if json:
        say_json(judgement.to_dict() | _confusion_and_mistakes(listed))
    else:
        from foodvision.cli.tables import SHOW_ALL, console, judgement_tables

        rest = None if show_all else SHOW_ALL
        for table in judgement_tables(judgement, f"{name} on {data}", rest):
            console().print(table)
        if html:
            say(f"Written: {html}")


def demo(
    *,
    model: ModelNames = (),
    host: Annotated[str, Parameter(env_var="GRADIO_SERVER_NAME")] = "127.0.0.1",
    port: Port = None,
    share: Switch = False,
    feedback: Annotated[str | None, Parameter(env_var="FOODVISION_FEEDBACK")] = None,
    feedback_classes_only: Switch = False,
    mcp: Switch = False,
    allow_host: Names = (),
    root_path: str | None = None,
    proxy_headers: Switch = False,
) -> None:
    """Start the page and classify photos in your browser.

    Programs can send photos to the same address: POST /api/predict.

    Parameters
    ----------
    model:
        The model: a checkpoint or run folder, or user/name on the Hub. The default is
        foodvision_101, which ships. Repeat it to offer visitors a choice.
    host:
        Address to listen on. Use 0.0.0.0 to serve your network.
    port:
        Port to listen on. The default is 7860, or the next free one.
    share:
        Also create a public link to send to others, which works while the program runs.
    feedback:
        Ask visitors for the right label, and save photos and labels as a dataset for training, in
        this folder or a private hf://user/dataset. By default nothing is saved.
    feedback_classes_only:
        With --feedback: save only photos of the model's classes.
    mcp:
        Also offer predictions as tools of the Model Context Protocol. Requires
        `pip install '.[mcp]'`.
    allow_host:
        Host name under which visitors open the page, such as food.example.org behind a proxy.
        Repeat it for several. A page on
        127.0.0.1 accepts no other names.
    root_path:
        The path below which a proxy serves the page, such as /food. The proxy may strip it or not.
    proxy_headers:
        Take a visitor's address from the headers of a proxy in a private network, or of the proxies
        in FORWARDED_ALLOW_IPS. Without it, only a proxy on this machine is trusted.
    """
    from foodvision.web import build_page, launch_page, load_models, open_feedback

    kept = open_feedback(feedback, only_classes=feedback_classes_only) if feedback else None
    page = build_page(load_models(model), kept)
    if proxy_headers:
        believe_proxies()
    launch_page(
        page,
        host=host,
        port=port,
        share=share,
        mcp=mcp,
        hosts=allow_host,
        root_path=root_path,
    )


def _confusion_and_mistakes(answers: "Sequence[JudgedPhoto]") -> dict[str, Any]:
    """Return the confusion matrix and the surest mistakes, which the JSON object has, too."""
    from foodvision.runs.answers import confusion_counts, find_mistakes

    mistakes = [mistake._asdict() for mistake in find_mistakes(answers)]
    return {"confusion": confusion_counts(answers), "mistakes": mistakes}


def _check_outputs(json: bool, csv: Path | None, parquet: Path | None, resume: bool) -> None:
    if sum(map(bool, (json, csv, parquet))) > 1:
        raise SettingsError("--json, --csv and --parquet cannot be combined: choose one of them")
    if resume and parquet:
        raise SettingsError("--resume cannot continue a Parquet file: use --csv")
    if resume and not csv:
        raise SettingsError("--resume continues a CSV file: add --csv FILE")
