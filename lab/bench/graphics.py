"""Make graphics: charts, slides, pages, patterns and drawings that no camera took.

    python -m lab.bench.graphics OUT [--each N] [--pages]

One function a kind draws a picture by a seeded generator; with --pages Chromium also draws pages of
the documentation and charts of Plotly. `datasets/graphics.csv` lists them; they teach and test the
classifier of graphics (`python -m lab.bench.fit_unlike`)."""

import string
from collections.abc import Callable
from html import escape
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from lab.bench import command

Chance = np.random.Generator
Made = np.ndarray | Image.Image
FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf")
MAPS = ("viridis", "magma", "jet", "coolwarm", "terrain", "gray", "hsv", "turbo")
SIZES = ((640, 480), (800, 600), (1024, 576), (720, 720), (540, 960))


def _font(chance: Chance, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS[chance.integers(len(FONTS))], max(8, int(size)))


def _color(chance: Chance) -> tuple[int, int, int]:
    red, green, blue = chance.integers(0, 256, 3).tolist()
    return red, green, blue


def _words(chance: Chance, count: int) -> str:
    letters = list(string.ascii_lowercase)
    some = ("".join(chance.choice(letters, chance.integers(2, 11))) for _ in range(count))
    return " ".join(some).capitalize()


def _page(chance: Chance, light: float = 0.7) -> tuple[Image.Image, ImageDraw.ImageDraw, str]:
    """Return an empty page, a pen on it, and the color of ink that shows."""
    size = SIZES[chance.integers(len(SIZES))]
    if chance.random() < light:
        page, ink = Image.new("RGB", size, tuple(chance.integers(235, 256, 3).tolist())), "#111"
    else:
        page, ink = Image.new("RGB", size, tuple(chance.integers(0, 50, 3).tolist())), "#eee"
    return page, ImageDraw.Draw(page), ink


def _field(chance: Chance, side: int, smooth: float) -> np.ndarray:
    """Return smooth noise, 0..1, [side, side]."""
    noise = ndimage.gaussian_filter(chance.standard_normal((side, side)), smooth, mode="wrap")
    return (noise - noise.min()) / np.ptp(noise)


def _levels(values: np.ndarray) -> np.ndarray:
    """Return values, 0..1, as levels of gray or color."""
    return (255 * np.clip(values, 0, 1)).astype(np.uint8)


def _mapped(chance: Chance, values: np.ndarray) -> np.ndarray:
    return _levels(colormaps[MAPS[chance.integers(len(MAPS))]](values)[..., :3])


def _figure(chance: Chance, draw: Callable[[Figure], None]) -> np.ndarray:
    figure = Figure(figsize=(6.4, 4.2), dpi=int(chance.integers(80, 160)))
    draw(figure)
    stored = BytesIO()
    figure.savefig(stored, format="png", dpi="figure")
    return np.asarray(Image.open(stored).convert("RGB"))


