"""Training from the outside: from a store and a recipe to a finished model, and on from where a run stopped."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch

from alexnet import kernels, process
from alexnet.data.pool import refuse_in_worker
from alexnet.data.store import Store
from alexnet.errors import AlexNetError, ConfigError, DataError, WeightsError
from alexnet.hardware import peak_memory
from alexnet.model.account import account
from alexnet.model.device import Placement, place, undisturbed
from alexnet.model.net import AlexNet
from alexnet.model.spec import Spec
from alexnet.model.towers import Towers
from alexnet.training.circle import PeerLost
from alexnet.training.events import Event, Finished, Listener, Started, Warned, silent
from alexnet.training.interrupt import TimeIsUp, stop_requests
from alexnet.training.kept import keep, provenance, save
from alexnet.training.log import RunLog
from alexnet.training.loop import Trainer
from alexnet.training.named import what_to_train
from alexnet.training.plan import frozen, memory_told, training_plan
from alexnet.training.recipe import Recipe
from alexnet.training.routes import RunRoutes, new_routes, resumed_routes
from alexnet.training.run import Run, check_space, create_run, environment, open_run
from alexnet.training.schedule import other_epochs
from alexnet.training.sharing import check_same, in_towers, shared_plan
from alexnet.training.start import starting_statistics, take_over
from alexnet.training.team import ALONE, Team
from alexnet.weights.checkpoint import load_checkpoint
from alexnet.weights.folding import folded
from alexnet.weights.model_dir import Model
from alexnet.weights.sizes import at_size
from alexnet.weights.statistics_tensors import from_tensors


@dataclass(frozen=True)
class Runtime:
    """The machine's part of a run: none of it is a setting of the recipe."""

    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0  # 0: PyTorch's choice
    workers: int = 0  # threads that assemble batches; 0: one, four on a GPU
    save_every: float = 120.0  # seconds between checkpoints
    minutes: float | None = None  # after which training stops, saved, to be resumed; None: when it is done
    compile: bool = False  # on a GPU: the twins of the kernels through torch.compile
    team: Team = ALONE  # the processes that train together

    def of_run(self, told: Mapping[str, Any]) -> "Runtime":
        """This runtime with device, dtype and threads of the run.json `told` where it leaves them open.

        Of a GPU's number nothing is kept where several processes train: each takes a GPU, whoever had it before.
        """
        device = told["device"] if self.team.size == 1 else told["device"].partition(":")[0].partition(",")[0]
        return replace(
            self,
            device=device if self.device == "auto" else self.device,
            dtype=told["dtype"] if self.dtype == "auto" else self.dtype,
            threads=self.threads or told["threads"],
        )


@undisturbed()
def train(
    store: Store | str | Path,
    network: Spec | Model | str | None = None,
    recipe: Recipe | str | None = None,
    out: str | Path | None = None,
    *,
    runtime: Runtime = Runtime(),
    placement: Placement | None = None,
    init_from: Model | str | Path | None = None,
    freeze: str | Sequence[str] = (),
    overfit: int = 0,
    listener: Listener = silent,
) -> Run:
    """The finished run of training `network` on `store`; its directory is `out`, or `out`-2, … where that is taken.

    A path stands for the store or the model there, a name for the network or the recipe: see `what_to_train`. `out` is
    runs/NETWORK-RECIPE unless given; `placement` overrides the device and the dtype of `runtime`. Afterwards torch's
    generators and number of threads are as before, and so is a network that was given. In the main thread, Ctrl-C and
    SIGTERM end training after the step.

    While it trains, the best network so far is in its place for the model, and says that the run is unfinished. So it
    is when the runtime's minutes are over first. Without validation it is the latest network.

    With `init_from`, or with a model as the network, weights and input statistics start as that model's; the last layer
    starts anew unless the classes are the same. What such a model divides by, and its order of colours, are folded into
    its first convolution, for training feeds RGB from 0 to 255; torchvision's network goes to other sizes of views as
    torchvision takes it there (`alexnet.weights.sizes`). `freeze` names layers to leave alone. `overfit` trains on
    that many photographs alone, as a test of the set-up, and raises AlexNetError when the network does not learn
    them by heart. The model made takes photographs resized as the store's were.
    Raises ConfigError for what does not fit together, Diverged and Interrupted as `Trainer.fit` does.
    """
    refuse_in_worker()
    store, spec, recipe, start = what_to_train(store, network, recipe, init_from)
    out = Path("runs") / f"{spec.name}-{recipe.name}" if out is None else Path(out)
    if placement is not None:
        runtime = replace(runtime, device=str(placement.device), dtype=placement.dtype_name)
    team = runtime.team
    still = (freeze,) if isinstance(freeze, str) else tuple(freeze)
    plan = shared_plan(training_plan(spec, frozen(recipe, still), store, overfit=overfit), team)
    start = at_size(folded(start), plan.spec, store.preparation.side) if start else None
    statistics = starting_statistics(start, store)
    placement = placement_for(runtime)
    net = AlexNet(plan.spec, generator=torch.Generator().manual_seed(plan.recipe.seed))
    if start is not None:
        take_over(net, start, store)
    check_same(plan, store, placement, team, net)
    net = in_towers(net, runtime.device, team)
    routes = team.by_leader(lambda: new_routes(net, plan, placement))

    def begun() -> Run:
        check_space(Run(out), account(plan.spec).total("parameters"))
        return create_run(out)

    run = team.by_leader(begun)
    with _held(run, team):
        facts = {
            "data": str(store.path),
            "fingerprint": store.fingerprint,
            "spec": spec.to_json(),
            "device": runtime.device if "," in runtime.device else str(placement.device),
            "dtype": placement.dtype_name,
            "threads": torch.get_num_threads(),
            "processes": team.size,
            "towers": 2 if isinstance(net, Towers) else 1,
            "overfit": overfit,
            "init_from": start.provenance if start else None,
            **routes.to_json(),
        }
        if team.leads:
            run.write("recipe.json", plan.recipe.to_json())
            run.write("environment.json", _environment(placement))
            run.write("run.json", facts)
        trainer = Trainer(plan, net, store, statistics, run, placement=placement, **_how(runtime, listener))
        return _run(trainer, overfit, runtime, routes)


