import pytest


def test_tf_slim_still_needs_case_and_cond():
    """Once this fails, `tests.support.tfod_decoder` can be a plain import."""
    from tensorflow.python.ops import control_flow_ops

    assert not hasattr(control_flow_ops, "case")
    assert not hasattr(control_flow_ops, "cond")


def test_without_the_shim_the_decoder_fails(monkeypatch):
    from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder
    from tensorflow.python.ops import control_flow_ops
    from tf_slim.data import tfexample_decoder

    monkeypatch.setattr(tfexample_decoder, "control_flow_ops", control_flow_ops)
    with pytest.raises(AttributeError, match="case"):
        TfExampleDecoder().decode(b"")
