"""What the published ids mean: the content of segmentation/classes and segmentation/label_info."""

import json
from typing import Any

from .serving import Serving
from ..inference.description import describe
from ..taxonomies import UNLABELLED

try:
    from vision_msgs.msg import LabelInfo, VisionClass
except ImportError:  # not part of every ROS installation, and in no pip package
    LabelInfo = VisionClass = None


def describe_classes(serving: Serving) -> str:
    """Return the content of segmentation/classes: JSON with every class and the model."""
    taxonomy = serving.taxonomy
    classes = zip(taxonomy.classes, taxonomy.colors, strict=True)
    return json.dumps(
        {
            'name': serving.backend.facts.name,
            'taxonomy': taxonomy.name,
            'output_ids': serving.asked['output_ids'],
            'confidence_threshold': serving.asked['confidence_threshold'],
            'unlabelled': UNLABELLED,
            'classes': [
                {'id': number, 'name': name, 'color': [int(value) for value in color]}
                for number, (name, color) in enumerate(classes)
            ],
            'model': describe(serving.backend),
        }
    )


def label_info(serving: Serving, stamp: Any) -> Any:
    """
    Return the same as vision_msgs/LabelInfo, which must be installed.

    Id 255 is not listed: by the definition of the message it is the unlabelled one.

    :param stamp: builtin_interfaces/Time of the message.
    """
    message = LabelInfo(threshold=float(serving.asked['confidence_threshold']))
    message.header.stamp = stamp
    message.class_map = [
        VisionClass(class_id=number, class_name=name)
        for number, name in enumerate(serving.taxonomy.classes)
    ]
    return message
