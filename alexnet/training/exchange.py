"""Gradients summed over the parts of a batch and over processes, the update shared out, the new weights gathered.

The sum is a binary tree over the parts, every node of it rounded to the working type, so it does not matter where a
node is computed. Each process sums and updates its share of every bucket (ZeRO-1: Rajbhandari et al. 2020). Transfers
go on while the backward pass does: the last layers, which come first, have most of the weights.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

from alexnet import kernels
from alexnet.training.circle import Circle, Job
from alexnet.training.schedule import Rate

BUCKET = 25_000_000  # bytes from which on a bucket takes no further tensor
ALIGNMENT = 64  # numbers: every tensor of a bucket begins at a multiple


class TreeSum:
    """A sum in the order of a binary tree over its terms, whatever the number of those that come at a time."""

    def __init__(self) -> None:
        self._nodes: list[tuple[int, Tensor]] = []  # height and sum, the heights falling

    def push(self, term: Tensor, height: int = 0) -> None:
        """Adds the next term, or the sum of the next 2 ** `height`; sums are formed in the memory of the terms."""
        while self._nodes and self._nodes[-1][0] == height:
            term = self._nodes.pop()[1].add_(term)
            height += 1
        self._nodes.append((height, term))

    def total(self) -> Tensor:
        """The sum; begins anew."""
        (_, sum_), self._nodes = self._nodes[-1], self._nodes[:-1]
        while self._nodes:
            sum_ = self._nodes.pop()[1].add_(sum_)
        return sum_


@dataclass
class Slot:
    """Where a parameter lies in its bucket."""

    name: str
    working: nn.Parameter
    master: nn.Parameter
    start: int

    @property
    def stop(self) -> int:
        """The first place behind it."""
        return self.start + self.working.numel()

    def view(self, buffer: Tensor) -> Tensor:
        """The parameter's numbers in a buffer, in its shape and memory format."""
        return buffer.as_strided(self.working.shape, self.working.stride(), self.start)


@dataclass
class Bucket:
    """Parameters whose gradients travel together: flat buffers of all their numbers, and of this process's share."""

    slots: list[Slot]
    grad: Tensor
    working: Tensor
    master: Tensor  # the same memory as `working` where they are of one type
    velocity: Tensor  # of the share alone
    share: slice
    sums: TreeSum = field(default_factory=TreeSum)
    waiting: int = 0  # parameters of the part under way whose gradients are not there yet
    closed: bool = True  # whether the part under way has been added
    held: int = 0  # parts that are in `grad`, but not yet in `sums`
    coming: tuple[Tensor, Job | None] | None = None  # gradients from all, for the share
    fetching: Job | None = None  # new weights from all

    @property
    def learns(self) -> bool:
        """Whether any of its parameters does."""
        return any(slot.working.requires_grad for slot in self.slots)

    def ready(self) -> None:
        """Waits until the weights of all are here."""
        if self.fetching is not None:
            self.fetching.wait()
            self.fetching = None


