"""Data parallel training: branches of a batch, on one machine or on several, and sums over them in one order.

`train.replicas` says into how many branches a batch is divided. Where they are computed changes no bit, so that the
weights belong to params.yaml, whatever the number of machines.

`tf.distribute.MultiWorkerMirroredStrategy` connects the machines and watches them. Its mirrored variables are not used:
their sums depend on the number of machines, and all machines have to save and validate at once. Here each machine has
plain variables, gets the same sums, and makes the same step.

A sum takes two exchanges: each machine gets its part of all branches, adds them in their order, and sends the sum to
the others. With one branch a machine these are the bytes of a ring all-reduce, 2 (N - 1) / N of what is added up; of k
branches each is sent, (k + 1) (N - 1) / N, since sums of sums would have other bits.
"""

import hashlib
import itertools
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
from tensorflow.python.eager import context

from apparel.errors import UserError, one_line, some_of
from apparel.models.inputs import Batch
from apparel.training.cluster import Cluster

PORT = 2222
"""Of addresses without one; Vertex AI takes the same."""

SECONDS_TO_START = 30 * 60
"""Until all machines are there: each fetches and prepares the data first."""

SECONDS_TO_ANSWER = 60
"""After which a machine counts as lost, killed or cut off."""

SECONDS_TO_STEP = 5 * 60
"""That machines wait in a step, the first one included, where one fills its shuffle buffer sooner. A network that was
away for half a minute can lose an exchange that was under way, while all machines answer: it would be waited for."""

SECONDS_TO_VALIDATE = 60 * 60
"""That machines wait for one which answers: the chief's validations take that long at most."""

GROUP = 1_000_000
"""TensorFlow's number of these exchanges among those of others."""

NOISE = (
    r"{{.*?}} ?|Collective ops is aborted by: |Error reported from \S+ | The error could be from a previous operation.*"
)
"""Of TensorFlow's messages: its names of operations, and advice that does not help here."""

LOST = (
    tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError, tf.errors.InternalError, tf.errors.UnknownError,
)  # fmt: skip
"""What TensorFlow raises where a machine does not answer."""


class Replicas:
    """The branches of each batch, and the machines that compute them.

    Args:
        count: branches of a batch, `train.replicas`.
        cluster: this machine and the others; by default there are none. For several a strategy is made, which has to
            be the first thing that TensorFlow does (its issue 55178).

    Attributes:
        summed: float32 numbers of a branch that the last `sum` was traced for.

    Raises:
        UserError: the machines cannot have the same number of branches each, or do not find each other.
    """

    def __init__(self, count: int, cluster: Cluster = Cluster()) -> None:  # noqa: B008 - it cannot be changed
        self.count, self.cluster, self.summed = count, cluster, 0
        if count % cluster.size:
            raise UserError(
                f"train.replicas is {count}, but {cluster.size} machines train: set it in params.yaml to a multiple of "
                f"{cluster.size}; it decides the result, the number of machines only how soon it is there"
            )
        self._keys = itertools.count(1)
        self._places = list(range(cluster.size))
        if cluster.size > 1:
            self._strategy = _strategy(cluster)
            ranks = self._numbers(cluster.rank)  # as TensorFlow has the machines, by name: of eleven the last is third
            self._places = [ranks.index(rank) for rank in range(cluster.size)]

    @property
    def is_chief(self) -> bool:
        """Whether this machine validates, saves and reports."""
        return self.cluster.is_chief

    def share(self, batch_size: int) -> slice:
        """The photos of each batch that this machine computes."""
        if self.cluster.size == 1:
            return slice(None)
        photos = batch_size // self.cluster.size
        return slice(self.cluster.rank * photos, (self.cluster.rank + 1) * photos)

    def branches(self, share: Batch) -> list[Batch]:
        """Divides this machine's share of a batch into its branches; `epoch` and `position` are in each."""
        count = self.count // self.cluster.size
        photos = share["image"].shape[0] // count
        return [take(share, slice(number * photos, (number + 1) * photos)) for number in range(count)]

    def sum(self, branches: Sequence[Any]) -> Any:
        """Adds up over all branches of all machines, in the order of the branches.

        Args:
            branches: for each of this machine's a structure of float32 tensors, all of the same shapes.
        """
        flat = tf.stack([_flat(tensors) for tensors in branches])
        here, length = flat.shape
        self.summed = length
        machines = self.cluster.size
        padded = tf.pad(flat, [[0, 0], [0, -length % machines]])
        parts = tf.transpose(tf.reshape(padded, [here, machines, -1]), [1, 0, 2])
        rows = self._exchange(parts) if machines > 1 else parts
        total = None
        for rank, number in itertools.product(range(machines), range(here)):
            row = rows[self._places[rank], number]
            total = row if total is None else total + row
        whole = self._gather(total, SECONDS_TO_STEP)[:length]
        tensors = tf.nest.flatten(branches[0])
        values = tf.split(whole, [tensor.shape.num_elements() for tensor in tensors])
        shaped = [tf.reshape(value, tensor.shape) for value, tensor in zip(values, tensors, strict=True)]
        return tf.nest.pack_sequence_as(branches[0], shaped)

    def send(self, variables: Sequence[tf.Variable]) -> None:
        """Gives the other machines the chief's values of variables."""
        if self.cluster.size > 1:
            self._send(variables)

    def of_chief(self, number: int) -> int:
        """The chief's value of a whole number."""
        return self._numbers(number)[0]

    def check_same(self, key: str) -> None:
        """Compares TensorFlow's version, and a hash of all else that the weights depend on, with the other machines'.

        Args:
            key: that hash, in hexadecimal digits.

        Raises:
            UserError: another machine trains something else.
        """
        version = hashlib.sha256(tf.__version__.encode()).hexdigest()
        self._check_same(
            version, f"another version of TensorFlow than machine 0, here {tf.__version__}: `make setup` on each"
        )
        self._check_same(
            key, "other data, parameters or code than machine 0: `dvc repro tfrecord` on each, from the same commit"
        )

    def _check_same(self, key: str, problem: str) -> None:
        numbers = self._numbers(int(key[:15], 16))
        others = [rank for rank, number in enumerate(numbers) if number != numbers[0]]
        if others:
            with suppress(*LOST):  # a machine that ends ends the others: each first has the numbers
                self._numbers(0)
            raise UserError(f"machine {some_of(list(map(str, others)), 5)} has {problem}")

    def _numbers(self, number: int) -> list[int]:
        """A whole number of each machine, by rank."""
        if self.cluster.size == 1:
            return [number]
        numbers = self._gather_numbers(tf.constant([number], tf.int64)).numpy().tolist()
        return [numbers[place] for place in self._places]

    @tf.function(autograph=False)
    def _gather_numbers(self, number: tf.Tensor) -> tf.Tensor:
        return self._gather(number, SECONDS_TO_VALIDATE)

    @tf.function(autograph=False)
    def _send(self, variables: Sequence[tf.Variable]) -> None:
        for variable in variables:
            variable.assign(self._gather(variable[tf.newaxis], SECONDS_TO_VALIDATE)[self._places[0]])

    def _gather(self, rows: tf.Tensor, seconds: int) -> tf.Tensor:
        """The rows of all machines, in TensorFlow's order; `seconds` is how long to wait for them."""
        if self.cluster.size == 1:
            return rows
        return tf.raw_ops.CollectiveGatherV2(input=rows, **self._group(seconds))

    def _exchange(self, parts: tf.Tensor) -> tf.Tensor:
        """Sends each machine its part, (machines, ...); returns what all have sent to this one."""
        return tf.raw_ops.CollectiveAllToAllV2(input=parts, **self._group(SECONDS_TO_STEP))

    def _group(self, seconds: int) -> dict[str, Any]:
        """Of all machines, for an exchange that each of them traces as its next."""
        return {
            "group_size": self.cluster.size,
            "group_key": GROUP,
            "instance_key": next(self._keys),
            "ordering_token": [],
            "timeout_seconds": float(seconds),
        }


