"""Label files: boxes by hand, and everything that can be wrong with them."""

import dataclasses

import pytest
from ttd_jax_datasets.labels import Label, LabeledExamples, Voc, Yolo

from tests.commands.conftest import draw
from ttd_jax.errors import UserError
from ttd_jax.pictures.examples import Example, FolderExamples

SIZE = (20, 40)  # height, width
YOLO = Yolo("labels", classes=("person", "bicycle", "car"))
VOC = Voc("labels", classes=("person",))


def voc(*boxes, name="person"):
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for x0, y0, x1, y1 in boxes
    )
    return f"<annotation>{objects}</annotation>".encode()


def corners(label):
    return dataclasses.astuple(label)[:4]


def test_yolo_boxes_by_hand():
    labels = YOLO.parse(b"2  0.5 0.25  0.5 0.1  \n\n0 0.9 0.9 0.2 0.2", SIZE)
    assert [label.name for label in labels] == ["car", "person"]
    assert corners(labels[0]) == pytest.approx((0.2, 0.25, 0.3, 0.75))
    assert corners(labels[1]) == pytest.approx((0.8, 0.8, 1.0, 1.0))
    assert YOLO.parse(b"", SIZE) == []


def test_voc_boxes_by_hand():
    assert VOC.parse(voc((10, 5, 30, 20)), SIZE) == [Label(0.25, 0.25, 1.0, 0.75, "person")]
    assert VOC.parse(voc(), SIZE) == []


def test_voc_labels_of_a_picture_of_another_size_are_refused():
    def sized(height, width):
        size = f"<size><width>{width}</width><height> {height} </height></size>"
        return voc((10, 5, 30, 20)).replace(b"<object>", f"{size}<object>".encode())

    for unsaid in ((0, 0), ("", ""), ("unknown", "40")):
        assert VOC.parse(sized(*unsaid), SIZE) == VOC.parse(sized(*SIZE), SIZE)
    with pytest.raises(ValueError, match="of a picture of 80x40, this one has 40x20"):
        VOC.parse(sized(40, 80), SIZE)


def test_yolo_files_may_begin_with_a_byte_order_mark():
    assert len(YOLO.parse(b"\xef\xbb\xbf0 0.5 0.5 0.1 0.1", SIZE)) == 1


def test_a_label_file_that_cannot_be_read_is_named_once(tmp_path):
    picture = draw(tmp_path / "a.png", SIZE)
    pictures = FolderExamples([Example("a", ("visible",), (picture,))])
    labeled = LabeledExamples(pictures, VOC, {"a": tmp_path})
    with pytest.raises(UserError) as error:
        labeled[0]
    assert str(error.value).count(str(tmp_path)) == 1


def test_a_box_may_stand_out_by_one_pixel_and_is_cut():
    assert corners(VOC.parse(voc((-1, 0, 41, 21)), SIZE)[0]) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"0 0.5 0.5 0.1", ["line 1", "truncated"]),
        (b"0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.", ["line 2", "truncated"]),
        (b"0 0.5 0.5 0.1 0.1 0.9", ["line 1"]),
        (b"person 0.5 0.5 0.1 0.1", ["line 1", "person"]),
        (b"\xff\xfe\x00", ["line 1"]),
        (b"3 0.5 0.5 0.1 0.1", ["line 1", "class 3", "person, bicycle, car"]),
        (b"-1 0.5 0.5 0.1 0.1", ["class -1"]),
        (b"0 0.9 0.5 0.4 0.1", ["line 1", "(28, 9, 44, 11)", "40x20"]),
        (b"0 0.5 0.5 0 0.1", ["line 1", "no width"]),
        (b"0 nan 0.5 0.1 0.1", ["line 1", "nan"]),
    ],
)
def test_yolo_mistakes_are_named(data, named):
    with pytest.raises(ValueError, match="line") as error:
        YOLO.parse(data, SIZE)
    for words in named:
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (voc((1, 1, 9, 9))[:-20], ["truncated"]),
        (b"", ["truncated"]),
        (voc((1, 1, 9, 9)).replace(b"xmax", b"xmin"), ["object 1", "lacks", "xmax"]),
        (voc((1, 1, 9, "")), ["object 1", "lacks", "ymax"]),
        (voc((1, 1, 9, 9), name="tree"), ["object 1", "'tree'", "person"]),
        (voc((1, 1, 9, 9), (1, 1, 42, 9)), ["object 2", "(1, 1, 42, 9)", "40x20"]),
        (voc((9, 1, 1, 9)), ["object 1", "ends before it begins"]),
        (voc((1, 9, 9, 9)), ["object 1", "no width or height"]),
    ],
)
def test_voc_mistakes_are_named(data, named):
    with pytest.raises(ValueError, match=r"object|truncated") as error:
        VOC.parse(data, SIZE)
    for words in named:
        assert words in str(error.value)
