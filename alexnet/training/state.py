"""How far a run has come, the sums of the epoch under way, and the reports that are made of them."""

import math
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from alexnet.evaluation.metrics import Tally
from alexnet.schema import SchemaError, Within, check
from alexnet.training.events import EpochEnd, StepEnd, WindowEnd

WINDOW = 10_000  # photographs
_Count = Annotated[int, Within(0, 2**48)]


@dataclass
class TrainingState:
    """How far a run has come: everything but the weights that its future depends on."""

    epoch: _Count = 0  # epochs finished
    step: _Count = 0  # steps done in the epoch under way
    lr: float = 0.0  # of the last step
    loss_sum: float = 0.0  # over the photographs of the epoch under way
    wrong: _Count = 0
    seen: _Count = 0
    seconds: float = 0.0
    waited: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)  # one EpochEnd an epoch
    photographs: _Count = 0  # of the run, up to the end of the last window
    window_loss: float = 0.0  # over the photographs since
    window_wrong: _Count = 0
    window_seen: _Count = 0
    windows: list[dict[str, Any]] = field(default_factory=list)  # one WindowEnd a window

    @property
    def val_errors(self) -> list[float]:
        """The validation errors of the epochs finished."""
        return [row["val_top1_error"] for row in self.history if row["val_top1_error"] is not None]

    def count(self, loss: float, wrong: int, photographs: int, *, seconds: float, waited: float) -> None:
        """Adds a step with the mean `loss`, which took `seconds`, `waited` of them for data."""
        self.step += 1
        self.loss_sum += loss * photographs
        self.wrong += wrong
        self.seen += photographs
        self.seconds += seconds
        self.waited += waited
        self.window_loss += loss * photographs
        self.window_wrong += wrong
        self.window_seen += photographs

    def window_end(self) -> WindowEnd | None:
        """The report of the window, if the last step counted ends one; the next one starts with the next step."""
        if self.window_seen < WINDOW:
            return None
        self.photographs += self.window_seen
        mean_loss, error = self.window_loss / self.window_seen, self.window_wrong / self.window_seen
        end = WindowEnd(self.photographs, mean_loss, error)
        self.windows.append(asdict(end))
        self.window_loss = 0.0
        self.window_wrong = self.window_seen = 0
        return end

    def step_end(self, *, steps: int, images: int) -> StepEnd:
        """The report of the last step counted: of `steps` in the epoch, with `images` photographs left in the run."""
        rate = self.seen / self.seconds
        return StepEnd(
            epoch=self.epoch + 1,
            step=self.step,
            steps=steps,
            loss=self.loss_sum / self.seen,
            error=self.wrong / self.seen,
            lr=self.lr,
            rate=rate,
            waiting=self.waited / self.seconds,
            seconds_left=images / rate,
        )

    def finish_epoch(self, tally: Tally | None) -> EpochEnd:
        """The report of the epoch, with the validation's `tally`; the sums start anew for the next one."""
        error = tally.top1_error if tally else None
        end = EpochEnd(
            epoch=self.epoch + 1,
            lr=self.lr,
            train_loss=self.loss_sum / self.seen,
            train_error=self.wrong / self.seen,
            val_loss=tally.loss if tally else None,
            val_top1_error=error,
            val_top5_error=tally.top5_error if tally and tally.has_top5 else None,
            rate=self.seen / self.seconds,
            waiting=self.waited / self.seconds,
            seconds=self.seconds,
            best=error is not None and error < min(self.val_errors, default=math.inf),
        )
        self.history.append(asdict(end))
        self.epoch += 1
        self.step = self.wrong = self.seen = 0
        self.loss_sum = self.seconds = self.waited = 0.0
        return end


def restored(plain: Any) -> TrainingState:
    """The state that a checkpoint says in plain types. Raises TypeError or ValueError for one that no run was in."""
    state = TrainingState(**plain)
    check(state, TrainingState)
    for kind, rows in ((EpochEnd, state.history), (WindowEnd, state.windows)):
        for row in rows:
            check(kind(**_finite(row)), kind)
    if len(state.history) != state.epoch:
        raise SchemaError(f"it tells of {len(state.history)} epochs, expected {state.epoch}")
    return state


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """With 0 for numbers that are not finite: a validation's loss need not be."""
    return {
        name: 0.0 if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()
    }
