"""HEIC files, as telephones write them, by pi-heif, which reads and does not write."""

from PIL import Image

from alexnet.errors import ImageError


def open_heic(content: bytes) -> Image.Image:
    """The first picture of a HEIC file, upright, in 8 bits. Raises ImageError where pi-heif, an extra, is missing."""
    try:
        import pi_heif
    except ImportError as error:  # the extra `heic`
        raise ImageError("it is a HEIC image, which takes pi-heif to read: pip install 'alexnet[heic]'") from error
    picture = pi_heif.open_heif(content, convert_hdr_to_8bit=True)
    image: Image.Image = picture.to_pillow()
    image.format = "HEIF"
    return image
