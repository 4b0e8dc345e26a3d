"""Photos and annotation files to convert, and the problems of the report by reason."""

from PIL import Image

from apparel.annotations.convert import convert_data_set
from apparel.annotations.records import Box
from apparel.data.synthetic.dataset import labelimg_xml


class DataSet:
    """A data set of photos of 100x100 pixels to convert."""

    def __init__(self, folder):
        self.photos, self.annotations = folder / "photos", folder / "annotations"
        self.photos.mkdir()
        self.annotations.mkdir()

    def photo(self, *names):
        for name in names:
            Image.new("RGB", (100, 100)).save(self.photos / name)

    def xml(self, file, photo, *found, side=100):
        path = self.annotations / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(labelimg_xml(photo, side, [Box(*box) for box in found]))

    def convert(self, class_list=("Tops",), **options):
        return convert_data_set(self.photos, self.annotations, class_list, **options)


def reasons(report, outcome="dropped"):
    """The files of each problem, by its reason."""
    return {reason: found["files"] for reason, found in report[outcome].items()}
