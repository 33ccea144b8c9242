"""Progress of training where there is no terminal: a line per epoch."""

import time

import torch
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm


class EpochLines(ProgressBar):
    """Takes the place of Lightning's bar, which says nothing in a log until the run ends."""

    is_enabled = False  # There is no bar that a LightningModule would have to print above.

    def on_train_start(self, trainer, module):
        super().on_train_start(trainer, module)
        self._begin, self._first_step = time.monotonic(), trainer.global_step
        if trainer.is_global_zero:
            print(f"Training on {module.device}. Threads of the CPU: {torch.get_num_threads()}.", flush=True)

    def on_train_epoch_end(self, trainer, module):
        if not trainer.is_global_zero:
            return
        step, total = trainer.global_step, trainer.estimated_stepping_batches
        seconds_per_step = (time.monotonic() - self._begin) / max(1, step - self._first_step)
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        has_end = total < float("inf")
        parts = [f"Epoch {trainer.current_epoch}: step {step}" + (f" of {total}" if has_end else "")]
        parts += [f"{name} {measured[name]:.4g}" for name in ("loss", "psnr") if name in measured]
        if has_end:
            parts.append(f"{tqdm.format_interval((total - step) * seconds_per_step)} left")
        print(", ".join(parts), flush=True)
