"""The events of a training, printed to the terminal."""

from contextlib import suppress

from foodvision.cli.tables import console, figures_table, overall_table, photos_table
from foodvision.data.names import a_few
from foodvision.evaluation.words import duration_in_words
from foodvision.system.terminal import OutputClosed
from foodvision.training.events import ClassesKnown, Event, Finished, PhotosFound, Trained


def print_event(event: Event) -> None:
    """Print an event of a training; its epochs are a progress bar.

    A closed output, as after `| head -1`, does not stop the training.
    """
    with suppress(OutputClosed):
        _print(event)


def _print(event: Event) -> None:
    terminal = console()
    match event:
        case PhotosFound(source, photos):
            terminal.print(f"{source}: {photos.in_words()}", soft_wrap=True)
            terminal.print(photos_table(photos, "foodvision data --all shows all."))
        case ClassesKnown(model, names):
            classes = "1 class is" if len(names) == 1 else f"{len(names)} classes are"
            terminal.print(
                f"{classes} known to {model}; head weights are reused for {a_few(names, 5)}",
                soft_wrap=True,
            )
        case Trained(last):
            terminal.print(
                "Trained. Last epoch: "
                f"train loss {last['train_loss']:.3f}, accuracy {100 * last['train_acc']:.1f}; "
                f"validation loss {last['val_loss']:.3f}, accuracy {100 * last['val_acc']:.1f}.",
                soft_wrap=True,
            )
        case Finished(folder, judgement, photos, seconds, notes):
            title = f"{folder.name} on the test photos"
            terminal.print(figures_table(judgement.figures, title, "The report shows all."))
            terminal.print(overall_table(judgement))
            for note in (photos, *notes):
                terminal.print(note, soft_wrap=True)
            terminal.print(f"Run time: {duration_in_words(seconds)}")
            terminal.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
            terminal.print(f"Checkpoint: {folder / 'checkpoint'}", soft_wrap=True)
            terminal.print(f"Try it: foodvision demo --model {folder}", soft_wrap=True)
