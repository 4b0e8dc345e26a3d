"""Annotation files become a label table: PASCAL VOC XML, FIAT CSV, and a report of what was repaired or dropped."""
