"""The bars: what the model shows of what it is asked, at the card's default settings,
beside what the probe says of true pictures.
"""

import worlds
from draw import Ask
from questions import answer, ceiling, questions, shares

# name, set of questions, fact, bar
BARS = [
    ("object (one trained thing)", "single", "object", 0.90),
    ("colour (one thing)", "coloured", "colour", 0.80),
    ("count (1 to 4, as many of each)", "counted", "count", 0.70),
    ("position (two things, both right and in place)", "related", "position", 0.65),
]
MORE = [
    ("position, where both things are seen", "related", "position if seen"),
    ("both of two things", "related", "all objects"),
    ("all of three or four things", "listed", "all objects"),
    ("background", "single", "background"),
    ("object, where several alike are asked", "counted", "object"),
]


def measure(tools, sizes):
    """{kind: {"sets": {set: {fact: share}}, "examples": [...]}, ..} and the ceilings."""
    found, painter = {}, tools.painter
    for kind in tools.world.kinds():
        vocabulary = tools.world.vocabulary("trained", tools.concepts, kind)
        if vocabulary is None:
            continue
        sets = {}
        for name, scenes in questions("prompts", vocabulary, sizes.bar).items():
            asks = [Ask(s.caption, 1 + i) for i, s in enumerate(scenes)]
            sets[name] = shares(answer(tools.probe, worlds.to_signed(painter.draw(asks)), scenes))
            tools.log(f"  {kind}, {name}: {len(asks)} pictures")
        found[kind] = {"sets": sets, "concepts": len(vocabulary.names[kind])}
    return {
        "kinds": found,
        "ceiling": ceiling(tools.probe, tools.world, tools.concepts, sizes.ceiling),
        "painter": painter.name,
        "clock": painter.clock.line() if painter is tools.app else None,
    }
