"""What is known of each network from those who trained it: how they prepared photographs, and which errors they got.

Sources beginning CHM are files of the 2012 code as the Computer History Museum released it.
"""

from dataclasses import dataclass
from typing import Final

from alexnet.data.preparation import DEFAULT, Preparation

IMAGENET_2010, IMAGENET_2012 = "ILSVRC-2010 test", "ILSVRC-2012 validation"


@dataclass(frozen=True)
class Errors:
    """Top-1 and top-5 error in per cent of one network on `data`; `views` is 1 for the centre crop, 10 for ten crops.

    Where the `source` prints accuracies, these are 100 minus them.
    """

    data: str
    views: int
    top1: float
    top5: float
    source: str


@dataclass(frozen=True)
class Published:
    """How a network was used by its authors, the crop being the input size of its spec.

    `preparation` is None where none is known, or where it is none that this project can make; `mean` says what was
    subtracted, in 0 to 255 and in R, G, B order; `remark` says what these cannot. `source` is where both come from.
    """

    preparation: Preparation | None
    mean: str
    source: str
    errors: tuple[Errors, ...] = ()
    remark: str = ""

    @property
    def in_words(self) -> dict[str, str]:
        """The preparation for a reader, by what it is about."""
        facts = {} if self.preparation is None else {**self.preparation.in_words, "mean": self.mean}
        return facts | ({"remark": self.remark} if self.remark else {})


_AUTHORS_MEAN = "image of the training photographs, its centre crop subtracted from every view"
_CAFFE_MEAN = (
    "image of the training photographs (channel means 122.679, 116.669, 104.007), subtracted where the view lies"
)
_CAFFE = Preparation(resize="squash", interpolation="bilinear", channels="BGR", mean_at="crop")
_CAFFE_SOURCE = "BVLC/caffe examples/imagenet/readme.md, src/caffe/data_transformer.cpp"
_CAFFE_REMARK = (
    "which interpolation made the training photographs is not recorded: OpenCV's bilinear one without antialiasing and "
    "ImageMagick's are offered"
)
_2012_REMARK = "which interpolation was used in 2012 is not recorded; the code of 2014 averages areas"

PUBLISHED: Final[dict[str, Published]] = {
    "paper": Published(
        DEFAULT,
        _AUTHORS_MEAN,
        "Krizhevsky, Sutskever, Hinton 2012, section 2; CHM convdata_jpeg.py",
        (
            Errors(IMAGENET_2012, 10, 40.7, 18.2, "paper, table 2, one CNN"),
            Errors(IMAGENET_2010, 10, 37.5, 17.0, "paper, table 1"),
            Errors(IMAGENET_2010, 1, 39.0, 18.3, "paper, section 6, without averaging"),
        ),
        f"the errors printed are those of what ran, `original2012`; {_2012_REMARK}",
    ),
    "original2012": Published(
        DEFAULT,
        _AUTHORS_MEAN,
        "CHM convdata_jpeg.py",
        (
            Errors(IMAGENET_2012, 10, 40.6640, 18.2100, "CHM layers/layer-params-145.cfg"),
            Errors(IMAGENET_2010, 10, 37.4727, 16.9987, "CHM layers/layer-params-145-2010.cfg"),
            Errors(IMAGENET_2010, 1, 39.0247, 18.2953, "CHM layers/layer-params-145-2010.cfg, not multiview"),
            Errors(IMAGENET_2012, 1, 42.34, 19.58, "CHM run 170: the same layers, rates lowered by a rule"),
        ),
        _2012_REMARK,
    ),
    "one_column_half": Published(
        DEFAULT,
        _AUTHORS_MEAN,
        "CHM convdata_jpeg.py",
        (Errors(IMAGENET_2010, 10, 39.1680, 18.2287, "CHM layers/layer-params-145-half.cfg"),),
        _2012_REMARK,
    ),
    "bvlc_alexnet": Published(
        _CAFFE,
        _CAFFE_MEAN,
        _CAFFE_SOURCE,
        (
            Errors(IMAGENET_2012, 1, 42.9, 19.8, "BVLC/caffe models/bvlc_alexnet/readme.md"),
            Errors(IMAGENET_2012, 1, 43.402, 20.188, "OpenVINO open_model_zoo: with the mean pixel 123, 117, 104"),
        ),
        _CAFFE_REMARK,
    ),
    "caffenet": Published(
        _CAFFE,
        _CAFFE_MEAN,
        _CAFFE_SOURCE,
        (
            Errors(IMAGENET_2012, 1, 42.6, 19.6, "BVLC/caffe models/bvlc_reference_caffenet/readme.md"),
            Errors(IMAGENET_2012, 1, 43.286, 20.084, "OpenVINO open_model_zoo: with the mean pixel 123, 117, 104"),
        ),
        _CAFFE_REMARK,
    ),
    "owt": Published(
        Preparation(resize="torchvision", interpolation="bilinear", std=(58.395, 57.12, 57.375)),
        "pixel 123.675, 116.28, 103.53",
        "torchvision AlexNet_Weights.IMAGENET1K_V1.transforms",
        (Errors(IMAGENET_2012, 1, 43.478, 20.934, "torchvision AlexNet_Weights.IMAGENET1K_V1"),),
    ),
    "owt_lrn": Published(
        DEFAULT,
        f"{_AUTHORS_MEAN} (channel means 127.305, 119.715, 104.913)",
        "akrizhevsky/cuda-convnet2 make-data and convdata.py",
        (
            Errors(IMAGENET_2012, 1, 42.55, 19.81, "cuda-convnet2 wiki, TrainingExample"),
            Errors(IMAGENET_2012, 10, 40.42, 18.15, "cuda-convnet2 wiki, TrainingExample"),
        ),
        "photographs were reduced by averaging areas (OpenCV's INTER_AREA), and enlarged by bicubic interpolation",
    ),
    "ungrouped": Published(None, "unknown", "the course that it comes from", remark="the course leaves it open"),
    "tflearn": Published(
        None,
        "none",
        "tflearn/datasets/oxflower17.py, data_utils.py",
        remark="the whole photograph squashed to 227 × 227 by Lanczos, RGB from 0 to 1, no mean, no crop",
    ),
}
"""By the name of the variant. Nobody has published errors of the last two."""
