"""`foodvision.train`, as a notebook calls it."""

import pickle
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

import foodvision
from foodvision.cli.progress import print_event
from foodvision.errors import SettingsError, Stopped
from foodvision.evaluation.words import duration_in_words
from foodvision.training.events import ClassesKnown, EpochEnded, Finished, PhotosFound, Trained

SMALL = {"model": "tinyvgg", "image_size": 32, "epochs": 2}


def test_training_gives_figures_history_and_a_model(fruit, tmp_path, capsys):
    told = []
    run = foodvision.train(fruit, **SMALL, output=str(tmp_path / "run"), listener=told.append)
    assert run.folder == tmp_path / "run"
    assert run.figures.n == 15
    assert list(run.history) == ["train_loss", "train_acc", "test_loss", "test_acc"]
    assert [len(values) for values in run.history.values()] == [2, 2, 2, 2]
    photo = next((fruit / "test" / "kiwi").iterdir())
    assert run.classifier.predict(photo).label in run.classifier.classes
    kinds = [type(event) for event in told]
    assert kinds == [PhotosFound, EpochEnded, EpochEnded, Trained, Finished]
    assert capsys.readouterr().out == ""
    said = duration_in_words(run.record.seconds)
    print_event(told[-1])
    assert f"Run time: {said}\n" in capsys.readouterr().out
    assert f"<dt>run time</dt><dd>{said}</dd>" in (run.folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("kiwi",), "1 class is known to food; head weights are reused for kiwi\n"),
        (
            tuple("abcdefg"),
            "7 classes are known to food; head weights are reused for a, b, c, d, e and 2 more\n",
        ),
    ],
)
def test_classes_that_the_start_knows_are_named(names, said, capsys):
    print_event(ClassesKnown("food", names))
    assert capsys.readouterr().out == said


def test_interrupted_training_goes_on(fruit, tmp_path):
    def interrupt(event):
        if isinstance(event, EpochEnded):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Stopped, match="the state is saved"):
        foodvision.train(fruit, **SMALL, output=tmp_path / "run", listener=interrupt)
    assert len(foodvision.train(fruit, resume=tmp_path / "run").history["train_loss"]) == 2


def test_run_keeps_the_list_of_photos_that_it_leaves_out(fruit, tmp_path):
    def interrupt(event):
        if isinstance(event, EpochEnded):
            signal.raise_signal(signal.SIGINT)

    listed = tmp_path / "list.txt"
    name = f"train/kiwi/{next((fruit / 'train' / 'kiwi').iterdir()).name}"
    listed.write_text(f"{name}\n")
    with pytest.raises(Stopped):
        foodvision.train(
            fruit, **SMALL, exclude=listed, output=tmp_path / "run", listener=interrupt
        )
    listed.unlink()
    run = foodvision.train(fruit, resume=tmp_path / "run")
    assert (run.folder / "exclude.txt").read_text() == f"{name}\n"
    assert run.classifier.config.data["left_out"] == {"excluded": 1}


def test_training_runs_in_a_thread_of_a_server_and_its_preset_gives_way_to_settings(
    fruit, tmp_path
):
    settings = {"preset": "quick", **SMALL, "output": tmp_path / "run"}
    with ThreadPoolExecutor(1) as server:
        run = server.submit(foodvision.train, fruit, **settings).result()
    assert run.figures.n == 15
    assert run.record.settings["epochs"] == 2
    assert run.record.settings["views"] == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epoch": 3}, "unknown setting epoch: did you mean epochs?"),
        ({"zzz": 3}, "unknown setting zzz: use model, image_size, "),
        ({"epochs": 0}, "epochs 0"),
        ({"epochs": "many"}, "epochs needs a whole number, not 'many'"),
        ({"epochs": 3.5}, "epochs needs a whole number, not 3.5"),
        ({"batch_size": True}, "batch-size needs a whole number, not True"),
        ({"views": None}, "views needs a whole number, not None"),
        ({"preset": "fast"}, "unknown preset fast: use quick, balanced, best"),
    ],
)
def test_wrong_settings_are_told_in_a_line(settings, said, fruit):
    with pytest.raises(SettingsError) as caught:
        foodvision.train(fruit, **settings)
    assert said in str(caught.value)


def test_run_that_goes_on_keeps_its_settings(fruit, tmp_path):
    with pytest.raises(SettingsError, match="leave out all other settings"):
        foodvision.train(fruit, resume=tmp_path, epochs=3)


def test_run_can_be_sent_to_another_process(fruit_checkpoint):
    run = pickle.loads(pickle.dumps(foodvision.TrainingRun(fruit_checkpoint.parent)))
    assert run.figures.n == 15
