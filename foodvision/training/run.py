"""The story of a run, from photos to a checkpoint; every step is a call into a package."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import nn

from foodvision.checkpoint import Checkpoint, measured_on, write_checkpoint
from foodvision.classifier import Classifier
from foodvision.data import (
    LabelledPhoto,
    Photos,
    drop_unreadable,
    exclude,
    find_white,
    open_photos,
    open_unlabelled,
    split_photos,
)
from foodvision.data.names import a_few, is_text
from foodvision.data.photos import used_in_words
from foodvision.engine.finder import RateSweep
from foodvision.errors import DataError, SettingsError, Stopped
from foodvision.evaluation.calibration import few_photos_in_words, refusal_in_words
from foodvision.evaluation.judge import Judgement, answer, judge
from foodvision.evaluation.robustness import MOST_PHOTOS
from foodvision.export.graph import export_body
from foodvision.models import check_network, create_model, find_start, preprocess_for
from foodvision.reports.card import draw_pictures, write_card
from foodvision.reports.pages import write_report
from foodvision.runs.answers import list_answers
from foodvision.runs.photos import used_photos
from foodvision.runs.reading import read_run
from foodvision.runs.record import EXCLUDED, PHOTOS, write_answers, write_figures, write_photos
from foodvision.system.storage import write_atomically
from foodvision.training.config import TrainConfig
from foodvision.training.events import (
    ClassesKnown,
    Finished,
    Listener,
    PhotosFound,
    Trained,
    ignore,
)
from foodvision.training.fit import fit, try_rates
from foodvision.training.package import (
    body_of_start,
    build_checkpoint,
    calibrate,
    compute_features,
    cross_validated,
    weights_of,
)
from foodvision.training.recorder import Recorder, agree_on_folder, record_run
from foodvision.training.sheet import augmentation_sheet
from foodvision.training.stages import (
    ProgressiveResize,
    Run,
    Stage,
    check_network_stage,
    head_stage,
    network_stage,
)

_ON_THE_SHEET = 4

# Robustness answers every photo 22 times. With a tenth of the test photos it takes twice as long as
# they do, so that the lecture's run takes seconds. `foodvision evaluate` takes 100 photos.
_FEWEST_CORRUPTED, _ONE_OF = 10, 10

# How long processes wait for each other: the first measures alone at the end.
_PATIENCE = timedelta(days=2)


def run_training(
    data: str | Path,
    config: TrainConfig,
    listener: Listener = ignore,
    *,
    resume: bool = False,
) -> Path:
    """Train on a source of photos and return the checkpoint's folder.

    data: what `open_photos` takes. resume: go on with the run in `config.output`.
    listener: called with the events of the run, in the first process.

    Raises FoodVisionError for what the user can fix, Stopped when it is asked to stop.
    """
    _check_text(data, *vars(config).values())
    accelerator = start_accelerator(config)
    tell = listener if accelerator.is_main_process else ignore
    start = find_start(config.model, weights=config.pretrained)
    preprocess = preprocess_for(start, config.image_size)
    folder = agree_on_folder(config, resume, accelerator)
    # The list may have changed since the run began, or be gone.
    excluded = copy if resume and (copy := folder / EXCLUDED).is_file() else config.exclude
    with (
        finish_together(accelerator),
        open_photos(data) as found,
        open_unlabelled(config.unknown) as unknown,
    ):
        photos = choose_photos(found, replace(config, exclude=excluded))
        preprocess = replace(preprocess, white=photos.white or preprocess.white)
        # Unreadable photos stop the run now, not at its end.
        drop_unreadable(Photos(found.root, {"unknown": unknown}, white=preprocess.white))
        if len(unknown) == 1:
            raise DataError(
                f"{config.unknown} contains one photo, but --unknown needs two or more: one half "
                "sets how the model detects such photos, the other measures it"
            )
        tell(PhotosFound(str(data), photos))
        # A resumed run starts from the same commit.
        pinned = replace(config, model=start.name)
        with record_run(folder, data, pinned, accelerator, tell, resume=resume) as recorder:
            run = Run(pinned, photos, preprocess, folder, accelerator, start, recorder)
            network = start_network(run)
            # All photos are read for the list, which a resumed run has already.
            if accelerator.is_main_process and not (resume and (folder / PHOTOS).is_file()):
                write_photos(folder, used_photos(photos))
            if accelerator.is_main_process and excluded and not resume:
                write_atomically(folder / EXCLUDED, excluded.read_bytes())
            if known := _known_classes(run):
                tell(ClassesKnown(config.model, tuple(sorted(known))))
            exported = train_network(network, run, recorder)
            tell(Trained(recorder.rows[-1]))
            if accelerator.is_main_process:
                judgement = write_outcome(network, exported, run, unknown, recorder)
    if accelerator.is_main_process:
        notes = few_photos_in_words(len(photos.splits["val"]))
        used, seconds = used_in_words(photos.numbers()), read_run(folder).seconds
        tell(Finished(folder, judgement, used, seconds, notes))
    return folder / "checkpoint"


def sweep_learning_rates(data: str | Path, config: TrainConfig) -> tuple[str, RateSweep]:
    """Return the name of the last stage of a run, and its loss at rising learning rates.

    Raises FoodVisionError for what the user can fix.
    """
    accelerator = start_accelerator(config)
    if accelerator.num_processes > 1:
        raise SettingsError("find-lr runs in one process: drop the launcher")
    start = find_start(config.model, weights=config.pretrained)
    preprocess = preprocess_for(start, config.image_size)
    with open_photos(data) as found, tempfile.TemporaryDirectory() as folder:
        photos = choose_photos(found, config)
        preprocess = replace(preprocess, white=photos.white or preprocess.white)
        run = Run(config, photos, preprocess, Path(folder), accelerator, start)
        network = start_network(run)
        if config.trains_head_first:
            stage, _ = start_head(network, run)
        if config.trains_network:
            if config.trains_head_first:
                fit(stage, run)  # the network's stage begins with a trained head
            stage = network_stage(network, run)
        return stage.name, try_rates(stage, run)


def start_accelerator(config: TrainConfig) -> Accelerator:
    """Return the accelerator for the run's devices and processes.

    Raises SettingsError for a precision that they do not support, or a batch they cannot share.
    """
    precision = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}[config.precision]
    # accelerate would keep the precision of the process's first run.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = Accelerator(
            # Without a GPU, processes find each other only if the CPU is asked for.
            cpu=config.device == "cpu" or not torch.accelerator.is_available(),
            mixed_precision=precision,
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
        )
    except ValueError as error:
        raise SettingsError(
            f"precision {config.precision} is not supported on this device ({error})"
        ) from None
    check_devices(config, accelerator)
    return accelerator


def check_devices(config: TrainConfig, accelerator: Accelerator) -> None:
    """Raise SettingsError for a precision or batch size that devices or processes rule out."""
    if config.precision == "float16" and accelerator.device.type == "cpu":
        # accelerate would silently use float32.
        raise SettingsError("precision float16 is not supported on a CPU: use bfloat16")
    processes = accelerator.num_processes
    if config.batch_size % processes:
        raise SettingsError(
            f"batch-size {config.batch_size} is not divisible by {processes} processes: "
            f"use a multiple of {processes}"
        )


def choose_photos(found: Photos, config: TrainConfig) -> Photos:
    """Return readable train, val and test photos; `left_out` has the others.

    Raises DataError for a class without photos, and if a split lacks one.
    """
    chosen = exclude(found, config.exclude) if config.exclude else found
    photos = drop_unreadable(find_white(chosen))
    if gone := sorted(_training_classes(found) - _training_classes(photos)):
        raise DataError(
            f"{found.root} has no photo left of {a_few(gone)}, all are unreadable or excluded: "
            "add photos, or remove the class folder"
        )
    return split_photos(
        photos, val_share=config.val_share, test_share=config.test_share, seed=config.seed
    )


def _check_text(*values: object) -> None:
    """Raise DataError for a path that the files of a run and checkpoint cannot hold."""
    for value in values:
        if isinstance(value, (str, Path)) and not is_text(str(value)):
            raise DataError(f"the path {str(value)!a} is not UTF-8: rename it")


def _training_classes(photos: Photos) -> set[str]:
    """Return the classes of the training photos."""
    members = photos.splits.get("train") or photos.splits.get("all", ())
    return {photo.label for photo in members}


def train_network(network: nn.Module, run: Run, recorder: Recorder) -> bytes:
    """Train a network as the settings say, and return the graph of its body."""
    exported = None
    if run.config.trains_head_first:
        stage, exported = start_head(network, run)
        recorder.finish(fit(stage, run))
    if run.config.trains_network:
        recorder.finish(fit(network_stage(network, run), run))
        exported = None
    return exported or export_body(network, run.preprocess)


def start_network(run: Run) -> nn.Module:
    """Return the network that the settings name, with a new head for new classes.

    Raises SettingsError if it does not take the photos, does not end in a head, or cannot be
    trained as the settings say.
    """
    config = run.config
    torch.manual_seed(config.seed)
    network = create_model(
        run.start,
        len(run.photos.classes),
        pretrained=config.pretrained,
        hidden_units=config.hidden_units,
        classes=run.photos.classes,
    )
    check_network(network, config.model, run.preprocess.size)
    if config.trains_network:
        check_network_stage(network, run)
    return network


def start_head(network: nn.Module, run: Run) -> tuple[Stage, bytes]:
    """Return the stage that trains the head, and the graph of the body below it."""
    exported = body_of_start(run) or export_body(network, run.preprocess)
    return head_stage(network, head_features(network, exported, run), run), exported


def head_features(network: nn.Module, exported: bytes, run: Run) -> dict[str, torch.Tensor]:
    """Return the embeddings that train the head: views of train photos, one view of val photos."""
    # The first process computes them; the others find them in the cache.
    with run.accelerator.main_process_first():
        return {
            split: compute_features(network, exported, run.photos.splits[split], run, views)
            for split, views in (("train", run.config.views), ("val", 1))
        }


def write_outcome(
    network: nn.Module,
    exported: bytes,
    run: Run,
    unknown: Sequence[LabelledPhoto],
    recorder: Recorder,
) -> Judgement:
    """Calibrate, measure on the test photos, write checkpoint and report; return the figures.

    unknown: photos of other things; one half calibrates, the other is measured on.
    """
    test = run.photos.splits["test"]
    calibration, aurocs = calibrate(network, exported, run, unknown[::2])
    checkpoint = build_checkpoint(network, exported, calibration, run)
    classifier = Classifier(checkpoint)
    answers = answer(classifier, test)
    corrupted = min(MOST_PHOTOS, max(_FEWEST_CORRUPTED, len(test) // _ONE_OF))
    judgement = replace(
        judge(classifier, test, answers, unknown[1::2], corrupted),
        cross_validated=cross_validated(network, exported, run),
    )
    listed = list_answers(run.photos.root, test, run.photos.classes, answers)
    measured = {
        "test": judgement.figures.to_dict(),
        **judgement.beside(),
        "known_by": {"score": calibration.known.kind, "auroc_on_validation": aurocs},
        "epochs": recorder.rows,
        "training_seconds": recorder.seconds,
    }
    weights = weights_of(network, half=run.config.half_storage)
    _write_model(checkpoint, weights, measured, draw_pictures(judgement.figures, listed), run)
    write_answers(run.folder, listed)
    write_figures(run.folder, judgement)
    recorder.close(judgement.figures)
    sheet = augmentation_sheet(
        run.photos.splits["train"][:_ON_THE_SHEET],
        ProgressiveResize(run.preprocess, run.config)(0),
        run.preprocess,
        run.config.seed,
    )
    write_report(
        *(run.folder, run.photos.root, test, sheet, run.preprocess.white),
        lines=(
            used_in_words(run.photos.numbers()),
            *refusal_in_words(
                len(run.photos.splits["val"]), is_measured=judgement.known is not None
            ),
        ),
    )
    return judgement


def _write_model(
    checkpoint: Checkpoint,
    weights: bytes,
    measured: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    run: Run,
) -> None:
    """Write the checkpoint with its figures and its card."""
    record = read_run(run.folder)
    config = replace(
        checkpoint.config,
        figures={"measured_on": measured_on(checkpoint.graph, weights), **measured},
        data=checkpoint.config.data | {"source": record.data},
    )
    card = write_card(replace(checkpoint, config=config), run.folder.name, record.command_line)
    write_checkpoint(checkpoint.folder, config, checkpoint.graph, card, weights, pictures)


@contextmanager
def finish_together(accelerator: Accelerator) -> Iterator[None]:
    """Have all processes of a run end when the first one has written everything.

    A launcher takes a stopped process that leaves for failed, and ends the others.
    """
    stopped = None
    try:
        yield
    except Stopped as error:
        stopped = error
    accelerator.wait_for_everyone()
    accelerator.end_training()
    if stopped:
        raise stopped


def _known_classes(run: Run) -> set[str]:
    """Return the run's classes that the checkpoint it starts from knows."""
    known = run.start.checkpoint if run.config.pretrained else None
    return set(known.config.classes if known else ()) & set(run.photos.classes)
