"""The text of a dvc.lock of one stage, whole and cut off."""

WHOLE = """schema: '2.0'
stages:
  split:
    cmd: python -m stages.split
    deps:
    - path: data/results/convert/labels.csv
      hash: md5
      md5: 0123456789abcdef0123456789abcdef
      size: 12
    params:
      params.yaml:
        split:
          seed: 0
    outs:
    - path: data/results/split
      hash: md5
      md5: 0123456789abcdef0123456789abcdef.dir
      size: 123
      nfiles: 3
"""

PART = WHOLE[: WHOLE.index("ize: ")].encode()
