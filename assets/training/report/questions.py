"""What is asked of the model: sets of scenes whose captions are the prompts and whose facts the probe is asked,
and the answers to true pictures.
"""

import torch

import worlds
from probe import judge
from probe_train import SEED, blurred
from stats import share

COUNTS = (1, 2, 3, 4)


def single(rng, vocabulary, n):
    return worlds.sample(rng, vocabulary, n, form="one")


def coloured(rng, vocabulary, n):
    """Single things whose caption says their colour."""
    found, tries = [], 0
    while len(found) < n and tries < 60:
        found += [s for s in worlds.sample(rng, vocabulary, n, form="one") if s.facts["colours"][0]]
        tries += 1
    return found[:n]


def counted(rng, vocabulary, n):
    """As many pictures of one thing as of two, three and four alike."""
    found = []
    for i, count in enumerate(COUNTS):
        part = (n + i) // len(COUNTS)
        how = {"form": "one"} if count == 1 else {"form": "count", "count": count}
        found += worlds.sample(rng, vocabulary, part, **how)
    return found


def related(rng, vocabulary, n):
    """Two different things that stand to each other as the caption says."""
    found, tries = [], 0
    while len(found) < n and tries < 60:
        found += [s for s in worlds.sample(rng, vocabulary, n, form="two") if s.facts["relation"]]
        tries += 1
    return found[:n]


def listed(rng, vocabulary, n):
    return worlds.sample(rng, vocabulary, n, form="list")


def mixed(rng, vocabulary, n):
    """The mix that the model is trained on."""
    return worlds.sample(rng, vocabulary, n)


SETS = {"single": single, "coloured": coloured, "counted": counted, "related": related, "listed": listed}


def questions(purpose, vocabulary, n):
    """{set: scenes}, the same for the same purpose, vocabulary and n."""
    return {name: make(worlds.generator(purpose, i), vocabulary, n) for i, (name, make) in enumerate(SETS.items())}


def answer(probe, pictures, found):
    """A dict of facts for every picture ([n, 3, h, w] in [-1, 1])."""
    return [judge(r, s.facts, probe.names) for r, s in zip(probe.read(pictures), found)]


def shares(answers):
    return {fact: share([a.get(fact) for a in answers]) for fact in sorted({k for a in answers for k in a})}


TRUE = {"trained": ("trained", False), "softened": ("trained", True), "heldout": ("heldout", False)}


def ceiling(probe, world, concepts, n):
    """{"trained" | "softened" | "heldout": {kind: {set: {fact: share}}}}: the probe's answers to true pictures of these concepts.

    Softened pictures are blurred as the probe's training pictures may be.
    Held-out sprites were seen by neither the probe nor the model; where they
    show too few of the model's concepts, all of them are asked."""
    table = {}
    for label, (part, soft) in TRUE.items():
        for kind in world.kinds():
            vocabulary = world.vocabulary(part, concepts, kind) or (
                world.vocabulary(part, None, kind) if part == "heldout" else None
            )
            if vocabulary:
                table.setdefault(label, {})[kind] = {
                    s: shares(answer(probe, true_pictures(world, found, vocabulary, soft), found))
                    for s, found in questions("ceiling", vocabulary, n).items()
                }
    return table


def true_pictures(world, found, vocabulary, soft=False):
    x = worlds.to_signed(world.bytes(found, vocabulary))
    torch.manual_seed(SEED)
    return blurred(x) if soft else x
