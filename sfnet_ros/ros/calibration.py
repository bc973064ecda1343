"""The calibration of a camera whose pictures were brought to another size."""

import numpy as np
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header


def resized(
    info: CameraInfo, header: Header, size: tuple[int, int], new_size: tuple[int, int]
) -> CameraInfo:
    """
    Return the calibration that holds after the image was resized; the lens stays what it is.

    Pixel centres count, as in OpenCV: the column x becomes (x + 0.5) * scale - 0.5.

    :param header: of the source image; the message carries the same one.
    :param size: height and width of the image. :param new_size: of what was made of it.
    """
    y, x = (new / old for old, new in zip(size, new_size, strict=True))
    resize = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    roi = RegionOfInterest(
        x_offset=round(info.roi.x_offset * x),
        y_offset=round(info.roi.y_offset * y),
        height=round(info.roi.height * y),
        width=round(info.roi.width * x),
        do_rectify=info.roi.do_rectify,
    )
    return CameraInfo(
        header=header,
        height=round(info.height * y),
        width=round(info.width * x),
        distortion_model=info.distortion_model,
        d=info.d,
        k=(resize @ np.reshape(info.k, (3, 3))).ravel(),
        r=info.r,
        p=(resize @ np.reshape(info.p, (3, 4))).ravel(),
        binning_x=info.binning_x,
        binning_y=info.binning_y,
        roi=roi,
    )
