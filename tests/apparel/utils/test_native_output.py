import os
import subprocess
import sys
import textwrap

import pytest

NOISE = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "W0000 00:00:1795893009.135205    2259 tf_tfl_flatbuffer_helpers.cc:364] Ignored output_format.",
    "I0000 00:00:1795893009.290183    2259 mlir_graph_optimization_pass.cc:437] MLIR V1 is not enabled",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "fully_quantize: 0, inference_type: 6, input_inference_type: FLOAT32, output_inference_type: FLOAT32",
]
KEPT = ["E0000 00:00:1795893009.290183    2259 convert.cc:12] failed", "ERROR: no memory", "INFO: the file is small"]


def stderr_of(script: str, **environment: str) -> list[str]:
    """Lines on the standard error of a process with this script, which ends well."""
    script = f"import os, sys\nfrom apparel.utils.native_output import without_noise\n{textwrap.dedent(script)}"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | environment)
    assert run.returncode == 0, run.stderr
    return run.stderr.splitlines()


SCRIPT = f"""
    with without_noise():
        for line in {[*NOISE, *KEPT]}:
            os.write(2, (line + os.linesep).encode())
        print("bar", file=sys.stderr)
    print("after", file=sys.stderr)
"""


def test_noise_is_left_out_and_the_rest_follows():
    assert stderr_of(SCRIPT) == ["bar", *KEPT, "after"]
    assert len(stderr_of(SCRIPT, TF_CPP_MIN_LOG_LEVEL="0")) == len(NOISE) + len(KEPT) + 2


def test_an_exception_passes_and_what_was_written_is_not_lost():
    lines = stderr_of("""
        try:
            with without_noise(), without_noise():
                os.write(2, b"ERROR: half a line")
                raise ValueError("broken")
        except ValueError as error:
            print(f" {error}", file=sys.stderr)
    """)
    assert lines == ["ERROR: half a line broken"]


@pytest.mark.skipif(os.name == "nt", reason="no such redirection there")
def test_a_closed_standard_error_is_no_error():
    script = "from apparel.utils.native_output import without_noise\nwith without_noise(): print('done')"
    run = subprocess.run(["sh", "-c", f'exec "{sys.executable}" -c "$0" 2>&-', script], capture_output=True, text=True)
    assert run.stdout == "done\n"
