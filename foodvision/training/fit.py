"""Train one stage, from where it was interrupted if it was."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from foodvision.engine.finder import RateSweep, find_learning_rate
from foodvision.engine.optimise import (
    DistributedModel,
    EarlyStopping,
    EMAModel,
    GradientAccumulator,
    Schedule,
    clip_gradients,
    create_optimizer,
)
from foodvision.engine.state import Snapshot
from foodvision.engine.steps import Results, Tally, train
from foodvision.errors import SettingsError, Stopped
from foodvision.runs.record import Row
from foodvision.training.config import TrainConfig
from foodvision.training.stages import Run, Stage, loss_function


def fit(stage: Stage, run: Run) -> list[Row]:
    """Train a stage and return its epochs.

    Raises Stopped, with the state saved, if the run is asked to stop.
    """
    return _Fitting(stage, run).run()


def try_rates(stage: Stage, run: Run) -> RateSweep:
    """Try learning rates on a stage and return the sweep; the stage stays as it was."""
    network, optimizer = run.accelerator.prepare(stage.network, _optimizer_of(stage, run.config))
    return find_learning_rate(
        network,
        stage.teach(stage.train_batches),
        optimizer,
        loss_function(run),
        device=run.accelerator.device,
        backward=run.accelerator.backward,
    )


def _optimizer_of(stage: Stage, config: TrainConfig) -> torch.optim.Optimizer:
    optimizer = create_optimizer(
        stage.network,
        config.optimizer,
        stage.learning_rate,
        weight_decay=config.weight_decay,
        layer_decay=stage.layer_decay,
    )
    if config.clip:
        clip_gradients(optimizer, config.clip)
    return optimizer


@dataclass
class EpochLog:
    """The rows of the epochs so far; a part of the saved state."""

    rows: list[Row] = field(default_factory=list)

    def state_dict(self) -> list[Row]:
        """Return the rows so far."""
        return self.rows

    def load_state_dict(self, state: list[Row]) -> None:
        """Continue from there."""
        self.rows[:] = state


class _Fitting:
    def __init__(self, stage: Stage, run: Run) -> None:
        self._stage, self._run = stage, run
        batches = stage.epochs * len(stage.train_batches)
        if batches < run.config.accumulate:
            raise SettingsError(
                f"accumulate {run.config.accumulate}: the {stage.name} has only {batches} "
                "batches in all, less than one step: use a smaller number"
            )
        self._results, self._log = Results(), EpochLog()
        self._tally = Tally(run.accelerator.device)
        self._optimizer, self._schedule = self._create_optimizer()
        config, accelerator = run.config, run.accelerator
        self._wrapped, stepping = accelerator.prepare(stage.network, self._optimizer)
        self._averaged = (
            EMAModel(stage.network, config.ema, self._optimizer) if config.ema else None
        )
        self._stepping = (
            GradientAccumulator(stepping, config.accumulate) if config.accumulate > 1 else stepping
        )
        self._stopping = (
            EarlyStopping(self._averaged or stage.network, config.early_stopping)
            if config.early_stopping
            else None
        )
        self._snapshot = Snapshot(
            run.folder / "state" / f"{stage.name}.safetensors", self._parts(), run.fingerprint
        )

    def run(self) -> list[Row]:
        restored = self._snapshot.restore()
        self._run.accelerator.wait_for_everyone()  # the first may overwrite what others read
        self._started = time.perf_counter()
        if not (restored and self._stopping and self._stopping.is_enough(self._results)):
            self._train()
        if self._stopping:
            self._stopping.keep_best()
        if self._averaged:
            self._averaged.keep_average()
        self._run.accelerator.unwrap_model(self._wrapped, keep_fp32_wrapper=False).cpu()
        self._run.accelerator.free_memory()  # the next stage trains some of the same weights
        return self._log.rows

    def _create_optimizer(self) -> tuple[torch.optim.Optimizer, Schedule]:
        stage, config = self._stage, self._run.config
        optimizer = _optimizer_of(stage, config)
        steps = len(stage.train_batches) / config.accumulate
        schedule = Schedule(
            optimizer,
            config.schedule,
            max(1, round(stage.epochs * steps)),
            round(config.warmup_epochs * steps),
        )
        return optimizer, schedule

    def _parts(self) -> dict[str, Any]:
        parts = {
            "model": self._averaged or self._stage.network,
            "optimizer": self._stepping,
            "schedule": self._schedule,
            "batches": self._stage.train_batches,
            "tally": self._tally,
            "results": self._results,
            "log": self._log,
            "stopping": self._stopping,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _train(self) -> None:
        stage, run = self._stage, self._run
        try:
            with run.stop.listening():
                train(
                    self._model(),
                    stage.teach(stage.train_batches),
                    stage.val_batches,
                    self._stepping,
                    loss_function(run),
                    stage.epochs,
                    run.accelerator.device,
                    results=self._results,
                    tally=self._tally,
                    after_epoch=self._after_epoch,
                    backward=run.accelerator.backward,
                )
                run.stop.check()  # a signal during the last validation
        except Stopped:
            self._tally.pool()
            self._save()
            raise

    def _model(self) -> nn.Module:
        if self._run.accelerator.num_processes > 1:
            return DistributedModel(self._wrapped, self._averaged or self._stage.network)
        return self._averaged or self._stage.network

    def _after_epoch(self, results: Results) -> bool:
        self._log.rows.append(self._row(results))
        enough = self._stopping is not None and self._stopping(results)
        self._save()
        if self._run.accelerator.is_main_process:
            self._run.on_epoch(self._log.rows)
        return enough

    def _save(self) -> None:
        if self._run.accelerator.is_main_process:
            self._snapshot.save()

    def _row(self, results: Results) -> Row:
        before = self._log.rows[-1]["seconds"] if self._log.rows else 0.0
        now = time.perf_counter()
        seconds, self._started = now - self._started, now
        last = {name: values[-1] for name, values in results.items()}
        return {
            "epoch": results.epochs,
            "stage": self._stage.name,
            "train_loss": last["train_loss"],
            "train_acc": last["train_acc"],
            "val_loss": last["test_loss"],
            "val_acc": last["test_acc"],
            "learning_rate": max(group["lr"] for group in self._optimizer.param_groups),
            "seconds": round(before + seconds, 3),
        }
