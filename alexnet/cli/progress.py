"""How far a job is, on standard error: a moving bar on a terminal, now and then a line elsewhere, nothing with -q."""

from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from alexnet.cli.session import Session
from alexnet.cli.terminal import counted, duration, percent, shown, size

if TYPE_CHECKING:
    from alexnet.data.prepare import PrepareProgress
    from alexnet.training.events import EpochEnd, Event, Started, StepEnd

SECONDS_BETWEEN_LINES = 30.0
STAGES = {"read": "reading", "measure": "measuring"}


class Meter:
    """One job's bar, with lines above it that stay."""

    def __init__(self, session: Session) -> None:
        self._console = Console(
            stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True
        )  # heeds NO_COLOR
        self._quiet, self._speaks = session.quiet, session.speaks
        moving = session.progress and not session.quiet and self._console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[note]}"))
        self._bar = Progress(*columns, console=self._console, transient=True, refresh_per_second=4) if moving else None
        self._task = self._bar.add_task("", note="", visible=False) if self._bar else None
        self._told = self._began = monotonic()
        self._first = 0
        self._title = ""

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, title: str, done: int, total: int | None, note: str) -> None:
        """Moves the bar; where there is none, says the same in a line if the last one is long ago."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, description=title, completed=done, total=total, note=note, visible=True)
        elif not self._quiet and monotonic() - self._told >= SECONDS_BETWEEN_LINES:
            self.line(f"{title}: {note}")

    def line(self, text: str, style: str = "") -> None:
        """Says something that stays."""
        if not self._quiet:
            self._console.print(Text(shown(text), style))
        self._told = monotonic()

    def warn(self, text: str) -> None:
        """Says, even with -q, what the user should know."""
        if self._speaks:
            self._console.print(Text(shown(f"warning: {text}"), "yellow"))

    def count(self, title: str, done: int, total: int, remark: str = "") -> None:
        """Shows photographs done, with their rate and the time left as they have gone since the title's first call."""
        now = monotonic()
        if title != self._title:
            self._title, self._began, self._first = title, now, done
        note = f"{done:,} of {total:,}"
        if done > self._first:
            rate = (done - self._first) / (now - self._began)
            note += f"  {rate:,.0f} images/s  {duration((total - done) / rate)} left"
        self.show(title, done, total, note + remark)

    def preparing(self, progress: "PrepareProgress") -> None:
        """Listens to `prepare` and `check`."""
        remark = f"  {progress.refused:,} refused" if progress.refused else ""
        self.count(STAGES[progress.stage], progress.done, progress.total, remark)

    def evaluating(self, done: int, total: int) -> None:
        """Listens to `evaluate`."""
        self.count("evaluating", done, total)

    def downloading(self, done: int, total: int | None) -> None:
        """Listens to `download`."""
        self.show("downloading", done, total, size(done) + (f" of {size(total)}" if total else ""))

    def training(self, event: "Event") -> None:
        """Listens to `train`."""
        from alexnet.training.events import EpochEnd, Saved, Started, StepEnd, Warned

        match event:
            case Started():
                self._started = event
                for line in _start(event):
                    self.line(line)
            case StepEnd():
                title = f"epoch {event.epoch}/{self._started.epochs}"
                if event.step == event.steps and self._started.val_images:
                    title += ", validating"
                self.show(title, event.step, event.steps, _step(event))
            case EpochEnd():
                self.line(_epoch(event, self._started.epochs))
            case Warned(text):
                self.warn(text)
            case Saved():
                pass  # nothing to do about it, and the end says where everything lies


def _start(event: "Started") -> list[str]:
    images = f"{counted(event.train_images, 'photograph')}, " + (
        f"validated on {event.val_images:,} others" if event.val_images else "no validation"
    )
    if event.over:
        begin = (
            ", all done; --epochs N goes on" if event.epoch >= event.epochs else f", ended after epoch {event.epoch}"
        )
    else:
        begin = f" from epoch {event.epoch + 1}, step {event.step + 1}" if event.epoch or event.step else ""
    return [
        f"Run      {event.run}",
        f"Network  {event.network}, {event.parameters:,} parameters",
        f"Data     {images}",
        f"Plan     {counted(event.epochs, 'epoch')} of {counted(event.steps_per_epoch, 'step')}{begin}",
        f"Machine  {event.device}, {event.dtype}, {counted(event.threads, 'thread')}",
        *([f"Team     {event.processes}"] if event.processes else []),
        f"Kernels  {event.kernels}",
        f"Memory   freed blocks: {event.memory}",
    ]


def _step(event: "StepEnd") -> str:
    return (
        f"loss {event.loss:.3f}  error {percent(event.error)}  {event.rate:,.0f} images/s  "
        f"{percent(event.waiting, 0)} waiting  {duration(event.seconds_left)} left"
    )


def _epoch(event: "EpochEnd", epochs: int) -> str:
    width = len(str(epochs))
    parts = [
        f"epoch {event.epoch:{width}}/{epochs}",
        f"loss {event.train_loss:.3f}",
        f"error {percent(event.train_error):>7}",
    ]
    if event.val_top1_error is not None:
        best = "*" if event.best else " "
        top5 = "" if event.val_top5_error is None else f" top-5 {percent(event.val_top5_error):>7}"
        parts.append(f"val top-1 {percent(event.val_top1_error):>7}{best}{top5}")
    parts += [f"lr {event.lr:.2g}", f"{event.rate:,.0f} images/s", duration(event.seconds)]
    return "  ".join(parts)
