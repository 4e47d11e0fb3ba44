"""Train the page's networks where they are not in the cache yet, so that the server of the tests finds them."""

import sys

from minicnn.serve.demo.networks import Networks, kept_at
from minicnn.serve.demo.recipes import RECIPES

kept = [kept_at(recipe) for recipe in RECIPES if recipe.key != "modern"]
if not all(path is not None and path.exists() for path in kept):
    for choice in Networks().choices.values():
        choice.prepare()
        if choice.state != "ready":
            sys.exit(f"{choice.key}: {choice.state}")