@undisturbed()
def resume(
    path: str | Path,
    *,
    runtime: Runtime = Runtime(),
    data: str | Path | None = None,
    epochs: int | None = None,
    listener: Listener = silent,
) -> Run:
    """The run in directory `path`, taken up at its last checkpoint and finished.

    On a CPU with the same number of threads the result is the one of a run that never stopped, bit for bit. `data` says
    where the store is if it has moved; run.json says so from then on. `epochs` is a new number of them in all; a
    schedule that is made for that number changes with it, and a warning says what that does to the rate. Device, dtype
    and threads are the run's own where `runtime` leaves them at "auto" and 0. torch's global state is left as by
    `train`.
    Raises ConfigError and WeightsError when there is nothing to take up, or when the store is another one; BusyError
    when another process trains there.
    """
    refuse_in_worker()
    team = runtime.team
    run = team.by_leader(lambda: open_run(Path(path)))
    with _held(run, team):
        told, settings = team.by_leader(lambda: (run.read("run.json"), run.read("recipe.json")))
        runtime = runtime.of_run(told)
        place = Path(data or told["data"])
        if data is None and not place.exists():
            raise DataError(
                f"There is no store at {place}, where {path} was trained on it; if it has moved, name its place with "
                "--data."
            )
        store = Store.open(place)
        if store.fingerprint != told["fingerprint"]:
            raise ConfigError(
                f"{store.path} is not the store that {path} was trained on: its fingerprint begins with "
                f"{store.fingerprint[:12]}, not {told['fingerprint'][:12]}; name the right one with --data."
            )
        spec = Spec.from_json(told["spec"])
        before = Recipe.from_json(settings)
        recipe = before if epochs is None else replace(before, epochs=epochs)
        plan = shared_plan(training_plan(spec, recipe, store, overfit=told["overfit"]), team)
        placement = placement_for(runtime)
        with torch.device("meta"):
            net = AlexNet(plan.spec)
        net = in_towers(net.to_empty(device="cpu"), runtime.device, team)
        checkpoint = team.everyone.hand_out(load_checkpoint(run.last) if team.leads else None)
        try:
            statistics = from_tensors(checkpoint["statistics"])
            trainer = Trainer(plan, net, store, statistics, run, placement=placement, **_how(runtime, listener))
            trainer.restore(checkpoint)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{run.last} is not a checkpoint of the network and version that {path} says it trains ({error}); put "
                "the right one back or train anew."
            ) from error
        team.by_leader(trainer.check_best)
        check_same(plan, store, placement, team)
        routes = team.by_leader(lambda: resumed_routes(told, net, plan, placement))
        now = told | {"data": str(store.path)}
        if told.get("machine", routes.machine) != routes.machine:
            now |= routes.to_json()
        if team.leads and now != told:
            run.write("run.json", now)
        if plan.recipe.accumulate != recipe.accumulate and team.leads:
            listener(Warned(_other_parts(recipe.accumulate, plan.recipe.accumulate, team)))
        remark = None
        if recipe != before:
            remark = _other_epochs(trainer, before)
            if team.leads:
                run.write("recipe.json", recipe.to_json())
        return _run(trainer, told["overfit"], runtime, routes, remark)


def _other_epochs(trainer: Trainer, before: Recipe) -> str:
    """What it means that a run under way has another number of epochs. Raises ConfigError where it cannot have it."""
    progress, recipe = trainer.progress, trainer.recipe
    if recipe.epochs < progress.epoch:
        raise ConfigError(
            f"{trainer.run.path} has finished {progress.epoch} epochs already; --epochs {progress.epoch} ends it now."
        )
    if trainer.ended_early and recipe.epochs > progress.epoch:
        raise ConfigError(
            f"{trainer.run.path} ended early, as early_stop={recipe.early_stop} asks, and does not go on; to go on "
            f"from its model, train with --init-from {trainer.run.path}."
        )
    share = progress.step / trainer.loader.steps
    return other_epochs(before, recipe, epoch=progress.epoch, progress=share, errors=progress.val_errors)


