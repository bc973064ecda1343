"""A drive through a rendered street as a rosbag2: images and exact labels, without ROS."""

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from .street import Street

IMAGE_TOPIC = '/camera/image'
LABEL_TOPIC = '/camera/label'
FRAME_ID = 'camera_optical_frame'
# Any fixed time will do; the same drive must give the same bag.
_START_NS = 1_700_000_000 * 10**9


def write_street_bag(
    path: Path,
    seed: int = 1,
    frames: int = 60,
    rate_hz: float = 10.0,
    size: tuple[int, int] = (360, 640),
) -> None:
    """
    Render a drive and write it as an mcap bag.

    ``/camera/image`` holds rgb8 images, ``/camera/label`` mono8 Cityscapes trainIds (255 is
    unlabelled) under the same headers.

    :param path: the bag's folder, which must not exist.
    :param size: height and width in pixels.
    """
    types = get_typestore(Stores.ROS2_HUMBLE)
    image_type = 'sensor_msgs/msg/Image'
    header_type, time_type = 'std_msgs/msg/Header', 'builtin_interfaces/msg/Time'
    street = Street(seed)
    with Writer(path, version=8, storage_plugin=StoragePlugin.MCAP) as writer:
        image_topic = writer.add_connection(IMAGE_TOPIC, image_type, typestore=types)
        label_topic = writer.add_connection(LABEL_TOPIC, image_type, typestore=types)
        for number in range(frames):
            time_s = number / rate_hz
            frame = street.render(*size, time_s=time_s)
            stamp_ns = _START_NS + round(time_s * 1e9)
            seconds, nanoseconds = divmod(stamp_ns, 10**9)
            stamp = types.types[time_type](sec=seconds, nanosec=nanoseconds)
            header = types.types[header_type](stamp=stamp, frame_id=FRAME_ID)
            for topic, encoding, array in (
                (image_topic, 'rgb8', frame.image),
                (label_topic, 'mono8', frame.labels),
            ):
                message = types.types[image_type](
                    header=header,
                    height=size[0],
                    width=size[1],
                    encoding=encoding,
                    is_bigendian=0,
                    step=array.strides[0],
                    data=np.ascontiguousarray(array).reshape(-1),
                )
                writer.write(topic, stamp_ns, types.serialize_cdr(message, image_type))
