"""The playground page, in headless Chromium."""

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import requests
import tensorflow as tf

from tests import members
from tests.models import small_images, small_vae
from tfvae import exporting, networks

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not on the PATH"),
    pytest.mark.xdist_group("page"),  # a server each worker would take its time
]
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
PIPED = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null'  # the protocol's file descriptors are 3 and 4
ERRORS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


class Page:
    """A page of headless Chromium, driven over the DevTools protocol."""

    def __init__(self, profile):
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        self.process = subprocess.Popen(
            ["sh", "-c", PIPED, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.events, self._unread, self._calls, self._session = [], b"", 0, {}
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        """Ends the browser."""
        self._session = {}
        self.call("Browser.close")
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def call(self, method, **params):
        """A command of the protocol; what it answers. Events that come meanwhile are kept."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params} | self._session
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self._read()).get("id") != self._calls:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self):
        """The next message."""
        while b"\0" not in self._unread:
            assert select.select([self.process.stdout], [], [], 60)[0], "Chromium does not answer"
            self._unread += (part := os.read(self.process.stdout.fileno(), 2**20))
            assert part, "Chromium has ended"
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def run(self, script, by_value=True):
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=by_value, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value") if by_value else answer["result"]["objectId"]

    def until(self, holds, seconds=60):
        """Waits until a function gives what is true."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.run("document.body.innerText")
            time.sleep(0.05)

    def wait(self, script):
        """Waits until a JavaScript expression is true."""
        self.until(lambda: self.run(script))

    def open(self, address):
        """Goes there, and waits until the page has read what is served."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.wait("Boolean(document.querySelector('#main:not([hidden])'))")

    def click(self, name):
        self.run(f"document.getElementById('{name}').click()")

    def text(self, name):
        return self.run(f"document.getElementById('{name}').innerText")

    def drag(self, name, *points):
        """The mouse on an element, from point to point, as parts of its width and height."""
        box = self.run(
            f"(e => (e.scrollIntoView(), e.getBoundingClientRect().toJSON()))(document.getElementById('{name}'))"
        )
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [*points, points[-1]], strict=True):
            place = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            self.call("Input.dispatchMouseEvent", type=kind, button="left", buttons=1, clickCount=1, **place)

    def upload(self, path):
        element = self.run("document.getElementById('file')", by_value=False)
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=element)

    def pixels(self, name):
        """The red of a canvas' pixels, a list."""
        script = "(c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data])"
        return self.run(f"{script}(document.getElementById('{name}'))")[::4]

    def errors(self):
        """Exceptions, and what the console shows as errors."""
        shown = [event["params"] for event in self.events if event["method"] in ERRORS]
        return [
            event for event in shown if event.get("entry", event).get("level", event.get("type")) in (None, "error")
        ]

    def hosts(self):
        """Of all requests."""
        sent = [event["params"]["request"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return {re.match(r"(data|blob):|(?:\w+)://([^/]+)", request["url"])[0] for request in sent}


@contextlib.contextmanager
def served(folder):
    """A server of the servables in a folder; its address."""
    command = [
        sys.executable,
        "-m",
        "tfvae.cli",
        "serve",
        str(folder),
        "--quiet",
        "--rest-port",
        "0",
        "--grpc-port",
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://[\d.:]+", process.stdout.readline())[0]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    exporting.export(small_vae(), folder)
    with served(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    page = Page(tmp_path_factory.mktemp("profile"))
    yield page
    page.close()


def predicted(address, servable, signature, *instances):
    body = {"signature_name": signature, "instances": list(instances)}
    answer = requests.post(f"{address}/v1/models/{servable}:predict", json=body)
    answer.raise_for_status()
    return answer.json()["predictions"]


def grey(image):
    """Values in [0, 1] -> as a canvas has them, flat."""
    return np.ravel(image) * 255


def give(page, folder, image):
    """Uploads an image, and waits until all about it is shown."""
    (folder / "image.png").write_bytes(tf.io.encode_png(image).numpy())
    page.run("document.getElementById('reconstruction').width = 8")  # blank
    page.upload(folder / "image.png")
    page.until(lambda: any(page.pixels("reconstruction")))


def test_loads_without_errors_and_asks_no_other_host(page, address):
    page.open(address)
    assert "8 pixels, grey, 3 latent units" in page.text("status")
    page.wait("document.getElementById('decoded').width === 8")
    assert page.run("document.querySelectorAll('#sliders input').length") == members.LATENT
    page.click("generate")
    page.wait("document.querySelectorAll('#grid canvas').length === 25")
    assert page.text("notes") == ""
    assert page.errors() == []
    assert page.hosts() <= {address, "data:"}


def test_a_slider_changes_the_decoded_image(page, address):
    page.open(address)
    page.wait("document.getElementById('decoded').width === 8")
    before = page.pixels("decoded")
    page.run("Object.assign(document.getElementById('z2'), {value: 2.5}).dispatchEvent(new Event('input'))")
    (expected,) = predicted(address, "decoder", "decode", {"z": [0, 2.5, 0]})
    page.until(lambda: page.pixels("decoded") != before)
    np.testing.assert_allclose(page.pixels("decoded"), grey(expected), atol=1)
    page.click("zero")
    page.until(lambda: page.pixels("decoded") == before)


def test_a_drawing_is_scored_reconstructed_and_put_on_the_sliders(page, address):
    page.open(address)
    page.drag("draw", (0.2, 0.5), (0.5, 0.5), (0.8, 0.5))
    page.wait("!document.getElementById('estimate').disabled")  # the whole line is scored, and not its beginning alone
    page.until(lambda: sum(page.pixels("seen")) > 1000)
    page.until(lambda: any(page.pixels("reconstruction")))
    numbers = [float(n.replace("\u2212", "-")) for n in re.findall(r"(\S+) nats", page.text("score"))]
    assert len(numbers) == 3 and abs(numbers[0] - numbers[1] - numbers[2]) < 0.02
    page.click("estimate")
    page.wait("document.getElementById('log-marginal').innerText.endsWith(' nats')")
    assert page.run("document.querySelectorAll('#plot circle').length") == members.LATENT
    page.click("clear")
    assert "nats" not in page.text("score") and not any(page.pixels("seen"))


def test_an_uploaded_image_of_the_models_size_keeps_its_pixels(page, address, tmp_path):
    page.open(address)
    (image,) = small_images(1)
    give(page, tmp_path, image)
    np.testing.assert_allclose(page.pixels("seen"), np.ravel(image), atol=1)
    (posterior,) = predicted(address, "encoder", "encode", {"x": image.tolist()})
    shown = page.run("[...document.querySelectorAll('#sliders input')].map(input => Number(input.value))")
    np.testing.assert_allclose(shown, np.clip(posterior["mean"], -3, 3), atol=0.03)
    (mean,) = predicted(address, "scorer", "reconstruct", {"x": image.tolist()})
    np.testing.assert_allclose(page.pixels("reconstruction"), grey(mean), atol=1)


def test_what_is_no_image_is_refused(page, address, tmp_path):
    page.open(address)
    (tmp_path / "notes.txt").write_text("no image")
    page.upload(tmp_path / "notes.txt")
    page.wait("document.querySelector('#input .error').innerText === 'notes.txt is no image that can be read.'")


def test_nine_images_from_a_to_b(page, address, tmp_path):
    page.open(address)
    one, other = small_images(2)
    give(page, tmp_path, one)
    page.click("keep-a")
    give(page, tmp_path, other)
    page.click("keep-b")
    a, b = (p["mean"] for p in predicted(address, "encoder", "encode", *({"x": x.tolist()} for x in (one, other))))
    expected = predicted(address, "decoder", "decode", *({"z": z.tolist()} for z in np.linspace(a, b, 9)))
    page.run("document.querySelectorAll('#strip canvas').forEach((canvas, i) => { canvas.id = `step-${i}`; })")
    assert page.run("document.querySelectorAll('#strip canvas').length") == 9
    page.until(lambda: np.allclose(page.pixels("step-4"), grey(expected[4]), atol=1))  # the first and last come before
    for i in range(9):
        np.testing.assert_allclose(page.pixels(f"step-{i}"), grey(expected[i]), atol=1)


def test_an_error_of_the_server_is_shown(page, address):
    page.open(address)
    page.run("""(real => { window.fetch = (path, options) =>
        real(path, options && {...options, body: options.body.replace('"decode"', '"invert"')}) })(window.fetch)""")
    page.click("random")
    page.wait("document.querySelector('#latent .error').innerText.includes('decoder has no signature invert')")
    assert page.run("document.querySelector('#latent .error').checkVisibility()")


@pytest.mark.slow
def test_a_conditional_model_without_a_scorer(page, tmp_path):
    count = members.CONDITION
    encoder = networks.mlp(members.IMAGE, [16], "tanh", condition_size=count)
    decoder = networks.mlp(members.LATENT, [16], "tanh", condition_size=count)
    exporting.export(small_vae(encoder=encoder, decoder=decoder, condition_size=count), tmp_path / "models")
    shutil.rmtree(tmp_path / "models" / "scorer")
    with served(tmp_path / "models") as address:
        page.open(address)
        assert "No scorer is served" in page.text("notes")
        assert page.run("document.querySelectorAll('#label option').length") == count
        (image,) = small_images(1)
        give(page, tmp_path, image)
        assert not page.run("document.getElementById('scores').checkVisibility()")
        page.run("Object.assign(document.getElementById('label'), {value: 2}).dispatchEvent(new Event('change'))")
        condition = np.eye(count)[2].tolist()
        (posterior,) = predicted(address, "encoder", "encode", {"x": image.tolist(), "condition": condition})
        (expected,) = predicted(address, "decoder", "decode", {"z": posterior["mean"], "condition": condition})
        page.until(lambda: np.allclose(page.pixels("decoded"), grey(expected), atol=1))
        assert page.errors() == []
