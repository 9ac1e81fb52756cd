"""Words for made pictures: subject, style, colours and layout in varied phrases."""
ARTICLE = {"apple": "an", "umbrella": "an", "anchor": "an"}
PLURAL = {"fish": "fish", "cactus": "cactuses", "butterfly": "butterflies"}
SUBJECT_WORDS = {"cat": ["cat", "kitten"], "boat": ["boat", "sailboat"], "car": ["car"], "bird": ["bird"], "cup": ["cup", "mug"], "moon": ["moon"]}
STYLE_PHRASES = {
    "flat": ["flat colours", "flat style", "flat poster"], "ink": ["ink", "ink drawing", "black ink"], "hatching": ["hatching", "hatched drawing"],
    "halftone": ["halftone", "halftone dots", "comic halftone"], "mosaic": ["mosaic", "mosaic tiles"], "stained glass": ["stained glass", "stained glass window"],
    "watercolour": ["watercolour", "watercolor", "watercolour painting"], "oil": ["oil paint", "oil painting", "oil strokes"], "neon": ["neon", "neon lights", "neon sign"],
    "chalk": ["chalk", "chalk drawing", "chalkboard"], "stripes": ["stripes", "striped style"], "woodcut": ["woodcut", "woodcut print"],
    "pixel art": ["pixel art", "pixels"], "blueprint": ["blueprint", "blueprint drawing"], "paper cut": ["paper cut", "cut paper"], "pointillism": ["pointillism", "dots of paint"]}
LINKS = ["in {}", "in {} style", "as {}", ", {}"]


def noun(subject, rng, plural=False):
    if plural:
        return PLURAL.get(subject, subject + "s")
    return str(rng.choice(SUBJECT_WORDS.get(subject, [subject])))


def subject_phrase(subject, rng, count=1, colour=None):
    if count == 2:
        return " ".join(filter(None, ["two", colour, noun(subject, rng, True)]))
    word = noun(subject, rng)
    article = "an" if (colour or word)[0] in "aeiou" else "a"
    return " ".join(filter(None, [article, colour, word]))


def style_phrase(style, rng):
    return str(rng.choice(STYLE_PHRASES[style]))


def caption(scene, rng, kind="full"):
    """kind: 'full', 'subject' or 'style'. Colours and layout appear part of the time."""
    colour = scene["colour"] if rng.random() < 0.4 else None
    ground = f" on {scene['ground']}" if rng.random() < 0.2 else ""
    side = f" on the {scene['side']}" if scene["side"] and rng.random() < 0.5 else ""
    style = style_phrase(scene["style"], rng)
    if kind == "style":
        return style if rng.random() < 0.7 else "a picture in " + style
    if kind == "subject" or not scene["named_style"]:
        return subject_phrase(scene["subject"], rng, scene["count"], None if kind == "subject" else colour) + ("" if kind == "subject" else side + ground)
    what = subject_phrase(scene["subject"], rng, scene["count"], colour) + side + ground
    if rng.random() < 0.15:
        return f"{style} of {what}"
    link = str(rng.choice(LINKS)).format(style)
    return what + link if link[0] == "," else f"{what} {link}"
