// Tries a board's page from inside: tests/board_page.rs puts it behind the page's own script, in a browser without a window,
// and reads what it has found from the element #verdict. All in one go when the pictures are there: what is awaited might come
// after the browser has written the page down.
"use strict";
addEventListener("load", () => {
  const verdict = document.body.appendChild(document.createElement("pre"));
  verdict.id = "verdict";
  const lines = [];
  const tell = (holds, what) => lines.push(`${holds ? "ok" : "FAILED"}: ${what}`);
  const near = (a, b, most) => Math.abs(a - b) <= most;
  try {
    const all = [...document.querySelectorAll("figure")];
    tell(all.length === board.cells.length && images.length === all.length, `${all.length} cells, all with their pictures`);
    tell(images.every(image => image.naturalWidth > 0), "every picture is loaded");
    const boxes = () => images.map(image => image.getBoundingClientRect());
    // What lies at a place of each cell, in parts of the picture.
    const seen = (x, y) => images.map((image, index) => {
      const [box, frame] = [boxes()[index], image.parentElement.getBoundingClientRect()];
      return [(frame.left + x * frame.width - box.left) / box.width, (frame.top + y * frame.height - box.top) / box.height];
    });
    const alike = found => found.every(([x, y]) => near(x, found[0][0], 1e-3) && near(y, found[0][1], 1e-3));
    tell(alike(seen(.3, .7)) && near(seen(0, 0)[0][0], 0, 1e-3) && near(seen(1, 1)[0][1], 1, 1e-3), "at first every picture is whole");

    // Whatever is there gets the event, as under a real pointer.
    const frame = document.querySelectorAll(".view")[1];
    frame.scrollIntoView({ block: "center" });
    const box = frame.getBoundingClientRect();
    const at = (x, y) => ({ clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true, cancelable: true });
    const send = (Kind, name, place, more) =>
      document.elementFromPoint(place.clientX, place.clientY).dispatchEvent(new Kind(name, { ...place, pointerId: 1, isPrimary: true, ...more }));
    const before = seen(.25, .75)[1];
    send(WheelEvent, "wheel", at(.25, .75), { deltaY: -600 });
    const after = seen(.25, .75);
    tell(near(boxes()[1].width / box.width, Math.exp(1.5), .01), `the wheel zooms (${by("zoom").textContent})`);
    tell(alike(after), "the wheel over one cell zooms all of them");
    tell(near(before[0], after[1][0], 5e-3) && near(before[1], after[1][1], 5e-3), "what lies under the pointer stays there");

    const zoom = boxes()[1].width / box.width;
    send(PointerEvent, "pointerdown", at(.25, .75));
    send(PointerEvent, "pointermove", at(.2, .75));
    send(PointerEvent, "pointermove", at(.15, .7));
    send(PointerEvent, "pointerup", at(.15, .7));
    send(PointerEvent, "pointermove", at(.5, .5));
    const moved = seen(.25, .75);
    tell(alike(moved), "dragging one cell moves all of them");
    tell(near(moved[1][0] - after[1][0], .1 / zoom, 1e-3) && near(moved[1][1] - after[1][1], .05 / zoom, 1e-3), "the picture follows the pointer, and stays when it is let go");
    send(PointerEvent, "pointerdown", at(.5, .5));
    frame.dispatchEvent(new PointerEvent("pointermove", { ...at(9, 9), pointerId: 1 }));
    send(PointerEvent, "pointerup", at(.5, .5));
    tell(alike(seen(0, 0)) && near(seen(0, 0)[1][0], 0, 1e-3), "it cannot be dragged out of its cell");

    const press = key => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    press("0");
    tell(view.zoom === 1 && alike(seen(1, 1)) && near(seen(1, 1)[0][0], 1, 1e-3), "0 shows them whole");
    press("+");
    const middle = seen(.5, .5)[0][0];
    press("ArrowRight");
    tell(near(view.zoom, 1.5, 1e-6) && seen(.5, .5)[0][0] > middle && alike(seen(.5, .5)), "+ zooms, and an arrow moves");
    send(MouseEvent, "dblclick", at(.5, .5));
    tell(view.zoom === 1 && alike(seen(1, 1)), "a double click shows them whole");
    by("in").click();
    tell(near(view.zoom, 1.5, 1e-6), "the button zooms");
    by("reset").click();
    tell(view.zoom === 1, "the other button shows them whole");

    const last = all[all.length - 1];
    send(MouseEvent, "click", at(.5, .5));
    tell(all[1].getAttribute("aria-current") === "true", "a click marks its cell");
    last.click();
    const settings = Object.fromEntries([...document.querySelectorAll("#settings dt")].map(name => [name.textContent, name.nextElementSibling]));
    tell(settings.prompt?.textContent === "a <b>boat</b> & 猫" && settings.seed?.textContent === "5", "its settings are told, letter for letter");
    const differing = [...document.querySelectorAll("#settings .differs")].map(value => value.previousElementSibling.textContent);
    tell(differing.join() === "mode,strength", `what differs between the cells is marked (${differing})`);

    const choose = (list, value) => { by(list).value = value; by(list).dispatchEvent(new Event("change")); };
    choose("size", "400");
    tell(near(all[0].getBoundingClientRect().width, 400, 1), "cells can be larger");
    const labels = [...document.querySelectorAll(".column, .row")].map(label => label.textContent);
    tell(labels.length === board.columns.length + board.rows.length, `the axes are named (${labels.join(", ")})`);
    const words = [...by("sort").options].map(option => option.value).filter(Boolean);
    for (const word of words) {
      choose("sort", word);
      const shown = [...document.querySelectorAll("#board figure")].map(figure => Number(figure.querySelector("figcaption").textContent.split(`${word} `)[1].split(" ")[0]));
      tell(shown.length === all.length && shown.every((value, index) => !index || value <= shown[index - 1]), `cells sort by ${word} (${shown.join(", ")})`);
    }
    tell(words.length > 0, "there are numbers to sort by");
    const sources = [...document.querySelectorAll("[src], [href]")].map(element => element.src || element.href);
    const folder = new URL(".", location).href;
    tell(sources.length === board.cells.length && sources.every(name => name.startsWith(folder)), `nothing but the folder's own files is asked for (${sources.length} pictures)`);
    tell(!faults.length, `no script fails, and nothing is asked of a network ${faults.join("; ")}`);
    lines.push("done");
  } catch (fault) {
    lines.push(`FAILED: ${fault.stack || fault}`);
  }
  verdict.textContent = lines.join("\n");
});
