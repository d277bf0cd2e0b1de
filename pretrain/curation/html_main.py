"""Which part of a page is its article, and what in it is none of it.

Most pages name their article's element, by schema.org's property, by classes that the great publishing
systems have in common, or by HTML's own element. What stands around and between is told by its names too, as
in Readability (Mozilla) and Trafilatura (Barbaresi 2021), unless it holds several paragraphs.
"""

from resiliparse.parse.html import ElementNode, HTMLTree

ARTICLES = (
    '[itemprop~="articleBody"], [itemprop~="reviewBody"], [property~="articleBody"]',
    ".entry-content, .post-content, .article-body, .article__body, .article-content, .story-body, "
    ".post-body, .td-post-content, .articleBody, .article-text, .story-content, .post__content, "
    ".entry-body, .post_content, .article_body, .article_content, .articlebody, .story-text, "
    "#article-body, #articleBody, #article-content, #story-body, #post-content, #entry-content",
    "article",
)
"""What an article's element is told by, the most telling first."""
MIN_CHARACTERS = 500
"""Of an article's text, its scripts among it."""
MIN_SHARE = 0.3
"""Of the page's text, where several elements might be the article: teasers and comments have such, too."""
MOST_COMPARED = 8
NAMES = (
    *(
        "related",
        "newsletter",
        "widget",
        "subscribe",
        "signup",
        "promo",
        "recirc",
        "share",
        "social",
        "byline",
    ),
    *("author", "breadcrumb", "cookie", "comment", "disqus", "gallery", "advert", "tags", "sidebar"),
)
"""Parts of classes and ids of what is no part of an article."""
NAMED = ", ".join(f'[class*="{name}"], [id*="{name}"]' for name in NAMES)
BOILERPLATE = [
    f":is(aside, {NAMED}):not(:has(p ~ p ~ p ~ p)):not(pre *):not(code *)",
    *("figcaption", ".caption", ".wp-caption-text", ".credit"),
]
"""Selectors of what is left out. Highlighters name the comments of code, too."""


def keep_article(tree: HTMLTree) -> None:
    """Leave nothing but the article in the page's body, where it is clear which element that is."""
    body = tree.body
    if body is None:
        return
    for selectors in ARTICLES:
        found = body.query_selector_all(selectors)
        if not len(found):
            continue
        article = longest([found[place] for place in range(min(len(found), MOST_COMPARED))])
        size = len(article.text or "")
        is_clear = len(found) == 1 or size >= MIN_SHARE * len(body.text or "")
        if size >= MIN_CHARACTERS and is_clear:
            body.replace_children(article)
            return


def longest(nodes: list[ElementNode]) -> ElementNode:
    """The one with most text."""
    return nodes[0] if len(nodes) == 1 else max(nodes, key=lambda node: len(node.text or ""))