def lines(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for _ in range(chance.integers(1, 6)):
            axes.plot(chance.standard_normal(60).cumsum(), label=_words(chance, 1))
        axes.set(title=_words(chance, 3), xlabel=_words(chance, 1))
        axes.legend()

    return _figure(chance, draw)


def bars(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        axes, count = figure.subplots(), int(chance.integers(3, 12))
        names = [_words(chance, 1) for _ in range(count)]
        (axes.barh if chance.random() < 0.5 else axes.bar)(names, chance.random(count))
        axes.set_title(_words(chance, 4))

    return _figure(chance, draw)


def pie(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        count = int(chance.integers(3, 8))
        hole = {"width": 0.4} if chance.random() < 0.5 else {}
        names = [_words(chance, 1) for _ in range(count)]
        figure.subplots().pie(chance.random(count) + 0.1, labels=names, wedgeprops=hole)

    return _figure(chance, draw)


def scatter(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        for axes in np.atleast_1d(figure.subplots(1, int(chance.integers(1, 3)))):
            at = chance.standard_normal((2, 150))
            axes.scatter(*at, c=at[0], s=40 * chance.random(150), cmap="viridis")
            axes.grid(alpha=0.3)

    return _figure(chance, draw)


def heatmap(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        axes, values = figure.subplots(), _field(chance, 24, chance.uniform(0.3, 3))
        image = axes.imshow(values, cmap=MAPS[chance.integers(len(MAPS))])
        figure.colorbar(image)

    return _figure(chance, draw)


def surface(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(projection="3d")
        rows, columns = np.mgrid[0:40, 0:40]
        axes.plot_surface(rows, columns, _field(chance, 40, 5), cmap="viridis")

    return _figure(chance, draw)


def contour_map(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        axes, height = figure.subplots(), _field(chance, 120, 12)
        axes.contourf(height, levels=12, cmap="terrain")
        axes.contour(height, levels=12, colors="k", linewidths=0.4)
        for x, y in chance.uniform(10, 110, (6, 2)):
            axes.plot(x, y, "ko", markersize=3)
            axes.annotate(_words(chance, 1), (x, y))

    return _figure(chance, draw)


def spectrogram(chance: Chance) -> Made:
    def draw(figure: Figure) -> None:
        time = np.linspace(0, 2, 16000)
        tone = np.sin(2 * np.pi * time * chance.uniform(300, 2000) * (1 + 0.3 * np.sin(3 * time)))
        axes = figure.subplots()
        axes.specgram(tone + 0.3 * chance.standard_normal(16000), Fs=8000)
        axes.set(xlabel="s", ylabel="Hz")

    return _figure(chance, draw)


def wheel(chance: Chance) -> Made:
    side = int(chance.integers(300, 800))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    hue, radius = (np.arctan2(y, x) / (2 * np.pi)) % 1, np.hypot(x, y)
    steps = int(chance.choice([0, 12, 24]))
    hue = np.floor(hue * steps) / steps if steps else hue
    hsv = np.stack([hue * 179, np.clip(radius, 0, 1) * 255, np.full_like(hue, 255)], -1)
    rgb = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    rgb[radius > 1] = 255 if chance.random() < 0.5 else 0
    return rgb


def checkerboard(chance: Chance) -> Made:
    cell, across = int(chance.integers(12, 90)), int(chance.integers(4, 14))
    board = np.indices((across, across)).sum(0) % 2
    rgb = np.array([_color(chance), _color(chance)], np.uint8)[board]
    return rgb.repeat(cell, 0).repeat(cell, 1)


def plasma(chance: Chance) -> Made:
    side = int(chance.integers(256, 720))
    y, x = np.mgrid[0 : 6 : side * 1j, 0 : 6 : side * 1j]
    waves = [np.sin(a * x + b * y + c) for a, b, c in chance.uniform(-3, 3, (4, 3))]
    channels = [np.sin(sum(waves) + phase) for phase in chance.uniform(0, 6, 3)]
    return _levels(0.5 + 0.5 * np.stack(channels, -1))


def color_bars(chance: Chance) -> Made:
    colors = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191),
              (191, 0, 0), (0, 0, 191)]  # fmt: skip
    top = np.repeat(np.array(colors, np.uint8), 100, 0)[None].repeat(chance.integers(250, 400), 0)
    ramp = np.linspace(0, 255, top.shape[1]).astype(np.uint8)
    low = np.stack([ramp] * 3, -1)[None].repeat(chance.integers(60, 160), 0)
    return np.concatenate([top, low] if chance.random() < 0.7 else [low, top])


def star(chance: Chance) -> Made:
    side, spokes = int(chance.integers(300, 700)), int(chance.integers(12, 60))
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    zone = np.sin(spokes * np.arctan2(y, x))
    if chance.random() < 0.5:
        zone = np.sin(spokes * 3 * (x**2 + y**2))
    return np.stack([np.uint8(255 * (zone > 0))] * 3, -1)


def fractal(chance: Chance) -> Made:
    side = 420
    y, x = np.mgrid[-1.4 : 1.4 : side * 1j, -1.7 : 1.7 : side * 1j]
    z, c = x + 1j * y, complex(*chance.uniform((-0.9, -0.4), (0.1, 0.8)))
    c = c if chance.random() < 0.6 else z - 0.5
    steps = np.zeros(z.shape)
    for _ in range(60):
        z = np.where(np.abs(z) < 4, z * z + c, z)
        steps += np.abs(z) < 4
    return _mapped(chance, steps / 60)


def noise(chance: Chance) -> Made:
    side = int(chance.integers(256, 600))
    return _mapped(chance, _field(chance, side, float(chance.choice([0.01, 1.0, 4.0, 20.0]))))


def qr(chance: Chance) -> Made:
    code = cv2.QRCodeEncoder.create().encode("https://" + _words(chance, 3).replace(" ", "/"))
    framed = cv2.copyMakeBorder(code, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=255)
    big = cv2.resize(framed, None, fx=11, fy=11, interpolation=cv2.INTER_NEAREST)
    return np.where(big[..., None] > 0, 255, np.array(_color(chance)) // 3).astype(np.uint8)


def table(chance: Chance) -> Made:
    page, pen, ink = _page(chance)
    rows, columns = int(chance.integers(5, 18)), int(chance.integers(3, 8))
    wide, high = page.width / columns, page.height / rows
    font = _font(chance, min(high * 0.5, 22))
    for row in range(rows):
        if row == 0 or (row % 2 and chance.random() < 0.8):
            tint = "#4a7ebb" if row == 0 else ("#dde" if ink == "#111" else "#333")
            pen.rectangle([0, row * high, page.width, (row + 1) * high], tint)
        for column in range(columns):
            said = _words(chance, 1) if column == 0 or row == 0 else f"{chance.random() * 999:.1f}"
            pen.text((column * wide + 6, row * high + high * 0.2), said[:10], ink, font)
            pen.rectangle([column * wide, row * high, (column + 1) * wide, (row + 1) * high],
                          outline="#999")  # fmt: skip
    return page


def text_page(chance: Chance) -> Made:
    page, pen, ink = _page(chance, 0.9)
    size = float(chance.uniform(11, 22))
    font = _font(chance, size)
    for y in np.arange(40, page.height - 40, size * 1.5):
        words = _words(chance, int(page.width / size / 4))
        pen.text((50, y), words if chance.random() < 0.9 else words[:30], ink, font)
    return page if chance.random() < 0.6 else _scanned(chance, page)


def _scanned(chance: Chance, page: Image.Image) -> Made:
    turned = page.rotate(chance.uniform(-1.5, 1.5), fillcolor="#ddd").convert("L")
    gray = np.asarray(turned, np.float32) * chance.uniform(0.85, 0.97)
    gray = cv2.GaussianBlur(gray, (0, 0), 0.7) + chance.normal(0, 4, gray.shape)
    return np.stack([np.uint8(np.clip(gray, 0, 255))] * 3, -1)


def slide(chance: Chance) -> Made:
    page, pen, ink = _page(chance, 0.6)
    band = _color(chance)
    pen.rectangle([0, 0, page.width, page.height * 0.16], band)
    pen.text((40, page.height * 0.05), _words(chance, 4), "white", _font(chance, 32))
    for number in range(chance.integers(3, 6)):
        y = page.height * (0.26 + 0.13 * number)
        pen.ellipse([44, y + 8, 54, y + 18], band)
        pen.text((70, y), _words(chance, 5), ink, _font(chance, 22))
    if chance.random() < 0.5:
        pen.rectangle([page.width * 0.66, page.height * 0.5, page.width * 0.95, page.height * 0.9],
                      _color(chance))  # fmt: skip
    return page


def diagram(chance: Chance) -> Made:
    page, pen, ink = _page(chance)
    at = chance.uniform((60, 60), (page.width - 120, page.height - 60), (9, 2))
    for one, other in chance.integers(0, 9, (12, 2)):
        pen.line([*at[one], *at[other]], ink, 2)
    for x, y in at:
        box = [x - 60, y - 22, x + 60, y + 22]
        (pen.rectangle if chance.random() < 0.6 else pen.ellipse)(box, _color(chance), ink, 2)
        pen.text((x - 45, y - 9), _words(chance, 1), "white", _font(chance, 15))
    return page


def street_map(chance: Chance) -> Made:
    page, pen, _ = _page(chance, 1.0)
    pen.rectangle([0, 0, *page.size], "#f2efe9")
    for _ in range(10):
        x, y = chance.uniform((0, 0), page.size)
        area = [(x + chance.normal(0, 90), y + chance.normal(0, 90)) for _ in range(7)]
        hull = cv2.convexHull(np.array(area, np.float32))[:, 0]
        pen.polygon([tuple(p) for p in hull.tolist()], str(chance.choice(["#add19e", "#aad3df"])))
    for width, color in [(7, "#fcd6a4")] * 4 + [(4, "#ffffff")] * 14:
        ends = chance.uniform((0, 0), page.size, (2, 2))
        pen.line([*ends[0], *ends[1]], color, width)
        pen.text(tuple(ends.mean(0)), _words(chance, 2), "#555", _font(chance, 12))
    return page


def window(chance: Chance) -> Made:
    page, pen, ink = _page(chance, 0.5)
    pen.rectangle([0, 0, page.width, 34], "#556" if ink == "#eee" else "#dde")
    for number, color in enumerate(("#ff5f56", "#ffbd2e", "#27c93f")):
        pen.ellipse([14 + 22 * number, 11, 26 + 22 * number, 23], color)
    pen.rectangle([0, 34, 170, page.height], "#223" if ink == "#eee" else "#eef")
    for row in range(12):
        pen.text((16, 54 + 32 * row), _words(chance, 1), ink, _font(chance, 14))
    for row in range(chance.integers(3, 9)):
        top = 54 + 60 * row
        pen.rounded_rectangle([190, top, page.width - 20, top + 46], 8, outline="#888")
        pen.text((204, top + 12), _words(chance, 6), ink, _font(chance, 14))
        pen.rounded_rectangle([page.width - 110, top + 8, page.width - 32, top + 38], 6,
                              _color(chance))  # fmt: skip
    return page


def terminal(chance: Chance) -> Made:
    page, pen, _ = _page(chance, 0.0)
    font = ImageFont.truetype("DejaVuSansMono.ttf", 15)
    for row in range(int(page.height / 20)):
        x = 8 + 18 * int(chance.integers(0, 4))
        for word in _words(chance, int(chance.integers(1, 9))).split():
            color = str(chance.choice(["#8f8", "#eee", "#7af", "#fa7", "#f7a"]))
            pen.text((x, 4 + 20 * row), word, color, font)
            x += 9 * (len(word) + 1)
    return page


def sprites(chance: Chance) -> Made:
    cell, across = int(chance.integers(8, 17)), int(chance.integers(1, 5))
    palette = np.array([[0, 0, 0], *[_color(chance) for _ in range(5)]], np.uint8)
    background = 255 if chance.random() < 0.6 else 40
    sheet = np.full((across * (cell + 2), across * (cell + 2), 3), background, np.uint8)
    for top in range(1, len(sheet) - cell, cell + 2):
        for left in range(1, len(sheet) - cell, cell + 2):
            half = ndimage.median_filter(chance.integers(0, 7, (cell, (cell + 1) // 2)), 2)
            index = np.concatenate([half, half[:, ::-1][:, cell % 2 :]], 1)
            shown = sheet[top : top + cell, left : left + cell]
            shown[index < len(palette)] = palette[index[index < len(palette)]]
    times = max(1, 480 // len(sheet))
    return sheet.repeat(times, 0).repeat(times, 1)


def logo(chance: Chance) -> Made:
    page = Image.new("RGB", (600, 600), "white" if chance.random() < 0.7 else _color(chance))
    pen = ImageDraw.Draw(page)
    for _ in range(chance.integers(1, 4)):
        x, y, size = *chance.uniform(150, 350, 2), chance.uniform(60, 220)
        sides = int(chance.integers(3, 9))
        shapes = (
            lambda fill, x=x, y=y, s=size: pen.ellipse([x, y, x + s, y + s], fill),
            lambda fill, x=x, y=y, s=size, n=sides: pen.regular_polygon((x, y, s), n, fill=fill),
            lambda fill, x=x, y=y, s=size: pen.pieslice([x, y, x + s, y + s], 40, 300, fill),
        )
        shapes[chance.integers(3)](_color(chance))
    pen.text((130, 470), _words(chance, 1), _color(chance), _font(chance, 60))
    return page


def infographic(chance: Chance) -> Made:
    page, pen, ink = _page(chance, 0.6)
    pen.text((30, 20), _words(chance, 3), ink, _font(chance, 40))
    for number in range(4):
        y, color = 110 + number * (page.height - 130) / 4, _color(chance)
        pen.ellipse([30, y, 110, y + 80], color)
        pen.text((52, y + 24), f"{chance.integers(1, 99)}%", "white", _font(chance, 20))
        pen.rectangle([130, y + 30, 130 + chance.uniform(60, page.width - 160), y + 50], color)
        pen.text((130, y + 4), _words(chance, 4), ink, _font(chance, 16))
    return page


def stick_comic(chance: Chance) -> Made:
    page, pen, _ = _page(chance, 1.0)
    panels = int(chance.integers(1, 4))
    for panel in range(panels):
        left = 10 + panel * page.width / panels
        pen.rectangle([left, 10, left + page.width / panels - 20, page.height - 10], outline="#000")
        for x in chance.uniform(left + 40, left + page.width / panels - 60, 2):
            y = page.height * chance.uniform(0.45, 0.6)
            pen.ellipse([x - 22, y - 22, x + 22, y + 22], "white", "#000", 3)
            pen.line([x, y + 22, x, y + 100], "#000", 3)
            for dx, low, high in ((-30, 50, 85), (30, 50, 85), (-25, 100, 160), (25, 100, 160)):
                pen.line([x, y + low, x + dx, y + high], "#000", 3)
        pen.text((left + 12, 24), _words(chance, 4), "#000", _font(chance, 15))
    return page


def caption(chance: Chance) -> Made:
    page, pen, ink = _page(chance, 0.5)
    pen.rectangle([0, 0, *page.size], _color(chance))
    font = _font(chance, 54)
    for top in (30, page.height - 100):
        pen.text((30, top), _words(chance, 3).upper(), "white", font, stroke_width=3,
                 stroke_fill="black")  # fmt: skip
    x, y = page.width / 2, page.height / 2
    pen.ellipse([x - 90, y - 90, x + 90, y + 90], "#fd4", ink, 4)
    for dx in (-35, 35):
        pen.ellipse([x + dx - 12, y - 40, x + dx + 12, y - 10], ink)
    pen.arc([x - 50, y - 30, x + 50, y + 60], 20, 160, ink, 6)
    return page


def cells(chance: Chance) -> Made:
    side = 512
    seeds = np.zeros((side, side))
    seeds[tuple(chance.integers(0, side, (2, int(chance.integers(20, 140)))))] = 1
    blobs = ndimage.gaussian_filter(seeds, chance.uniform(5, 14))
    gray = np.clip(blobs / blobs.max() * 1.4 + chance.normal(0, 0.04, blobs.shape), 0, 1)
    tint = np.array([(1, 1, 1), (0.1, 1, 0.3), (0.2, 0.4, 1), (1, 0.3, 0.2)][chance.integers(4)])
    return _levels(gray[..., None] * tint)


def score(chance: Chance) -> Made:
    page, pen, _ = _page(chance, 1.0)
    for top in range(50, page.height - 60, 90):
        for line in range(5):
            pen.line([30, top + 9 * line, page.width - 30, top + 9 * line], "#000", 1)
        for x in np.arange(60, page.width - 50, chance.uniform(22, 50)):
            y = top + 4.5 * int(chance.integers(-1, 9))
            pen.ellipse([x, y - 4, x + 11, y + 4], "#000")
            pen.line([x + 10, y, x + 10, y - 30], "#000", 2)
    return page


def maze(chance: Chance) -> Made:
    side = int(chance.integers(12, 40))
    walls = ndimage.median_filter(chance.integers(0, 2, (side, side)), 1)
    colors = np.array([_color(chance), (255, 255, 255)], np.uint8)
    return colors[walls].repeat(520 // side, 0).repeat(520 // side, 1)


def gradient(chance: Chance) -> Made:
    wide, high = SIZES[chance.integers(len(SIZES))]
    corners = chance.integers(0, 256, (2, 2, 3)).astype(np.float32)
    return _levels(cv2.resize(corners, (wide, high)) / 255)


KINDS: tuple[Callable[[Chance], Made], ...] = (
    lines, bars, pie, scatter, heatmap, surface, contour_map, spectrogram, wheel, checkerboard,
    plasma, color_bars, star, fractal, noise, qr, table, text_page, slide, diagram, street_map,
    window, terminal, sprites, logo, infographic, stick_comic, caption, cells, score, maze,
    gradient,
)  # fmt: skip
EACH = 5


def make(kind: Callable[[Chance], Made], seed: int) -> Image.Image:
    """Return a picture of a kind."""
    made = kind(np.random.default_rng(seed))
    return made if isinstance(made, Image.Image) else Image.fromarray(np.ascontiguousarray(made))


SCREENS = ((1280, 800), (390, 844), (1024, 700))
DOCUMENTS = ("README.md", "docs/accuracy.md", "docs/api.md", "docs/architecture.md",
             "docs/hosting.md", "docs/models.md", "docs/cases.md", "CHANGELOG.md")  # fmt: skip
STYLE = "body{max-width:860px;margin:24px auto}pre{white-space:pre-wrap;font:15px system-ui}"
DARK = "body{background:#111;color:#ddd}"


def screenshots(out: Path) -> None:
    """Draw pages in Chromium."""
    import plotly.graph_objects as charts
    from playwright.sync_api import sync_playwright

    from tools import programs

    chance, links = np.random.default_rng(4), [[0, 1, 0, 2], [2, 3, 3, 4], [8, 4, 2, 8]]
    flows = dict(zip(("source", "target", "value"), links, strict=True))
    drawn = (
        charts.Scatter(y=chance.normal(size=50).cumsum()),
        charts.Bar(x=list("abcdef"), y=chance.random(6)),
        charts.Sankey(node={"label": list("ABCDE")}, link=flows),
        charts.Heatmap(z=chance.random((12, 12))),
        charts.Treemap(labels=list("abcd"), parents=["", "a", "a", "b"]),
        charts.Scatterpolar(r=chance.random(7), theta=list("abcdefg"), fill="toself"),
    )
    pages = {}
    for number, name in enumerate(DOCUMENTS):
        text = Path(name).read_text(encoding="utf-8")
        style = f"{STYLE}{DARK if number % 2 else ''}"
        pages[f"page_{number}"] = f"<style>{style}</style><pre>{escape(text)}</pre>"
    for number, trace in enumerate(drawn):
        template = "plotly_dark" if number % 3 == 2 else "plotly_white"
        chart = charts.Figure(trace, {"template": template, "title": f"Figure {number}"})
        pages[f"chart_{number}"] = chart.to_html(include_plotlyjs=True)
    (out / "screenshots").mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        path = programs.chromium()
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for number, (name, html) in enumerate(pages.items()):
            wide, high = SCREENS[number % len(SCREENS)]
            page = browser.new_page(viewport={"width": wide, "height": high})
            page.set_content(html)
            if name.startswith("chart"):
                page.wait_for_selector(".plot-container")
            page.screenshot(path=str(out / "screenshots" / f"{name}.png"))
            page.close()
        browser.close()


def main(out: Path, each: int = EACH, pages: bool = False) -> None:
    if pages:
        screenshots(out)
    for kind in KINDS:
        for seed in range(each):
            path = out / kind.__name__ / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            make(kind, seed).save(path)


if __name__ == "__main__":
    command(main)
