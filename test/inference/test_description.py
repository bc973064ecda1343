"""What was loaded is told as it runs, not as it was asked for."""

import json
from pathlib import Path

from sfnet_ros import inference
from sfnet_ros.inference.description import describe
from sfnet_ros.inference.models import read_facts


def test_a_backend_is_described_as_it_runs(model_folder: Path) -> None:
    backend = inference.load(str(model_folder), input_height=96, backend='torch', precision='fp32')
    told = json.loads(json.dumps(describe(backend)))
    facts = read_facts(model_folder)
    assert (told['name'], told['sha256']) == ('small', facts.sha256)
    assert (told['network'], told['backbone']) == ('sfnet_lite', 'stdc1')
    assert told['taxonomy'] == 'cityscapes'
    assert (told['input_height'], told['input_width']) == (96, 128)
    assert (told['backend'], told['device'], told['precision']) == (
        'torch',
        backend.device,
        'fp32',
    )
