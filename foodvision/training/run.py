"""The story of a run, from photos to a checkpoint; every step is a call into a room."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import nn

from foodvision.checkpoint import measured_on, write_checkpoint
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
from foodvision.engine import RateSweep
from foodvision.errors import DataError, SettingsError, Stopped
from foodvision.evaluation import MOST_PHOTOS, Judgement, answer, few_photos_in_words, judge
from foodvision.export import export_body
from foodvision.models import check_network, create_model, find_start, preprocess_for
from foodvision.reports.card import draw_pictures, write_card
from foodvision.reports.pages import write_report
from foodvision.runs import list_answers, read_run, write_answers, write_figures
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
from foodvision.training.recorder import Recorder, agree_on_folder, kept
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

# Every photo is answered 22 times for robustness: with one of ten that costs twice what the test
# photos do, and the lecture's run stays one of seconds. `foodvision evaluate` takes 100.
_FEWEST_CORRUPTED, _ONE_OF = 10, 10

# How long processes wait for each other: as long as the first may measure on its own.
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
    listener: is told how the run goes; of several processes, the first one's.

    Raises FoodVisionError for whatever a person can mend, Stopped when it is asked to stop.
    """
    if not is_text(str(data)):
        raise DataError(f"the path {str(data)!a} is not UTF-8: rename it")
    accelerator = start_accelerator(config)
    tell = listener if accelerator.is_main_process else ignore
    start = find_start(config.model, weights=config.pretrained)
    preprocess = preprocess_for(start, config.image_size)
    folder = agree_on_folder(config, resume, accelerator)
    with (
        ended_together(accelerator),
        open_photos(data) as found,
        open_unlabelled(config.unknown) as unknown,
    ):
        photos = choose_photos(found, config)
        preprocess = replace(preprocess, white=photos.white or preprocess.white)
        # Better told now than at the end.
        drop_unreadable(Photos(found.root, {"unknown": unknown}, white=preprocess.white))
        tell(PhotosFound(str(data), photos))
        # Who goes on with the run starts from the same commit.
        pinned = replace(config, model=start.name)
        with kept(folder, data, pinned, accelerator, tell, resume=resume) as recorder:
            run = Run(pinned, photos, preprocess, folder, accelerator, start, recorder)
            network = start_network(run)
            if known := _known_classes(run):
                tell(ClassesKnown(config.model, len(known)))
            exported = train_network(network, run, recorder)
            tell(Trained(recorder.rows[-1], recorder.seconds))
            if accelerator.is_main_process:
                judgement = write_outcome(network, exported, run, unknown, recorder)
    if accelerator.is_main_process:
        tell(Finished(folder, judgement, few_photos_in_words(len(photos.splits["val"]))))
    return folder / "checkpoint"


def sweep_learning_rates(data: str | Path, config: TrainConfig) -> tuple[str, RateSweep]:
    """Return the name of the last stage of a run, and how its loss answers to the learning rate.

    Raises FoodVisionError for whatever a person can mend.
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
    """Return what knows the devices and processes of the run, one of each if nobody launched more.

    Raises SettingsError for a precision that they do not have, or a batch that they cannot share.
    """
    precision = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}[config.precision]
    # accelerate keeps the precision of a process's first run for all that follow.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        accelerator = Accelerator(
            # Without an accelerator, processes find each other only where the CPU is asked for.
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
    """See that the devices compute, and the processes share out, what the settings ask for.

    Raises SettingsError.
    """
    if config.precision == "float16" and accelerator.device.type == "cpu":
        # accelerate would go on in float32 and not tell.
        raise SettingsError("precision float16 is not supported on a CPU: use bfloat16")
    processes = accelerator.num_processes
    if config.batch_size % processes:
        raise SettingsError(
            f"batch-size {config.batch_size} is not divisible by {processes} processes: "
            f"use a multiple of {processes}"
        )


def choose_photos(found: Photos, config: TrainConfig) -> Photos:
    """Return train, val and test photos that can be read; what is left out is in `left_out`.

    Raises DataError for a class of which none is left, and whatever the splits lack.
    """
    chosen = exclude(found, config.exclude) if config.exclude else found
    photos = drop_unreadable(find_white(chosen))
    if gone := sorted(_learnt(found) - _learnt(photos)):
        raise DataError(
            f"{found.root} has no photo left of {a_few(gone)}, all are unreadable or excluded: "
            "add photos, or remove the class folder"
        )
    return split_photos(
        photos, val_share=config.val_share, test_share=config.test_share, seed=config.seed
    )


def _learnt(photos: Photos) -> set[str]:
    """Return the classes of the photos to learn from."""
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
    """Return the network that the settings name, its head new for classes that are new to it.

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
    """Return the stage that trains the head, and the graph of the body that it stands on."""
    exported = body_of_start(run) or export_body(network, run.preprocess)
    return head_stage(network, head_features(network, exported, run), run), exported


def head_features(network: nn.Module, exported: bytes, run: Run) -> dict[str, torch.Tensor]:
    """Return what the head learns from: several views of train photos, one of val photos."""
    # The other processes of a run find in the cache what the first one computed.
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
    """Calibrate, measure on the test photos, and write checkpoint and report.

    unknown: photos of other things: half to calibrate by, half to measure on.
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
    weights = weights_of(network, half=run.config.half_storage)
    measured = {
        "measured_on": measured_on(checkpoint.graph, weights),
        "test": judgement.figures.to_dict(),
        **judgement.beside(),
        "known_by": {"score": calibration.known.kind, "auroc_on_validation": aurocs},
        "epochs": recorder.rows,
        "training_seconds": recorder.seconds,
    }
    listed = list_answers(run.photos.root, test, run.photos.classes, answers)
    record = read_run(run.folder)
    data = checkpoint.config.data | {"source": record.data}
    config = replace(checkpoint.config, figures=measured, data=data)
    checkpoint = replace(checkpoint, config=config)
    write_checkpoint(
        checkpoint.folder,
        checkpoint.config,
        checkpoint.graph,
        write_card(checkpoint, run.folder.name, record.command_line),
        weights,
        draw_pictures(judgement.figures, listed),
    )
    sheet = augmentation_sheet(
        run.photos.splits["train"][:_ON_THE_SHEET],
        ProgressiveResize(run.preprocess, run.config)(0),
        run.preprocess,
        run.config.seed,
    )
    write_answers(run.folder, listed)
    write_figures(run.folder, judgement)
    recorder.close(judgement.figures)
    write_report(run.folder, run.photos.root, test, sheet, run.preprocess.white)
    return judgement


@contextmanager
def ended_together(accelerator: Accelerator) -> Iterator[None]:
    """Let no process of a run leave before the first one has written everything.

    A launcher takes a process that leaves for failed, if it was stopped, and ends the others.
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
    """Return the classes that the checkpoint knows from which a run starts."""
    known = run.start.checkpoint if run.config.pretrained else None
    return set(known.config.classes if known else ()) & set(run.photos.classes)