def take(batch: Batch, photos: slice) -> Batch:
    """Some photos of a batch; what it has one of, such as its `position`, stays."""
    return {name: values[photos] if values.shape.rank else values for name, values in batch.items()}


def _flat(tensors: Any) -> tf.Tensor:
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tf.nest.flatten(tensors)], axis=0)


def _strategy(cluster: Cluster) -> tf.distribute.Strategy:
    if not cluster.addresses:
        raise UserError("the addresses of the machines are not known: set APPAREL_ADDRESSES, see docs/cloud.md")
    hosts = [with_port(address) for address in cluster.addresses]
    spec = tf.train.ClusterSpec({"worker": hosts})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        spec, task_type="worker", task_id=cluster.rank, rpc_layer="grpc"
    )
    _configure_heartbeat(cluster.size)
    minutes = SECONDS_TO_START // 60
    print(f"machine {cluster.rank} of {cluster.size} waits for the others, {minutes} minutes at most", flush=True)
    try:
        with _own_signals():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except LOST as error:
        raise UserError(f"the machines do not find each other: {one_line(error)}") from None


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ctrl-C kills this process within the block, since TensorFlow waits for the others there with Python's lock held.

    Afterwards SIGTERM ends a stage in order as before: TensorFlow takes it (`preemption_notifier.cc`), and goes on.
    """
    main = threading.current_thread() is threading.main_thread()  # only there signals have handlers
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if main}
    if handlers.get(signal.SIGINT) not in (None, signal.SIG_IGN):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)


def with_port(address: str) -> str:
    """An address with `PORT` where it has none; IPv6 in brackets."""
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"
    return address if address.rpartition("]")[2].count(":") else f"{address}:{PORT}"


def _configure_heartbeat(machines: int) -> None:
    """TensorFlow's defaults would wait an hour for a machine that never comes."""
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=SECONDS_TO_START * 1000,
        heartbeat_timeout_in_ms=SECONDS_TO_ANSWER * 1000,
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=machines)],
    )


@contextmanager
def watched(cluster: Cluster) -> Iterator[None]:
    """Around a training on several machines; where it fails, or is told to end, the others end at once.

    Raises:
        UserError: one of them is lost.
    """
    try:
        yield
    except LOST as error:
        if cluster.size == 1:
            raise
        raise UserError(
            f"a machine is lost, so machine {cluster.rank} of {cluster.size} ends; start the training again on all, "
            f"which goes on from the last checkpoint: {_cause(error)}"
        ) from None
    except BaseException as error:
        if cluster.size > 1:
            _tell_others(f"machine {cluster.rank} ended: {one_line(error)}")
        raise


def _tell_others(message: str) -> None:
    """An end in order is no error to TensorFlow, and the others would wait."""
    with suppress(ValueError, *LOST):  # it has not begun, or the others have ended
        context.context().report_error_to_cluster(tf.errors.ABORTED, message)


def _cause(error: tf.errors.OpError) -> str:
    """TensorFlow's message without the trace that it puts before it."""
    lines = [line for line in str(error).splitlines() if not re.match(r"\s|$|Graph execution error|Detected at", line)]
    return re.sub(NOISE, "", one_line(Exception(" ".join(lines) or str(error))))
