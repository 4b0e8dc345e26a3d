"""Beam's runners: their options checked, a pipeline of shards started on one, and its workers watched."""

import argparse
import importlib.util
import io
import logging
import os
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from apparel.errors import UserError, nearest, one_line, plain
from apparel.utils.shard_files import CODE

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

DIRECT = "DirectRunner"
RUNNERS = (DIRECT, "DataflowRunner", "FlinkRunner", "SparkRunner", "PortableRunner")
"""Runners that take a pipeline of Python; the last is any job server at `--job_endpoint`."""

JOB_SERVER_JARS = {"FlinkRunner": "flink_job_server_jar", "SparkRunner": "spark_job_server_jar"}
"""Option that names the file of the runner's job server; without it Beam would download that."""

WORKER = "apparel.utils.beam_worker"

WORKER_FAILED = "Worker subprocess exited with return code"
"""Start of the error of Beam's thread that waits for a worker (`local_job_service.SubprocessSdkWorker`)."""

SECONDS_TO_END = 5
"""How long the runner may go on once a worker has failed: it is ending, or waits for that worker forever."""

SECONDS_TO_CONNECT = 10
"""How long a job server may take to answer."""


def check(line: str) -> "PipelineOptions":
    """Beam's options of a command line such as `--runner=DirectRunner --direct_num_workers=4`.

    Raises:
        UserError: the runner or an option is unknown or wrong, or something that the runner needs is missing.
    """
    try:
        flags = shlex.split(line)
    except ValueError as error:
        raise UserError(f"Beam's options '{plain(line)}' cannot be read: {error}") from None
    with _quiet_import():
        from apache_beam.options import pipeline_options

        options = _parse(pipeline_options, flags)
        runner = options.view_as(pipeline_options.StandardOptions).runner
        if not runner:
            raise UserError(f"Beam's options '{plain(line)}' name no runner, such as --runner={DIRECT}")
        if runner not in RUNNERS:
            raise UserError(f"there is no runner '{plain(runner)}'{nearest(runner, list(RUNNERS))}")
        if runner == DIRECT:
            _check_direct(options.view_as(pipeline_options.DirectOptions))
        elif runner == "DataflowRunner":
            _check_dataflow(options.view_as(pipeline_options.GoogleCloudOptions))
        else:
            _check_job_server(runner, options.view_as(pipeline_options.PortableOptions), options.get_all_options())
    return options


