"""`{% load refusals %}`: why imported rows were refused, in the reader's language."""

from django import template

from annotation.refusal_words import reason_words, refusal_words

register = template.Library()
register.filter("reason_words", reason_words)
register.filter("refusal_words", refusal_words)
