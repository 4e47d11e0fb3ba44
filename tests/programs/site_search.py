"""The search of the built site in Python: lunr over its index, with the rules of the theme's own search worker.

Every word that is typed finds what begins with it. A hit counts more if it is a whole page, and by the share of
the words that it has. Hits are shown by page, a page where its best hit stands.
"""

import json
import re
from html import unescape

from lunr.builder import Builder
from lunr.stop_word_filter import stop_word_filter


class Search:
    """The index of a site.

    Args:
        path: its ``search_index.json``.
    """

    def __init__(self, path):
        given = json.loads(path.read_text("utf-8"))
        self._separator = re.compile(given["config"]["separator"])
        builder = Builder()
        builder.pipeline.add(*[stop_word_filter] if "stopWordFilter" in given["config"]["pipeline"] else [])
        builder.ref("location")
        builder.b(0)
        for name in ("title", "text"):
            builder.field(name, boost=given["config"]["fields"][name]["boost"])
        for section in given["docs"]:
            words = {name: self._spaced(unescape(re.sub(r"<[^>]+>", " ", section[name]))) for name in ("title", "text")}
            builder.add(words | {"location": section["location"]}, {"boost": section.get("boost", 1)})
        self._index = builder.build()

    def _spaced(self, text):
        """Text whose words are apart by spaces alone."""
        return " ".join(word for word in self._separator.split(text) if word)

    def pages(self, words):
        """The pages that are found, best first."""
        typed = [word.lower() for word in self._spaced(words).split()]
        scores = []
        for hit in self._index.search(" ".join(f"{word}*" for word in typed)):
            found = {word: any(term.startswith(word) for term in hit["match_data"].metadata) for word in typed}
            counted = [has for word, has in found.items() if has or stop_word_filter(word) is not None]
            whole = "#" not in hit["ref"]
            scores.append((hit["score"] * (1 + (whole + sum(counted) / max(len(counted), 1)) ** 2), hit["ref"]))
        best = [ref.partition("#")[0] for _, ref in sorted(scores, key=lambda pair: -pair[0])]
        return list(dict.fromkeys(best))
