"""The page of a report: complete by itself, and working in a real browser."""

from base64 import b64decode
from collections.abc import Iterator
import fcntl
from html.parser import HTMLParser
import json
import os
from pathlib import Path
import re
import select
import shutil
import subprocess
from time import monotonic
from typing import Any

import cv2
import numpy as np
import pytest
from sfnet_ros import taxonomies
from sfnet_ros.errors import DataError
from sfnet_ros.evaluation import online as played
from sfnet_ros.evaluation.page import page, write_page
from sfnet_ros.evaluation.pictures import Gallery
from sfnet_ros.evaluation.report import build_report
from sfnet_ros.evaluation.samples import SourceSpec
from sfnet_ros.evaluation.sums import Sums
from sfnet_ros.evaluation.timing import timings

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), '')
MODEL = {
    'name': '<model> & "co"', 'network': 'sfnet_lite', 'backbone': 'stdc1', 'sha256': 'ab' * 32,
    'taxonomy': 'cityscapes', 'input_height': 64, 'input_width': 128, 'backend': 'torch',
    'device': 'cpu', 'precision': 'fp32',
}  # fmt: skip
TRUTH = np.zeros((90, 160), np.uint8)
TRUTH[:40], TRUTH[80:] = 10, 255
PREDICTED = np.where(np.indices(TRUTH.shape)[1] < 120, TRUTH, np.uint8(13))

CONFIDENCE = np.where(TRUTH == 0, np.uint8(250), np.uint8(120))


def outcome(source: str, problem: str = '') -> dict[str, Any]:
    """Return the outcome of a source of thirty frames, as evaluate_source does."""
    sums = Sums('cityscapes', 'cityscapes')
    for name in ('frames', 'inferred', 'labelled'):
        sums.counts[name] = 30
    sums.confusion.add(TRUTH, PREDICTED)
    sums.boundary.add(TRUTH, PREDICTED)
    sums.calibration.add(TRUTH, PREDICTED, CONFIDENCE)
    sums.flicker += (3, 100)
    frames = [
        {'name': f'frame {number}', 'inferred': True, 'problems': [], 'flicker': number / 300}
        for number in range(30)
    ]
    frames[3]['problems'] = ['label: is <b>odd</b>']
    result = {
        'source': source, 'state': 'partial' if problem else 'complete', 'kind': 'bag',
        'topic': '/image', 'labels': '/label', 'problems': [problem] if problem else [],
        **sums.figures(), 'sums': sums.to_json(), 'frames': frames,
    }  # fmt: skip
    arrivals_ns = range(0, 3 * 10**9, 10**8)
    times = timings([5.0] * 30, [float(40 + number) for number in range(30)], arrivals_ns)
    gallery = Gallery(2, taxonomies.get('cityscapes'))
    image = np.full((90, 160, 3), (40, 200, 40), np.uint8)
    gallery.offer('frame 1', 0.2, '80% right', image, PREDICTED, TRUTH)
    gallery.offer('frame 2', 0.1, '', image, PREDICTED, None)
    return {'result': result, 'timings': times, 'pictures': gallery.encoded(source)}


def online() -> dict[str, Any]:
    """Return what came back of a recording of twenty frames, and of one that did not play."""
    sent = [(number, number / 10) for number in range(20)]
    received = {number: sent_s + 0.05 for number, sent_s in sent[:15]}
    drops, facts = {'superseded': 5, 'failed': 0}, {'model': 'small <b>'}
    frames = played.Played(sent, received, 15, 20, 15, drops, facts, {})
    spec = SourceSpec('/data/<two>')
    return played.build_section(
        [played.outcome(spec, frames, None), played.failure(spec, 'no <mask>')]
    )


@pytest.fixture(scope='module')
def text() -> str:
    """Return a page with everything that there can be."""
    outcomes = [outcome('/data/one'), outcome('/data/<two>', 'ends early')]
    failed = {'source': 'three', 'state': 'failed', 'problems': ['three does not exist']}
    outcomes.append({'result': failed, 'timings': None, 'pictures': []})
    report = build_report({'model': MODEL, 'against': None}, outcomes, 1)
    report['online'] = online()
    return page(report, outcomes[0]['pictures'])