class Job:
    """A pipeline at work in a thread of its own."""

    def __init__(self, run: Callable[[], object], log: Path) -> None:
        self._error: BaseException | None = None
        self._log, self._lost_at = log, 0.0
        self._thread = threading.Thread(target=self._run, args=(run,), daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits for so long; returns whether the pipeline has ended well.

        Raises:
            UserError: it failed, or a worker process was lost, for which Beam would wait forever.
        """
        self._thread.join(seconds)
        if not self._thread.is_alive():
            if self._error:
                raise UserError(f"Beam's runner failed: {one_line(self._error)}; its log is {self._log}") from None
            return True
        if self._lost_at and time.monotonic() - self._lost_at > SECONDS_TO_END:
            raise UserError(
                "a worker of Beam was killed, perhaps for want of memory; run again, perhaps with fewer workers "
                f"(direct_num_workers): shards that are whole are skipped; Beam's log is {self._log}"
            )
        return False

    def note(self, error: BaseException | None) -> None:
        """Takes note of an error in one of Beam's threads, such as the one that waits for a worker process."""
        if str(error).startswith(WORKER_FAILED):
            self._lost_at = self._lost_at or time.monotonic()

    def end(self) -> None:
        """Ends the worker processes of this machine."""
        for worker in _worker_processes():
            with suppress(psutil.NoSuchProcess):
                worker.kill()

    def _run(self, run: Callable[[], object]) -> None:
        try:
            run()
        except BaseException as error:  # of the runner; the main thread tells it
            logging.getLogger("apache_beam").exception("the pipeline failed")
            self._error = error


@contextmanager
def started(line: str, work: Callable[[str], None], keys: Sequence[str], log: Path) -> Iterator[Job]:
    """A pipeline that calls `work` with each key; what of it runs here ends with the block.

    Args:
        line: Beam's options.
        work: a function of a module, or a `partial` of one.
        keys: one a shard.
        log: file for Beam's log.

    Raises:
        UserError: as `check`, or the runner refuses the pipeline.
    """
    options = check(line)
    with _quiet_import():
        import apache_beam as beam
        from apache_beam.options.pipeline_options import StandardOptions

        name = options.view_as(StandardOptions).runner
        try:
            pipeline = beam.Pipeline(runner=_direct_runner(options, log) if name == DIRECT else name, options=options)
        except (ValueError, ImportError) as error:
            raise UserError(f"{name} refuses its options: {one_line(error)}") from None
    # Without the shuffle, a runner would hand all shards to one worker.
    pipeline | beam.Create(list(keys)) | beam.Reshuffle() | beam.Map(work)
    with _logged(log) as tell:
        job = Job(lambda: pipeline.run().wait_until_finish(), log)
        tell.append(job.note)
        try:
            yield job
        finally:
            job.end()


def _direct_runner(options: "PipelineOptions", log: Path) -> object:
    """The runner of this machine: in this process, or with worker processes where there are to be several."""
    from apache_beam.options.pipeline_options import DirectOptions
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle
    from apache_beam.transforms import environments

    direct, environment = options.view_as(DirectOptions), None
    several = direct.direct_num_workers != 1 and direct.direct_running_mode == "in_memory"
    if several or direct.direct_running_mode == "multi_processing":
        path = os.pathsep.join(filter(None, [str(CODE.parent), os.environ.get("PYTHONPATH")]))
        command = ["exec", "env", f"PYTHONPATH={path}", sys.executable, "-m", WORKER, str(os.getpid())]
        line = f"{shlex.join(command)} >> {shlex.quote(str(log))} 2>&1"
        environment = environments.SubprocessSDKEnvironment.from_command_string(line)
        direct.direct_running_mode = "in_memory"  # else Beam would put its own worker in place of ours
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    information = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(
        default_environment=environment, provision_info=fn_runner.ExtendedProvisionInfo(information)
    )


def _parse(pipeline_options: object, flags: Sequence[str]) -> "PipelineOptions":
    """Beam's options; it would drop unknown ones, and print its whole usage for a wrong value.

    A job server has options of its own, which it tells Beam when a pipeline comes: those of its runners are left to it.
    """
    parser = argparse.ArgumentParser(prog="Beam", add_help=False, allow_abbrev=False)
    printed = io.StringIO()
    try:
        with redirect_stderr(printed):
            known = {str(section): section for section in pipeline_options.PipelineOptions.__subclasses__()}
            for section in known.values():
                section._add_argparse_args(parser)
            values, unknown = parser.parse_known_args(flags)
    except SystemExit:
        message = printed.getvalue().strip().rpartition("error: ")[2]
        raise UserError(f"Beam refuses its options: {one_line(Exception(message))}") from None
    if unknown and values.runner in (DIRECT, "DataflowRunner", None):
        names = [action.option_strings[-1] for action in parser._actions if action.option_strings]
        name = unknown[0].partition("=")[0]
        raise UserError(f"Beam has no option '{plain(name)}'{_close(name, names)}")
    return pipeline_options.PipelineOptions(list(flags))


def _close(name: str, names: list[str]) -> str:
    """A hint where there is one; Beam has hundreds of options."""
    hint = nearest(name, names)
    return hint if "did you mean" in hint else "; those of a runner are listed at beam.apache.org/documentation/runners"


def _check_direct(options: "PipelineOptions") -> None:
    workers = options.direct_num_workers
    if workers < 0:
        raise UserError(f"direct_num_workers is {workers}: expected a number of processes, 0: one a core")


def _check_dataflow(options: "PipelineOptions") -> None:
    if importlib.util.find_spec("apitools") is None:
        from apache_beam.version import __version__

        raise UserError(
            "DataflowRunner needs Google's packages, which are not installed: "
            f"pip install 'apache-beam[gcp]=={__version__}'"
        )
    missing = [f"--{name}" for name in ("project", "region", "temp_location") if not getattr(options, name)]
    if missing:
        raise UserError(f"DataflowRunner needs {', '.join(missing)}, such as --temp_location=gs://BUCKET/tmp")


def _check_job_server(runner: str, options: "PipelineOptions", values: dict) -> None:
    """A job server runs at the given address, or its file and Java are here: Beam would download the file."""
    if options.job_endpoint:
        host, _, port = options.job_endpoint.rpartition(":")
        try:
            socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
        except (OSError, ValueError) as error:
            raise UserError(f"no job server answers at --job_endpoint={options.job_endpoint}: {error}") from None
        return
    jar = JOB_SERVER_JARS.get(runner)
    if not jar:
        raise UserError(f"{runner} needs the address of a job server: --job_endpoint=HOST:PORT")
    if not values.get(jar) or not Path(values[jar]).is_file():
        raise UserError(
            f"{runner} needs --job_endpoint=HOST:PORT of a job server, or --{jar}=FILE, the job server of this version "
            "of Beam from repo1.maven.org/maven2/org/apache/beam; nothing is downloaded here"
        )
    if not shutil.which("java"):
        raise UserError(f"{runner} starts its job server with Java, which is not installed; or name --job_endpoint")


def _worker_processes() -> set[psutil.Process]:
    found = set()
    for child in psutil.Process().children():
        try:
            if WORKER in child.cmdline():
                found.add(child)
        except psutil.Error:
            continue
    return found


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Around Beam's import, which warns of packages of Google's that nobody asked for."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _logged(log: Path) -> Iterator[list[Callable[[BaseException | None], None]]]:
    """Beam's log, and errors of its threads, to a file: a runner logs at each start and each end of a connection.

    Gives a list of functions that are told of the errors of threads, too.
    """
    told: list[Callable[[BaseException | None], None]] = []
    logger, hook = logging.getLogger("apache_beam"), threading.excepthook
    log.unlink(missing_ok=True)
    handler = logging.FileHandler(log, mode="a", encoding="utf-8")  # the workers write to it, too
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False

    def log_error(arguments: threading.ExceptHookArgs) -> None:
        logger.error("in a thread", exc_info=arguments.exc_value)
        for tell in told:
            tell(arguments.exc_value)

    threading.excepthook = log_error
    try:
        yield told
    finally:
        threading.excepthook = hook
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(level)
        logger.propagate = propagates
