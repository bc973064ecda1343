"""What teachers said is kept in files, and teaches as they would have."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sfnet_ros import cli
from sfnet_ros.errors import DataError
from sfnet_ros.networks import create_network
from sfnet_ros.training.config import Recipe, Source
from sfnet_ros.training.objective import Objective
from sfnet_ros.training.samples import collate, TrainingSamples
from sfnet_ros.training.soft_labels import labelled, read_logits, softened, SoftLabels
from sfnet_ros.training.sources import list_files
from sfnet_ros.training.survey import survey
from sfnet_ros.training.teachers import Teachers
import torch

WHOLE = torch.tensor([1.0, 0.0, 1.0, 0.0])


def kept(path: Path, classes: int = 19) -> torch.Tensor:
    return torch.from_numpy(read_logits(path, classes))


def write_images(folder: Path, count: int, picture: np.ndarray) -> Path:
    """Write pieces of a picture, 64 x 128, and labels of equal names."""
    for number in range(count):
        for name, content in (
            ('images', picture[number : number + 64, 9 * number : 9 * number + 128]),
            ('labels', np.full((64, 128), number, np.uint8)),
        ):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f'{number}.png'), content)
    return folder


def test_the_loss_is_that_of_the_model(
    picture: np.ndarray, recipe: Recipe, model_folder: Path, tmp_path: Path
) -> None:
    """A student that sees whole images as they are learns the same from either."""
    data = write_images(tmp_path, 2, picture)
    arguments = ['segment', str(data / 'images'), '--soft', '--output', str(data)]
    arguments += ['--weights', str(model_folder), '--precision', 'fp32', '--kind', 'label']
    assert cli.main(arguments) == 0
    pixels = np.stack([cv2.imread(str(data / 'images' / f'{n}.png'))[..., ::-1] for n in (0, 1)])
    mean, std = (np.array(x, np.float32) * 255 for x in (recipe.mean, recipe.std))
    images = torch.from_numpy(((pixels - mean) / std).transpose(0, 3, 1, 2).copy())
    labels = torch.full((2, 64, 128), 255)
    source = Source('images', 'images', soft=('soft',))
    soft = [SoftLabels((kept(file.soft[0]),), WHOLE) for file in list_files(source, data)]
    torch.manual_seed(1)
    student = create_network('sfnet_lite', 'df1').eval()
    for stride, temperature in ((1, 1.0), (2, 3.0), (8, 1.0)):
        recipe = replace(recipe, loss_stride=stride, temperature=temperature)
        asking = Objective(student, replace(recipe, teachers=(str(model_folder),)))
        reading = Objective(student, replace(recipe, sources=(source,)))
        losses, slopes = [], []
        for loss in (asking(images, labels), reading(images, labels, soft)):
            student.zero_grad()
            loss.backward()
            losses.append(loss.item())
            slopes.append(student.head.conv_last[1].weight.grad.flatten())
        assert losses[0] > 0.01
        assert losses[1] == pytest.approx(losses[0], rel=1e-3)
        assert torch.cosine_similarity(*slopes, dim=0) > 0.9999


def test_logits_are_taken_from_where_the_crop_looks() -> None:
    """Where logits are the place itself, the crop shows what its view says, mirrored or not."""
    across = np.linspace(-1, 1, 9, dtype=np.float16)
    logits = torch.from_numpy(np.stack((np.tile(across, (5, 1)), np.zeros((5, 9), np.float16))))
    for factor in (0.5, -0.5):
        view = torch.tensor([1.0, 0.0, factor, 0.25])
        shares, known = softened(SoftLabels((logits,), view), (4, 7), 1.0)
        expected = 0.25 + factor * torch.linspace(-1, 1, 7)
        torch.testing.assert_close((shares[0] / shares[1]).log(), expected.repeat(4, 1))
        assert (known == 1).all()


def test_nothing_is_taught_where_things_of_another_image_lie() -> None:
    hidden = torch.zeros(8, 14, dtype=torch.bool)
    hidden[:4, :2] = True
    logits = torch.ones(2, 2, 2, dtype=torch.float16)
    shares, known = softened(SoftLabels((logits,), WHOLE, hidden), (4, 7), 1.0)
    expected = torch.ones(4, 7, dtype=torch.int64)
    expected[:2, 0] = 0
    assert torch.equal(known, expected)
    assert torch.equal(shares.sum(dim=0) > 0, expected > 0)


def test_what_is_not_labelled_is_shown_as_it_is_taught() -> None:
    labels = torch.full((2, 6, 8), 255)
    labels[:, 1] = 7
    logits = torch.zeros(3, 2, 2, dtype=torch.float16)
    logits[1, :, 0] = logits[2, :, 1] = 1
    right = torch.tensor([1.0, 0.0, 1.0, 0.5])
    found = labelled(labels, [SoftLabels((logits,), right), SoftLabels((), WHOLE)])
    assert torch.equal(found[1], labels[1])
    # The middle of the image is at two eighths of the crop, its right edge at six.
    assert found[0, 0].tolist() == [1, 1, 2, 2, 2, 2, 255, 255]
    assert found[0, 1].tolist() == [7] * 8


def test_nobody_knows_what_is_beyond_the_edges(recipe: Recipe) -> None:
    """Twice as much as the image: a quarter of the crop is taught, and of that the loss is."""
    logits = torch.zeros(19, 4, 4, dtype=torch.float16)
    logits[3] = 4
    around = torch.tensor([2.0, 0.0, 2.0, 0.0])
    teachers = Teachers(replace(recipe, sources=(Source('images', soft=('a',)),)))
    images = torch.zeros(2, 3, 8, 8)
    silent = SoftLabels((), WHOLE)
    taught = teachers.probabilities(images, (8, 8), [SoftLabels((logits,), around), silent])
    sums = taught.sum(dim=1)
    assert not sums[1].any()
    assert sums[0, 2:6, 2:6].allclose(torch.ones(4, 4))
    assert sums[0].sum().item() == pytest.approx(16)
    assert not teachers.probabilities(images, (8, 8), [silent, silent]).any()


def test_teachers_of_all_kinds_are_averaged(recipe: Recipe, model_folder: Path) -> None:
    """A model and two files: each has a third of the say, and all of it beyond the image."""
    generator = torch.Generator().manual_seed(0)
    files = torch.randn(2, 19, 6, 10, generator=generator).half()
    images = torch.randn(1, 3, 64, 128, generator=generator)
    size = (16, 32)
    both = replace(recipe, teachers=(str(model_folder),), temperature=1.5)
    with torch.no_grad():
        model = Teachers(both).probabilities(images, size)
        whole = Teachers(both).probabilities(images, size, [SoftLabels((*files,), WHOLE)])
        half = torch.tensor([1.0, 0.0, 2.0, 0.0])
        wide = Teachers(both).probabilities(images, size, [SoftLabels((*files,), half)])
    resized = torch.nn.functional.interpolate(
        files.float(), size, mode='bilinear', align_corners=True
    )
    expected = (model[0] + (resized / 1.5).softmax(dim=1).sum(dim=0)) / 3
    torch.testing.assert_close(whole[0], expected)
    torch.testing.assert_close(wide[..., :8], model[..., :8])
    assert (wide[..., 12:20] - model[..., 12:20]).abs().max() > 0.01


@pytest.mark.parametrize('kind', [np.float32, np.uint8])
def test_probabilities_are_read_as_well(tmp_path: Path, kind: type) -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(5), (6, 8)).astype(np.float32)
    shares[0, 0] = (1, 0, 0, 0, 0)
    stored = (shares * 255).round().astype(np.uint8) if kind is np.uint8 else shares
    np.savez_compressed(tmp_path / 'a.npz', probabilities=stored)
    read = kept(tmp_path / 'a.npz', 5).float().softmax(dim=0).permute(1, 2, 0)
    assert np.abs(read.numpy() - shares).max() < (0.01 if kind is np.uint8 else 0.001)


def write_broken(folder: Path) -> list[str]:
    """Write soft labels that cannot be used; returns what is wrong with each."""
    good = np.zeros((4, 6, 19), np.float16)
    arrays = {
        '1': ({'logits': good[..., :11]}, r'shape \(4, 6, 11\); expected height x width x 19'),
        '2': ({'logits': good[0]}, r'shape \(6, 19\)'),
        '3': ({'scores': good}, 'holds scores; expected one array, logits or probabilities'),
        '4': ({'logits': good.astype(int)}, 'logits of type int64; expected floats'),
        '5': ({'logits': good + np.float16('inf')}, 'numbers that are not finite'),
        '6': ({'logits': good.astype(np.float32) + 1e6}, 'numbers that are not finite'),
        '7': ({'probabilities': good + 2}, 'probabilities from 2 to 2; expected 0..1'),
        '8': ({'probabilities': good.astype(np.uint16)}, 'of type uint16; expected uint8'),
        '9': ({'logits': good, 'probabilities': good}, 'holds logits, probabilities; expected'),
    }
    for name, (content, _) in arrays.items():
        np.savez_compressed(folder / f'{name}.npz', **content)
    whole = (folder / '1.npz').read_bytes()
    (folder / '10.npz').write_bytes(whole[:-60])
    (folder / '11.npz').write_bytes(b'')
    (folder / '12.npz').write_bytes(b'no archive')
    with (folder / '13.npz').open('wb') as file:
        np.save(file, good)
    with (folder / '14.npz').open('wb') as file:
        np.save(file, np.array([{}]), allow_pickle=True)
    return [message for _, message in arrays.values()] + ['expected a whole .npz file'] * 5


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    for number, message in enumerate(write_broken(tmp_path), 1):
        with pytest.raises(DataError, match=rf'/{number}\.npz .*{message}'):
            read_logits(tmp_path / f'{number}.npz', 19)


def test_all_that_is_broken_is_told_before_the_start(
    picture: np.ndarray, recipe: Recipe, tmp_path: Path
) -> None:
    """Beside what is wrong with images and labels, also of the same image."""
    data = write_images(tmp_path, 15, picture)
    (data / 'soft').mkdir()
    write_broken(data / 'soft')
    (data / 'labels' / '1.png').unlink()
    (data / 'images' / '1.png').write_bytes(b'')
    source = Source('folder', '', '', soft=('soft',))
    with pytest.raises(DataError) as caught:
        survey(replace(recipe, sources=(source,), validation=()), data)
    lines = str(caught.value).splitlines()
    assert lines[0] == '15 of 15 files cannot be trained on:'
    assert f'  1 files of soft labels missing: {data}/soft/0.npz' in lines
    assert f'  1 images unreadable: {data}/images/1.png' in lines
    assert f'  1 label files missing: {data}/labels/1.png' in lines
    assert any(
        line.startswith('  14 files of soft labels that cannot be used: ') for line in lines
    )


def test_images_that_nobody_teaches_are_refused(data: Path, recipe: Recipe) -> None:
    recipe = replace(recipe, sources=(Source('images', 'images'),), validation=())
    with pytest.raises(DataError, match='images have no labels and nobody teaches'):
        survey(recipe, data)


def test_images_of_one_name_cannot_share_soft_labels(data: Path) -> None:
    (data / 'images' / 'other').mkdir()
    (data / 'images' / 'other' / '0.png').write_bytes((data / 'images' / '0.png').read_bytes())
    with pytest.raises(DataError, match='0.png and .*0.png would share a file'):
        list_files(Source('images', 'images', soft=('soft',)), data)


def test_crops_bring_their_soft_labels(
    picture: np.ndarray, recipe: Recipe, tmp_path: Path
) -> None:
    """Two sources, one without; files of different sizes come in one batch."""
    data = write_images(tmp_path, 2, picture)
    (data / 'soft').mkdir()
    for number, size in enumerate(((4, 6), (8, 10))):
        logits = np.full((*size, 19), number, np.float16)
        np.savez_compressed(data / 'soft' / f'{number}.npz', logits=logits)
    sources = recipe.sources[0], Source('images', 'images', soft=('soft', 'soft'))
    samples = TrainingSamples(replace(recipe, sources=sources, batch=8), data)
    batch = collate([samples[index] for index in range(8)])
    assert {len(one.logits) for one in batch.soft} == {0, 2}
    shapes = {tuple(one.logits[0].shape) for one in batch.soft if one.logits}
    assert shapes == {(19, 4, 6), (19, 8, 10)}
    assert len({tuple(one.view.tolist()) for one in batch.soft}) == 8
    loss = Objective(create_network('sfnet_lite', 'stdc1'), replace(recipe, sources=sources))
    assert loss(*batch).isfinite()