class Tags(HTMLParser):
    """Collects attributes and sees that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.attributes += [(tag, name, value or '') for name, value in attrs]
        if tag not in ('meta', 'link', 'img', 'input', 'br'):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else(text: str) -> None:
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    links = [value for _, name, value in tags.attributes if name in ('src', 'href')]
    assert len(links) == 1 + 2 + 2 + 2
    assert all(link.startswith('data:') for link in links)
    assert not re.search(r'https?://|@import|url\(', text)


def test_what_users_named_is_no_markup(text: str) -> None:
    assert '<h1>Evaluation of &lt;model&gt; &amp; &quot;co&quot;</h1>' in text
    assert '&lt;two&gt;' in text
    assert 'label: is &lt;b&gt;odd&lt;/b&gt;' in text


def test_the_page_has_the_figures(text: str) -> None:
    sums = Sums('cityscapes', 'cityscapes')
    sums.confusion.add(TRUTH, PREDICTED)
    assert f'<b>{sums.confusion.mean_iou:.1%}</b><span>mIoU</span>' in text
    assert f'road as car: {1 / 4:.1%}' in text
    assert '<b>3.00%</b><span>flicker</span>' in text
    sums.calibration.add(TRUTH, PREDICTED, CONFIDENCE)
    assert f'error is {sums.calibration.error:.2%}' in text
    assert '47.1% sure, 75.0% right, 50.00% of the pixels' in text
    assert 'one camera period, 100 ms' in text
    assert text.count('<polyline') == 2 * 3 + 1
    assert 'small &lt;b&gt;' in text
    assert '5 superseded</td>' in text
    assert '<b>75.0%</b><span>frames answered online</span>' in text
    assert 'frame 29: flicker 9.667 %' in text
    assert re.findall('<li>(.*?)</li>', text)[:2] == [
        '/data/&lt;two&gt;: ends early',
        'three does not exist',
    ]


def test_a_report_without_labels_has_no_such_sections() -> None:
    failed = {'source': 'three', 'state': 'failed', 'problems': []}
    outcomes = [{'result': failed, 'timings': None, 'pictures': []}]
    text = page(build_report({'model': MODEL, 'against': MODEL}, outcomes, 1), [])
    assert 'id="sources"' in text
    assert 'compared with' in text
    for name in ('frames', 'classes', 'confusion', 'calibration', 'times', 'online'):
        assert f'id="{name}"' not in text


def test_pages_that_cannot_be_written(tmp_path: Path) -> None:
    report = build_report({'model': MODEL, 'against': None}, [outcome('one')], 1)
    write_page(tmp_path / 'new' / 'a.html', report, [])
    assert (tmp_path / 'new' / 'a.html').read_text().startswith('<!DOCTYPE html>')
    with pytest.raises(DataError, match='cannot be written: .*--html'):
        write_page(tmp_path / 'new', report, [])


class Browser:
    """A headless Chromium, spoken to in its DevTools protocol over two pipes."""

    def __init__(self, folder: Path) -> None:
        # Far from 3 and 4, where the browser expects its ends.
        pipes = (*os.pipe(), *os.pipe())
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in pipes]
        reading, self._to, self._from, writing = ends
        for end in pipes:
            os.close(end)
        arguments = (
            '--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking',
            '--disable-component-update', '--disable-dev-shm-usage', '--no-first-run',
            '--hide-scrollbars', '--remote-debugging-pipe', f'--user-data-dir={folder}',
        )  # fmt: skip
        self._process = subprocess.Popen(
            ['bash', '-c', f'exec "$@" 3<&{reading} 4>&{writing}', 'bash', CHROMIUM, *arguments],
            pass_fds=(reading, writing),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reading)
        os.close(writing)
        self._data, self._number, self._session = b'', 0, ''
        self.events: list[dict] = []
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def call(self, method: str, **params: object) -> dict:
        """Call a method and return its result; events that come meanwhile are kept."""
        self._number += 1
        request = {'id': self._number, 'method': method, 'params': params}
        if self._session:
            request['sessionId'] = self._session
        os.write(self._to, json.dumps(request).encode() + b'\0')
        while True:
            answer = self._read()
            if answer.get('id') == self._number:
                assert 'error' not in answer, answer
                return answer['result']
            self.events.append(answer)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call('Runtime.evaluate', expression=expression, returnByValue=True)
        assert 'exceptionDetails' not in answer, answer
        return answer['result'].get('value')

    def load(self, path: Path, width: int) -> None:
        """Load a page in a window of that width, and wait until it is there."""
        self.call(
            'Emulation.setDeviceMetricsOverride',
            width=width, height=900, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        self.events.clear()
        self.call('Page.navigate', url=path.as_uri())
        while not any(event['method'] == 'Page.loadEventFired' for event in self.events):
            self.events.append(self._read())

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button."""
        kinds = (('mousePressed', start), ('mouseMoved', end), ('mouseReleased', end))
        for kind, (x, y) in kinds:
            self.call(
                'Input.dispatchMouseEvent',
                type=kind, x=x, y=y, button='left', buttons=1, clickCount=1,
            )  # fmt: skip

    def _read(self) -> dict:
        end = monotonic() + 60
        while b'\0' not in self._data:
            ready, _, _ = select.select([self._from], [], [], max(0, end - monotonic()))
            assert ready, 'the browser does not answer'
            block = os.read(self._from, 1 << 20)
            assert block, 'the browser has ended'
            self._data += block
        message, _, self._data = self._data.partition(b'\0')
        return json.loads(message)

    def close(self) -> None:
        """End the browser."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        os.close(self._from)


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip('found no chromium, chromium-browser or google-chrome on the PATH')
    browser = Browser(tmp_path_factory.mktemp('browser'))
    yield browser
    browser.close()


def picture_of(browser: Browser, box: dict) -> np.ndarray:
    """Return a part of the page as it is painted, H x W x 3 uint8 RGB."""
    shot = browser.call('Page.captureScreenshot', clip={**box, 'scale': 1})
    data = np.frombuffer(b64decode(shot['data']), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


@pytest.mark.parametrize('width', [1200, 390])
def test_a_browser_shows_it_without_errors(
    browser: Browser, text: str, tmp_path: Path, width: int
) -> None:
    path = tmp_path / 'a.html'
    path.write_text(text, encoding='utf-8')
    browser.load(path, width)
    names = [event['method'] for event in browser.events]
    assert not {'Log.entryAdded', 'Runtime.exceptionThrown', 'Runtime.consoleAPICalled'} & {*names}
    asked = [
        event['params']['request']['url']
        for event in browser.events
        if event['method'] == 'Network.requestWillBeSent'
    ]
    assert [url for url in asked if not url.startswith('data:')] == [path.as_uri()]
    assert browser.evaluate('[...document.images].every(image => image.naturalWidth === 160)')
    # Wide tables and charts scroll by themselves; the page does not.
    assert browser.evaluate('document.documentElement.scrollWidth') == width
    color = browser.evaluate('getComputedStyle(document.body).backgroundColor')
    assert color == 'rgb(244, 246, 249)'


@pytest.mark.parametrize('width', [1200, 390])
def test_the_slider_uncovers_the_overlay(
    browser: Browser, text: str, tmp_path: Path, width: int
) -> None:
    path = tmp_path / 'a.html'
    path.write_text(text, encoding='utf-8')
    browser.load(path, width)
    browser.evaluate('document.querySelector(".slider").scrollIntoView({block: "center"})')
    rect = 'document.querySelector(".slider").getBoundingClientRect()'
    left, top, wide, high = browser.evaluate(f'(r => [r.x, r.y, r.width, r.height])({rect})')
    scrolled = browser.evaluate('window.scrollY')
    box = {'x': left, 'y': top + scrolled, 'width': wide, 'height': high}

    def colors() -> list[np.ndarray]:
        """Return what is seen of the sky at a tenth, and at six tenths of the picture's width."""
        shown = picture_of(browser, box)
        row = shown.shape[0] // 10
        return [shown[row, int(shown.shape[1] * share)].astype(int) for share in (0.1, 0.6)]

    def close(color: np.ndarray, expected: np.ndarray) -> bool:
        return bool(np.abs(color - expected).max() < 16)

    plain = np.array((40, 200, 40))
    sky = np.array(taxonomies.get('cityscapes').colors[10])
    blended = 0.68 * sky + 0.32 * plain
    assert close(colors()[0], plain)
    assert close(colors()[1], blended)
    middle = top + high * 0.8
    browser.drag((left + wide / 2, middle), (left + wide * 0.02, middle))
    assert all(close(color, blended) for color in colors())
    browser.drag((left + wide * 0.02, middle), (left + wide * 0.98, middle))
    assert all(close(color, plain) for color in colors())
    browser.drag((left + wide * 0.98, middle), (left + wide * 0.02, middle))
    browser.evaluate('document.querySelector(".views [data-layer=error]").click()')
    shown = picture_of(browser, box)
    row, columns = shown.shape[0] // 10, shown.shape[1]
    assert close(shown[row, columns // 2].astype(int), plain)
    # What is wrong is red: the last quarter of the picture.
    red, green, _ = shown[row, int(columns * 0.85)]
    assert red > 150 > 90 > green
    pressed = browser.evaluate(
        '[...document.querySelector(".views").children].map(b => b.getAttribute("aria-pressed"))'
    )
    assert pressed == ['false', 'false', 'true']
