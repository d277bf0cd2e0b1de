"""fastText's training in a process of its own: `fast_text.train` starts it, with memory that is zero.

Arguments: the file of examples, the file of the model, the recipe as JSON, the seed.
"""

import sys

import fasttext

from pretrain.curation.fast_text import FastTextRecipe

if __name__ == "__main__":
    examples, model, told, seed = sys.argv[1:]
    recipe = FastTextRecipe.model_validate_json(told)
    fasttext.train_supervised(
        input=examples,
        epoch=recipe.epochs,
        lr=recipe.learning_rate,
        dim=recipe.dimensions,
        wordNgrams=recipe.word_ngrams,
        minn=recipe.min_characters,
        maxn=recipe.max_characters,
        bucket=recipe.buckets,
        minCount=1,
        thread=1,
        seed=int(seed),
        verbose=0,
    ).save_model(model)
