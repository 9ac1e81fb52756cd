#!/usr/bin/env python3
"""Opens a board's page in headless Chromium and tries it: python tests/board_page.py FOLDER

FOLDER is what `instantstyle board --html FOLDER` wrote. Needs the package playwright (PyPI) and a Chromium, named by
CHROMIUM or found in the path. Exits with 1 at the first thing that is not as it should be.
"""
import os
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

folder = pathlib.Path(sys.argv[1]).resolve()
chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def check(what, holds):
    print(("ok      " if holds else "FAILED  ") + what, flush=True)
    if not holds:
        sys.exit(1)


with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    faults, asked = [], []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "index.html").as_uri())
    page.wait_for_function("images.length && images.every(image => image.complete && image.naturalWidth > 0)")
    cells = page.locator("figure").count()
    images = page.locator("figure img").count()
    check(f"{cells} cells, {images} pictures, all loaded", cells > 1 and images > 1)
    check("nothing but the folder's own files is asked for", all(url.startswith(folder.as_uri()) for url in asked))

    transforms = lambda: page.eval_on_selector_all("figure img", "all => all.map(image => image.style.transform)")
    same = lambda: len(set(transforms())) == 1
    state = lambda: page.evaluate("({...view})")
    check("at first every picture is whole", same() and state()["zoom"] == 1)

    frame = page.locator(".view").nth(1)
    box = frame.bounding_box()
    under = (box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.75)
    point = lambda: page.evaluate("({x: view.x + 0.25 / view.zoom, y: view.y + 0.75 / view.zoom})")
    before = point()
    page.mouse.move(*under)
    page.mouse.wheel(0, -600)
    page.wait_for_function("view.zoom > 2")
    after = point()
    check(f"the wheel over one cell zooms all of them ({state()['zoom']:.2f} times)", same())
    check("what lies under the pointer stays there", all(abs(before[k] - after[k]) < 0.02 for k in before))

    zoomed = state()
    page.mouse.down()
    page.mouse.move(under[0] - 30, under[1] - 20, steps=4)
    page.mouse.up()
    moved = state()
    check("dragging one cell moves all of them", same() and moved["x"] > zoomed["x"] and moved["y"] >= zoomed["y"])
    expected = 30 / box["width"] / zoomed["zoom"]
    check("the picture follows the pointer", abs(moved["x"] - zoomed["x"] - expected) < 0.01)

    page.keyboard.press("0")
    check("0 shows them whole", state() == {"zoom": 1, "x": 0, "y": 0} and same())
    page.keyboard.press("+")
    check("+ zooms", state()["zoom"] == 1.5 and same())
    frame.dblclick()
    check("a double click shows them whole", state()["zoom"] == 1 and same())

    page.locator("figure").last.click()
    names = page.locator("#settings dt").all_inner_texts()
    check(f"a click shows the settings ({', '.join(names[:5])}, …)", "prompt" in names and "seed" in names)
    check("what differs between cells is marked", page.locator("#settings .differs").count() >= 1)

    page.select_option("#size", "400")
    width = page.locator("figure").first.bounding_box()["width"]
    check("cells can be larger", abs(width - 400) < 1)
    if page.locator("#sorting").is_visible():
        page.select_option("#sort", index=1)
        captions = page.locator("figcaption").all_inner_texts()
        word = page.locator("#sort option").nth(1).inner_text()
        numbers = [float(caption.split(word + " ")[1].split()[0]) for caption in captions]
        check(f"cells sort by {word} ({numbers[0]} to {numbers[-1]})", numbers == sorted(numbers, reverse=True))
    page.select_option("#size", "240")
    if os.environ.get("SCREENSHOT"):
        page.screenshot(path=os.environ["SCREENSHOT"], full_page=True)
    check("no script failed", not faults)
    browser.close()