def _held(run: Run, team: Team) -> AbstractContextManager[None]:
    """The leader keeps other trainings out of the run."""
    return run.held() if team.leads else nullcontext()


def _how(runtime: Runtime, listener: Listener) -> dict[str, Any]:
    return {
        "workers": runtime.workers,
        "save_every": runtime.save_every,
        "listener": listener,
        "team": runtime.team,
    }


def _run(trainer: Trainer, overfit: int, runtime: Runtime, routes: RunRoutes, remark: str | None = None) -> Run:
    run, team, listener = trainer.run, trainer.team, trainer.listener
    log = RunLog(run, trainer.progress, listener) if team.leads else None

    def tell(event: Event) -> None:
        if log is not None:
            log.write(event)
            listener(event)

    trainer.listener = tell
    team.remember("run", str(run.path))
    if team.leads and not overfit:
        trainer.keep = partial(keep, trainer)
    if team.leads:
        (run.path / "summary.json").unlink(missing_ok=True)  # of a run that goes on after its end
    try:
        if log is not None and log.missing:
            tell(log.missing)
        compiled = kernels.compile_twins() if runtime.compile else nullcontext()
        used = kernels.use_routes(routes.routes)
        with stop_requests(runtime.minutes) as request, compiled, used, memory_told(trainer.recipe):
            tell(_started(trainer, routes, over=trainer.is_over(bool(overfit))))
            for text in filter(None, (remark, routes.remark)):
                tell(Warned(text))
            trainer.fit(request, until_learned=bool(overfit))
        last = trainer.progress.history[-1]
        if overfit and last["train_error"]:
            raise AlexNetError(
                f"The network did not learn {len(trainer.plan.train)} photographs by heart in {last['epoch']} epochs: "
                f"{last['train_error']:.1%} are still wrong. Try another learning rate, and look at the photographs."
            )
        net, epoch = trainer.finished()
        if not team.leads:
            return run
        save(trainer, net, provenance(trainer, epoch))
        finished = _finished(trainer, epoch)
        run.write("summary.json", asdict(finished))
        tell(finished)
    except PeerLost as error:
        at = f"at epoch {trainer.progress.epoch + 1}, step {trainer.progress.step + 1}"
        error.where = f", {at}; go on with: the command as before, and --resume {run.path}"
        raise
    except TimeIsUp as end:
        tell(Warned(f"{end} Go on with: alexnet train --resume {run.path}"))
    finally:
        if log is not None:
            log.close()
    return run


def _started(trainer: Trainer, routes: RunRoutes, over: bool) -> Started:
    plan, progress = trainer.plan, trainer.progress
    return Started(
        run=str(trainer.run.path),
        network=plan.spec.name,
        parameters=account(plan.spec).total("parameters"),
        train_images=len(plan.train),
        val_images=len(plan.val),
        epochs=plan.recipe.epochs,
        steps_per_epoch=trainer.loader.steps,
        epoch=progress.epoch,
        step=progress.step,
        device=str(trainer.placement.device),
        dtype=trainer.placement.dtype_name,
        threads=torch.get_num_threads(),
        kernels=kernels.describe(trainer.placement.device) + routes.describe(),
        memory=process.describe_memory(),
        processes=_processes(trainer),
        over=over,
    )


def _processes(trainer: Trainer) -> str:
    """Who works through what, and what that costs on the wire; nothing to say of one process."""
    team, count = trainer.team, trainer.parts.count
    if team.size == 1:
        return ""
    size = -(-trainer.recipe.batch_size // count)
    parts = (
        f"{count} parts of {size}, {len(trainer.parts.mine)} each" if count > 1 else f"batches of {size} in one part"
    )
    return f"{team.describe()}, {parts}; {trainer.bytes_a_step / 1e6:.3g} MB a step and process"


def _other_parts(before: int, now: int, team: Team) -> str:
    return (
        f"{team.replicas.size} processes share a batch out in {now} parts, and the run began with {before}: its result "
        "is as good, but not bit for bit that of a run that never stopped."
    )


def _finished(trainer: Trainer, epoch: int) -> Finished:
    history = trainer.progress.history
    return Finished(
        run=str(trainer.run.path),
        model=str(trainer.run.model),
        epochs=len(history),
        weights_of=epoch,
        val_top1_error=history[epoch - 1]["val_top1_error"],
        seconds=sum(row["seconds"] for row in history),
        rate=median(row["rate"] for row in history),
        peak_memory=peak_memory(),
    )


def _environment(placement: Placement) -> dict[str, Any]:
    return environment(device=str(placement.device), dtype=placement.dtype_name, threads=torch.get_num_threads())


def placement_for(runtime: Runtime) -> Placement:
    """The place that `runtime` asks for; the threads are set. Raises ConfigError for what is not to be had."""
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    placement = place(runtime.device.partition(",")[0], runtime.dtype)
    if runtime.compile and not placement.runs_ahead:
        raise ConfigError("Compiling is for GPUs, whose kernels the CPU's are not; leave --compile out on a CPU.")
    return placement