class SharedSGD:
    """`MomentumSGD` over parts of a batch and processes: the same rule, each process updating its share.

    `net` and `working` are as there; their parameters become views of flat buffers. Of the masters, only the share is
    always up to date; `settle` fetches the rest.
    """

    def __init__(
        self,
        net: nn.Module,
        working: nn.Module,
        *,
        momentum: float,
        weight_decay: float,
        bias_decay: bool,
        circle: Circle,
    ) -> None:
        self.momentum, self.weight_decay, self.bias_decay = momentum, weight_decay, bias_decay
        self.circle = circle
        self._last = True  # whether the part under way is the last one here
        self._sent = 0  # of the buckets, how many have been summed here and are on their way
        masters = dict(net.named_parameters())
        pairs = [(name, parameter, masters[name]) for name, parameter in working.named_parameters()]
        self.buckets = [self._bucket(group) for group in _grouped(pairs[::-1])]
        for bucket in self.buckets:
            for slot in bucket.slots:
                slot.working.register_post_accumulate_grad_hook(self._arrived(bucket))  # type: ignore[no-untyped-call]
        if circle.size > 1:
            for module in working.modules():
                own = {id(parameter) for parameter in module.parameters(recurse=False)}
                for bucket in self.buckets:
                    if any(id(slot.working) in own for slot in bucket.slots):
                        module.register_forward_pre_hook(lambda *_, bucket=bucket: bucket.ready())

    def zero_grad(self) -> None:
        """Begins a step."""
        self._sent = 0
        for bucket in self.buckets:
            bucket.grad.zero_()

    def begin_part(self, *, last: bool) -> None:
        """Says that a backward pass comes, and whether it is the last one here in this step."""
        self._last = last
        for bucket in self.buckets:
            bucket.waiting = sum(slot.working.requires_grad for slot in bucket.slots)
            bucket.closed = False

    def end_part(self) -> None:
        """Adds what the backward pass has not reached: nothing, of a part without photographs."""
        for bucket in self.buckets:
            self._close(bucket)
        if self._last:
            self._send()

    @torch.no_grad()
    def step(self, rate_of: Callable[[str], Rate]) -> None:
        """Applies the sums of the gradients; `rate_of` gives the rates by the name of the layer."""
        for bucket in self.buckets:
            if not bucket.learns:
                continue
            assert bucket.coming is not None
            pieces, job = bucket.coming
            bucket.coming = None
            if job is not None:
                job.wait()
            for piece in pieces.chunk(self.circle.size):
                bucket.sums.push(piece)
            self._update(bucket, bucket.sums.total(), rate_of)
            if self.circle.size > 1:
                bucket.fetching = self.circle.gather(bucket.working, bucket.working[bucket.share].clone())

    def settle(self) -> None:
        """Waits for all weights, and fetches the masters of the others' shares."""
        for bucket in self.buckets:
            bucket.ready()
            if bucket.master is not bucket.working and self.circle.size > 1:
                self.circle.gather(bucket.master, bucket.master[bucket.share].clone()).wait()

    @property
    def velocity(self) -> dict[str, Tensor]:
        """The velocities by name, of whole parameters; fetched from all."""
        found: dict[str, Tensor] = {}
        for bucket in self.buckets:
            whole = torch.empty_like(bucket.master)
            if self.circle.size > 1:
                self.circle.gather(whole, bucket.velocity).wait()
            else:
                whole = bucket.velocity
            found |= {slot.name: slot.view(whole).clone() for slot in bucket.slots}
        return {slot.name: found[slot.name] for slot in reversed(list(self._slots()))}

    def load_velocity(self, velocity: Mapping[str, Tensor]) -> None:
        """Takes over the velocities of a checkpoint."""
        for bucket in self.buckets:
            whole = torch.zeros_like(bucket.master)
            for slot in bucket.slots:
                slot.view(whole).copy_(velocity[slot.name])
            bucket.velocity.copy_(whole[bucket.share])

    @property
    def bytes_a_step(self) -> int:
        """What this process sends in a step in which all parameters learn: gradients, then weights."""
        others = self.circle.size - 1
        return sum(2 * _bytes(bucket.working) * others // self.circle.size for bucket in self.buckets)

    def _slots(self) -> Iterator[Slot]:
        for bucket in self.buckets:
            yield from bucket.slots

    def _bucket(self, group: list[tuple[str, nn.Parameter, nn.Parameter]]) -> Bucket:
        starts, length = [], 0
        for _, parameter, _ in group:
            starts.append(length)
            length += -(-parameter.numel() // ALIGNMENT) * ALIGNMENT
        each = -(-length // (self.circle.size * ALIGNMENT)) * ALIGNMENT
        first = group[0][1]
        working = first.new_zeros(each * self.circle.size, requires_grad=False)
        one = first is group[0][2]
        master = working if one else working.new_zeros(len(working), dtype=torch.float32)
        slots = [Slot(name, own, master_, start) for (name, own, master_), start in zip(group, starts, strict=True)]
        share = slice(self.circle.rank * each, (self.circle.rank + 1) * each)
        bucket = Bucket(slots, torch.zeros_like(working), working, master, master.new_zeros(each), share)
        for slot in slots:
            for parameter, buffer in ((slot.working, working), (slot.master, master)):
                place = slot.view(buffer)
                place.copy_(parameter.detach())
                parameter.data = place
            slot.working.grad = slot.view(bucket.grad)
        return bucket

    def _arrived(self, bucket: Bucket) -> Callable[[Tensor], None]:
        def arrived(_: Tensor) -> None:
            bucket.waiting -= 1
            if not bucket.waiting:
                self._close(bucket)
                if self._last:
                    self._send()

        return arrived

    def _close(self, bucket: Bucket) -> None:
        """Adds the part under way to the bucket's sum."""
        if bucket.closed or not bucket.learns:
            return
        bucket.closed = True
        bucket.held += 1
        # two neighbours are a node of the tree, so the second one's gradients come on top of the first one's
        if not self._last and bucket.held < 2:
            return
        if self._last:
            bucket.sums.push(bucket.grad, bucket.held - 1)
        else:
            bucket.sums.push(bucket.grad.clone(), bucket.held - 1)
            bucket.grad.zero_()
        bucket.held = 0

    def _send(self) -> None:
        """Sends off the buckets that are ready: in the order of the buckets, which is the same in all processes."""
        while self._sent < len(self.buckets) and (
            self.buckets[self._sent].closed or not self.buckets[self._sent].learns
        ):
            bucket = self.buckets[self._sent]
            self._sent += 1
            if bucket.learns:
                total = bucket.sums.total()
                bucket.coming = self.circle.scatter(total) if self.circle.size > 1 else (total, None)

    def _update(self, bucket: Bucket, grad: Tensor, rate_of: Callable[[str], Rate]) -> None:
        for slot in bucket.slots:
            layer, _, kind = slot.name.rpartition(".")
            rates, bias = rate_of(layer), kind == "bias"
            start, stop = max(slot.start, bucket.share.start), min(slot.stop, bucket.share.stop)
            if rates.weight == 0.0 or start >= stop:
                continue
            own = slice(start - bucket.share.start, stop - bucket.share.start)
            kernels.momentum_update(
                bucket.master[start:stop],
                bucket.velocity[own],
                grad[own],
                None if bucket.master is bucket.working else bucket.working[start:stop],
                lr=rates.bias if bias else rates.weight,
                momentum=self.momentum,
                weight_decay=0.0 if bias and not self.bias_decay else self.weight_decay,
            )


def _grouped(
    pairs: list[tuple[str, nn.Parameter, nn.Parameter]],
) -> Iterator[list[tuple[str, nn.Parameter, nn.Parameter]]]:
    """Runs of parameters of one kind, a bucket each."""
    group: list[tuple[str, nn.Parameter, nn.Parameter]] = []
    for pair in pairs:
        _, working, master = pair
        if group:
            other = group[0][1]
            same = (other.dtype, other.device, other is group[0][2]) == (
                working.dtype,
                working.device,
                working is master,
            )
            if not same or sum(_bytes(own) for _, own, _ in group) >= BUCKET:
                yield group
                group = []
        group.append(pair)
    yield group


def _bytes(tensor: Tensor) -> int:
    return prod(tensor.shape) * tensor.element_size()
